// From a graph to an ONNX model.
#pragma once

#include "formats/formats.h"

namespace tenon::onnx {

inline constexpr int64_t kLeastExportOpset = 18, kNewestExportOpset = 28;

// As write_model of formats.h.
WrittenModel export_graph(const Graph& g, const WriteOptions& options);

}  // namespace tenon::onnx
