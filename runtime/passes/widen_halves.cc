#include <algorithm>

#include "base/half.h"
#include "base/wipe.h"
#include "ops/cast.h"
#include "ops/op.h"
#include "passes/passes.h"

namespace tenon {
namespace {

bool plain_tensor(const Type& t) { return t.container == Container::tensor && !t.quantisation; }

// Ops whose meaning is the width of the type, or which carry an element type of their own.
bool keeps_width(const Node& n) { return n.op->name == "bit_cast" || n.op->name == "quantize" || n.op->name == "dequantize" || !n.subgraphs.empty(); }

void widen_constant(Value& v) {
  std::vector<uint16_t> halves(static_cast<size_t>(v.constant->bytes) / 2);
  std::vector<float> wide(halves.size());
  const WipeAtEnd wipe_halves(halves);
  const WipeAtEnd wipe(wide);
  v.constant->source->read(v.constant->offset, v.constant->bytes, halves.data());
  widen_to_floats(v.type.dtype, halves.data(), static_cast<int64_t>(halves.size()), wide.data());
  v.type.dtype = DType::f32;
  const int64_t bytes = static_cast<int64_t>(wide.size() * sizeof(float));
  v.constant = Constant{make_memory_source(wide.data(), bytes), 0, bytes, nullptr};
}

}  // namespace

// Half floats are what a model is stored in; its arithmetic is f32, rounded back only where a result leaves the graph.
void widen_halves(Graph& g, PassContext& context) {
  const bool any = std::any_of(g.values.begin(), g.values.end(), [](const Value& v) { return is_half(v.type.dtype); });
  if (!any || std::any_of(g.nodes.begin(), g.nodes.end(), keeps_width)) return;
  if (!std::all_of(g.values.begin(), g.values.end(), [](const Value& v) { return plain_tensor(v.type) || !is_half(v.type.dtype); })) return;
  for (Value& v : g.values)
    if (v.constant && is_half(v.type.dtype)) context.stored = v.type.dtype, widen_constant(v);
  std::vector<DType> results;
  for (ValueId v : g.outputs) results.push_back(g.values[v].type.dtype);
  {
    Rewriter r(g);
    r.at(0);
    for (ValueId v : std::vector(g.inputs)) {
      if (!is_half(g.values[v].type.dtype)) continue;
      const size_t before = g.nodes.size();
      const ValueId wide = r.emit(ops::cast, Cast{.to = DType::f32}, {v})[0];
      for (size_t i = 0; i < before; ++i) std::replace(g.nodes[i].inputs.begin(), g.nodes[i].inputs.end(), v, wide);
    }
  }
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    Node& n = g.nodes[i];
    if (n.op == &ops::cast && is_half(n.attributes.as<Cast>().to)) n.attributes = Cast{.to = DType::f32};
    infer_again(g, static_cast<NodeId>(i));
  }
  for (size_t i = 0; i < g.outputs.size(); ++i) {
    if (!is_half(results[i]) || g.is_input(g.outputs[i])) continue;
    const std::string name = g.values[g.outputs[i]].name;
    g.outputs[i] = emit(g, ops::cast, Cast{.to = results[i]}, {g.outputs[i]})[0];
    g.values[g.outputs[i]].name = name;
  }
}

}  // namespace tenon
