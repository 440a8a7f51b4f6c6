#include "ops/squeeze.h"

#include <algorithm>

#include "ops/op.h"

namespace tenon {
namespace {

void infer_squeeze(Inference& n) {
  n.expect_inputs(1, 1);
  const std::vector<int> axes = n.axes(n.attributes<Squeeze>().axes, n.rank(0));
  Shape shape;
  for (int i = 0; i < n.rank(0); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) shape.push(n.size(0, i));
    else n.equal(n.size(0, i), 1, "the size of axis " + std::to_string(i) + ", which is squeezed");
  }
  n.result(n.dtype(0), shape);
}

void infer_unsqueeze(Inference& n) {
  n.expect_inputs(1, 1);
  const auto& places = n.attributes<Unsqueeze>().axes;
  const int rank = n.rank(0) + static_cast<int>(std::min<size_t>(places.size(), Shape::kMaxRank + 1));
  const std::vector<int> axes = n.axes(places, rank);
  Shape shape;
  for (int i = 0, from = 0; i < rank; ++i) shape.push(std::find(axes.begin(), axes.end(), i) != axes.end() ? Dim(1) : n.size(0, from++).dim());
  n.result(n.dtype(0), shape);
}

void reference(Reference& n) {
  for (int64_t i = 0, count = n.out[0].count(); i < count; ++i) n.out[0].move(i, *n.in[0], i);
}

}  // namespace
const Op ops::squeeze{.name = "squeeze", .attributes = Attributes::make<Squeeze>, .infer = infer_squeeze, .reference = reference, .view = true, .moves = true};
const Op ops::unsqueeze{.name = "unsqueeze", .attributes = Attributes::make<Unsqueeze>, .infer = infer_unsqueeze, .reference = reference, .view = true,
                        .moves = true};
}  // namespace tenon
