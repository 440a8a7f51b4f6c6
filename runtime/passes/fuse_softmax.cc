#include "ops/reduce.h"
#include "ops/softmax.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

// The axis along which n reduces v by `kind` alone and keeps a size of 1; no value where it does something else.
std::optional<int64_t> reduced_axis(const Sweep& s, const Node* n, Reduction kind, ValueId v) {
  if (!n || n->inputs[0] != v || n->inputs.size() > 1) return std::nullopt;
  const auto& a = n->attributes.as<Reduce>();
  const int rank = s.type(v).shape.rank();
  if (a.kind != kind || !a.keepdims || a.axes.size() != 1) return std::nullopt;
  return (a.axes[0] + rank) % rank;
}

}  // namespace

// exp(x - max(x)) / sum(exp(x - max(x))), or without the maximum, is softmax; the logarithm of softmax is an op of its own.
void fuse_softmax(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    if (n.op == &ops::log) {
      if (const Node* inner = s.only(n.inputs[0], ops::softmax)) s.become(ops::log_softmax, inner->attributes, inner->inputs);
      return;
    }
    if (n.op != &ops::div || !n.epilogue.empty()) return;
    const Node *e = s.producer(n.inputs[0], ops::exp), *sum = s.only(n.inputs[1], ops::reduce);
    const auto axis = reduced_axis(s, sum, Reduction::sum, n.inputs[0]);
    if (!e || !axis || s.uses(n.inputs[0]) != 2) return;
    ValueId x = e->inputs[0];
    if (const Node* shifted = s.only(x, ops::sub))
      if (reduced_axis(s, s.only(shifted->inputs[1], ops::reduce), Reduction::max, shifted->inputs[0]) == axis) x = shifted->inputs[0];
    s.become(ops::softmax, Softmax{*axis == s.type(x).shape.rank() - 1 ? -1 : *axis}, {x});
  });
}

}  // namespace tenon
