#include <algorithm>

#include "passes/passes.h"
#include "passes/programs.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

// Ops whose kernels run a program over what they store.
bool takes_epilogue(const Sweep& s, const Node& n) {
  if (n.outputs.size() != 1 || s.type(n.outputs[0]).dtype != DType::f32) return false;
  return n.op == &ops::conv || n.op == &ops::dynamic_conv || n.op == &ops::dynamic_matmul ||
         (n.op == &ops::matmul && s.type(n.inputs[1]).shape.rank() >= 2);
}

// The epilogue of `host` so far, as an expression over its own result, which stands for itself.
Expression epilogue_of(const Node& host, ValueId result) {
  Expression e{{result}, host.epilogue};
  e.operands.insert(e.operands.end(), host.inputs.begin() + host.own_inputs(), host.inputs.end());
  return e;
}

// The node with the epilogue `e`, in which `result` stands for its own result; no value where an operand cannot be read so.
std::optional<Node> with_epilogue(const Sweep& s, const Node& host, ValueId result, Expression e) {
  const auto own = std::find(e.operands.begin(), e.operands.end(), result);
  TENON_ASSERT(own != e.operands.end());
  Node n = host;
  n.inputs.resize(static_cast<size_t>(host.own_inputs()));
  for (ValueId v : e.operands) {
    if (v == result) continue;
    if (s.type(v).dtype != DType::f32 || s.type(v).quantisation || !reads_of(s.type(v), s.type(host.outputs[0]), *host.op)) return std::nullopt;
    n.inputs.push_back(v);
  }
  // The result becomes value 0, those before it move up.
  const int16_t at = static_cast<int16_t>(own - e.operands.begin());
  for (Scalar& row : e.program.rows)
    for (int16_t& o : row.operand) o = o == at ? 0 : o >= 0 && o < at ? static_cast<int16_t>(o + 1) : o;
  n.epilogue = std::move(e.program);
  return n;
}

}  // namespace

// Scalar functions of the result of a conv or matmul that nothing else reads are done as it is stored. The node moves to where the last
// of them stood, so that all of their operands are there.
void fuse_epilogues(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    const std::optional<Expression> e = expression_of(n);
    if (!e || s.type(n.outputs[0]).dtype != DType::f32) return;
    for (ValueId v : e->operands) {
      const Node* host = g.producer(v);
      if (!host || !takes_epilogue(s, *host) || !(s.type(v) == s.type(n.outputs[0]))) continue;
      if (s.uses(v) != std::count(n.inputs.begin(), n.inputs.end(), v)) continue;
      std::optional<Expression> whole = e;
      if (!host->epilogue.empty()) whole = substituted(*e, v, epilogue_of(*host, v));
      if (!whole) continue;
      std::optional<Node> fused = with_epilogue(s, *host, v, *std::move(whole));
      if (!fused) continue;
      return s.replace(g.nodes[s.here()].outputs[0], s.emit(*std::move(fused))[0]);
    }
  });
}

}  // namespace tenon
