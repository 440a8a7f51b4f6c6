#include <cmath>

#include "ops/cast.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

// Whether v has the type of the node's result, so that the one may stand for the other.
bool fits(const Sweep& s, const Node& n, ValueId v) { return s.type(v) == s.type(n.outputs[0]); }

// A node of a commutative op, or of one whose second operand is the constant: calls done(other operand, constant).
template <class F>
bool with_constant(const Sweep& s, const Node& n, bool commutes, F done) {
  for (int i = 1; i >= (commutes ? 0 : 1); --i)
    if (const auto c = number(s.graph, n.inputs[static_cast<size_t>(i)]); c && fits(s, n, other(n, i))) return done(other(n, i), *c);
  return false;
}

bool to_operand(Sweep& s, const Node& n, ValueId v) {
  s.replace(n.outputs[0], v);
  return true;
}

bool add_nothing(Sweep& s, const Node& n) {
  return with_constant(s, n, n.op == &ops::add, [&](ValueId x, double c) { return c == 0 && to_operand(s, n, x); });
}

// Divided by a power of two is multiplied by its inverse, exactly.
bool divide(Sweep& s, const Node& n) {
  const DType t = s.type(n.outputs[0]).dtype;
  return with_constant(s, n, false, [&](ValueId x, double c) {
    int exponent;
    if (c == 1) return to_operand(s, n, x);
    if (!is_real(t) || std::abs(std::frexp(c, &exponent)) != 0.5 || std::abs(exponent) > 14) return false;
    s.become(ops::mul, None{}, {x, s.graph.add_scalar(static_cast<float>(1 / c), t)});
    return true;
  });
}

bool multiply(Sweep& s, const Node& n) {
  return with_constant(s, n, true, [&](ValueId x, double c) {
    if (c == 1) return to_operand(s, n, x);
    if (c != -1) return false;
    s.become(ops::neg, None{}, {x});
    return true;
  });
}

bool raise(Sweep& s, const Node& n) {
  if (!is_real(s.type(n.inputs[0]).dtype)) return false;
  return with_constant(s, n, false, [&](ValueId x, double c) {
    if (c == 1) return to_operand(s, n, x);
    if (c == 2) s.become(ops::mul, None{}, {x, x});
    else if (c == 3) s.become(ops::mul, None{}, {s.emit(ops::mul, None{}, {x, x}), x});
    else if (c == 0.5) s.become(ops::sqrt, None{}, {x});
    else if (c == -1) s.become(ops::reciprocal, None{}, {x});
    else return false;
    return true;
  });
}

// What undoes itself, or repeats what was done.
bool twice(Sweep& s, const Node& n) {
  const Node* inner = s.producer(n.inputs[0], *n.op);
  if (!inner) return false;
  const bool undoes = n.op == &ops::neg || n.op == &ops::logical_not || n.op == &ops::bit_not;
  return to_operand(s, n, undoes ? inner->inputs[0] : n.inputs[0]);
}

struct Bounds {
  ValueId src;
  double low = -INFINITY, high = INFINITY;
};

// clip, relu, min and max by a constant as a pair of bounds on src.
std::optional<Bounds> bounds_of(const Sweep& s, const Node& n) {
  if (!n.epilogue.empty()) return std::nullopt;
  Bounds b{n.inputs[0]};
  if (n.op == &ops::relu) {
    b.low = 0;
  } else if (n.op == &ops::clip) {
    const auto low = number(s.graph, n.inputs[1]), high = number(s.graph, n.inputs[2]);
    if (!low || !high || !(*low <= *high)) return std::nullopt;
    b.low = *low, b.high = *high;
  } else if (n.op == &ops::min || n.op == &ops::max) {
    const int i = number(s.graph, n.inputs[1]) ? 1 : 0;
    const auto c = number(s.graph, n.inputs[static_cast<size_t>(i)]);
    if (!c || std::isnan(*c)) return std::nullopt;
    b.src = other(n, i);
    (n.op == &ops::max ? b.low : b.high) = *c;
  } else {
    return std::nullopt;
  }
  if (!(s.type(b.src) == s.type(n.outputs[0]))) return std::nullopt;
  return b;
}

// Bounds on bounds are one pair; without an upper one, and 0 below, it is relu.
bool bound(Sweep& s, const Node& n) {
  std::optional<Bounds> b = bounds_of(s, n);
  const DType t = s.type(n.outputs[0]).dtype;
  if (!b || !is_real(t)) return false;
  bool merged = false;
  for (const Node* inner = s.graph.producer(b->src); inner; inner = s.graph.producer(b->src)) {
    const std::optional<Bounds> first = bounds_of(s, *inner);
    if (!first || first->low > b->high || first->high < b->low) break;
    b = Bounds{first->src, std::max(first->low, b->low), std::min(first->high, b->high)};
    merged = true;
  }
  if (b->low == -INFINITY && b->high == INFINITY) return to_operand(s, n, b->src);
  const bool rectifies = b->low == 0 && b->high == INFINITY;
  if (n.op == &ops::relu && !merged) return false;
  if (n.op == &ops::clip && !merged && !rectifies) return false;
  if (rectifies) return s.become(ops::relu, None{}, {b->src}), true;
  const ValueId low = s.graph.add_scalar(static_cast<float>(b->low), t), high = s.graph.add_scalar(static_cast<float>(b->high), t);
  s.become(ops::clip, None{}, {b->src, low, high});
  return true;
}

bool is_cast_exact(DType from, DType to) {
  if (from == to) return true;
  if (is_real(from) && is_real(to)) return to == DType::f64 || (to == DType::f32 && bits(from) <= 16 && from != DType::f8e8m0);
  if (is_integer(from) && is_integer(to)) return is_signed(from) == is_signed(to) ? bits(to) >= bits(from) : is_signed(to) && bits(to) > bits(from);
  return false;
}

bool cast(Sweep& s, const Node& n) {
  if (fits(s, n, n.inputs[0])) return to_operand(s, n, n.inputs[0]);
  const Node* inner = s.producer(n.inputs[0], ops::cast);
  if (!inner || !is_cast_exact(s.type(inner->inputs[0]).dtype, s.type(n.inputs[0]).dtype)) return false;
  const ValueId src = inner->inputs[0];
  if (fits(s, n, src)) return to_operand(s, n, src);
  s.set_input(s.graph.nodes[s.here()], 0, src);
  return true;
}

bool pick(Sweep& s, const Node& n) {
  const auto c = number(s.graph, n.inputs[0]);
  if (!c) return false;
  const ValueId chosen = n.inputs[*c != 0 ? 1 : 2];
  return fits(s, n, chosen) && to_operand(s, n, chosen);
}

using Rule = bool (*)(Sweep&, const Node&);

// What is tried on the nodes of an op.
struct {
  const Op* op;
  Rule rule;
} constexpr kRules[] = {
    {&ops::add, add_nothing}, {&ops::sub, add_nothing},   {&ops::div, divide},    {&ops::mul, multiply}, {&ops::pow, raise},  {&ops::neg, twice},
    {&ops::abs, twice},       {&ops::logical_not, twice}, {&ops::bit_not, twice}, {&ops::floor, twice},  {&ops::relu, bound}, {&ops::clip, bound},
    {&ops::min, bound},       {&ops::max, bound},         {&ops::cast, cast},     {&ops::where, pick},
};

}  // namespace

// Scalar functions that do nothing, undo each other, or have a shorter form.
void simplify(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    if (!n.epilogue.empty()) return;
    for (const auto& [op, rule] : kRules)
      if (n.op == op && rule(s, n)) return;
  });
}

}  // namespace tenon
