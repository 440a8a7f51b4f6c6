// Small ONNX models for tests, and hostile ones made byte by byte.
#pragma once

#include <string>
#include <string_view>

#include "formats/onnx/writer.h"

namespace tenon::onnx {

// ---- protobuf by hand
inline std::string varint(uint64_t v) {
  std::string out;
  for (; v >= 0x80; v >>= 7) out += static_cast<char>(v | 0x80);
  return out + static_cast<char>(v);
}
inline std::string tag(uint32_t field, uint32_t wire) { return varint(uint64_t{field} << 3 | wire); }
inline std::string number(uint32_t field, int64_t v) { return tag(field, 0) + varint(static_cast<uint64_t>(v)); }
inline std::string bytes(uint32_t field, std::string_view b) { return tag(field, 2) + varint(b.size()) + std::string(b); }
inline std::string repeated(size_t times, std::string_view what) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += what;
  return out;
}

// ---- models
inline TypeView tensor_type(DType type, std::initializer_list<int64_t> shape) {
  TypeView t;
  t.kind = TypeView::tensor, t.element = data_type_of(type), t.has_shape = true;
  for (int64_t d : shape) t.shape.push_back({.value = d, .symbol = {}});
  return t;
}

inline NodeView node(std::string_view op, std::vector<std::string_view> inputs, std::vector<std::string_view> outputs) {
  NodeView n;
  n.op = op, n.inputs = std::move(inputs), n.outputs = std::move(outputs);
  return n;
}

inline AttributeView graph_attribute(std::string_view name, GraphView g) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kGraph;
  a.graphs.push_back(std::move(g));
  return a;
}

inline TensorView raw_tensor(std::string_view name, DType type, std::vector<int64_t> dims, std::string_view raw) {
  TensorView t;
  t.name = name, t.data_type = data_type_of(type), t.dims = std::move(dims), t.raw = raw, t.has_raw = true;
  return t;
}

// x: f32[2] -> y, through the given nodes.
inline Model small_model(std::vector<NodeView> nodes) {
  Model m;
  m.ir_version = 8;
  m.opsets.push_back({.domain = "", .version = 17});
  m.graph.name = "g";
  m.graph.inputs.push_back({.name = "x", .type = tensor_type(DType::f32, {2})});
  m.graph.outputs.push_back({.name = "y", .type = tensor_type(DType::f32, {2})});
  m.graph.nodes = std::move(nodes);
  return m;
}

}  // namespace tenon::onnx
