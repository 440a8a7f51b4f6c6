// sink_transposes and squeeze_convs, and fuse_dynamic beside them.
#include <gtest/gtest.h>

#include "harness/pass.h"

namespace tenon {
namespace {

TEST(SinkTransposes, behind_scalar_functions) {
  expect_pass("sink_transposes", R"(
graph(%x: f32[n, 2, 3, 5], %y: f32[n, 2, 3, 5])
  %c = constant f32[2] [1, 2]
  %a = transpose(%x) {perm = [0, 2, 3, 1]}
  %b = transpose(%y) {perm = [0, 2, 3, 1]}
  %k = add(%a, %c)
  %m = mul(%k, %b)
  %z = clip(%m, f32 0, f32 6)
  return %z
)",
              R"(
graph(%x: f32[n, 2, 3, 5], %y: f32[n, 2, 3, 5])
  %c = constant f32[1, 2, 1, 1] [1, 2]
  %k = add(%x, %c)
  %m = mul(%k, %y)
  %z = clip(%m, f32 0, f32 6)
  %t = transpose(%z) {perm = [0, 2, 3, 1]}
  return %t
)",
              0);
}

TEST(SinkTransposes, axes_of_concat_reduce_softmax_and_pad) {
  expect_pass("sink_transposes", R"(
graph(%x: f32[2, 2, 3, 5], %y: f32[2, 4, 3, 5])
  %a = transpose(%x) {perm = [0, 2, 3, 1]}
  %b = transpose(%y) {perm = [0, 2, 3, 1]}
  %c = concat(%a, %b) {axis = 3}
  %p = pad(%c, s64[8] [0, 1, 2, 0, 0, 3, 4, 0])
  %s = softmax(%p) {axis = 1}
  %r = reduce(%s) {axes = [1, 2]}
  return %r
)",
              R"(
graph(%x: f32[2, 2, 3, 5], %y: f32[2, 4, 3, 5])
  %c = concat(%x, %y) {axis = 1}
  %p = pad(%c, s64[8] [0, 0, 1, 2, 0, 0, 3, 4])
  %s = softmax(%p) {axis = 2}
  %r = reduce(%s) {axes = [2, 3]}
  %t = transpose(%r) {perm = [0, 2, 3, 1]}
  return %t
)",
              1e-6);
}

TEST(SinkTransposes, operands_that_are_turned_otherwise_stay) {
  expect_unchanged("sink_transposes", R"(
graph(%x: f32[3, 3], %y: f32[3, 3])
  %a = transpose(%x)
  %z = add(%a, %y)
  return %z
)");
}

TEST(SinkTransposes, into_matmul) {
  expect_pass("sink_transposes", R"(
graph(%q: f32[b, 2, s, 4], %k: f32[b, t, 2, 4])
  %kt = transpose(%k) {perm = [0, 2, 3, 1]}
  %p = matmul(%q, %kt)
  return %p
)",
              R"(
graph(%q: f32[b, 2, s, 4], %k: f32[b, t, 2, 4])
  %kt = transpose(%k) {perm = [0, 2, 1, 3]}
  %p = matmul(%q, %kt) {transpose_b = true}
  return %p
)");
}

TEST(SinkTransposes, a_network_in_the_other_layout_needs_none) {
  expect_pipeline(R"(
graph(%x: f32[n, 4, 4, 2])
  %w = constant f32[2, 2, 1, 1] [1, 2, 3, 4]
  %xt = transpose(%x) {perm = [0, 3, 1, 2]}
  %a = conv(%xt, %w)
  %b = transpose(%a) {perm = [0, 2, 3, 1]}
  %c = relu(%b)
  %d = transpose(%c) {perm = [0, 3, 1, 2]}
  %e = conv(%d, %w)
  %f = transpose(%e) {perm = [0, 2, 3, 1]}
  %g = add(%f, %c)
  %h = transpose(%g) {perm = [0, 3, 1, 2]}
  %i = conv(%h, %w)
  return %i
)",
                  R"(
graph(%x: f32[n, 4, 4, 2])
  %w = constant f32[2, 2, 1, 1] [1, 2, 3, 4]
  %xt = transpose(%x) {perm = [0, 3, 1, 2]}
  %c = conv(%xt, %w) then relu(0)
  %g = conv(%c, %w, %c) then add(0, 1)
  %i = conv(%g, %w)
  return %i
)");
}

