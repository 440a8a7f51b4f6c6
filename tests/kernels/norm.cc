#include "ops/norm.h"
#include "harness/problem.h"

namespace tenon {
namespace {

TEST(NormKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const int64_t m = r.in(1, 5), axis = r.pick<int64_t>({1, 2, -1});
    const std::vector<int64_t> all{m, r.in(1, 4), n}, part = axis == 1 ? std::vector<int64_t>{all[1], n} : std::vector<int64_t>{n};
    std::vector<Source> sources{f32(all, -3, 5), constant(f32(part))};
    const int statistics = r.chance(0.3);
    check(Problem{"rms_norm", LayerNorm{.axis = axis}, sources, {}, {}, 1 + statistics});
    if (r.chance(0.6)) sources.push_back(constant(f32(part)));
    check(Problem{"layer_norm", LayerNorm{.axis = axis}, sources, {}, {}, 1 + 2 * statistics});
    check("lrn",
          Lrn{.size = r.in(1, 6),
              .alpha = 0.1f,
              .beta = r.pick({0.75f, 0.5f}),
              .bias = r.pick({1.f, 2.f})},
          {f32({m, r.in(1, 9), r.in(1, 3), n}, -3, 5)});
    const int64_t groups = r.in(0, 3), channels = r.in(1, 3) * std::max<int64_t>(groups, 1);
    check("group_norm", GroupNorm{.num_groups = groups},
          {f32({r.in(1, 2), channels, n}, -3, 5), constant(f32({channels})), constant(f32({channels}))});
    check("group_norm", GroupNorm{.num_groups = groups}, {f32({1, channels, r.in(1, 5), n}), constant(f32({channels})), constant(f32({channels}))});
  });
  expect_every_kernel("norm");
}

}  // namespace
}  // namespace tenon
