// simplify, simplify_shapes, merge_transposes.
#include <gtest/gtest.h>

#include "harness/pass.h"

namespace tenon {
namespace {

TEST(Simplify, neutral_operands) {
  expect_pass("simplify", R"(
graph(%x: f32[n, 3])
  %a = add(%x, f32 0)
  %b = mul(f32 1, %a)
  %zero = constant f32[1, 3] [0, 0, 0]
  %c = sub(%b, %zero)
  %d = div(%c, f32 1)
  %e = pow(%d, f32 1)
  %y = relu(%e)
  return %y
)",
              R"(
graph(%x: f32[n, 3])
  %y = relu(%x)
  return %y
)");
}

TEST(Simplify, an_operand_that_widens_is_not_neutral) {
  expect_unchanged("simplify", R"(
graph(%x: f32[3])
  %zero = constant f32[2, 1] [0, 0]
  %y = add(%x, %zero)
  return %y
)");
}

TEST(Simplify, powers) {
  expect_pass("simplify", R"(
graph(%x: f32[n])
  %s = abs(%x)
  %a = pow(%s, f32 2)
  %b = pow(%s, f32 3)
  %c = pow(%s, f32 0.5)
  %d = pow(%s, f32 -1)
  return %a, %b, %c, %d
)",
              R"(
graph(%x: f32[n])
  %s = abs(%x)
  %a = mul(%s, %s)
  %q = mul(%s, %s)
  %b = mul(%q, %s)
  %c = sqrt(%s)
  %d = reciprocal(%s)
  return %a, %b, %c, %d
)");
}

TEST(Simplify, dividing_by_a_power_of_two_is_exact) {
  expect_pass("simplify", "graph(%x: f32[n]) %y = div(%x, f32 8) return %y", "graph(%x: f32[n]) %y = mul(%x, f32 0.125) return %y", 0);
  expect_unchanged("simplify", "graph(%x: f32[n]) %y = div(%x, f32 3) return %y");
  expect_unchanged("simplify", "graph(%x: s32[n]) %y = div(%x, s32 8) return %y");
}

TEST(Simplify, what_undoes_itself) {
  expect_pass("simplify", R"(
graph(%x: f32[n], %c: bool[n])
  %a = neg(%x)
  %b = neg(%a)
  %d = abs(%b)
  %e = abs(%d)
  %p = logical_not(%c)
  %q = logical_not(%p)
  %y = where(%q, %e, %x)
  return %y
)",
              R"(
graph(%x: f32[n], %c: bool[n])
  %d = abs(%x)
  %y = where(%c, %d, %x)
  return %y
)");
}

TEST(Simplify, spellings_of_clip) {
  const char* clip = "graph(%x: f32[n]) %y = clip(%x, f32 0, f32 6) return %y";
  for (const char* spelling : {
           "graph(%x: f32[n]) %a = max(%x, f32 0) %y = min(%a, f32 6) return %y",
           "graph(%x: f32[n]) %a = min(f32 6, %x) %y = max(f32 0, %a) return %y",
           "graph(%x: f32[n]) %a = relu(%x) %y = min(%a, f32 6) return %y",
           "graph(%x: f32[n]) %a = clip(%x, f32 -1, f32 6) %y = relu(%a) return %y",
       })
    expect_pass("simplify", spelling, clip, 0);
  expect_pass("simplify", "graph(%x: f32[n]) %y = clip(%x, f32 0, f32 inf) return %y", "graph(%x: f32[n]) %y = relu(%x) return %y", 0);
  expect_pass("simplify", "graph(%x: f32[n]) %a = clip(%x, f32 -inf, f32 inf) %y = neg(%a) return %y", "graph(%x: f32[n]) %y = neg(%x) return %y", 0);
}

TEST(Simplify, bounds_that_exclude_each_other_stay) {
  expect_unchanged("simplify", "graph(%x: f32[n]) %a = clip(%x, f32 1, f32 2) %y = clip(%a, f32 4, f32 5) return %y");
}

TEST(Simplify, casts) {
  expect_pass("simplify", R"(
graph(%x: f16[n])
  %a = cast(%x) {to = f16}
  %b = cast(%a)
  %c = cast(%b) {to = f16}
  %y = neg(%c)
  return %y
)",
              "graph(%x: f16[n]) %y = neg(%x) return %y", 0);
  expect_unchanged("simplify", "graph(%x: f32[n]) %a = cast(%x) {to = f16} %y = cast(%a) return %y");
}

