#include "kernels/convolution.h"

namespace tenon {
namespace {

TEST(WinogradKernels, agree) {
  sweep(30, [](Random& r) { check(convolution(r, {r.in(1, 2), r.in(8, 36), r.in(8, 36), 1, spatial(r, 2, 1, 11), {3, 3}}, true)); });
  expect_every_kernel("winograd");
}

}  // namespace
}  // namespace tenon
