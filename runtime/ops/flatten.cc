#include "ops/flatten.h"

#include "ops/op.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  n.expect_inputs(1, 1);
  const int64_t axis = n.attributes<Flatten>().axis, rank = n.rank(0);
  n.expect(axis >= -rank && axis <= rank, "the axis of flatten is within the rank of src");
  Extent size[2] = {1, 1};
  for (int i = 0; i < rank; ++i) {
    Extent& product = size[i >= from_front(axis, rank)];
    product = product * n.size(0, i);
  }
  n.result(n.dtype(0), {size[0], size[1]});
}

void reference(Reference& n) {
  for (int64_t i = 0, count = n.out[0].count(); i < count; ++i) n.out[0].move(i, *n.in[0], i);
}

}  // namespace
const Op ops::flatten{
    .name = "flatten", .attributes = Attributes::make<Flatten>, .infer = infer, .reference = reference, .view = true, .moves = true};
}  // namespace tenon
