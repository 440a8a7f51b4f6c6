#include "ir/text.h"

#include <cctype>
#include <charconv>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "ops/op.h"
#include "ops/pointwise.h"

namespace tenon {
namespace {

constexpr int64_t kMostPrinted = 32, kMostInline = 8;  // elements of a constant

template <class T>
std::string number(T value) {
  char buffer[40];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

bool is_plain(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9') || name.back() == ':' || name.back() == '-') return false;
  for (char c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && !std::strchr("_./:-", c)) return false;
  return name.find("->") == name.npos;
}

std::string quoted(const std::string& s) { return "\"" + printable(s) + "\""; }

int64_t count_of(const Type& t) {
  int64_t n = 1;
  for (Dim d : t.shape) n *= d.number();
  return n;
}

std::string element(DType t, Cell c) {
  if (t == DType::boolean) return c.integer ? "true" : "false";
  if (t == DType::f64 || t == DType::c128) return number(c.real);
  if (is_real(t) || is_complex(t)) return number(static_cast<float>(c.real));
  return number(c.integer);
}

std::string elements(Value v) {
  v.type.quantisation = nullptr;  // as they are stored
  const Array a = array_of(v);
  std::string out;
  for (const std::string& s : a.strings) out += (out.empty() ? "" : ", ") + quoted(s);
  for (const Cell& c : a.cells) out += (out.empty() ? "" : ", ") + element(a.dtype, c);
  return v.type.shape.rank() || is_complex(a.dtype) ? "[" + out + "]" : out;
}

std::string program(const Program& p) {
  std::string out;
  for (const Scalar& row : p.rows) {
    const FunctionInfo& f = info(row.function);
    out += (out.empty() ? "" : "; ") + std::string(f.name) + "(";
    for (int i = 0; i < f.arity; ++i) out += (i ? ", " : "") + std::to_string(row.operand[i]);
    out += ")";
  }
  return out;
}

class Printer {
 public:
  Printer(const Graph& g, bool types, bool names, bool elements = true) : graph_(g), types_(types), names_(names), elements_(elements) {
    for (const Value& v : g.values) ++seen_[v.name];
  }

  std::string graph(const std::string& indent) {
    std::string out = indent + "graph";
    if (names_ && !graph_.name.empty()) out += " " + (is_plain(graph_.name) ? graph_.name : quoted(graph_.name));
    out += "(";
    for (size_t i = 0; i < graph_.inputs.size(); ++i) {
      const ValueId v = graph_.inputs[i];
      out += (i ? ", %" : "%") + name(v) + ": " + type(v);
    }
    out += ")\n";
    out += constants(indent + "  ");
    for (const Node& n : graph_.nodes) {
      if (n.dead) continue;
      out += indent + "  " + node(n) + "\n";
      for (const auto& sub : n.subgraphs) out += Printer(*sub, types_, names_, elements_).graph(indent + "    ");
    }
    for (const Tie& t : graph_.ties) out += indent + "  tie " + value(graph_.outputs[t.output]) + " -> " + value(graph_.inputs[t.input]) + "\n";
    out += indent + "  return ";
    for (size_t i = 0; i < graph_.outputs.size(); ++i) out += (i ? ", " : "") + value(graph_.outputs[i]);
    return out + "\n";
  }

  std::string node(const Node& n) {
    std::string out;
    for (ValueId v : n.outputs) {
      out += (out.empty() ? "" : ", ") + (v == kNone ? std::string("_") : "%" + name(v));
      if (v != kNone && (types_ || decided_here(v))) out += ": " + type(v);
    }
    out += " = " + std::string(n.op->name) + "(";
    for (size_t i = 0; i < n.inputs.size(); ++i) out += (i ? ", " : "") + value(n.inputs[i]);
    out += ")";
    if (n.op == &ops::pointwise) {
      out += " {" + program(n.attributes.as<Pointwise>().program) + "}";
    } else if (const std::string fields = text(n.attributes, n.op->attributes()); !fields.empty()) {
      out += " " + fields;
    }
    if (!n.epilogue.empty()) out += " then " + program(n.epilogue);
    return out;
  }

 private:
  // Storage that inference does not give.
  bool decided_here(ValueId v) const {
    const Type& t = graph_.value(v).type;
    return t.quantisation || !(t.layout == Layout{});
  }

  std::string type(ValueId v) const { return text(graph_.value(v).type, *graph_.extents); }

  bool is_inline(ValueId v) const {
    const Type& t = graph_.value(v).type;
    if (!graph_.is_constant(v) || t.quantisation || is_complex(t.dtype) || t.dtype == DType::string || graph_.is_output(v)) return false;
    return t.shape.rank() == 0 || (t.shape.rank() == 1 && is_integer(t.dtype) && t.shape[0].number() <= kMostInline);
  }

  std::string value(ValueId v) {
    if (v == kNone) return "_";
    if (!is_inline(v)) return "%" + name(v);
    const Value& c = graph_.value(v);
    return (c.type.shape.rank() ? type(v) : std::string(tenon::name(c.type.dtype))) + " " + elements(c);
  }

  std::string constants(const std::string& indent) {
    std::string out;
    std::unordered_set<ValueId> done;
    const auto print = [&](ValueId v) {
      if (v == kNone || !graph_.is_constant(v) || is_inline(v) || !done.insert(v).second) return;
      const Value& c = graph_.value(v);
      const bool few = elements_ && count_of(c.type) <= kMostPrinted;
      out += indent + "%" + name(v) + " = constant " + type(v) + " " + (few ? elements(c) : "from bytes " + std::to_string(c.constant->bytes)) + "\n";
    };
    for (const Node& n : graph_.nodes)
      if (!n.dead)
        for (ValueId v : n.inputs) print(v);
    for (ValueId v : graph_.outputs) print(v);
    return out;
  }

  // Unique: a name that another value has, or that is no name, gives way to a number.
  std::string name(ValueId v) {
    if (auto found = given_.find(v); found != given_.end()) return found->second;
    const std::string& own = graph_.value(v).name;
    const bool fits = names_ && !own.empty() && seen_[own] == 1 && printable(own) == own && own.find('"') == own.npos;
    std::string given = !fits ? std::to_string(next_++) : is_plain(own) ? own : quoted(own);
    return given_.emplace(v, std::move(given)).first->second;
  }

  const Graph& graph_;
  bool types_, names_, elements_;
  std::unordered_map<std::string_view, int> seen_;
  std::unordered_map<ValueId, std::string> given_;
  int next_ = 0;
};

}  // namespace

std::string text(const Graph& g, bool with_types, bool with_elements) { return Printer(g, with_types, true, with_elements).graph(""); }
std::string text(const Graph& g, const Node& node) { return Printer(g, true, true).node(node); }
std::string canonical_text(const Graph& g) { return Printer(g, false, false).graph(""); }

}  // namespace tenon
