#include "ops/concat.h"

#include "ops/op.h"

namespace tenon {
namespace {

// The sum of the sizes along the axis. More unknown sizes than one row of the extents holds (the boxes of a hundred classes) are added up
// by the step itself.
Extent joined_size(Inference& n, int axis) {
  Extent sum = n.size(0, axis);
  try {
    for (int i = 1; i < n.inputs(); ++i) sum = sum + n.size(i, axis);
  } catch (const Error& e) {
    if (e.code() != Code::limit) throw;
    return n.data();
  }
  return sum;
}

void infer(Inference& n) {
  n.expect_inputs(1, INT32_MAX);
  const int rank = n.rank(0), axis = n.axis(n.attributes<Concat>().axis, rank);
  Shape shape = n.shape(0);
  for (int i = 1; i < n.inputs(); ++i) {
    n.expect_same_dtype(0, i);
    n.expect_rank(i, rank);
    for (int k = 0; k < rank; ++k) {
      if (k == axis) continue;
      n.equal(n.extent(shape[k]), n.size(i, k), "sizes of axis " + std::to_string(k) + " of inputs 0 and " + std::to_string(i));
      if (n.size(i, k).known()) shape[k] = n.size(i, k);
    }
  }
  shape[axis] = joined_size(n, axis);
  n.result(n.dtype(0), shape);
}

void reference(Reference& n) {
  Array& dst = n.out[0];
  const std::vector<int64_t> strides = strides_of(dst.shape);
  const int64_t axis = n.attributes<Concat>().axis;
  const size_t along = static_cast<size_t>(from_front(axis, dst.rank()));
  int64_t before = 0;
  for (const Array* src : n.in) {
    for (Walk at(src->shape); at.more(); at.next()) dst.move(at.offset(strides) + before * strides[along], *src, at.flat());
    before += src->shape[along];
  }
}

void infer_append(Inference& n) {
  infer(n);
  Type& result = n.types[0];
  result.layout.room = n.type(0).layout.room;
}

}  // namespace
const Op ops::concat{.name = "concat", .attributes = Attributes::make<Concat>, .infer = infer, .reference = reference, .moves = true};
// The same, where the first source and the result are windows of one room: the rows of the first are where they belong.
const Op ops::append{
    .name = "append", .attributes = Attributes::make<Concat>, .infer = infer_append, .reference = reference, .takes = kStrings | kComplex};
}  // namespace tenon
