#include "ops/op.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  n.expect_inputs(1, 1);
  Type t;
  t.dtype = n.dtype(0);
  t.shape = n.shape(0);
  t.container = n.type(0).container;
  t.items = n.type(0).items;
  n.result(std::move(t));
}

void reference(Reference& n) { n.out[0] = *n.in[0]; }

}  // namespace
const Op ops::identity{.name = "identity", .infer = infer, .reference = reference, .view = true, .moves = true, .takes = kContainers};
}  // namespace tenon
