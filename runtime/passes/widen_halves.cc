#include <algorithm>
#include <bit>

#include "base/wipe.h"
#include "ops/cast.h"
#include "ops/op.h"
#include "passes/passes.h"

namespace tenon {
namespace {

bool half(DType t) { return t == DType::f16 || t == DType::bf16; }

bool plain_tensor(const Type& t) { return t.container == Container::tensor && !t.quantisation; }

// Ops whose meaning is the width of the type, or which carry an element type of their own.
bool keeps_width(const Node& n) { return n.op->name == "bit_cast" || n.op->name == "quantize" || n.op->name == "dequantize" || !n.subgraphs.empty(); }

// The bits of the float of the same value. Exponent and fraction are moved to where a float has them and the exponent is put right by a
// product, which is exact for subnormal numbers too; infinity and NaN have all bits of the exponent.
float from_f16(uint16_t h) {
  const float magnitude = std::bit_cast<float>((h & 0x7fffu) << 13) * 0x1p112f;
  const uint32_t special = (h & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | special | (h & 0x8000u) << 16);
}
float from_bf16(uint16_t h) { return std::bit_cast<float>(uint32_t{h} << 16); }

void widen_constant(Value& v) {
  std::vector<uint16_t> halves(static_cast<size_t>(v.constant->bytes) / 2);
  std::vector<float> wide(halves.size());
  const WipeAtEnd wipe_halves(halves);
  const WipeAtEnd wipe(wide);
  v.constant->source->read(v.constant->offset, v.constant->bytes, halves.data());
  if (v.type.dtype == DType::f16) std::transform(halves.begin(), halves.end(), wide.begin(), from_f16);
  else std::transform(halves.begin(), halves.end(), wide.begin(), from_bf16);
  v.type.dtype = DType::f32;
  const int64_t bytes = static_cast<int64_t>(wide.size() * sizeof(float));
  v.constant = Constant{make_memory_source(wide.data(), bytes), 0, bytes, nullptr};
}

}  // namespace

// Half floats are what a model is stored in; its arithmetic is f32, rounded back only where a result leaves the graph.
void widen_halves(Graph& g) {
  const bool any = std::any_of(g.values.begin(), g.values.end(), [](const Value& v) { return half(v.type.dtype); });
  if (!any || std::any_of(g.nodes.begin(), g.nodes.end(), keeps_width)) return;
  if (!std::all_of(g.values.begin(), g.values.end(), [](const Value& v) { return plain_tensor(v.type) || !half(v.type.dtype); })) return;
  for (Value& v : g.values)
    if (v.constant && half(v.type.dtype)) widen_constant(v);
  std::vector<DType> results;
  for (ValueId v : g.outputs) results.push_back(g.values[v].type.dtype);
  {
    Rewriter r(g);
    r.at(0);
    for (ValueId v : std::vector(g.inputs)) {
      if (!half(g.values[v].type.dtype)) continue;
      const size_t before = g.nodes.size();
      const ValueId wide = r.emit(ops::cast, Cast{.to = DType::f32}, {v})[0];
      for (size_t i = 0; i < before; ++i) std::replace(g.nodes[i].inputs.begin(), g.nodes[i].inputs.end(), v, wide);
    }
  }
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    Node& n = g.nodes[i];
    if (n.op == &ops::cast && half(n.attributes.as<Cast>().to)) n.attributes = Cast{.to = DType::f32};
    infer(g, static_cast<NodeId>(i));
  }
  for (size_t i = 0; i < g.outputs.size(); ++i) {
    if (!half(results[i]) || g.is_input(g.outputs[i])) continue;
    const std::string name = g.values[g.outputs[i]].name;
    g.outputs[i] = emit(g, ops::cast, Cast{.to = results[i]}, {g.outputs[i]})[0];
    g.values[g.outputs[i]].name = name;
  }
}

}  // namespace tenon
