// Zero-copy views over the bytes of an ONNX file. Names and raw data point into the bytes, which must outlive the views.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/limits.h"
#include "formats/onnx/wire.h"

namespace tenon::onnx {

struct TensorView {
  std::string_view name;
  std::vector<int64_t> dims;
  int32_t data_type = 0;                    // an ONNX element type number
  Bytes raw;                                // raw_data
  bool has_raw = false, has_typed = false;  // has_typed: at least one number or string
  bool external = false;
  std::vector<std::pair<std::string_view, std::string_view>> external_data;
  Bytes message;  // the tensor as a whole; typed data are read from it on demand
};

struct SparseTensorView {
  TensorView values, indices;
  std::vector<int64_t> dims;
};

struct TypeView {
  enum Kind : uint8_t { none, tensor, sequence, optional, map, sparse } kind = none;
  struct Dimension {
    std::optional<int64_t> value;
    std::string_view symbol;
  };
  int32_t element = 0;  // of a tensor; of a map that of its keys
  bool has_shape = false;
  std::vector<Dimension> shape;  // of a tensor
  std::vector<TypeView> inner;   // of a sequence, an optional or the values of a map: one
};

struct ValueInfoView {
  std::string_view name;
  TypeView type;
};

struct GraphView;

struct AttributeView {
  std::string_view name, reference;  // reference: the attribute of the calling function that gives the value
  int32_t type = 0;
  float f = 0;
  int64_t i = 0;
  std::string_view s;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string_view> strings;
  std::vector<TensorView> tensors;       // `t` or `tensors`
  std::vector<SparseTensorView> sparse;  // `sparse_tensor` or `sparse_tensors`
  std::vector<TypeView> types;           // `tp` or `type_protos`
  std::vector<GraphView> graphs;         // `g` or `graphs`
  enum Type : int32_t { kFloat = 1, kInt, kString, kTensor, kGraph, kFloats, kInts, kStrings, kTensors, kGraphs, kSparse, kSparses, kType, kTypes };
};

struct NodeView {
  std::string_view op, name, domain, overload;
  std::vector<std::string_view> inputs, outputs;
  std::vector<AttributeView> attributes;

  const AttributeView* find(std::string_view attribute) const;
};

struct GraphView {
  std::string_view name;
  std::vector<NodeView> nodes;
  std::vector<TensorView> initializers;
  std::vector<SparseTensorView> sparse_initializers;
  std::vector<ValueInfoView> inputs, outputs, values;
};

struct OpsetView {
  std::string_view domain;
  int64_t version = 0;
};

struct FunctionView {
  std::string_view name, domain, overload;
  std::vector<std::string_view> inputs, outputs, attributes;
  std::vector<AttributeView> defaults;
  std::vector<NodeView> nodes;
  std::vector<OpsetView> opsets;
};

struct Model {
  int64_t ir_version = 0;
  std::string_view producer, producer_version;
  std::vector<std::pair<std::string_view, std::string_view>> metadata;
  std::vector<OpsetView> opsets;
  std::vector<FunctionView> functions;
  GraphView graph;
};

// Throws Error(bad_model) for bytes that are no ONNX model and Error(limit) beyond the limits. Wire types, lengths, names, nesting and
// counts are checked here; contents are checked where they are used. A message that may stand once and is there twice (which
// protobuf would merge) is refused; of a scalar the last wins.
Model parse_model(Bytes bytes, const LoadLimits& limits = {});
TensorView parse_tensor(Bytes bytes);
TypeView parse_type(Bytes bytes);

// The element type of an ONNX number. Throws Error(not_supported), or Error(bad_model) for 0.
DType dtype_of(int32_t data_type);
int32_t data_type_of(DType type);

// The number of elements. Throws Error(bad_model) for negative dims and Error(limit) for products beyond the limits.
int64_t element_count(const TensorView& t, const LoadLimits& limits = {});

// Storage of the elements as Tenon holds them, from raw or typed data; external data are not seen here. Exactly as many as the dims
// say, else Error(bad_model).
std::vector<char> elements(const TensorView& t, const LoadLimits& limits = {});
std::vector<std::string_view> string_elements(const TensorView& t, const LoadLimits& limits = {});

// The same of a sparse tensor made dense. Indices are linear or tuples, within the dims and in increasing order. Throws Error(limit)
// beyond limits.fold_bytes_node.
std::vector<char> elements(const SparseTensorView& t, const LoadLimits& limits = {});

}  // namespace tenon::onnx
