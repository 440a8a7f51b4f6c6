#include "ops/op.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  n.expect_inputs(1, 1);
  Type t = n.type(0);
  t.layout = {};
  n.result(std::move(t));
}

void reference(Reference& n) { n.out[0] = *n.in[0]; }

}  // namespace
// A copy, perhaps into another layout: the types of both sides say which.
const Op ops::reorder{.name = "reorder", .infer = infer, .reference = reference, .moves = true, .takes = kContainers};
}  // namespace tenon
