// The passes, one file each. A pass keeps what the graph means; pipeline.cc says in which order they run.
#pragma once

#include <functional>

#include "base/limits.h"
#include "base/precision.h"
#include "ir/graph.h"

namespace tenon {

// What a run of the pipeline carries from pass to pass.
struct PassContext {
  LoadLimits limits;
  Precision precision = Precision::model;
  int workers = 1;             // for what looks at all weights
  DType stored = DType::none;  // f16 or bf16: what floats were in the file, before widen_halves
  int64_t folded_bytes = 0;    // of all constants made so far
  bool weights_typed = false;  // what is still dequantized then are no weights of an op that reads eight bits
};

// ---- constants and dead code
void fold(Graph& g, PassContext& context);
void trim_captures(Graph& g);
void fold_if(Graph& g);
void share_constants(Graph& g);
void drop_dead(Graph& g);
void merge_common(Graph& g);

// ---- one way to say each thing
void widen_halves(Graph& g, PassContext& context);
void simplify(Graph& g);
void simplify_shapes(Graph& g);
void merge_transposes(Graph& g);
void sink_transposes(Graph& g);
void squeeze_convs(Graph& g);

// ---- functions that come as their formulas
void fuse_activations(Graph& g);
void fuse_norms(Graph& g);
void fuse_softmax(Graph& g);
void group_queries(Graph& g);

// ---- quantisation
void quantise_types(Graph& g, PassContext& context);
void round_to_steps(Graph& g);
void store_quantised(Graph& g);
void fuse_dynamic(Graph& g);

// ---- precision
void round_weights(Graph& g, PassContext& context);

// ---- state
void append_state(Graph& g);

// ---- several ops that a kernel does as one
void fuse_scales(Graph& g, PassContext& context);
void fuse_epilogues(Graph& g);
void fuse_pointwise(Graph& g);

// Composites and epilogues that `keeps` does not want become nodes of their own. Lowering calls it; it stands in no list.
void decompose(Graph& g, const std::function<bool(Graph&, const Node&)>& keeps);

// Run-time sizes that a pass has found out are replaced by their definitions everywhere: types, contents, guards, subgraphs.
void rename_sizes(Graph& g);

// Guards about sizes that nothing computes any more go.
void drop_guards(Graph& g);

}  // namespace tenon
