#include "kernels/convolution.h"

namespace tenon {
namespace {

TEST(ConvInt8Kernels, agree) {
  sweep([](int64_t n, Random& r) {
    const size_t axes = static_cast<size_t>(r.in(1, 2));
    const int64_t few = std::clamp<int64_t>(n, 1, 70);
    check(quantised_convolution(r, {r.in(1, 2), few, r.in(1, 20), 1, spatial(r, axes, 1, 6), spatial(r, axes, 1, 3)}));
    check(quantised_convolution(r, {1, r.in(1, 5), few, 1, spatial(r, axes, 1, 6), spatial(r, axes, 1, 3)}));
    check(quantised_convolution(r, {1, r.in(1, 5), r.in(1, 20), 1, {r.in(1, 4), n}, {r.in(1, 3), r.in(1, 7)}}));
    check(integer_convolution(r, {r.in(1, 2), few, r.in(1, 60), 1, spatial(r, axes, 1, 6), spatial(r, axes, 1, 3)}));
    check(integer_convolution(r, {1, r.in(1, 20), few, 1, {r.in(1, 4), n}, {r.in(1, 3), r.in(1, 5)}}));
    const int64_t group = r.in(2, 3);
    check(integer_convolution(r, {1, group * 16, group * 16, group, {r.in(1, 5), few % 20}, {r.in(1, 3), r.in(1, 3)}}));
    check(quantised_convolution(r, {1, group * 16, group * 16, group, {r.in(1, 5), few % 20}, {r.in(1, 3), r.in(1, 3)}}));
  });
  expect_every_kernel("conv_int8");
}

}  // namespace
}  // namespace tenon
