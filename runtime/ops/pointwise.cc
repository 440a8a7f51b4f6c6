#include "ops/pointwise.h"

#include "ops/op.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  const Program& p = n.attributes<Pointwise>().program;
  n.expect_inputs(p.operands, p.operands);
  n.expect(!p.rows.empty(), "the program of pointwise has a row");
  Shape shape = n.shape(0);
  std::vector<DType> types;
  for (int i = 0; i < p.operands; ++i) {
    shape = n.broadcast(shape, n.shape(i));
    types.push_back(n.dtype(i));
  }
  for (const Scalar& row : p.rows) {
    const FunctionInfo& f = info(row.function);
    types.push_back(f.kind == Kind::test || f.kind == Kind::logic ? DType::boolean
                                                                  : types[static_cast<size_t>(row.operand[f.kind == Kind::pick ? 1 : 0])]);
  }
  n.result(types.back(), shape);
}

void reference(Reference& n) { n.out[0] = run_program(n.attributes<Pointwise>().program, n.in, n.out[0].shape); }

std::vector<ValueId> decompose(Rewriter& to, const Node& node) {
  const Program p = node.attributes.as<Pointwise>().program;
  std::vector<ValueId> values = node.inputs;
  for (const Scalar& row : p.rows) {
    std::vector<ValueId> operands;
    for (int i = 0; i < info(row.function).arity; ++i) operands.push_back(values[static_cast<size_t>(row.operand[i])]);
    values.push_back(to.emit(op_of(row.function), None{}, operands)[0]);
  }
  return {values.back()};
}

}  // namespace
// Each row may be off by its own bound; the longest programs that passes make stay within this.
const Op ops::pointwise{.name = "pointwise",
                        .attributes = Attributes::make<Pointwise>,
                        .infer = infer,
                        .reference = reference,
                        .exactness = {Exactness::relative, 1e-5},
                        .decompose = decompose};
}  // namespace tenon
