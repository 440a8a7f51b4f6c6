#include "exec/reference.h"

#include <unordered_map>

namespace tenon {
namespace {

std::vector<Array> run_subgraph(Reference& r, const Graph& g, std::vector<Array> inputs) {
  return run_reference(g, std::move(inputs), *static_cast<const Observer*>(r.executor));
}

// Which node reads each value last; outputs of the graph are never dropped.
std::vector<std::vector<ValueId>> last_reads(const Graph& g) {
  std::vector<NodeId> last(g.values.size(), kNone);
  for (size_t i = 0; i < g.nodes.size(); ++i)
    for (ValueId v : g.nodes[i].inputs)
      if (v != kNone) last[v] = static_cast<NodeId>(i);
  for (ValueId v : g.outputs) last[v] = kNone;
  std::vector<std::vector<ValueId>> drop(g.nodes.size());
  for (size_t v = 0; v < last.size(); ++v)
    if (last[v] != kNone) drop[last[v]].push_back(static_cast<ValueId>(v));
  return drop;
}

}  // namespace

std::vector<Array> run_reference(const Graph& g, std::vector<Array> inputs, const Observer& observe) {
  if (inputs.size() != g.inputs.size())
    throw Error(Code::bad_input, std::to_string(inputs.size()) + " inputs given, " + std::to_string(g.inputs.size()) + " expected");
  std::vector<Array> arrays(g.values.size());
  std::vector<bool> there(g.values.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    arrays[g.inputs[i]] = std::move(inputs[i]);
    there[g.inputs[i]] = true;
  }
  const auto array = [&](ValueId v) -> const Array* {
    if (v == kNone) return nullptr;
    if (!there[v]) {
      TENON_ASSERT(g.is_constant(v));
      arrays[v] = array_of(g.values[v]);
      there[v] = true;
    }
    return &arrays[v];
  };
  const auto drop = last_reads(g);
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    if (n.dead) continue;
    std::vector<const Array*> in;
    for (ValueId v : n.inputs) in.push_back(array(v));
    std::vector<Array> out = evaluate(n, in, run_subgraph, const_cast<Observer*>(&observe));
    for (size_t k = 0; k < n.outputs.size(); ++k) {
      if (n.outputs[k] == kNone) continue;
      arrays[n.outputs[k]] = std::move(out[k]);
      // Arrays hold what arithmetic sees: a quantised value what is left of it.
      const Type& t = g.values[n.outputs[k]].type;
      if (t.quantisation && is_real(t.expressed()))
        arrays[n.outputs[k]] = dequantised(quantised(arrays[n.outputs[k]], *t.quantisation, t.dtype), *t.quantisation);
      there[n.outputs[k]] = true;
      if (observe) observe(g, n.outputs[k], arrays[n.outputs[k]]);
    }
    for (ValueId v : drop[i]) {
      arrays[v] = {};
      there[v] = false;
    }
  }
  std::vector<Array> outputs;
  for (ValueId v : g.outputs) outputs.push_back(*array(v));
  return outputs;
}

}  // namespace tenon
