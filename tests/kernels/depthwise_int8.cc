#include "kernels/convolution.h"

namespace tenon {
namespace {

TEST(DepthwiseInt8Kernels, agree) {
  sweep([](int64_t n, Random& r) {
    const size_t axes = static_cast<size_t>(r.in(1, 2));
    const int64_t many = std::clamp<int64_t>(n, 1, 80), few = r.in(1, 20);
    check(quantised_convolution(r, {r.in(1, 2), many, many, many, spatial(r, axes, 1, 9), spatial(r, axes, 1, 5)}));
    check(quantised_convolution(r, {1, few, few, few, {r.in(1, 5), n}, {r.in(1, 3), r.in(1, 5)}}));
    check(integer_convolution(r, {r.in(1, 2), many, many, many, spatial(r, axes, 1, 9), spatial(r, axes, 1, 5)}));
    check(integer_convolution(r, {1, few, few, few, {r.in(1, 5), n}, {r.in(1, 3), r.in(1, 5)}}));
  });
  expect_every_kernel("depthwise_int8");
}

}  // namespace
}  // namespace tenon
