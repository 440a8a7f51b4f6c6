#include "ops/unique.h"

#include <algorithm>
#include <numeric>

#include "ops/order.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  const auto& a = n.attributes<Unique>();
  n.expect_inputs(1, 1);
  n.expect(!is_complex(n.dtype(0)), "unique orders elements, which complex numbers have none of");
  Shape shape{1};
  int axis = 0;
  if (!a.flat) shape = n.shape(0), axis = n.axis(a.axis, n.rank(0));
  const Extent size = a.flat ? n.count(n.shape(0)) : n.size(0, axis), parts = n.data(size);
  shape[axis] = parts;
  n.result(n.dtype(0), shape);
  n.result(DType::s64, {parts});
  n.result(DType::s64, {size});
  n.result(DType::s64, {parts});
}

// src as a row of parts, each of which takes outer * inner elements.
struct Parts {
  const Array& src;
  int64_t outer, size, inner;

  int64_t element(int64_t part, int64_t o, int64_t i) const { return (o * size + part) * inner + i; }
  int order(int64_t a, int64_t b) const {
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i)
        if (const int c = compare(src, element(a, o, i), element(b, o, i))) return c;
    return 0;
  }
};

Parts parts_of(const Unique& a, const Array& src) {
  if (a.flat) return {src, 1, src.count(), 1};
  const size_t axis = static_cast<size_t>(from_front(a.axis, src.rank()));
  int64_t outer = 1, inner = 1;
  for (size_t k = 0; k < src.shape.size(); ++k) (k < axis ? outer : inner) *= k == axis ? 1 : src.shape[k];
  return {src, outer, src.shape[axis], inner};
}

void reference(Reference& n) {
  const auto& a = n.attributes<Unique>();
  const Parts parts = parts_of(a, *n.in[0]);
  std::vector<int64_t> order(static_cast<size_t>(parts.size));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t x, int64_t y) { return parts.order(x, y) < 0; });
  // The first of each group of equals stands for it.
  std::vector<int64_t> first, group(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || parts.order(order[i - 1], order[i]) != 0) first.push_back(order[i]);
    group[static_cast<size_t>(order[i])] = first.back();
  }
  if (!a.sorted) std::sort(first.begin(), first.end());
  const int64_t count = static_cast<int64_t>(first.size());
  std::vector<int64_t> place(order.size()), shape = a.flat ? std::vector<int64_t>{count} : n.in[0]->shape;
  for (int64_t i = 0; i < count; ++i) place[static_cast<size_t>(first[static_cast<size_t>(i)])] = i;
  shape[a.flat || a.axis >= 0 ? static_cast<size_t>(a.flat ? 0 : a.axis) : shape.size() + static_cast<size_t>(a.axis)] = count;
  n.out[0].resize(shape), n.out[1].resize({count}), n.out[2].resize({parts.size}), n.out[3].resize({count});
  const Parts results{n.out[0], parts.outer, count, parts.inner};
  for (int64_t i = 0; i < count; ++i) {
    n.out[1].integer(i) = first[static_cast<size_t>(i)];
    for (int64_t o = 0; o < parts.outer; ++o)
      for (int64_t k = 0; k < parts.inner; ++k)
        n.out[0].move(results.element(i, o, k), parts.src, parts.element(first[static_cast<size_t>(i)], o, k));
  }
  for (int64_t i = 0; i < parts.size; ++i) {
    const int64_t at = place[static_cast<size_t>(group[static_cast<size_t>(i)])];
    n.out[2].integer(i) = at;
    ++n.out[3].integer(at);
  }
}

}  // namespace
const Op ops::unique{.name = "unique", .attributes = Attributes::make<Unique>, .infer = infer, .reference = reference, .takes = kStrings};
}  // namespace tenon
