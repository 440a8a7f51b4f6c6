#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

// v is output `output` of a node of `op`.
const Node* part_of(const Sweep& s, ValueId v, const Op& op, size_t output) {
  const Node* n = s.producer(v, op);
  return n && n->outputs.size() > output && n->outputs[output] == v ? n : nullptr;
}

// A constant with one element, or one for each channel with all other sizes 1, as scalar or list.
std::optional<ValueId> as_list(Sweep& s, ValueId v) {
  const Shape shape = s.type(v).shape;
  const auto all = numbers(s.graph, v);
  if (!all) return std::nullopt;
  int wide = 0;
  for (Dim d : shape) wide += d != Dim(1);
  if (wide > 1) return std::nullopt;
  if (shape.rank() == (wide ? 1 : 0)) return v;
  return add_reals(s.graph, s.type(v).dtype, wide ? Shape{static_cast<int64_t>(all->size())} : Shape{}, *all);
}

// The integer product behind cast(v), where nothing else reads either.
const Node* product_of(const Sweep& s, ValueId v) {
  const Node* cast = s.only(v, ops::cast);
  if (!cast) return nullptr;
  const Node* n = s.only(cast->inputs[0], ops::matmul_integer);
  return n ? n : s.only(cast->inputs[0], ops::conv_integer);
}

// The scales of src and weight that v multiplies; the second is kNone where it is 1.
std::optional<std::pair<ValueId, ValueId>> scales_of(const Sweep& s, ValueId v, const Node& quantised) {
  if (v == quantised.outputs[1]) return std::pair{v, kNone};
  const Node* n = s.producer(v, ops::mul);
  for (int i = 0; n && i < 2; ++i)
    if (n->inputs[static_cast<size_t>(i)] == quantised.outputs[1]) return std::pair{n->inputs[static_cast<size_t>(i)], other(*n, i)};
  return std::nullopt;
}

bool fuse(Sweep& s, const Node& n, int i) {
  const Node* product = product_of(s, n.inputs[static_cast<size_t>(i)]);
  const Node* quantised = product ? part_of(s, product->inputs[0], ops::dynamic_quantize, 0) : nullptr;
  if (!quantised || product->inputs.size() < 3 || product->inputs[2] != quantised->outputs[2] || !s.graph.is_constant(product->inputs[1])) return false;
  const auto scales = scales_of(s, other(n, i), *quantised);
  if (!scales) return false;
  const bool windowed = product->op == &ops::conv_integer;
  if (!windowed && s.type(product->inputs[1]).shape.rank() != 2) return false;
  std::vector<ValueId> inputs{quantised->inputs[0], product->inputs[1], kNone};
  if (product->inputs.size() > 3 && product->inputs[3] != kNone) inputs.push_back(product->inputs[3]);
  const Attributes attributes = windowed ? product->attributes : Attributes(None{});
  if (inputs.size() > 3) {
    const auto zero = numbers(s.graph, inputs[3]);
    if (!zero || s.type(inputs[3]).shape.rank() > 1) return false;
  }
  const auto scale = scales->second == kNone ? std::optional(s.graph.add_scalar(1)) : as_list(s, scales->second);
  if (!scale) return false;
  inputs[2] = *scale;
  s.become(windowed ? ops::dynamic_conv : ops::dynamic_matmul, attributes, std::move(inputs));
  return true;
}

}  // namespace

// What dynamic quantisation makes of a matmul or conv: the source in eight bits by its own range, an integer product, and one scaling.
void fuse_dynamic(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    if (n.op == &ops::mul && s.type(n.outputs[0]).dtype == DType::f32 && !fuse(s, n, 0) && !n.dead) fuse(s, g.nodes[s.here()], 1);
  });
}

}  // namespace tenon
