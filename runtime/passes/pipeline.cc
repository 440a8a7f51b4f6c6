#include "passes/pipeline.h"

#include <algorithm>

#include "base/error.h"
#include "ir/verify.h"

namespace tenon {
namespace {

template <void (*pass)(Graph&)>
void plain(Graph& g, PassContext&) {
  pass(g);
}

constexpr PassRow kPipeline[] = {
    {"widen_halves", widen_halves},
    // Constants, branches that are never taken, and one way to say each thing.
    {"share_constants", plain<share_constants>},
    {"fold", fold},
    {"trim_captures", plain<trim_captures>},
    {"fold_if", plain<fold_if>},
    {"simplify", plain<simplify>},
    {"simplify_shapes", plain<simplify_shapes>},
    {"merge_common", plain<merge_common>},
    // Quantisation as types, before weights that stay real are folded.
    {"quantise_types", quantise_types},
    {"round_to_steps", plain<round_to_steps>},
    {"fuse_dynamic", plain<fuse_dynamic>},
    {"squeeze_convs", plain<squeeze_convs>},
    {"fold", fold},
    {"drop_dead", plain<drop_dead>},
    // Functions by their formulas.
    {"fuse_softmax", plain<fuse_softmax>},
    {"fuse_norms", plain<fuse_norms>},
    {"fuse_activations", plain<fuse_activations>},
    {"simplify", plain<simplify>},
    // Layouts of other frameworks.
    {"merge_transposes", plain<merge_transposes>},
    {"sink_transposes", plain<sink_transposes>},
    {"merge_transposes", plain<merge_transposes>},
    {"simplify_shapes", plain<simplify_shapes>},
    // What one kernel does at once.
    {"share_constants", plain<share_constants>},  // of those that passes have made
    {"fuse_scales", fuse_scales},
    {"fuse_epilogues", plain<fuse_epilogues>},
    {"fuse_pointwise", plain<fuse_pointwise>},
    {"fuse_epilogues", plain<fuse_epilogues>},  // of programs, which may read a result twice
    {"group_queries", plain<group_queries>},
    {"store_quantised", plain<store_quantised>},
    {"merge_common", plain<merge_common>},
    {"drop_dead", plain<drop_dead>},
    {"round_weights", round_weights},
    // Where outputs are inputs of the next run.
    {"append_state", plain<append_state>},
};

constexpr PassRow kSimplifying[] = {
    {"share_constants", plain<share_constants>},
    {"fold", fold},
    {"trim_captures", plain<trim_captures>},
    {"fold_if", plain<fold_if>},
    {"simplify", plain<simplify>},
    {"simplify_shapes", plain<simplify_shapes>},
    {"merge_common", plain<merge_common>},
    {"fold", fold},
    {"drop_dead", plain<drop_dead>},
};

// Subgraphs first, so that a pass sees bodies that are done.
void run_nested(const PassRow& pass, Graph& g, PassContext& context) {
  for (size_t i = 0; i < g.nodes.size(); ++i)
    if (!g.nodes[i].dead)
      for (const auto& sub : std::vector(g.nodes[i].subgraphs)) run_nested(pass, *sub, context);
  pass.run(g, context);
  compact(g);
}

void run_row(const PassRow& pass, Graph& g, PassContext& context, bool check) {
  run_nested(pass, g, context);
  if (g.extents->has_definitions()) rename_sizes(g);
  if (check) verify(g, Stage::portable, pass.name);
}

}  // namespace

std::span<const PassRow> pipeline() { return kPipeline; }

void run_passes(Graph& g, const PassOptions& options, const PassObserver& observe) {
  if (options.verify) verify(g, Stage::portable, "reader");
  PassContext context{options.limits, options.precision, options.workers};
  for (const PassRow& pass : kPipeline) {
    run_row(pass, g, context, options.verify);
    if (observe) observe(pass.name, g);
  }
  drop_guards(g);
}

void simplify_model(Graph& g, const PassOptions& options) {
  PassContext context{options.limits, options.precision, options.workers};
  for (const PassRow& pass : kSimplifying) run_row(pass, g, context, options.verify);
}

void run_pass(std::string_view name, Graph& g, const PassOptions& options) {
  const auto found = std::find_if(std::begin(kPipeline), std::end(kPipeline), [&](const PassRow& p) { return p.name == name; });
  if (found == std::end(kPipeline)) throw Error(Code::bad_usage, "no pass is called " + printable(name));
  PassContext context{options.limits, options.precision, options.workers};
  run_row(*found, g, context, options.verify);
}

}  // namespace tenon
