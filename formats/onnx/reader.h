#pragma once

#include "formats/formats.h"

namespace tenon::onnx {

// Builds the graph of an ONNX model. Every type is inferred as its node is built, so an error names the node.
ReadModel read(std::shared_ptr<const WeightSource> bytes, const std::string& folder, const ReadOptions& options);

}  // namespace tenon::onnx
