#include "passes/programs.h"

#include <algorithm>

#include "ops/pointwise.h"

namespace tenon {
namespace {

// Operands of a node may repeat; those of an expression do not.
Expression unique(const std::vector<ValueId>& inputs, const Program& p) {
  Expression e;
  std::vector<int> place;
  for (ValueId v : inputs) {
    const auto found = std::find(e.operands.begin(), e.operands.end(), v);
    place.push_back(static_cast<int>(found - e.operands.begin()));
    if (found == e.operands.end()) e.operands.push_back(v);
  }
  const int gone = static_cast<int>(inputs.size() - e.operands.size());
  e.program.operands = static_cast<int>(e.operands.size());
  for (Scalar row : p.rows) {
    for (int16_t& o : row.operand)
      if (o >= 0) o = static_cast<int16_t>(o < p.operands ? place[static_cast<size_t>(o)] : o - gone);
    e.program.rows.push_back(row);
  }
  return e;
}

}  // namespace

std::optional<Expression> expression_of(const Node& n) {
  if (!n.epilogue.empty() || n.outputs.size() != 1) return std::nullopt;
  if (n.op == &ops::pointwise) return unique(n.inputs, n.attributes.as<Pointwise>().program);
  if (n.op->function == kNoFunction) return std::nullopt;
  Scalar row{static_cast<Function>(n.op->function)};
  for (size_t i = 0; i < n.inputs.size(); ++i) row.operand[i] = static_cast<int16_t>(i);
  return unique(n.inputs, {static_cast<int>(n.inputs.size()), {row}});
}

std::optional<Expression> substituted(const Expression& outer, ValueId v, const Expression& inner) {
  Expression e;
  e.operands = inner.operands;
  for (ValueId o : outer.operands)
    if (o != v && std::find(e.operands.begin(), e.operands.end(), o) == e.operands.end()) e.operands.push_back(o);
  const int operands = static_cast<int>(e.operands.size()), rows = static_cast<int>(inner.program.rows.size());
  if (operands > kMostOperands || rows + static_cast<int>(outer.program.rows.size()) > kMostRows) return std::nullopt;
  e.program.operands = operands;
  const auto place = [&](ValueId o) { return static_cast<int>(std::find(e.operands.begin(), e.operands.end(), o) - e.operands.begin()); };
  const auto add = [&](const Expression& from, int first_row) {
    for (Scalar row : from.program.rows) {
      for (int16_t& o : row.operand) {
        if (o < 0) continue;
        if (o >= from.program.operands) o = static_cast<int16_t>(o - from.program.operands + operands + first_row);
        else if (&from == &outer && from.operands[static_cast<size_t>(o)] == v) o = static_cast<int16_t>(operands + rows - 1);
        else o = static_cast<int16_t>(place(from.operands[static_cast<size_t>(o)]));
      }
      e.program.rows.push_back(row);
    }
  };
  add(inner, 0);
  add(outer, rows);
  return e;
}

}  // namespace tenon