TEST(SimplifyShapes, views_of_views_are_one_reshape) {
  expect_pass("simplify_shapes", R"(
graph(%x: f32[n, 3, 4, 1])
  %a = squeeze(%x) {axes = [3]}
  %b = reshape(%a, s64[2] [0, -1])
  %c = unsqueeze(%b) {axes = [0]}
  %d = reshape(%c, s64[3] [0, 0, 12])
  %e = flatten(%d) {axis = 2}
  %y = relu(%e)
  return %y
)",
              R"(
graph(%x: f32[n, 3, 4, 1])
  %e = reshape(%x, s64[2] [-1, 12])
  %y = relu(%e)
  return %y
)",
              0);
}

TEST(SimplifyShapes, a_way_there_and_back_is_none) {
  expect_pass("simplify_shapes", R"(
graph(%x: f32[n, m, 4])
  %a = unsqueeze(%x) {axes = [1]}
  %b = squeeze(%a) {axes = [1]}
  %y = relu(%b)
  return %y
)",
              "graph(%x: f32[n, m, 4]) %y = relu(%x) return %y", 0);
}

TEST(SimplifyShapes, several_symbols_keep_their_target) {
  expect_pass("simplify_shapes", R"(
graph(%x: f32[n, m, 4])
  %s = shape(%x) {end = 2}
  %t = concat(%s, s64[2] [2, 2]) {axis = 0}
  %a = unsqueeze(%x) {axes = [1]}
  %y = reshape(%a, %t)
  return %y
)",
              R"(
graph(%x: f32[n, m, 4])
  %s = shape(%x) {end = 2}
  %t = concat(%s, s64[2] [2, 2]) {axis = 0}
  %y = reshape(%x, %t)
  return %y
)",
              0);
}

TEST(SimplifyShapes, ops_that_do_nothing) {
  expect_pass("simplify_shapes", R"(
graph(%x: f32[2, 3])
  %a = identity(%x)
  %b = expand(%a, s64[2] [2, 3])
  %c = tile(%b, s64[2] [1, 1])
  %d = slice(%c, s64[1] [0], s64[1] [100], s64[1] [1])
  %e = pad(%d, s64[4] [0, 0, 0, 0])
  %f = concat(%e)
  %g = reshape(%f, s64[2] [2, 3])
  %y = relu(%g)
  return %y
)",
              "graph(%x: f32[2, 3]) %y = relu(%x) return %y", 0);
}

TEST(SimplifyShapes, a_slice_backwards_is_kept) {
  expect_unchanged("simplify_shapes", "graph(%x: f32[4]) %y = slice(%x, s64[1] [-1], s64[1] [-100], s64[1] [0], s64[1] [-1]) return %y");
}

TEST(SimplifyShapes, concats_within_concats) {
  expect_pass("simplify_shapes", R"(
graph(%x: f32[n, 2], %y: f32[n, 3])
  %a = concat(%x, %y) {axis = 1}
  %b = concat(%y, %a, %x) {axis = -1}
  return %b
)",
              "graph(%x: f32[n, 2], %y: f32[n, 3]) %b = concat(%y, %x, %y, %x) {axis = -1} return %b", 0);
}

TEST(SimplifyShapes, a_transpose_that_keeps_the_order_is_a_reshape) {
  expect_pass("simplify_shapes", "graph(%x: f32[n, 1, 5, 1]) %y = transpose(%x) {perm = [1, 0, 3, 2]} return %y",
              "graph(%x: f32[n, 1, 5, 1]) %y = reshape(%x, s64[4] [1, -1, 1, 5]) return %y", 0);
}

TEST(MergeTransposes, composes_and_cancels) {
  expect_pass("merge_transposes", R"(
graph(%x: f32[n, 3, h, w])
  %a = transpose(%x) {perm = [0, 2, 3, 1]}
  %b = transpose(%a) {perm = [0, 3, 1, 2]}
  %c = transpose(%a) {perm = [0, 2, 1, 3]}
  return %b, %c
)",
              R"(
graph(%x: f32[n, 3, h, w])
  %c = transpose(%x) {perm = [0, 3, 2, 1]}
  return %x, %c
)",
              0);
}

}  // namespace
}  // namespace tenon
