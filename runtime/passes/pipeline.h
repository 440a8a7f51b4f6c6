// The list of passes, and how it is run.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "ir/verify.h"
#include "passes/passes.h"

namespace tenon {

struct PassOptions {
  LoadLimits limits;
  Precision precision = Precision::model;
  int workers = 1;
  bool verify = verifies();  // after every pass
};

struct PassRow {
  std::string_view name;
  void (*run)(Graph&, PassContext&);
};

// In the order they run; a pass may stand in it more than once.
std::span<const PassRow> pipeline();

// Called behind each pass.
using PassObserver = std::function<void(std::string_view name, const Graph&)>;

// Throws Error where a constant cannot be read, and what inference throws. An output that is the same as an input, or as another
// output, has the name of that afterwards.
void run_passes(Graph& g, const PassOptions& options = {}, const PassObserver& observe = {});
// Those passes alone that make a model smaller without changing its operators for ours: constants folded, dead code removed.
void simplify_model(Graph& g, const PassOptions& options = {});
// One pass of the list, on g and its subgraphs.
void run_pass(std::string_view name, Graph& g, const PassOptions& options = {});

}  // namespace tenon
