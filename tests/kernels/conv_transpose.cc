#include "ops/conv_transpose.h"

#include "kernels/convolution.h"

namespace tenon {
namespace {

Problem transposed(Random& r, Convolution c) {
  ConvTranspose a;
  a.group = c.group;
  std::vector<int64_t> src{c.batch, c.channels}, weight{c.channels, c.outputs / c.group};
  for (size_t i = 0; i < c.in.size(); ++i) {
    a.strides.push_back(r.in(1, 3)), a.dilations.push_back(r.chance(0.2) ? 2 : 1);
    a.output_padding.push_back(r.in(0, std::max(a.strides[i], a.dilations[i]) - 1));
    src.push_back(c.in[i]), weight.push_back(c.taps[i]);
  }
  // No more is cut than there is.
  for (size_t i = 0; i < 2 * c.in.size(); ++i) a.pads.push_back(r.in(0, ((c.taps[i % c.in.size()] - 1) * a.dilations[i % c.in.size()]) / 2));
  Problem p{"conv_transpose", a, {f32(src), constant(f32(weight))}};
  if (r.chance(0.5)) p.sources.push_back(constant(f32({c.outputs})));
  if (r.chance(0.5)) p.after = {{row(Function::add, 0, 1), row(Function::relu, 2)}, {by_channel(c)}};
  return p;
}

TEST(ConvTransposeKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const size_t axes = static_cast<size_t>(r.in(1, 2));
    const int64_t few = std::clamp<int64_t>(n, 1, 70);
    check(transposed(r, {r.in(1, 2), few, r.in(1, 20), 1, spatial(r, axes, 1, 6), spatial(r, axes, 1, 4)}));
    check(transposed(r, {1, r.in(1, 5), few, 1, spatial(r, axes, 1, 6), spatial(r, axes, 1, 4)}));
    check(transposed(r, {1, r.in(1, 5), r.in(1, 20), 1, {r.in(1, 3), std::max<int64_t>(n, 1)}, {r.in(1, 3), r.in(1, 4)}}));
    check(transposed(r, {1, 32, 32, 2, {r.in(1, 4), r.in(1, 9)}, {r.in(1, 3), r.in(1, 4)}}));
    // What only columns take: groups of any size, three axes, weights that come while running.
    const int64_t groups = r.in(1, 4), each = r.in(1, 9);
    const size_t spatial_axes = static_cast<size_t>(r.in(1, 3));
    Convolution c{r.in(1, 2),
                  groups * r.in(1, 9),
                  groups * each,
                  groups,
                  spatial(r, spatial_axes, 1, 5),
                  spatial(r, spatial_axes, 1, 3)};
    c.in.back() = std::max<int64_t>(n, 1);
    Problem any = transposed(r, c);
    any.sources[1].constant = r.chance(0.5);
    check(any);
    if (r.chance(0.05)) check(transposed(r, {1, 3, 2, 1, {r.in(40, 60), r.in(30, 50)}, {3, 3}}));
  });
  expect_every_kernel("conv_transpose");
}

}  // namespace
}  // namespace tenon
