#include <cmath>

#include "passes/algebra.h"
#include "passes/passes.h"

namespace tenon {
namespace {

using Leaves = Polynomial::Leaves;

// The products that make up the result of the node under the walk, and what its factors are.
class Matcher {
 public:
  Matcher(Sweep& s, const Node& n) : s_(s), out_(n.outputs[0]), type_(s.type(out_)), p_(polynomial(s, out_)) {}

  bool run() { return p_.terms.size() == 2 ? of_two() : p_.terms.size() == 1 && of_one(); }

 private:
  bool near(double a, double b) const { return close(a, b, type_.dtype); }
  ValueId scalar(double v) { return s_.graph.add_scalar(static_cast<float>(v), type_.dtype); }
  bool fits(ValueId x) const { return s_.type(x) == type_; }

  bool put(const Op& op, std::vector<ValueId> inputs) {
    if (!fits(inputs[0])) return false;
    s_.become(op, None{}, std::move(inputs));
    return true;
  }

  // 0.5 x + 0.5 x e: gelu in both forms. relu(x) - a relu(-x).
  bool of_two() {
    const auto& [first, a] = *p_.terms.begin();
    const auto& [second, b] = *p_.terms.rbegin();
    if (first.size() == 1 && second.size() == 2 && near(a, 0.5) && near(b, 0.5)) return gelu(first, second);
    if (first.size() == 1 && second.size() == 1) return leaky(first[0].value, a, second[0].value, b) || leaky(second[0].value, b, first[0].value, a);
    return false;
  }

  // The other of two leaves; no value where neither is x, or one is an inverse.
  static std::optional<ValueId> beside(const Leaves& both, ValueId x) {
    if (both[0].inverse || both[1].inverse) return std::nullopt;
    if (both[0].value == x) return both[1].value;
    return both[1].value == x ? std::optional(both[0].value) : std::nullopt;
  }

  bool gelu(const Leaves& alone, const Leaves& both) {
    const ValueId x = alone[0].value;
    const auto e = beside(both, x);
    if (!e || alone[0].inverse) return false;
    if (const Node* n = s_.only(*e, ops::erf)) {
      const auto u = affine(s_, n->inputs[0]);
      return u && u->x == x && u->b == 0 && near(u->a, std::sqrt(0.5)) && put(ops::gelu, {x});
    }
    const Node* n = s_.only(*e, ops::tanh);
    return n && is_cubic(n->inputs[0], x, std::sqrt(2 / M_PI)) && put(ops::gelu_tanh, {x});
  }

  // u = a (x + 0.044715 x^3)
  bool is_cubic(ValueId u, ValueId x, double a) const {
    const Polynomial p = polynomial(s_, u);
    const Leaf l{x};
    return p.terms.size() == 2 && near(p.factor({l}), a) && near(p.factor({l, l, l}), 0.044715 * a);
  }

  bool leaky(ValueId positive, double a, ValueId negative, double b) {
    const Node *r = s_.only(positive, ops::relu), *q = s_.only(negative, ops::relu);
    if (!r || !q || !near(a, 1)) return false;
    const auto u = affine(s_, q->inputs[0]);
    return u && u->x == r->inputs[0] && u->b == 0 && u->a == -1 && put(ops::leaky_relu, {u->x, scalar(-b)});
  }

  bool of_one() {
    const auto& [leaves, factor] = *p_.terms.begin();
    if (leaves.size() == 1) return leaves[0].inverse ? sigmoid(leaves[0].value, factor) : hard_sigmoid(leaves[0].value, factor);
    if (leaves.size() != 2 || leaves[0].inverse == leaves[1].inverse) return leaves.size() == 2 && !leaves[0].inverse && gated(leaves, factor);
    return divided(leaves[leaves[0].inverse ? 1 : 0].value, leaves[leaves[0].inverse ? 0 : 1].value, factor);
  }

  // What d = 1 + exp(-a x) has in place of x and a.
  std::optional<Affine> logistic(ValueId d) const {
    const auto one = affine(s_, d);
    if (!one || !near(one->a, 1) || !near(one->b, 1)) return std::nullopt;
    const Node* e = s_.only(one->x, ops::exp);
    std::optional<Affine> u = e ? affine(s_, e->inputs[0]) : std::nullopt;
    if (!u || u->b != 0) return std::nullopt;
    return Affine{u->x, -u->a, 0};
  }

  // 1 / (1 + exp(-x))
  bool sigmoid(ValueId d, double factor) {
    const auto u = logistic(d);
    return u && near(factor, 1) && near(u->a, 1) && put(ops::sigmoid, {u->x});
  }

