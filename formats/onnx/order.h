// The order in which the nodes of a graph are imported.
#pragma once

#include <span>
#include <vector>

#include "formats/onnx/model.h"

namespace tenon::onnx {

// The nodes, each behind those that give what it or its subgraphs read; otherwise in the order of
// the file. The standard asks for such an order, but some writers do not keep to it. Throws
// Error(bad_model) for a cycle and names its nodes.
std::vector<const NodeView*> ordered(std::span<const NodeView> nodes);

}  // namespace tenon::onnx
