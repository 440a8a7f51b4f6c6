#include "ops/index.h"

namespace tenon {
namespace {

// src broadcast with a shape (input 1, s64), as numpy does: a size of 1 in either gives way to the other.
void infer(Inference& n) {
  n.expect_inputs(2, 2);
  n.expect(n.dtype(1) == DType::s64, "the shape of expand is s64");
  n.expect_rank(1, 1);
  if (n.known(1)) {
    Shape target;
    for (Dim d : n.content(1)) {
      n.expect(!d.known() || d.number() >= 0, "the sizes of expand are 0 or more");
      target.push(d);
    }
    return n.result(n.dtype(0), n.broadcast(n.shape(0), target));
  }
  if (!n.size(1, 0).known()) throw Error(Code::not_supported, "the rank of the result of expand is not known before the model runs");
  Shape shape;
  const int64_t rank = std::max<int64_t>(n.size(1, 0).dim().number(), n.rank(0));
  n.expect(rank <= Shape::kMaxRank, "the result of expand has at most 8 axes");
  for (int64_t i = 0; i < rank; ++i) shape.push(n.data());
  n.result(n.dtype(0), shape);
}

void reference(Reference& n) {
  const std::vector<int64_t> strides = broadcast_strides(n.in[0]->shape, n.out[0].shape);
  for (Walk at(n.out[0].shape); at.more(); at.next()) n.out[0].move(at.flat(), *n.in[0], at.offset(strides));
}

}  // namespace
const Op ops::expand{.name = "expand", .infer = infer, .reference = reference, .moves = true};
}  // namespace tenon
