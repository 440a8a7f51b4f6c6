// Attributes of a node: any plain struct that is compared with == and lists its fields once, in `fields(visitor)`. Printing, parsing
// and reading from ONNX follow from that list.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "base/dtype.h"
#include "base/scalar.h"

namespace tenon {

// A visit to each field of an attribute struct. A reader writes the fields, a printer reads them.
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void operator()(const char* name, bool& value) = 0;
  virtual void operator()(const char* name, int64_t& value) = 0;
  virtual void operator()(const char* name, float& value) = 0;
  virtual void operator()(const char* name, std::string& value) = 0;
  virtual void operator()(const char* name, std::vector<int64_t>& value) = 0;
  virtual void operator()(const char* name, std::vector<float>& value) = 0;
  virtual void operator()(const char* name, std::vector<std::string>& value) = 0;
  virtual void operator()(const char* name, DType& value) = 0;
  // One of several words; `value` is the index of the word.
  virtual void choice(const char* name, int& value, const char* const* words, int count) = 0;

  template <class E, size_t N>
  requires std::is_enum_v<E>
  void operator()(const char* name, E& value, const char* const (&words)[N]) {
    int index = static_cast<int>(value);
    choice(name, index, words, N);
    value = static_cast<E>(index);
  }
};

// The attributes of an op that has none.
struct None {
  bool operator==(const None&) const = default;
  void fields(auto&) {}
};

class Attributes {
 public:
  Attributes() : Attributes(None{}) {}
  template <class T>
  requires(!std::same_as<std::remove_cvref_t<T>, Attributes>) Attributes(T value)
      : value_(std::make_shared<T>(std::move(value))), table_(&kTable<T>) {}

  template <class T>
  static Attributes make() {
    return Attributes(T{});
  }

  template <class T>
  bool is() const {
    return table_ == &kTable<T>;
  }
  template <class T>
  const T& as() const {
    return *static_cast<const T*>(get(&kTable<T>));
  }

  const void* data() const { return value_.get(); }
  // Visits the fields of a copy, which then becomes the value.
  void visit(FieldVisitor& visitor);
  void inspect(FieldVisitor& visitor) const;
  bool operator==(const Attributes& other) const;

 private:
  struct Table {
    void (*visit)(void*, FieldVisitor&);
    bool (*equal)(const void*, const void*);
    std::shared_ptr<void> (*copy)(const void*);
  };
  template <class T>
  static constexpr Table kTable{
      [](void* value, FieldVisitor& visitor) { static_cast<T*>(value)->fields(visitor); },
      [](const void* a, const void* b) { return *static_cast<const T*>(a) == *static_cast<const T*>(b); },
      [](const void* value) -> std::shared_ptr<void> { return std::make_shared<T>(*static_cast<const T*>(value)); },
  };

  const void* get(const Table* table) const;

  std::shared_ptr<void> value_;
  const Table* table_;
};

// As printed: "{axis = 1, mode = NOTSET}", only the fields that differ from their defaults; "" when none does.
std::string text(const Attributes& attributes, const Attributes& defaults);

// A program of scalar functions; see base/scalar.h. `operands` values come before the rows.
struct Program {
  int operands = 0;
  std::vector<Scalar> rows;
  bool empty() const { return rows.empty(); }
  bool operator==(const Program&) const = default;
};

}  // namespace tenon
