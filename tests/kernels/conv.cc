#include "kernels/convolution.h"

namespace tenon {
namespace {

TEST(ConvKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const size_t axes = static_cast<size_t>(r.in(1, 3));
    const int64_t few = std::min<int64_t>(n, 70);
    check(convolution(r, {r.in(1, 2), std::max<int64_t>(few, 1), r.in(1, 20), 1, spatial(r, axes, 1, 6), spatial(r, axes, 1, 3)}));
    check(convolution(r, {1, r.in(1, 5), std::max<int64_t>(few, 1), 1, spatial(r, axes, 1, 6), spatial(r, axes, 1, 3)}));
    check(convolution(r, {r.in(0, 2), r.in(1, 4), r.in(1, 4), 1, {n}, {r.in(1, 5)}}));
    check(convolution(r, {1, r.in(1, 3), r.in(1, 20), 1, {r.in(1, 4), n}, {r.in(1, 3), r.in(1, 7)}}));
    const int64_t group = r.in(2, 3), each = r.chance(0.5) ? 16 : r.in(1, 9);
    check(convolution(r, {1, group * each, group * (r.chance(0.5) ? 16 : each), group, {r.in(1, 5), few % 20}, {r.in(1, 3), r.in(1, 3)}}));
  });
  sweep(40, [](Random& r) {
    const size_t axes = static_cast<size_t>(r.in(1, 3));
    check(convolution(r, {r.in(1, 2), r.in(1, 70), r.in(1, 70), 1, spatial(r, axes, 1, axes == 1 ? 60 : 9), spatial(r, axes, 1, 3)}));
  });
  expect_every_kernel("conv");
}

}  // namespace
}  // namespace tenon