  // x / (1 + exp(-a x))
  bool divided(ValueId x, ValueId d, double factor) {
    const auto u = logistic(d);
    return u && u->x == x && near(factor, 1) && put(ops::swish, {x, scalar(u->a)});
  }

  // x times a function of x.
  bool gated(const Leaves& leaves, double factor) {
    for (int i = 0; i < 2; ++i) {
      const ValueId x = leaves[static_cast<size_t>(i)].value, gate = leaves[static_cast<size_t>(1 - i)].value;
      if (gated(x, gate, factor)) return true;
    }
    return false;
  }

  bool gated(ValueId x, ValueId gate, double factor) {
    if (const auto h = hard(gate); h && h->x == x && near(factor * h->high, 1) && near(factor * h->a, 1.0 / 6) && near(factor * h->b, 0.5))
      return put(ops::hard_swish, {x});
    if (!near(factor, 1)) return false;
    if (const Node* n = s_.only(gate, ops::sigmoid)) {
      if (is_cubic(n->inputs[0], x, 2 * std::sqrt(2 / M_PI))) return put(ops::gelu_tanh, {x});
      const auto u = affine(s_, n->inputs[0]);
      return u && u->x == x && u->b == 0 && put(ops::swish, {x, scalar(u->a)});
    }
    const Node* n = s_.only(gate, ops::tanh);
    const Node* soft = n ? s_.only(n->inputs[0], ops::softplus) : nullptr;
    return soft && soft->inputs[0] == x && put(ops::mish, {x});
  }

  // clip(a x + b, 0, high)
  struct Hard {
    ValueId x;
    double a, b, high;
  };
  std::optional<Hard> hard(ValueId v) const {
    if (const Node* n = s_.only(v, ops::clip)) {
      const auto low = number(s_.graph, n->inputs[1]), high = number(s_.graph, n->inputs[2]);
      const auto u = affine(s_, n->inputs[0]);
      if (!u || !low || !high || *low != 0 || !(*high > 0) || std::isinf(*high)) return std::nullopt;
      return Hard{u->x, u->a, u->b, *high};
    }
    const Node* n = s_.only(v, ops::hard_sigmoid);
    const auto a = n ? number(s_.graph, n->inputs[1]) : std::nullopt, b = n ? number(s_.graph, n->inputs[2]) : std::nullopt;
    return a && b ? std::optional(Hard{n->inputs[0], *a, *b, 1}) : std::nullopt;
  }

  bool hard_sigmoid(ValueId v, double factor) {
    const auto h = hard(v);
    return h && h->b != 0 && near(factor * h->high, 1) && put(ops::hard_sigmoid, {h->x, scalar(factor * h->a), scalar(factor * h->b)});
  }

  Sweep& s_;
  ValueId out_;
  Type type_;
  Polynomial p_;
};

// log(1 + exp(x)), log1p(exp(x))
bool softplus(Sweep& s, const Node& n) {
  ValueId e = n.inputs[0];
  if (n.op == &ops::log) {
    const auto u = affine(s, e);
    if (!u || u->a != 1 || u->b != 1 || s.uses(e) != 1) return false;
    e = u->x;
  }
  const Node* inner = s.only(e, ops::exp);
  if (!inner) return false;
  s.become(ops::softplus, None{}, {inner->inputs[0]});
  return true;
}

// max(x, a x) with 0 < a < 1
bool leaky_relu(Sweep& s, const Node& n) {
  for (int i = 0; i < 2; ++i) {
    const ValueId x = n.inputs[static_cast<size_t>(i)];
    const auto u = affine(s, other(n, i));
    if (!u || u->x != x || u->b != 0 || !(u->a > 0 && u->a < 1) || !(s.type(x) == s.type(n.outputs[0]))) continue;
    s.become(ops::leaky_relu, None{}, {x, s.graph.add_scalar(static_cast<float>(u->a), s.type(x).dtype)});
    return true;
  }
  return false;
}

}  // namespace

// Activation functions that come as their formulas: sigmoid, swish, gelu with erf and tanh, hard_sigmoid, hard_swish, mish, softplus,
// leaky_relu, in whatever way the arithmetic is arranged.
void fuse_activations(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    if (!n.epilogue.empty() || n.outputs.size() != 1 || !is_real(s.type(n.outputs[0]).dtype)) return;
    if (n.op == &ops::log || n.op == &ops::log1p) softplus(s, n);
    else if (n.op == &ops::max) leaky_relu(s, n);
    else if (n.op == &ops::mul || n.op == &ops::div || n.op == &ops::add || n.op == &ops::sub || n.op == &ops::reciprocal) Matcher(s, n).run();
  });
}

}  // namespace tenon
