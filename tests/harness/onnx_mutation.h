// ONNX models changed in their structure, so that they stay well-formed protobuf: what byte mutations rarely reach.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "formats/onnx/model.h"

namespace tenon::onnx {

// A constant that an operator may not expect where it stands.
struct OddConstant {
  std::string what;  // "empty", "NaN" ...
  TensorView tensor;
};

// Memory of tensors and names that models view.
using Storage = std::deque<std::string>;

// In the place of a tensor of this type: without elements, with the largest, the lowest and negative numbers, NaN, zeros, of other
// element types, of a higher and of a lower rank.
std::vector<OddConstant> odd_constants(std::string_view name, const TypeView& type, Storage& storage);

// Makes graph input `index` a constant.
void set_constant(Model& model, size_t index, const TensorView& tensor);

// One change somewhere in the model, its subgraphs included: a node, edge, attribute, type, size, operator, opset or constant. What it
// does is decided by `seed` alone. False where there is nothing to change.
bool mutate(Model& model, uint64_t seed, Storage& storage);

// Loads the model, looks at it in every way that the program offers, and runs it by a plan and by the reference, on inputs made up to fit.
// An Error is what bad models are met with; anything else is a finding.
// Without `runs`, loads and looks only: a changed Loop may have been told to go on for years.
void use_model(const std::string& bytes, bool runs = true);

}  // namespace tenon::onnx
