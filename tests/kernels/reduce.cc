#include "ops/reduce.h"

#include <cmath>

#include "harness/problem.h"

namespace tenon {
namespace {

// One vector that adds 20000 terms one by one is off by 1e-4: all of them round the same way.
TEST(ReduceKernels, long_sums_keep_their_digits) {
  Source tenth = f32({20000, 3});
  tenth.values = {0.1f};
  check(Problem{"reduce", Reduce{.axes = {0}}, {tenth}, {}, {}, 1, Exactness{Exactness::relative, 5e-6}});
}

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
    if (n == 0) return;
    Source odd = f32(shape);
    for (int64_t i = r.in(1, 40); i > 0; --i)
      odd.values.push_back(r.chance(0.1) ? NAN : r.chance(0.1) ? r.pick({INFINITY, -INFINITY}) : r.real(-2, 2));
    check("reduce", Reduce{.kind = r.pick({Reduction::max, Reduction::min}), .axes = {r.in(-rank, rank - 1)}}, {odd});
    const Arg a{.axis = r.in(-rank, rank - 1), .keepdims = r.chance(0.5), .select_last_index = r.chance(0.5)};
    Source few = f32(shape);
    if (r.chance(0.5)) few.values = {0, 1, -1, 1, 0, NAN, -1};
    check(r.chance(0.5) ? "arg_max" : "arg_min", a, {few});
    check(r.chance(0.5) ? "arg_max" : "arg_min", a, {f32(shape)});
  });
  expect_every_kernel("reduce");
}

}  // namespace
}  // namespace tenon
