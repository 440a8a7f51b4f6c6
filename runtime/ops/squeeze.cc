#include "ops/squeeze.h"

#include <algorithm>

#include "ops/op.h"

namespace tenon {
namespace {

// The axes of the attribute or of input 1; no value where the model decides them while it runs, and then `count` tells how many.
std::optional<std::vector<int64_t>> axes_of(Inference& n, const std::vector<int64_t>& attribute, int& count) {
  n.expect_inputs(1, 2);
  std::vector<int64_t> axes = attribute;
  if (n.has(1)) {
    n.expect(n.dtype(1) == DType::s64, "the axes are s64");
    n.expect_rank(1, 1);
    if (!n.size(1, 0).known()) throw Error(Code::not_supported, "the number of axes is not known before the model runs");
    n.expect(n.size(1, 0).dim().number() <= Shape::kMaxRank, "there are at most 8 axes");
    count = static_cast<int>(n.size(1, 0).dim().number());
    if (!n.known(1)) return std::nullopt;
    axes.clear();
    for (Dim d : n.content(1)) axes.push_back(d.number());
  }
  n.expect(axes.size() <= Shape::kMaxRank, "there are at most 8 axes");
  count = static_cast<int>(axes.size());
  return axes;
}

void any_sizes(Inference& n, int rank) {
  n.expect(rank >= 0, "src has every axis that is squeezed");
  Shape shape;
  for (int i = 0; i < rank; ++i) shape.push(n.data());
  n.result(n.dtype(0), shape);
}

void infer_squeeze(Inference& n) {
  int count;
  const auto named = axes_of(n, n.attributes<Squeeze>().axes, count);
  if (!named) return any_sizes(n, n.rank(0) - count);
  const std::vector<int> axes = n.axes(*named, n.rank(0));
  Shape shape;
  for (int i = 0; i < n.rank(0); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) shape.push(n.size(0, i));
    else n.equal(n.size(0, i), 1, "the size of axis " + std::to_string(i) + ", which is squeezed");
  }
  n.result(n.dtype(0), shape);
}

void infer_unsqueeze(Inference& n) {
  int count;
  const auto named = axes_of(n, n.attributes<Unsqueeze>().axes, count);
  const int rank = n.rank(0) + count;
  if (!named) return any_sizes(n, rank);
  const std::vector<int> axes = n.axes(*named, rank);
  Shape shape;
  for (int i = 0, from = 0; i < rank; ++i) shape.push(std::find(axes.begin(), axes.end(), i) != axes.end() ? Dim(1) : n.size(0, from++).dim());
  n.result(n.dtype(0), shape);
}

void reference(Reference& n) {
  for (int64_t i = 0, count = n.out[0].count(); i < count; ++i) n.out[0].move(i, *n.in[0], i);
}

}  // namespace
const Op ops::squeeze{
    .name = "squeeze", .attributes = Attributes::make<Squeeze>, .infer = infer_squeeze, .reference = reference, .view = true, .moves = true};
const Op ops::unsqueeze{
    .name = "unsqueeze", .attributes = Attributes::make<Unsqueeze>, .infer = infer_unsqueeze, .reference = reference, .view = true, .moves = true};
}  // namespace tenon
