// Values in files of their own (.pb), as ONNX's backend tests and tools write them: a tensor, a sequence, an optional, a map or a
// sequence of maps. The file does not say which; the type of the model's input does.
#pragma once

#include <string>
#include <vector>

#include "base/limits.h"
#include "base/tensor.h"
#include "base/type.h"
#include "formats/onnx/model.h"

namespace tenon::onnx {

struct DataValue {
  std::string name;
  Container container = Container::tensor;
  bool present = true;               // of an optional
  // Of a sequence any number, of an absent optional none, of each map its keys and its values, else one.
  std::vector<OwnedTensor> tensors;
};

// Throws Error(bad_model) for bytes that are none, Error(not_supported) for maps, sparse tensors and deeper nesting.
DataValue read_value(Bytes bytes, Container container = Container::tensor, const LoadLimits& limits = {});
DataValue load_value(const std::string& path, Container container = Container::tensor, const LoadLimits& limits = {});
std::string write_value(const DataValue& value);
// The value as callers of a Session give and get it; `dtype` is the element type where there is no element.
OwnedTensor owned(DataValue value, DType dtype);

// A copy of a tensor that holds its own data.
OwnedTensor owned(const TensorView& tensor, const LoadLimits& limits = {});
std::string write_tensor(const Tensor& tensor, std::string_view name);

}  // namespace tenon::onnx
