#include "ops/reduce.h"
#include "harness/problem.h"

namespace tenon {
namespace {

TEST(ReduceKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const int64_t rank = r.in(1, 4);
    std::vector<int64_t> shape;
    for (int64_t i = 0; i < rank; ++i) shape.push_back(r.in(1, 7));
    shape[static_cast<size_t>(r.in(0, rank - 1))] = n;
    for (Reduction kind : {Reduction::sum, Reduction::mean, Reduction::max, Reduction::min, Reduction::prod, Reduction::l1, Reduction::l2,
                           Reduction::sum_square, Reduction::log_sum}) {
      Reduce a{.kind = kind, .keepdims = r.chance(0.5), .noop_with_empty_axes = r.chance(0.1)};
      for (int64_t i = 0; i < rank; ++i)
        if (r.chance(0.5)) a.axes.push_back(r.chance(0.5) ? i : i - rank);
      // Sums that do not cancel: their error goes with the sum of magnitudes.
      const bool summed = kind == Reduction::sum || kind == Reduction::mean;
      check("reduce", a, {kind == Reduction::prod ? f32(shape, 0.8, 1.2) : f32(shape, kind == Reduction::log_sum ? 0.1 : summed ? -0.5 : -2, 2)});
    }
  });
  expect_every_kernel("reduce");
}

}  // namespace
}  // namespace tenon
