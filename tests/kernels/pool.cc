#include "ops/pool.h"
#include "harness/problem.h"

namespace tenon {
namespace {

TEST(PoolKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const int64_t spatial = r.in(1, 3);
    std::vector<int64_t> shape{r.in(1, 2), r.chance(0.5) ? n : r.in(1, 20)};
    Pool a;
    a.ceil_mode = r.chance(0.3), a.count_include_pad = r.chance(0.3);
    for (int64_t i = 0; i < spatial; ++i) {
      const int64_t taps = r.in(1, 3), stride = r.in(1, 3), dilation = r.chance(0.2) ? 2 : 1;
      a.kernel_shape.push_back(taps), a.strides.push_back(stride), a.dilations.push_back(dilation);
      const int64_t least = (taps - 1) * dilation + 1 - (a.ceil_mode ? stride - 1 : 0);
      shape.push_back(std::max<int64_t>({least, 1, i == spatial - 1 && shape[1] != n ? n : r.in(1, 7)}));
    }
    for (int64_t i = 0; i < 2 * spatial; ++i)
      a.pads.push_back(r.in(0, a.kernel_shape[static_cast<size_t>(i % spatial)] - (r.chance(0.9) ? 1 : 0)));  // or pads alone
    if (r.chance(0.2)) a.pads = {}, a.auto_pad = r.pick({AutoPad::same_upper, AutoPad::same_lower, AutoPad::valid});
    check("average_pool", a, {f32(shape)});
    a.count_include_pad = false;
    check("max_pool", a, {f32(shape)});
    Pool wide;
    wide.kernel_shape = {r.in(4, 7), r.in(5, 9)}, wide.strides = {r.in(1, 2), r.in(1, 2)}, wide.dilations = {r.in(1, 2), 1};
    for (int i = 0; i < 4; ++i) wide.pads.push_back(r.in(0, 3));
    const std::vector<int64_t> plane{1, r.in(1, 20), r.in(13, 40), std::max<int64_t>(9, std::min<int64_t>(n, 60))};
    check("max_pool", wide, {f32(plane)});
    wide.count_include_pad = r.chance(0.5);
    check("average_pool", wide, {f32(plane)});
  });
  expect_every_kernel("pool");
}

}  // namespace
}  // namespace tenon
