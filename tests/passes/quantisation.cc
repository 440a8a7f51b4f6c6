// quantise_types, store_quantised.
#include <gtest/gtest.h>

#include "harness/pass.h"

namespace tenon {
namespace {

TEST(QuantiseTypes, a_conv_between_pairs_reads_eight_bits) {
  expect_pass("quantise_types", R"(
graph(%x: f32[n, 2, 3, 3])
  %w8 = constant s8[2, 2, 1, 1] [1, -2, 3, 4]
  %ws = constant f32[2] [0.5, 0.25]
  %wz = constant s8[2] [0, 0]
  %b32 = constant s32[2] [10, -20]
  %bs = constant f32[2] [0.01, 0.005]
  %q = quantize(%x, f32 0.02, u8 128)
  %d = dequantize(%q, f32 0.02, u8 128)
  %w = dequantize(%w8, %ws, %wz) {axis = 0}
  %b = dequantize(%b32, %bs) {axis = 0}
  %c = conv(%d, %w, %b)
  %cq = quantize(%c, f32 0.1, u8 100)
  %y = dequantize(%cq, f32 0.1, u8 100)
  return %y
)",
              R"(
graph(%x: f32[n, 2, 3, 3])
  %w = constant s8[2, 2, 1, 1] scale [0.5, 0.25] zero [0, 0] axis 0 [1, -2, 3, 4]
  %b = constant s32[2] scale [0.01, 0.005] zero [0, 0] axis 0 [10, -20]
  %q: u8[n, 2, 3, 3] scale 0.02 zero 128 = identity(%x)
  %c = conv(%q, %w, %b)
  %cq: u8[n, 2, 3, 3] scale 0.1 zero 100 = identity(%c)
  %y = identity(%cq)
  return %y
)");
}

TEST(QuantiseTypes, a_matrix_beside_real_rows_stays_as_stored) {
  expect_pass("quantise_types", R"(
graph(%x: f32[n, 2])
  %w8 = constant u8[2, 3] [1, 2, 3, 4, 5, 6]
  %ws = constant f32[3] [0.5, 0.25, 2]
  %wz = constant u8[3] [1, 2, 3]
  %rs = constant f32[2] [0.5, 0.25]
  %w = dequantize(%w8, %ws, %wz) {axis = 1}
  %by_row = dequantize(%w8, %rs) {axis = 0}
  %a = matmul(%x, %w)
  %b = matmul(%x, %by_row)
  return %a, %b
)",
              R"(
graph(%x: f32[n, 2])
  %w = constant u8[2, 3] scale [0.5, 0.25, 2] zero [1, 2, 3] axis 1 [1, 2, 3, 4, 5, 6]
  %w8 = constant u8[2, 3] [1, 2, 3, 4, 5, 6]
  %rs = constant f32[2] [0.5, 0.25]
  %by_row = dequantize(%w8, %rs) {axis = 0}
  %a = matmul(%x, %w)
  %b = matmul(%x, %by_row)
  return %a, %b
)");
}

TEST(StoreQuantised, the_result_and_the_residual) {
  expect_pass("store_quantised", R"(
graph(%x: f32[n, 4], %r: f32[n, 4])
  %w = constant s8[4, 4] scale 0.5 zero 0 [1, -2, 3, 4, 5, 6, -7, 8, 1, 2, 3, 4, 5, 6, 7, -8]
  %q: u8[n, 4] scale 0.02 zero 128 = identity(%x)
  %rq: u8[n, 4] scale 0.03 zero 100 = identity(%r)
  %rf = identity(%rq)
  %c = matmul(%q, %w, %rf) then add(0, 1); relu(2)
  %cq: u8[n, 4] scale 0.1 zero 0 = identity(%c)
  %y = identity(%cq)
  return %y
)",
              R"(
graph(%x: f32[n, 4], %r: f32[n, 4])
  %w = constant s8[4, 4] scale 0.5 zero 0 [1, -2, 3, 4, 5, 6, -7, 8, 1, 2, 3, 4, 5, 6, 7, -8]
  %q: u8[n, 4] scale 0.02 zero 128 = identity(%x)
  %rq: u8[n, 4] scale 0.03 zero 100 = identity(%r)
  %c: u8[n, 4] scale 0.1 zero 0 = matmul(%q, %w, %rq) then add(0, 1); relu(2)
  %y = identity(%c)
  return %y
)");
}

