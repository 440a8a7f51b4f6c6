// Operators that make values: constants, shapes, ranges, conversions.
#include <algorithm>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "formats/onnx/model.h"
#include "ops/cast.h"
#include "ops/eye_like.h"
#include "ops/shape.h"

namespace tenon::onnx {
namespace {

ValueId of_floats(const Import& n, std::vector<int64_t> shape, const std::vector<float>& values) {
  return add_constant(n, shape, std::vector<double>(values.begin(), values.end()), DType::f32);
}

ValueId of_string(const Import& n, const std::string& text) {
  Type type;
  type.dtype = DType::string;
  Constant constant;
  constant.strings = std::make_shared<const std::vector<std::string>>(1, text);
  return n.graph().add_constant("", type, std::move(constant));
}

Values constant(const Import& n) {
  expect(n.node.attributes.size() == 1, "Constant has one attribute");
  for (const char* name : {"value", "sparse_value"})
    if (n.find(name)) return n.tensor(name);
  if (n.find("value_float")) return of_floats(n, {}, {n.real("value_float", 0)});
  if (n.find("value_int")) {
    Array one(DType::s64, {});
    one.integer(0) = n.integer("value_int", 0);
    return add_constant(n, one, DType::s64);
  }
  if (n.find("value_string")) return of_string(n, n.text("value_string", ""));
  if (n.find("value_floats")) {
    const std::vector<float> values = n.reals("value_floats");
    return of_floats(n, {static_cast<int64_t>(values.size())}, values);
  }
  if (n.find("value_ints")) return n.constant(n.integers("value_ints"));
  expect(n.find("value_strings"), "Constant has a value");
  return add_strings(n, n.texts("value_strings"));
}

// One element, repeated.
Values constant_of_shape(const Import& n) {
  ValueId value = n.find("value") ? n.tensor("value") : n.scalar(0);
  const Value& v = n.graph().values[static_cast<size_t>(value)];
  expect(v.constant && !v.constant->strings, "the value of ConstantOfShape is a number");
  Array element = array_of(v);
  const DType type = v.type.dtype;
  expect(element.count() == 1, "the value of ConstantOfShape has one element");
  element.shape.clear();
  return n.emit("expand", None{}, {add_constant(n, element, type), input(n, 0)});
}

// Before opset 6 the type was named by a word.
DType type_named(const std::string& word) {
  static constexpr const char* kWords[] = {"",       "FLOAT", "UINT8",   "INT8",   "UINT16", "INT16",  "INT32",     "INT64",
                                           "STRING", "BOOL",  "FLOAT16", "DOUBLE", "UINT32", "UINT64", "COMPLEX64", "COMPLEX128"};
  const auto found = std::find(std::begin(kWords) + 1, std::end(kWords), word);
  expect(found != std::end(kWords), "the type \"" + printable(word) + "\" of Cast is one of ONNX");
  return dtype_of(static_cast<int32_t>(found - std::begin(kWords)));
}

Values cast(const Import& n) {
  if (n.opset < 6) return n.emit("cast", Cast{.to = type_named(n.text("to", ""))}, n.in);
  expect(n.find("to"), "Cast names a type");
  return n.emit("cast", n.attributes<Cast>(), n.in);
}

Values cast_like(const Import& n) {
  Cast a = n.attributes<Cast>();
  a.to = n.element(1);
  return n.emit("cast", a, {input(n, 0)});
}

Values range(const Import& n) {
  // Every element is computed in a wider type than f32.
  n.ignore("stash_type");
  return n.emit("range", None{}, n.in);
}

constexpr ImportRow kRows[] = {
    {"Constant", constant},
    {"ConstantOfShape", constant_of_shape},
    TENON_AS("Shape", "shape", ShapeOf),
    TENON_AS("Size", "size", None),
    {"Cast", cast},
    {"CastLike", cast_like},
    TENON_AS("BitCast", "bit_cast", BitCast),
    {"Range", range},
    TENON_AS("EyeLike", "eye_like", EyeLike),
};

}  // namespace
const ImportTable kShapeRows = kRows;
}  // namespace tenon::onnx
