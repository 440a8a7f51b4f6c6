#include "ops/cast.h"
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

// The integer product behind cast(v), perhaps plus integers that broadcast (a bias in steps); nothing else reads what is in between.
struct Product {
  const Node* node = nullptr;
  ValueId plus = kNone;
};

const Node* product_at(const Sweep& s, ValueId v) {
  const Node* n = s.only(v, ops::matmul_integer);
  return n ? n : s.only(v, ops::conv_integer);
}

Product product_of(const Sweep& s, ValueId v) {
  const Node* cast = s.only(v, ops::cast);
  if (!cast) return {};
  if (const Node* n = product_at(s, cast->inputs[0])) return {n};
  const Node* sum = s.only(cast->inputs[0], ops::add);
  for (int i = 0; sum && i < 2; ++i)
    if (const Node* n = product_at(s, sum->inputs[static_cast<size_t>(i)]); n && s.type(n->outputs[0]) == s.type(cast->inputs[0]))
      return {n, other(*sum, i)};
  return {};
}

// The scales of src and weight that v multiplies; the second is kNone where it is 1.
std::optional<std::pair<ValueId, ValueId>> scales_of(const Sweep& s, ValueId v, const Node& quantised) {
  if (v == quantised.outputs[1]) return std::pair{v, kNone};
  const Node* n = s.producer(v, ops::mul);
  for (int i = 0; n && i < 2; ++i)
    if (n->inputs[static_cast<size_t>(i)] == quantised.outputs[1]) return std::pair{n->inputs[static_cast<size_t>(i)], other(*n, i)};
  return std::nullopt;
}

// The inputs of the one op; empty where its weights are not constant.
std::vector<ValueId> inputs_of(Sweep& s, const Node& product, const Node& quantised, ValueId weight_scale) {
  if (!s.graph.is_constant(product.inputs[1])) return {};
  if (product.op == &ops::matmul_integer && s.type(product.inputs[1]).shape.rank() != 2) return {};
  const auto scale = weight_scale == kNone ? std::optional(s.graph.add_scalar(1)) : as_list(s, weight_scale);
  if (!scale) return {};
  std::vector<ValueId> inputs{quantised.inputs[0], product.inputs[1], *scale};
  const ValueId zero = product.inputs.size() > 3 ? product.inputs[3] : kNone;
  if (zero == kNone) return inputs;
  if (!s.graph.is_constant(zero) || s.type(zero).shape.rank() > 1) return {};
  inputs.push_back(zero);
  return inputs;
}

// The node under the walk multiplies input i, a product, by its scale.
void fuse(Sweep& s, const Node& n, int i) {
  const auto [product, plus] = product_of(s, n.inputs[static_cast<size_t>(i)]);
  const Node* quantised = product ? part_of(s, product->inputs[0], ops::dynamic_quantize, 0) : nullptr;
  if (!quantised || product->inputs.size() < 3 || product->inputs[2] != quantised->outputs[2]) return;
  const ValueId factor = other(n, i);
  const auto scales = scales_of(s, factor, *quantised);
  if (!scales) return;
  const Op& op = product->op == &ops::conv_integer ? ops::dynamic_conv : ops::dynamic_matmul;
  const Attributes attributes = product->op == &ops::conv_integer ? product->attributes : Attributes(None{});
  const ValueId integers = plus;
  std::vector<ValueId> inputs = inputs_of(s, *product, *quantised, scales->second);
  if (inputs.empty()) return;
  if (integers == kNone) return s.become(op, attributes, std::move(inputs));
  const ValueId real = s.emit(ops::mul, None{}, {s.emit(ops::cast, Cast{}, {integers}), factor});
  s.become(ops::add, None{}, {s.emit(op, attributes, std::move(inputs)), real});
}

}  // namespace

// What dynamic quantisation makes of a matmul or conv: the source in eight bits by its own range, an integer product, and one scaling.
void fuse_dynamic(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    if (n.op != &ops::mul || s.type(n.outputs[0]).dtype != DType::f32) return;
    for (int i = 0; i < 2 && !g.nodes[s.here()].dead; ++i) fuse(s, g.nodes[s.here()], i);
  });
}

}  // namespace tenon
