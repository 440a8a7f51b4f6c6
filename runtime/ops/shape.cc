#include "ops/shape.h"

#include <algorithm>

#include "ops/op.h"

namespace tenon {
namespace {

struct Axes {
  int first, count;
};

Axes axes_of(const ShapeOf& a, int rank) {
  const auto cut = [rank](int64_t axis) { return static_cast<int>(std::clamp<int64_t>(from_front(axis, rank), 0, rank)); };
  return {cut(a.start), std::max(0, cut(a.end) - cut(a.start))};
}

void infer_shape(Inference& n) {
  n.expect_inputs(1, 1);
  const Axes axes = axes_of(n.attributes<ShapeOf>(), n.rank(0));
  std::vector<Dim> sizes;
  for (int i = 0; i < axes.count; ++i) sizes.push_back(n.size(0, axes.first + i));
  n.result(DType::s64, {axes.count}, std::move(sizes));
}

void reference_shape(Reference& n) {
  const Axes axes = axes_of(n.attributes<ShapeOf>(), n.in[0]->rank());
  for (int i = 0; i < axes.count; ++i) n.out[0].integer(i) = n.in[0]->shape[static_cast<size_t>(axes.first + i)];
}

void infer_size(Inference& n) {
  n.expect_inputs(1, 1);
  n.result(DType::s64, {}, {n.count(n.shape(0))});
}

void reference_size(Reference& n) { n.out[0].integer(0) = n.in[0]->count(); }

}  // namespace
const Op ops::shape{
    .name = "shape", .attributes = Attributes::make<ShapeOf>, .infer = infer_shape, .reference = reference_shape, .takes = kStrings | kComplex};
const Op ops::size{.name = "size", .infer = infer_size, .reference = reference_size, .takes = kStrings | kComplex};
}  // namespace tenon
