#include "ops/pointwise.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

bool is_composite(const Node& n) { return n.op->decompose && !n.op->reference; }

// The epilogue of n on `result`, as a node of its own.
ValueId with_program(Rewriter& to, const Node& n, ValueId result) {
  std::vector<ValueId> operands{result};
  operands.insert(operands.end(), n.inputs.begin() + n.own_inputs(), n.inputs.end());
  return to.emit(ops::pointwise, Pointwise{n.epilogue}, std::move(operands))[0];
}

// What computes the results of n: its parts, or the node without its epilogue, then the epilogue and the storage of the result.
std::vector<ValueId> in_parts(Rewriter& to, const Node& n) {
  Node bare = n;
  bare.inputs.resize(static_cast<size_t>(n.own_inputs()));
  bare.epilogue = {};
  std::vector<ValueId> results = is_composite(n) ? n.op->decompose(to, bare) : to.emit(std::move(bare));
  if (!n.epilogue.empty()) results[0] = with_program(to, n, results[0]);
  Graph& g = to.graph();
  if (const Type stored = g.value(n.outputs[0]).type; stored.quantisation) {
    results[0] = to.emit(ops::identity, None{}, {results[0]})[0];
    g.values[results[0]].type = stored;
  }
  return results;
}

}  // namespace

// Composites and epilogues that nothing computes as one, as `keeps` says, become nodes of their own.
void decompose(Graph& g, const std::function<bool(Graph&, const Node&)>& keeps) {
  for (size_t i = 0; i < g.nodes.size(); ++i)
    for (const auto& sub : std::vector(g.nodes[i].subgraphs)) decompose(*sub, keeps);
  std::vector<std::pair<ValueId, ValueId>> replaced;
  {
    Rewriter to(g);
    for (NodeId i = 0, count = static_cast<NodeId>(g.nodes.size()); i < count; ++i) {
      const Node n = g.nodes[i];
      if (n.dead || (!is_composite(n) && n.epilogue.empty()) || keeps(g, n)) continue;
      to.at(i);
      const std::vector<ValueId> results = in_parts(to, n);
      for (size_t k = 0; k < n.outputs.size(); ++k)
        if (n.outputs[k] != kNone) replaced.emplace_back(n.outputs[k], results[k]);
      g.nodes[i].dead = true;
    }
  }
  for (const auto& [old, with] : replaced) g.replace(old, with);
  compact(g);
}

}  // namespace tenon
