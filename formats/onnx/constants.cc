#include "formats/onnx/constants.h"

#include "ops/cast.h"

namespace tenon::onnx {

ValueId input(const Import& n, int i) {
  n.type(i);
  return n.in[static_cast<size_t>(i)];
}

std::optional<Array> constant_input(const Import& n, int i) {
  if (!n.has(i)) return std::nullopt;
  const Value& v = n.graph().values[static_cast<size_t>(n.in[static_cast<size_t>(i)])];
  if (!v.constant || v.constant->strings || v.type.quantisation) return std::nullopt;
  return array_of(v);
}

std::optional<Array> tensor_attribute(const Import& n, std::string_view name) {
  const ValueId v = n.tensor(name);
  if (v == kNone) return std::nullopt;
  const Value& value = n.graph().values[static_cast<size_t>(v)];
  expect(value.constant && !value.constant->strings, "attribute " + std::string(name) + " is a tensor of numbers");
  return array_of(value);
}

ValueId add_constant(const Import& n, const Array& elements, DType dtype) {
  std::vector<uint64_t> storage(static_cast<size_t>(storage_bytes(dtype, elements.count()) + 7) / 8);
  store(elements, dtype, storage.data());
  Type type;
  type.dtype = dtype;
  for (int64_t size : elements.shape) type.shape.push(size);
  return n.graph().add_constant("", type, storage.data());
}

ValueId add_constant(const Import& n, const std::vector<int64_t>& shape, const std::vector<double>& elements, DType dtype) {
  Array array(DType::f64, shape);
  for (size_t i = 0; i < elements.size(); ++i) array.cells[i].real = elements[i];
  return add_constant(n, array, dtype);
}

ValueId add_strings(const Import& n, std::vector<std::string> elements) {
  Type type;
  type.dtype = DType::string;
  type.shape.push(static_cast<int64_t>(elements.size()));
  Constant constant;
  constant.strings = std::make_shared<const std::vector<std::string>>(std::move(elements));
  return n.graph().add_constant("", type, std::move(constant));
}

ValueId cast(const Import& n, ValueId v, DType dtype) {
  return n.graph().values[static_cast<size_t>(v)].type.expressed() == dtype ? v : n.emit("cast", Cast{.to = dtype}, {v});
}

void expect(bool holds, std::string_view what) {
  if (!holds) throw Error(Code::bad_model, std::string(what) + ", which does not hold here");
}

}  // namespace tenon::onnx
