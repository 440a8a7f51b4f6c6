// From a graph to an ONNX model.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"

namespace tenon::onnx {

inline constexpr int64_t kLeastExportOpset = 18, kNewestExportOpset = 28;

struct ExportOptions {
  int64_t opset = 25;
  std::vector<std::string> outputs;  // their names, in order
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string external;                // the location of external data, as the model names it
  int64_t least_external = INT64_MAX;  // constants of so many bytes lie there
};

struct ExportedModel {
  std::string bytes;
  int nodes = 0;
  // What external data hold, in order, each from a multiple of 64 bytes on.
  std::vector<Constant> external;
};

// The graph has neither epilogues nor composite ops: decompose() comes first. Throws Error(not_supported) where ONNX of this opset has
// nothing that an op could become.
ExportedModel export_graph(const Graph& g, const ExportOptions& options);

}  // namespace tenon::onnx
