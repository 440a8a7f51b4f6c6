#include "ops/top_k.h"

#include <algorithm>
#include <numeric>

#include "ops/order.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  n.expect_inputs(2, 2);
  n.expect(is_real(n.dtype(0)) || is_integer(n.dtype(0)), "src of top_k is of numbers");
  n.expect(n.dtype(1) == DType::s64, "the k of top_k is s64");
  n.equal(n.count(n.shape(1)), 1, "elements of the k of top_k");
  const int axis = n.axis(n.attributes<TopK>().axis, n.rank(0));
  const Extent size = n.size(0, axis);
  Shape shape = n.shape(0);
  if (!n.known(1)) {
    shape[axis] = n.data(size);
  } else {
    const Extent k = n.extent(n.content(1)[0]);
    n.expect(!k.known() || k.dim().number() >= 0, "the k of top_k is 0 or more");
    const Interval room = n.graph().extents->range(size - k);
    if (room.high < 0)
      throw Error(Code::bad_model, "top_k takes " + n.graph().extents->text(k) + " of " + n.graph().extents->text(size) + " elements");
    if (room.low < 0) n.at_least(size, k, "elements that top_k chooses from and their number");
    shape[axis] = k;
  }
  n.result(n.dtype(0), shape);
  n.result(DType::s64, shape);
}

void reference(Reference& n) {
  const auto& a = n.attributes<TopK>();
  const Array& src = *n.in[0];
  const int64_t axis = from_front(a.axis, src.rank()), size = src.size(static_cast<int>(axis)), k = n.in[1]->integer(0);
  if (k < 0 || k > size) throw Error(Code::bad_input, "top_k takes " + std::to_string(k) + " of " + std::to_string(size) + " elements");
  std::vector<int64_t> shape = src.shape;
  shape[static_cast<size_t>(axis)] = k;
  for (Array& out : n.out)
    if (out.shape != shape) out.resize(shape);
  if (!n.out[0].count()) return;
  const std::vector<Line> from = lines(src.shape, axis), to = lines(shape, axis);
  std::vector<int64_t> order(static_cast<size_t>(size));
  for (size_t l = 0; l < from.size(); ++l) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t x, int64_t y) {
      const int c = compare(src, from[l][x], from[l][y]);
      return a.largest ? c > 0 : c < 0;
    });
    for (int64_t i = 0; i < k; ++i) {
      n.out[0].move(to[l][i], src, from[l][order[static_cast<size_t>(i)]]);
      n.out[1].integer(to[l][i]) = order[static_cast<size_t>(i)];
    }
  }
}

}  // namespace
const Op ops::top_k{.name = "top_k", .attributes = Attributes::make<TopK>, .infer = infer, .reference = reference};
}  // namespace tenon
