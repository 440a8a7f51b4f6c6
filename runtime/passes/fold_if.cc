#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

// Puts a copy of the branch's nodes in front of the node under the walk; returns what stands for its outputs.
std::vector<ValueId> inlined(Sweep& s, const Graph& branch, const std::vector<ValueId>& captured) {
  std::vector<ValueId> here(branch.values.size(), kNone);
  for (size_t i = 0; i < branch.inputs.size(); ++i) here[static_cast<size_t>(branch.inputs[i])] = captured[i];
  const auto map = [&](ValueId v) {
    if (v == kNone) return kNone;
    ValueId& to = here[static_cast<size_t>(v)];
    if (to == kNone) to = s.graph.add_constant(branch.value(v).name, branch.value(v).type, *branch.value(v).constant);
    return to;
  };
  for (const Node& original : branch.nodes) {
    if (original.dead) continue;
    Node n = original;
    for (ValueId& v : n.inputs) v = map(v);
    const std::vector<ValueId> outputs = s.emit(std::move(n));
    for (size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i] != kNone) here[static_cast<size_t>(original.outputs[i])] = outputs[i];
  }
  std::vector<ValueId> out;
  for (ValueId v : branch.outputs) out.push_back(map(v));
  return out;
}

}  // namespace

// An if whose condition is known is the branch it takes.
void fold_if(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    if (n.op != &ops::if_) return;
    const std::vector<Dim>* condition = g.content(n.inputs[0]);
    if (!condition || condition->size() != 1 || !condition->front().known()) return;
    const std::shared_ptr<Graph> branch = n.subgraphs[condition->front().number() ? 0 : 1];
    const std::vector<ValueId> old = n.outputs;
    const std::vector<ValueId> results = inlined(s, *branch, {n.inputs.begin() + 1, n.inputs.end()});
    for (size_t i = 0; i < old.size(); ++i)
      if (old[i] != kNone) s.replace(old[i], results[i]);
  });
}

}  // namespace tenon