TEST(FuseDynamic, matmul) {
  expect_pass("fuse_dynamic", R"(
graph(%x: f32[n, 4])
  %w = constant s8[4, 2] [1, 2, 3, 4, -5, -6, 7, 8]
  %ws = constant f32[2] [0.5, 0.25]
  %q, %s, %z = dynamic_quantize(%x)
  %p = matmul_integer(%q, %w, %z, s8 1)
  %f = cast(%p)
  %k = mul(%s, %ws)
  %y = mul(%f, %k)
  return %y
)",
              R"(
graph(%x: f32[n, 4])
  %w = constant s8[4, 2] [1, 2, 3, 4, -5, -6, 7, 8]
  %ws = constant f32[2] [0.5, 0.25]
  %y = dynamic_matmul(%x, %w, %ws, s8 1)
  return %y
)",
              1e-6);
}

TEST(FuseDynamic, a_bias_in_steps) {
  expect_pass("fuse_dynamic", R"(
graph(%x: f32[n, 2, 3, 3])
  %w = constant s8[3, 2, 1, 1] [1, 2, 3, 4, -5, -6]
  %bias = constant f32[3, 1, 1] [1, -2, 3]
  %q, %s, %z = dynamic_quantize(%x)
  %k = mul(%s, f32 0.5)
  %steps = div(%bias, %k)
  %cut = floor(%steps)
  %b = cast(%cut) {to = s32}
  %p = conv_integer(%q, %w, %z)
  %pb = add(%p, %b)
  %f = cast(%pb)
  %y = mul(%f, %k)
  return %y
)",
              R"(
graph(%x: f32[n, 2, 3, 3])
  %bias = constant f32[3, 1, 1] [1, -2, 3]
  %w = constant s8[3, 2, 1, 1] [1, 2, 3, 4, -5, -6]
  %q, %s, %z = dynamic_quantize(%x)
  %k = mul(%s, f32 0.5)
  %steps = div(%bias, %k)
  %cut = floor(%steps)
  %b = cast(%cut) {to = s32}
  %f = cast(%b)
  %r = mul(%f, %k)
  %p = dynamic_conv(%x, %w, f32 0.5)
  %y = add(%p, %r)
  return %y
)",
              1e-6);
}

TEST(FuseDynamic, several_readers_of_one_source) {
  expect_pass("fuse_dynamic", R"(
graph(%x: f32[n, 2, 3, 3])
  %w = constant s8[3, 2, 1, 1] [1, 2, 3, 4, -5, -6]
  %v = constant s8[3, 2, 1, 1] [6, 5, 4, 3, -2, -1]
  %vs = constant f32[3, 1, 1] [0.5, 0.25, 0.125]
  %q, %s, %z = dynamic_quantize(%x)
  %p = conv_integer(%q, %w, %z)
  %pf = cast(%p)
  %k = mul(f32 0.5, %s)
  %a = mul(%k, %pf)
  %r = conv_integer(%q, %v, %z)
  %rf = cast(%r)
  %l = mul(%s, %vs)
  %b = mul(%rf, %l)
  return %a, %b
)",
              R"(
graph(%x: f32[n, 2, 3, 3])
  %w = constant s8[3, 2, 1, 1] [1, 2, 3, 4, -5, -6]
  %v = constant s8[3, 2, 1, 1] [6, 5, 4, 3, -2, -1]
  %vs = constant f32[3] [0.5, 0.25, 0.125]
  %a = dynamic_conv(%x, %w, f32 0.5)
  %b = dynamic_conv(%x, %v, %vs)
  return %a, %b
)",
              1e-6);
}

TEST(SqueezeConvs, an_axis_of_one_element_goes) {
  expect_pass("squeeze_convs", R"(
graph(%x: f32[n, 4, t, 1], %w: f32[6, 2, 3, 1], %b: f32[6])
  %c = conv(%x, %w, %b) {dilations = [2, 1], group = 2, pads = [1, 0, 2, 0], strides = [2, 3]}
  %y = squeeze(%c) {axes = [-1]}
  return %y
)",
              R"(
graph(%x: f32[n, 4, t, 1], %w: f32[6, 2, 3, 1], %b: f32[6])
  %a = squeeze(%x) {axes = [3]}
  %v = squeeze(%w) {axes = [3]}
  %y = conv(%a, %v, %b) {dilations = [2], group = 2, pads = [1, 2], strides = [2]}
  return %y
)");
}

TEST(SqueezeConvs, an_axis_that_the_window_sees_stays) {
  expect_unchanged("squeeze_convs", R"(
graph(%x: f32[n, 4, t, 1], %w: f32[6, 4, 3, 3])
  %c = conv(%x, %w) {pads = [0, 1, 0, 1]}
  %y = squeeze(%c) {axes = [3]}
  return %y
)");
  expect_unchanged("squeeze_convs", R"(
graph(%x: f32[n, 4, t, 2], %w: f32[6, 4, 3, 2])
  %c = conv(%x, %w)
  %y = squeeze(%c) {axes = [3]}
  return %y
)");
}

}  // namespace
}  // namespace tenon