TEST(QuantiseTypes, elements_move_as_they_are_stored) {
  expect_pass("quantise_types", R"(
graph(%x: f32[2, 3])
  %q = quantize(%x, f32 0.02, u8 128)
  %d = dequantize(%q, f32 0.02, u8 128)
  %t = transpose(%d)
  %tq = quantize(%t, f32 0.02, u8 128)
  %y = dequantize(%tq, f32 0.02, u8 128)
  return %y
)",
              R"(
graph(%x: f32[2, 3])
  %q: u8[2, 3] scale 0.02 zero 128 = identity(%x)
  %t: u8[3, 2] scale 0.02 zero 128 = transpose(%q)
  %y = identity(%t)
  return %y
)");
}

TEST(RoundToSteps, where_nothing_reads_eight_bits) {
  expect_pass("round_to_steps", R"(
graph(%x: f32[n, 3])
  %q: s8[n, 3] scale 0.5 zero 3 = identity(%x)
  %d = identity(%q)
  %y = sigmoid(%d)
  return %y
)",
              R"(
graph(%x: f32[n, 3])
  %a = div(%x, f32 0.5)
  %c = round_within(%a, f32 -131, f32 124)
  %q = mul(%c, f32 0.5)
  %d = identity(%q)
  %y = sigmoid(%d)
  return %y
)",
              1e-6);
}

TEST(QuantiseTypes, other_scales_and_other_readers_stay) {
  expect_unchanged("quantise_types", R"(
graph(%x: f32[2, 3])
  %q = quantize(%x, f32 0.02, u8 128)
  %y = dequantize(%q, f32 0.03, u8 128)
  return %y
)");
  expect_unchanged("quantise_types", R"(
graph(%x: f32[2, 3])
  %q = quantize(%x, f32 0.02, u8 128)
  %y = dequantize(%q, f32 0.02, u8 128)
  return %y, %q
)");
}

// What reads a constant is inferred again when the constant is known; that it is stored in eight bits stays.
TEST(Pipeline, a_constant_that_is_rounded_to_eight_bits_stays_rounded) {
  expect_pipeline(R"(
graph(%x: f32[1, 1, 2, 2])
  %c8 = constant s8[1, 2, 2, 2] [1, -2, 3, 4, -5, 6, 7, -8]
  %w8 = constant s8[1, 2, 1, 1] [1, -2]
  %c = dequantize(%c8, f32 0.5, s8 0)
  %q = quantize(%c, f32 0.5, u8 0)
  %d = dequantize(%q, f32 0.5, u8 0)
  %w = dequantize(%w8, f32 0.25, s8 0)
  %a = conv(%d, %w)
  %y = mul(%a, %x)
  return %y
)",
                  R"(
graph(%x: f32[1, 1, 2, 2])
  %c = constant f32[1, 2, 2, 2] [0.5, -1, 1.5, 2, -2.5, 3, 3.5, -4]
  %w = constant s8[1, 2, 1, 1] scale 0.25 zero 0 [1, -2]
  %q: u8[1, 2, 2, 2] scale 0.5 zero 0 = identity(%c)
  %y = conv(%q, %w, %x) then mul(0, 1)
  return %y
)");
}

TEST(Pipeline, a_quantised_network_stays_in_eight_bits) {
  expect_pipeline(R"(
graph(%x: f32[n, 2, 3, 3])
  %w8 = constant s8[2, 2, 1, 1] [1, -2, 3, 4]
  %q = quantize(%x, f32 0.02, u8 128)
  %d = dequantize(%q, f32 0.02, u8 128)
  %d2 = dequantize(%q, f32 0.02, u8 128)
  %w = dequantize(%w8, f32 0.5, s8 0)
  %c = conv(%d, %w)
  %r = relu(%c)
  %cq = quantize(%r, f32 0.1, u8 0)
  %cd = dequantize(%cq, f32 0.1, u8 0)
  %s = add(%cd, %d2)
  %sq = quantize(%s, f32 0.1, u8 7)
  %sd = dequantize(%sq, f32 0.1, u8 7)
  %g = reduce(%sd) {kind = mean, axes = [2, 3]}
  return %g
)",
                  R"(
graph(%x: f32[n, 2, 3, 3])
  %w = constant s8[2, 2, 1, 1] scale 0.5 zero 0 [1, -2, 3, 4]
  %q: u8[n, 2, 3, 3] scale 0.02 zero 128 = identity(%x)
  %c = conv(%q, %w, f32 0.1, f32 0, f32 255, %q, f32 -7, f32 248) then relu(0); div(7, 1); round_within(8, 2, 3); mul(9, 1); add(10, 4); div(11, 1); round_within(12, 5, 6); mul(13, 1)
  %g = reduce(%c) {kind = mean, axes = [2, 3]}
  return %g
)");
}

}  // namespace
}  // namespace tenon
