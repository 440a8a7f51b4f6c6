#include "ops/control.h"

namespace tenon {
namespace {

void infer_if(Inference& n) {
  n.expect(n.subgraphs().size() == 2, "if has two branches");
  n.expect(n.dtype(0) == DType::boolean, "the condition of if is bool");
  const Graph &yes = *n.subgraphs()[0], &no = *n.subgraphs()[1];
  n.expect(yes.outputs.size() == no.outputs.size(), "both branches of if have the same number of outputs");
  Extents& e = *n.graph().extents;
  for (size_t i = 0; i < yes.outputs.size(); ++i) {
    const Type &a = yes.values[yes.outputs[i]].type, &b = no.values[no.outputs[i]].type;
    n.expect(a.dtype == b.dtype && a.container == b.container, "output " + std::to_string(i) + " has one element type in both branches of if");
    if (a.shape.rank() != b.shape.rank())
      throw NeedsSizes(Code::not_supported, "the branches of if give output " + std::to_string(i) + " the ranks " + std::to_string(a.shape.rank()) + " and " +
                                           std::to_string(b.shape.rank()) + "; Tenon needs one rank");
    Type t = a;
    for (int k = 0; k < a.shape.rank(); ++k)
      if (a.shape[k] != b.shape[k]) t.shape[k] = e.data(e.max(a.shape[k], b.shape[k]));
    n.result(std::move(t));
  }
}

void reference_if(Reference& n) {
  std::vector<Array> inputs;
  for (size_t i = 1; i < n.in.size(); ++i) inputs.push_back(*n.in[i]);
  n.out = n.run(n, *n.node->subgraphs[n.in[0]->integer(0) ? 0 : 1], std::move(inputs));
}

}  // namespace
const Op ops::if_{.name = "if", .infer = infer_if, .reference = reference_if};
}  // namespace tenon
