#include "ops/one_hot.h"

#include <cmath>

#include "ops/op.h"

namespace tenon {
namespace {

int64_t whole(const Array& a, int64_t i) {
  if (!a.is_real()) return a.integer(i);
  const double v = std::trunc(a.real(i));
  return v > -0x1p62 && v < 0x1p62 ? static_cast<int64_t>(v) : INT64_MIN;
}

void infer(Inference& n) {
  n.expect_inputs(3, 3);
  for (int i : {0, 1}) n.expect(is_real(n.dtype(i)) || is_integer(n.dtype(i)), "the indices and the depth of one_hot are numbers");
  n.equal(n.count(n.shape(1)), 1, "elements of the depth of one_hot");
  n.expect_rank(2, 1);
  n.equal(n.size(2, 0), 2, "elements of the values of one_hot");
  const int rank = n.rank(0) + 1, axis = n.axis(n.attributes<OneHot>().axis, rank);
  Extent depth;
  if (n.known(1)) depth = n.extent(n.content(1)[0]);
  else if (const auto v = n.reals(1); v && std::fabs((*v)[0]) < 0x1p62) depth = static_cast<int64_t>((*v)[0]);
  else depth = n.data();
  Shape shape;
  for (int i = 0, from = 0; i < rank; ++i) shape.push(i == axis ? depth : n.size(0, from++));
  n.result(n.dtype(2), shape);
}

void reference(Reference& n) {
  const Array &indices = *n.in[0], &values = *n.in[2];
  Array& dst = n.out[0];
  const int64_t depth = whole(*n.in[1], 0), rank = indices.rank() + 1, axis = n.attributes<OneHot>().axis;
  if (depth < 0) throw Error(Code::bad_input, "the depth of one_hot is " + std::to_string(depth));
  const size_t along = static_cast<size_t>(from_front(axis, rank));
  std::vector<int64_t> shape = indices.shape;
  shape.insert(shape.begin() + static_cast<int64_t>(along), depth);
  if (dst.shape != shape) dst.resize(shape);
  const int64_t inner = strides_of(shape)[along];
  for (Walk at(shape); at.more(); at.next()) {
    const int64_t index = whole(indices, at.flat() / (inner * depth) * inner + at.flat() % inner);
    dst.move(at.flat(), values, index == at[along] || index + depth == at[along]);
  }
}

}  // namespace
const Op ops::one_hot{
    .name = "one_hot", .attributes = Attributes::make<OneHot>, .infer = infer, .reference = reference, .takes = kStrings | kComplex};
}  // namespace tenon
