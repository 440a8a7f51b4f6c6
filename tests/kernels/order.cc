#include <algorithm>

#include "harness/problem.h"
#include "ops/boxes.h"
#include "ops/compress.h"
#include "ops/top_k.h"
#include "ops/unique.h"

namespace tenon {
namespace {

using Shape64 = std::vector<int64_t>;

// Few different numbers, so that many are equal.
Source numbers(Random& r, const Shape64& shape) {
  const DType type = r.pick({DType::f32, DType::f32, DType::u8, DType::s64, DType::f16, DType::bf16,
                             DType::s32, DType::f64, DType::s8, DType::u64});
  Source s = of(type, shape, is_unsigned(type) ? 0 : -3, 3);
  if (is_real(type) && r.chance(0.5)) s.values = {1, -0.0, 2, 0, -1.5, 1, -3};
  return s;
}

TEST(OrderKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const int64_t rank = r.in(1, 3), axis = r.in(0, rank - 1);
    Shape64 shape;
    for (int64_t i = 0; i < rank; ++i) shape.push_back(r.in(1, 5));
    shape[static_cast<size_t>(r.in(0, rank - 1))] = n;
    const int64_t size = shape[static_cast<size_t>(axis)];
    Problem top{"top_k",
                TopK{.axis = axis - rank, .largest = r.chance(0.5), .sorted = r.chance(0.8)},
                {numbers(r, shape), integers({r.in(0, size)})}};
    top.outputs = 2;
    check(top);
    if (r.chance(0.05)) {
      top = {"top_k",
             TopK{.largest = r.chance(0.5)},
             {numbers(r, {2, 3000 + n}), integers({r.in(1, 40)})}};
      top.outputs = 2;
      check(top);
    }

    Source sparse = numbers(r, shape);
    if (is_real(sparse.type.dtype)) sparse.values = {0, 0, 1, -0.0, 2, 0, 0};
    check("nonzero", None{}, {sparse});
    if (r.chance(0.02)) check("nonzero", None{}, {of(DType::boolean, {3, 15000 + n}, 0, 1)});

    const bool flat = r.chance(0.3);
    int64_t elements = 1;
    for (int64_t d : shape) elements *= d;
    check("compress", Compress{.flat = flat, .axis = axis},
          {numbers(r, shape), of(DType::boolean, {r.in(0, flat ? elements : size)}, 0, 1)});

    Problem unique{"unique",
                   Unique{.flat = r.chance(0.5), .sorted = r.chance(0.5), .axis = axis},
                   {numbers(r, shape)}};
    unique.outputs = 4;
    check(unique);

    const int64_t batch = r.in(1, 2), classes = r.in(1, 3), boxes = std::min<int64_t>(n, 60);
    std::vector<Source> sources{f32({batch, boxes, 4}, 0, 1), f32({batch, classes, boxes}, 0, 1),
                                integers({r.in(0, 9)})};
    if (r.chance(0.8)) sources.push_back(scalar(0.3f));
    if (sources.size() > 3 && r.chance(0.8)) sources.push_back(scalar(0.2f));
    check("non_max_suppression", NonMaxSuppression{.center_point_box = r.chance(0.5)}, sources);
  });
  expect_every_kernel("order");
}

}  // namespace
}  // namespace tenon
