// fuse_scales, fuse_epilogues, fuse_pointwise.
#include <gtest/gtest.h>

#include "harness/pass.h"

namespace tenon {
namespace {

TEST(FuseScales, batch_normalisation_behind_a_conv) {
  expect_pass("fuse_scales", R"(
graph(%x: f32[n, 1, 4, 4])
  %w = constant f32[2, 1, 1, 1] [3, 4]
  %b = constant f32[2] [1, -1]
  %scale = constant f32[1, 2, 1, 1] [0.5, 2]
  %shift = constant f32[2, 1, 1] [0.25, 0]
  %a = conv(%x, %w, %b)
  %s = mul(%a, %scale)
  %y = add(%s, %shift)
  return %y
)",
              R"(
graph(%x: f32[n, 1, 4, 4])
  %w = constant f32[2, 1, 1, 1] [1.5, 8]
  %b = constant f32[2] [0.75, -2]
  %y = conv(%x, %w, %b)
  return %y
)");
}

TEST(FuseScales, a_conv_without_bias_gains_one) {
  expect_pass("fuse_scales", R"(
graph(%x: f32[n, 2, 3])
  %w = constant f32[2, 1, 1] [3, 4]
  %shift = constant f32[2, 1] [0.25, 2]
  %a = conv(%x, %w) {group = 2}
  %y = sub(%a, %shift)
  return %y
)",
              R"(
graph(%x: f32[n, 2, 3])
  %w = constant f32[2, 1, 1] [3, 4]
  %b = constant f32[2] [-0.25, -2]
  %y = conv(%x, %w, %b) {group = 2}
  return %y
)");
}

TEST(FuseScales, a_scale_behind_a_matmul) {
  expect_pass("fuse_scales", R"(
graph(%x: f32[n, 2])
  %w = constant f32[2, 3] [1, 2, 3, 4, 5, 6]
  %v = constant f32[3, 2] [1, 2, 3, 4, 5, 6]
  %s = constant f32[3] [2, 1, 0.5]
  %a = matmul(%x, %w)
  %p = mul(%s, %a)
  %b = matmul(%x, %v) {transpose_b = true}
  %q = div(%b, f32 4)
  return %p, %q
)",
              R"(
graph(%x: f32[n, 2])
  %w = constant f32[2, 3] [2, 2, 1.5, 8, 5, 3]
  %v = constant f32[3, 2] [0.25, 0.5, 0.75, 1, 1.25, 1.5]
  %p = matmul(%x, %w)
  %q = matmul(%x, %v) {transpose_b = true}
  return %p, %q
)");
}

TEST(FuseScales, a_value_that_others_read_stays) {
  expect_unchanged("fuse_scales", R"(
graph(%x: f32[n, 1, 4, 4])
  %w = constant f32[2, 1, 1, 1] [3, 4]
  %a = conv(%x, %w)
  %y = mul(%a, f32 2)
  return %y, %a
)");
}

TEST(FuseEpilogues, bias_activation_and_residual) {
  expect_pass("fuse_epilogues", R"(
graph(%x: f32[n, 3, 4, 4], %r: f32[n, 2, 4, 4])
  %w = constant f32[2, 3, 1, 1] random 1
  %b = constant f32[1, 2, 1, 1] [1, 2]
  %a = conv(%x, %w)
  %k = add(%a, %b)
  %l = add(%r, %k)
  %y = clip(%l, f32 0, f32 6)
  return %y
)",
              R"(
graph(%x: f32[n, 3, 4, 4], %r: f32[n, 2, 4, 4])
  %w = constant f32[2, 3, 1, 1] random 1
  %b = constant f32[1, 2, 1, 1] [1, 2]
  %y = conv(%x, %w, %b, %r, f32 0, f32 6) then add(0, 1); add(2, 5); clip(6, 3, 4)
  return %y
)");
}

TEST(FuseEpilogues, the_residual_may_be_computed_later) {
  expect_pass("fuse_epilogues", R"(
graph(%x: f32[n, 4])
  %w = constant f32[4, 4] random 1
  %a = matmul(%x, %w)
  %r = softmax(%x)
  %y = add(%a, %r)
  return %y
)",
              R"(
graph(%x: f32[n, 4])
  %w = constant f32[4, 4] random 1
  %r = softmax(%x)
  %y = matmul(%x, %w, %r) then add(0, 1)
  return %y
)");
}

TEST(FuseEpilogues, what_no_kernel_reads_stays) {
  expect_unchanged("fuse_epilogues", R"(
graph(%x: f32[b, 3, 4], %mask: f32[b, 1, 2])
  %w = constant f32[4, 2] random 1
  %a = matmul(%x, %w)
  %y = add(%a, %mask)
  return %y
)");
  expect_unchanged("fuse_epilogues", R"(
graph(%x: f32[n, 1, 4, 4])
  %w = constant f32[1, 1, 1, 1] [2]
  %other = constant f32[1, 2, 1, 1] [1, 2]
  %a = conv(%x, %w)
  %y = add(%a, %other)
  return %y
)");
}

TEST(FusePointwise, a_small_tree) {
  expect_pass("fuse_pointwise", R"(
graph(%x: f32[n, 3], %y: f32[3])
  %t = add(%x, %y)
  %s = sigmoid(%t)
  %m = mul(%t, %s)
  %c = greater(%m, f32 0)
  %z = where(%c, %m, %x)
  return %z
)",
              R"(
graph(%x: f32[n, 3], %y: f32[3])
  %z = pointwise(%x, %y, f32 0) {add(0, 1); sigmoid(3); mul(3, 4); greater(5, 2); where(6, 5, 0)}
  return %z
)");
}

TEST(FusePointwise, nothing_is_computed_twice) {
  expect_pass("fuse_pointwise", R"(
graph(%gate: f32[n, 3, 1, 1], %x: f32[n, 3, 4, 4])
  %s = sigmoid(%gate)
  %y = mul(%x, %s)
  %z = relu(%y)
  return %z, %y
)",
              R"(
graph(%gate: f32[n, 3, 1, 1], %x: f32[n, 3, 4, 4])
  %s = pointwise(%gate) {sigmoid(0)}
  %y = pointwise(%x, %s) {mul(0, 1)}
  %z = pointwise(%y) {relu(0)}
  return %z, %y
)");
}

TEST(FusePointwise, integers_stay_as_they_are) {
  expect_unchanged("fuse_pointwise", "graph(%x: s64[n]) %a = add(%x, s64 1) %y = mul(%a, %a) return %y");
}

TEST(FuseEpilogues, takes_whole_programs) {
  expect_pass("fuse_epilogues", R"(
graph(%x: f32[n, 4], %r: f32[n, 4])
  %w = constant f32[4, 4] random 1
  %a = matmul(%x, %w, %r) then mul(0, 1)
  %y = pointwise(%r, %a) {sigmoid(1); mul(1, 2); add(3, 0)}
  return %y
)",
              R"(
graph(%x: f32[n, 4], %r: f32[n, 4])
  %w = constant f32[4, 4] random 1
  %y = matmul(%x, %w, %r) then mul(0, 1); sigmoid(2); mul(2, 3); add(4, 1)
  return %y
)");
}

}  // namespace
}  // namespace tenon
