#include <map>

#include "ops/pointwise.h"
#include "passes/passes.h"
#include "passes/programs.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

// What programs compute with.
bool is_programmable(const Type& t) {
  return (t.dtype == DType::f32 || t.dtype == DType::boolean) && !t.quantisation && t.container == Container::tensor;
}

bool all_programmable(const Sweep& s, const Node& n) {
  for (ValueId v : n.inputs)
    if (!is_programmable(s.type(v))) return false;
  return is_programmable(s.type(n.outputs[0]));
}

std::optional<Expression> fusable(const Sweep& s, const Node& n) {
  std::optional<Expression> e = expression_of(n);
  if (!e || !all_programmable(s, n) || (n.op->function != kNoFunction && info(static_cast<Function>(n.op->function)).kind == Kind::whole))
    return std::nullopt;
  return e;
}

}  // namespace

// Chains and small trees of scalar functions become one program. What is computed is never computed more often than before: a value
// that others read, or that is broadcast, stays a value.
void fuse_pointwise(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    std::optional<Expression> e = fusable(s, n);
    if (!e) return;
    std::map<ValueId, int> reads;  // by the nodes that are one by now
    for (ValueId v : n.inputs) ++reads[v];
    for (size_t i = 0; i < e->operands.size();) {
      const ValueId v = e->operands[i];
      const Node* p = g.producer(v);
      std::optional<Expression> inner;
      if (p && s.uses(v) == reads[v] && s.type(v).shape == s.type(n.outputs[0]).shape) inner = fusable(s, *p);
      const std::optional<Expression> joined = inner ? substituted(*e, v, *inner) : std::nullopt;
      if (!joined) {
        ++i;
        continue;
      }
      for (ValueId u : p->inputs) ++reads[u];
      e = joined;
      i = 0;
    }
    s.become(ops::pointwise, Pointwise{e->program}, e->operands);
  });
}

}  // namespace tenon
