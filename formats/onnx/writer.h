// ONNX as bytes, from the same plain structs that reading gives. Names and data they view must outlive the call. Nothing but bytes is
// made: an external location is written as it stands and no file is touched.
#pragma once

#include <string>

#include "formats/onnx/model.h"

namespace tenon::onnx {

// A tensor with a `message` is written as that; else its name, dims, element type, raw data and external data.
std::string write_model(const Model& model);
std::string write_tensor(const TensorView& tensor);
std::string write_type(const TypeView& type);

}  // namespace tenon::onnx
