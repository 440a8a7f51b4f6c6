#include "ops/reshape.h"

#include <algorithm>

#include "ops/op.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  n.expect_inputs(2, 2);
  n.expect(n.dtype(1) == DType::s64, "the shape of reshape is s64");
  n.expect_rank(1, 1);
  if (!n.known(1)) {
    const Extent rank = n.size(1, 0);
    if (!rank.known()) throw Error(Code::not_supported, "the rank of the result is not known before the model runs");
    Shape shape;
    for (int64_t i = 0; i < rank.dim().number(); ++i) shape.push(n.data());
    return n.result(n.dtype(0), shape);
  }
  const std::vector<Dim> target = n.content(1);
  const bool allowzero = n.attributes<Reshape>().allowzero;
  Shape shape;
  int open = -1;
  Extent product = 1;
  for (size_t i = 0; i < target.size(); ++i) {
    Dim d = target[i];
    if (d == Dim(-1)) {
      n.expect(open < 0, "at most one size of reshape is -1");
      open = static_cast<int>(i);
      d = 1;
    } else if (d == Dim(0) && !allowzero) {
      d = n.size(0, static_cast<int>(i));
    }
    n.expect(!d.known() || d.number() >= 0, "the sizes of reshape are -1 or more");
    product = product * n.extent(d);
    shape.push(d);
  }
  const Extent count = n.count(n.shape(0));
  if (open >= 0) {
    // Axes that stay where they are say nothing of it: of a batch of none it has a value too.
    Extent from = 1, to = 1;
    for (int i = 0; i < std::max(shape.rank(), n.rank(0)); ++i) {
      const bool there = i < n.rank(0), wanted = i < shape.rank() && i != open;
      if (there && wanted && n.shape(0)[i] == shape[i]) continue;
      if (there) from = from * n.size(0, i);
      if (wanted) to = to * n.extent(shape[i]);
    }
    n.expect(to.dim() != Dim(0), "the size -1 of reshape has one value");
    shape[open] = from / to;
    product = product * n.extent(shape[open]);
  }
  n.equal(count, product, "elements of src and of the result");
  n.result(n.dtype(0), shape);
}

void reference(Reference& n) {
  Array& dst = n.out[0];
  for (int64_t i = 0, count = dst.count(); i < count; ++i) dst.move(i, *n.in[0], i);
}

}  // namespace
const Op ops::reshape{
    .name = "reshape", .attributes = Attributes::make<Reshape>, .infer = infer, .reference = reference, .view = true, .moves = true};
}  // namespace tenon
