#include "ops/pad.h"

#include "ops/index.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  const auto& a = n.attributes<Pad>();
  n.expect_inputs(2, 4);
  n.expect(n.dtype(1) == DType::s64 || n.dtype(1) == DType::s32, "the pads of pad are s64");
  n.expect_rank(1, 1);
  if (n.has(2)) {
    n.expect_same_dtype(0, 2);
    n.equal(n.count(n.shape(2)), 1, "elements of the value of pad");
  }
  if (n.has(3)) {
    n.expect_rank(3, 1);
    n.expect_integers(3);
  }
  const int rank = n.rank(0);
  Shape shape = n.shape(0);
  if (n.has(3) && !n.known(3)) {
    for (int i = 0; i < rank; ++i) shape[i] = n.data();
    return n.result(n.dtype(0), shape);
  }
  std::vector<int64_t> named = a.axes;
  if (n.has(3)) {
    named.clear();
    for (Dim d : n.content(3)) named.push_back(d.number());
  }
  std::vector<int> axes = n.axes(named, rank);
  for (int i = 0; !n.has(3) && named.empty() && i < rank; ++i) axes.push_back(i);
  n.equal(n.size(1, 0), static_cast<int64_t>(2 * axes.size()), "pads and twice the axes of pad");
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim& size = shape[axes[i]];
    if (!n.known(1)) {
      size = n.data();
      continue;
    }
    const Extent before = n.extent(n.content(1)[i]), after = n.extent(n.content(1)[axes.size() + i]);
    if (before.dim() == Dim(0) && after.dim() == Dim(0)) continue;
    const Extent result = n.extent(size) + before + after;
    const Interval range = n.graph().extents->range(result);
    if (range.high < 0)
      throw Error(Code::bad_model,
                  "pad takes more than axis " + std::to_string(axes[i]) + " has: " + n.graph().extents->text(result) + " elements are left");
    if (range.low < 0) n.at_least(result, 0, "elements that pad leaves of axis " + std::to_string(axes[i]));
    size = result;
  }
  n.result(n.dtype(0), shape);
}

// How many elements of an axis stand before the first that is left, and where that one comes to stand in dst.
struct Place {
  int64_t taken, added, left;
};

std::vector<Place> places(const Reference& n) {
  const auto& a = n.attributes<Pad>();
  const Array& src = *n.in[0];
  const std::vector<int64_t> pads = numbers(n, 1), named = n.has(3) ? numbers(n, 3) : a.axes;
  std::vector<Place> out;
  for (int64_t size : src.shape) out.push_back({0, 0, size});
  for (size_t i = 0; i < pads.size() / 2; ++i) {
    const int64_t axis = named.empty() ? static_cast<int64_t>(i) : named[i] < 0 ? named[i] + src.rank() : named[i];
    const int64_t before = pads[i], after = pads[pads.size() / 2 + i];
    Place& p = out[static_cast<size_t>(axis)];
    p.taken = std::max<int64_t>(-before, 0), p.added = std::max<int64_t>(before, 0);
    p.left = std::max<int64_t>(p.left - p.taken - std::max<int64_t>(-after, 0), 0);
    if (p.left == 0 && a.mode != PadMode::constant && n.out[0].count())
      throw Error(Code::bad_input, "pad has nothing to extend along axis " + std::to_string(axis));
  }
  return out;
}

void reference(Reference& n) {
  const Array& src = *n.in[0];
  Array& dst = n.out[0];
  const PadMode mode = n.attributes<Pad>().mode;
  const std::vector<Place> axes = places(n);
  const std::vector<int64_t> strides = strides_of(src.shape);
  for (Walk at(dst.shape); at.more(); at.next()) {
    int64_t from = 0;
    for (size_t k = 0; k < axes.size() && from >= 0; ++k) {
      const int64_t i = Pad::source(mode, at[k] - axes[k].added, axes[k].left);
      from = i < 0 ? -1 : from + (i + axes[k].taken) * strides[k];
    }
    if (from >= 0) dst.move(at.flat(), src, from);
    else if (n.has(2)) dst.move(at.flat(), *n.in[2], 0);
  }
}

}  // namespace
const Op ops::pad{.name = "pad", .attributes = Attributes::make<Pad>, .infer = infer, .reference = reference, .moves = true};
}  // namespace tenon
