#include <algorithm>

#include "ops/norm.h"
#include "ops/reduce.h"
#include "passes/algebra.h"
#include "passes/passes.h"

namespace tenon {
namespace {

// A mean over the axes from `axis` on.
struct Mean {
  ValueId src;
  int axis;
};

std::optional<Mean> mean_of(const Sweep& s, ValueId v) {
  const Node* n = s.producer(v, ops::reduce);
  if (!n || n->inputs.size() > 1) return std::nullopt;
  const auto& a = n->attributes.as<Reduce>();
  const int rank = s.type(n->inputs[0]).shape.rank();
  if (a.kind != Reduction::mean || !a.keepdims || (a.axes.empty() && a.noop_with_empty_axes)) return std::nullopt;
  const int count = a.axes.empty() ? rank : static_cast<int>(a.axes.size());
  for (int64_t axis : a.axes)
    if ((axis + rank) % rank < rank - count) return std::nullopt;
  return Mean{n->inputs[0], rank - count};
}

// Files in half precision convert in between; norms compute in f32 at least.
ValueId without_cast(const Sweep& s, ValueId v) {
  const Node* n = s.producer(v, ops::cast);
  return n && is_real(s.type(n->inputs[0]).dtype) ? n->inputs[0] : v;
}

// deviation = sqrt(mean(src * src) + epsilon)
struct Deviation {
  ValueId src;
  int axis;
  double epsilon;
};

std::optional<Deviation> deviation(const Sweep& s, ValueId v) {
  const Node* root = s.producer(v, ops::sqrt);
  const auto u = root ? affine(s, root->inputs[0]) : std::nullopt;
  if (!u || u->a != 1 || u->b < 0) return std::nullopt;
  const auto mean = mean_of(s, u->x);
  if (!mean) return std::nullopt;
  const Node* square = s.producer(mean->src, ops::mul);
  if (!square || square->inputs[0] != square->inputs[1]) return std::nullopt;
  return Deviation{without_cast(s, square->inputs[0]), mean->axis, u->b};
}

// v is one over a deviation: 1 / sqrt(..), reciprocal(sqrt(..)), pow(.., -0.5) after simplification.
std::optional<Deviation> inverse_deviation(const Sweep& s, const Leaf& l) {
  if (l.inverse) return deviation(s, without_cast(s, l.value));
  if (const Node* n = s.producer(l.value, ops::reciprocal)) return deviation(s, n->inputs[0]);
  const Node* n = s.producer(l.value, ops::div);
  return n && number(s.graph, n->inputs[0]) == 1.0 ? deviation(s, n->inputs[1]) : std::nullopt;
}

// The src of v = src - mean(src); no value where v is something else.
std::optional<ValueId> centred(const Sweep& s, ValueId v, int axis) {
  const Node* n = s.producer(v, ops::sub);
  if (!n) return std::nullopt;
  const auto mean = mean_of(s, n->inputs[1]);
  return mean && mean->src == n->inputs[0] && mean->axis == axis ? std::optional(n->inputs[0]) : std::nullopt;
}

// All ones, of the shape of the normalised axes.
std::optional<ValueId> ones(Sweep& s, ValueId src, int axis) {
  const Type& t = s.type(src);
  Shape shape;
  int64_t n = 1;
  for (int i = axis; i < t.shape.rank(); ++i) {
    if (!t.shape[i].known()) return std::nullopt;
    shape.push(t.shape[i]);
    n *= t.shape[i].number();
  }
  return add_reals(s.graph, t.dtype, shape, std::vector<double>(static_cast<size_t>(n), 1.0));
}

LayerNorm attributes(const Sweep& s, ValueId src, int axis, double epsilon) {
  return {axis == s.type(src).shape.rank() - 1 ? -1 : axis, static_cast<float>(epsilon)};
}

void put(Sweep& s, const Op& op, ValueId src, int axis, double epsilon) {
  if (!(s.type(src) == s.type(s.graph.nodes[s.here()].outputs[0]))) return;
  const auto scale = ones(s, src, axis);
  if (!scale) return;
  s.become(op, attributes(s, src, axis, epsilon), {src, *scale});
}

// Whether q is src - mean(src), as one value or written out.
bool is_difference(const Sweep& s, const Polynomial& q, ValueId src, int axis) {
  if (q.terms.size() == 1) {
    const auto& [leaves, factor] = *q.terms.begin();
    return factor == 1 && leaves.size() == 1 && !leaves[0].inverse && centred(s, leaves[0].value, axis) == src;
  }
  if (q.terms.size() != 2 || q.factor({{src}}) != 1) return false;
  for (const auto& [leaves, factor] : q.terms)
    if (factor == -1 && leaves.size() == 1 && !leaves[0].inverse)
      if (const auto mean = mean_of(s, leaves[0].value)) return mean->src == src && mean->axis == axis;
  return false;
}

// What is divided by a deviation.
void normalised(Sweep& s, const Node& n) {
  const Polynomial p = polynomial(s, n.outputs[0]);
  if (p.terms.empty()) return;
  for (const Leaf& l : p.terms.begin()->first) {
    const auto d = inverse_deviation(s, l);
    if (!d) continue;
    const Polynomial q = p.over(l);
    if (const auto src = centred(s, d->src, d->axis)) {
      if (is_difference(s, q, *src, d->axis)) return put(s, ops::layer_norm, *src, d->axis, d->epsilon);
    } else if (q.is(1, {{d->src}})) {
      return put(s, ops::rms_norm, d->src, d->axis, d->epsilon);
    }
  }
}

// x * a + (bias - mean(x) * a), where a = scale / deviation.
void crossed(Sweep& s, const Node& n) {
  Polynomial p = polynomial(s, n.outputs[0]);
  const auto alone =
      std::find_if(p.terms.begin(), p.terms.end(), [](const auto& t) { return t.first.size() == 1 && !t.first[0].inverse && t.second == 1; });
  if (p.terms.size() != 3 || alone == p.terms.end()) return;
  const ValueId bias = alone->first[0].value;
  p.terms.erase(alone);
  for (const Leaf& a : p.terms.begin()->first) {
    const Node* scaled = a.inverse ? nullptr : s.producer(a.value, ops::mul);
    for (int k = 0; scaled && k < 2; ++k) {
      const auto d = inverse_deviation(s, {scaled->inputs[static_cast<size_t>(k)]});
      const auto src = d ? centred(s, d->src, d->axis) : std::nullopt;
      if (!src || !is_difference(s, p.over(a), *src, d->axis) || !(s.type(*src) == s.type(n.outputs[0]))) continue;
      return s.become(ops::layer_norm, attributes(s, *src, d->axis, d->epsilon), {*src, other(*scaled, k), bias});
    }
  }
}

// Whether v has the sizes of the normalised axes and no others, so that it can be the scale or bias of n.
bool is_parameter(const Sweep& s, ValueId v, const Node& n) {
  const Shape &shape = s.type(v).shape, &src = s.type(n.inputs[0]).shape;
  const int64_t given = n.attributes.as<LayerNorm>().axis;
  const int axis = static_cast<int>(from_front(given, src.rank())), skip = src.rank() - shape.rank();
  if (skip < 0 || skip > axis || s.type(v).dtype != s.type(n.outputs[0]).dtype) return false;
  for (int i = 0; i < shape.rank(); ++i)
    if (shape[i] != (skip + i < axis ? Dim(1) : src[skip + i])) return false;
  return true;
}

// A scale or a bias behind a norm is its own.
void parameters(Sweep& s, const Node& n) {
  for (int i = 0; i < 2; ++i) {
    const ValueId v = n.inputs[static_cast<size_t>(i)], parameter = other(n, i);
    const Node* norm = s.uses(v) == 1 ? s.graph.producer(v) : nullptr;
    if (!norm || (norm->op != &ops::layer_norm && norm->op != &ops::rms_norm) || norm->outputs.size() != 1 || !is_parameter(s, parameter, *norm))
      continue;
    std::vector<ValueId> inputs = norm->inputs;
    const bool biased = inputs.size() > 2 && inputs[2] != kNone;
    if (n.op == &ops::mul && !biased && number(s.graph, inputs[1]) == 1.0) inputs[1] = parameter;
    else if (n.op == &ops::add && !biased && norm->op == &ops::layer_norm) inputs.resize(3), inputs[2] = parameter;
    else continue;
    return s.become(*norm->op, norm->attributes, std::move(inputs));
  }
}

}  // namespace

// Layer and RMS normalisation that come as means, differences, squares, roots and quotients.
void fuse_norms(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    if (!n.epilogue.empty() || n.outputs.size() != 1 || !is_real(s.type(n.outputs[0]).dtype)) return;
    if (n.op == &ops::div || n.op == &ops::mul || n.op == &ops::sub) normalised(s, n);
    if (n.dead) return;
    if (n.op == &ops::add) crossed(s, n);
    if (!n.dead && (n.op == &ops::mul || n.op == &ops::add)) parameters(s, n);
  });
}

}  // namespace tenon
