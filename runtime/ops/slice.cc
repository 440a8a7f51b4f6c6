#include "ops/slice.h"

#include "ops/index.h"

namespace tenon {
namespace {

// From this bound on exporters mean "to the end", whatever the size.
constexpr int64_t kFar = 1'000'000'000;
// Longer steps, like this one, are beyond every size.
constexpr int64_t kMostStep = int64_t{1} << 60;

// A bound of a slice and what is known of its sign.
struct Bound {
  Extent value;
  bool front, back;     // counted from the front, from the end; neither where the sign is not known
  bool before, beyond;  // of all elements
};

Bound bound_of(Inference& n, Dim d, Extent size) {
  Extents& e = *n.graph().extents;
  const Interval r = e.range(d), room = e.range(size);
  Bound b{n.extent(d), r.low >= 0, r.high < 0, false, false};
  if (!d.known()) return b;
  b.beyond = d.number() >= room.high;
  b.before = d.number() < -room.high;
  if (b.beyond || b.before || std::abs(d.number()) < kFar) return b;
  (d.number() > 0 ? b.beyond : b.before) = true;
  n.at_least(std::abs(d.number()) - 1, size, "a slice to " + std::to_string(d.number()) + " takes all of its axis");
  return b;
}

// The bound counted from the front; not yet cut to the size.
Extent from_front(const Bound& b, Extent size) {
  if (b.front) return b.value;
  if (b.back) return b.value + size;
  return b.value + size * min(max(0 - b.value, 0), 1);
}

Extent count_forward(const Bound& start, const Bound& end, Extent size) {
  if (start.beyond || end.before) return 0;
  const Extent last = end.beyond ? size : end.front ? min(end.value, size) : end.back ? end.value + size : max(min(from_front(end, size), size), 0);
  if (start.before) return max(last, 0);
  if (start.back && last.dim() == size.dim()) return min(0 - start.value, size);
  // A start beyond the size leaves nothing, as a start beyond the end does.
  const Extent first = start.front ? start.value : max(from_front(start, size), 0);
  return max(last - first, 0);
}

Extent count_backward(const Bound& start, const Bound& end, Extent size) {
  if (end.beyond) return 0;
  const bool at_last = start.beyond || start.value.dim() == Dim(-1);
  const Extent first = at_last ? size - 1 : min(start.before ? 0 : max(from_front(start, size), 0), size - 1);
  const Extent last = end.before ? -1 : max(min(from_front(end, size), size - 1), -1);
  return max(first - last, 0);
}

Extent count(Inference& n, Dim start, Dim end, int64_t step, Extent size) {
  if (start.known() && end.known() && size.known()) return SliceAxis::of(start.number(), end.number(), step, size.dim().number()).count;
  const Bound a = bound_of(n, start, size), b = bound_of(n, end, size);
  const Extent elements = step > 0 ? count_forward(a, b, size) : count_backward(a, b, size);
  const int64_t stride = step < -kMostStep ? kMostStep : std::min(std::abs(step), kMostStep);
  return stride == 1 ? elements : (elements + (stride - 1)) / stride;
}

void infer(Inference& n) {
  n.expect_inputs(3, 5);
  const int rank = n.rank(0);
  for (int i = 1; i < n.inputs(); ++i) {
    if (!n.has(i)) continue;
    n.expect(is_integer(n.dtype(i)), "the bounds of slice are integers");
    n.expect_rank(i, 1);
    n.equal(n.size(i, 0), n.size(1, 0), "elements of input " + std::to_string(i) + " and of the starts");
  }
  Shape shape = n.shape(0);
  const bool all = !n.has(3);
  if ((!all && !n.known(3)) || !n.size(1, 0).known()) {
    for (int i = 0; i < rank; ++i) shape[i] = n.data(n.size(0, i));
    return n.result(n.dtype(0), shape);
  }
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < std::min<int64_t>(n.size(1, 0).dim().number(), Shape::kMaxRank + 1); ++i)
    axes.push_back(all ? i : n.content(3)[i].number());
  const std::vector<int> places = n.axes(axes, rank);
  for (size_t i = 0; i < places.size(); ++i) {
    const Extent size = n.size(0, places[i]);
    const bool stepped = n.has(4);
    if (!n.known(1) || !n.known(2) || (stepped && (!n.known(4) || !n.content(4)[i].known()))) {
      shape[places[i]] = n.data(size);
      continue;
    }
    const int64_t step = stepped ? n.content(4)[i].number() : 1;
    n.expect(step != 0, "the steps of slice are not 0");
    shape[places[i]] = count(n, n.content(1)[i], n.content(2)[i], step, size);
  }
  n.result(n.dtype(0), shape);
}

void reference(Reference& n) {
  const Array& src = *n.in[0];
  const std::vector<int64_t> starts = numbers(n, 1), ends = numbers(n, 2), own = strides_of(src.shape);
  const std::vector<int64_t> axes = n.has(3) ? numbers(n, 3) : std::vector<int64_t>{}, steps = n.has(4) ? numbers(n, 4) : std::vector<int64_t>{};
  std::vector<int64_t> strides = own, shape = src.shape;
  int64_t first = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    const int64_t axis = axes.empty() ? static_cast<int64_t>(i) : axes[i] < 0 ? axes[i] + src.rank() : axes[i];
    const size_t k = static_cast<size_t>(axis);
    const int64_t step = steps.empty() ? 1 : steps[i];
    if (axis < 0 || axis >= src.rank() || step == 0) throw Error(Code::bad_input, "slice has an axis outside src, or a step of 0");
    const SliceAxis a = SliceAxis::of(starts[i], ends[i], step, src.shape[k]);
    shape[k] = a.count;
    strides[k] = a.count > 1 ? own[k] * a.step : 0;
    first += a.count ? own[k] * a.first : 0;
  }
  Array& dst = n.out[0];
  if (dst.shape != shape) dst.resize(shape);
  for (Walk at(dst.shape); at.more(); at.next()) dst.move(at.flat(), src, first + at.offset(strides));
}

}  // namespace
const Op ops::slice{.name = "slice", .infer = infer, .reference = reference, .moves = true};
}  // namespace tenon
