#include "base/attributes.h"

#include <charconv>

#include "base/error.h"

namespace tenon {
namespace {

class Printer : public FieldVisitor {
 public:
  std::vector<std::pair<std::string, std::string>> fields;

  void operator()(const char* name, bool& v) override { add(name, v ? "true" : "false"); }
  void operator()(const char* name, int64_t& v) override { add(name, std::to_string(v)); }
  void operator()(const char* name, float& v) override { add(name, number(v)); }
  void operator()(const char* name, std::string& v) override { add(name, quoted(v)); }
  void operator()(const char* name, std::vector<int64_t>& v) override {
    list(name, v, [](int64_t i) { return std::to_string(i); });
  }
  void operator()(const char* name, std::vector<float>& v) override { list(name, v, number); }
  void operator()(const char* name, std::vector<std::string>& v) override { list(name, v, quoted); }
  void operator()(const char* name, DType& v) override { add(name, std::string(tenon::name(v))); }
  void choice(const char* name, int& v, const char* const* words, int) override { add(name, words[v]); }

 private:
  static std::string number(float v) {
    char buffer[32];
    return {buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr};  // the shortest that reads back as v
  }
  static std::string quoted(const std::string& s) { return "\"" + printable(s) + "\""; }
  template <class T, class F>
  void list(const char* name, const std::vector<T>& values, F f) {
    std::string out = "[";
    for (const T& v : values) out += (out.size() > 1 ? ", " : "") + f(v);
    add(name, out + "]");
  }
  void add(const char* name, std::string value) { fields.emplace_back(name, std::move(value)); }
};

}  // namespace

void Attributes::visit(FieldVisitor& visitor) {
  value_ = table_->copy(value_.get());
  table_->visit(value_.get(), visitor);
}

void Attributes::inspect(FieldVisitor& visitor) const {
  const std::shared_ptr<void> copy = table_->copy(value_.get());
  table_->visit(copy.get(), visitor);
}

bool Attributes::operator==(const Attributes& other) const { return table_ == other.table_ && table_->equal(value_.get(), other.value_.get()); }

const void* Attributes::get(const Table* table) const {
  TENON_ASSERT(table == table_);
  return value_.get();
}

std::string text(const Attributes& attributes, const Attributes& defaults) {
  Printer mine, theirs;
  attributes.inspect(mine);
  defaults.inspect(theirs);
  std::string out;
  for (size_t i = 0; i < mine.fields.size(); ++i)
    if (i >= theirs.fields.size() || mine.fields[i] != theirs.fields[i])
      out += (out.empty() ? "" : ", ") + mine.fields[i].first + " = " + mine.fields[i].second;
  return out.empty() ? out : "{" + out + "}";
}

}  // namespace tenon
