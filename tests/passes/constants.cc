// fold, share_constants, trim_captures, fold_if, merge_common, drop_dead.
#include <gtest/gtest.h>

#include "harness/pass.h"
#include "ir/text.h"
#include "passes/pipeline.h"

namespace tenon {
namespace {

TEST(Fold, computes_what_is_constant) {
  expect_pass("fold", R"(
graph(%x: f32[n, 2])
  %w = constant f32[2, 2] [1, 2, 3, 4]
  %t = transpose(%w)
  %u = mul(%t, f32 2)
  %y = matmul(%x, %u)
  return %y
)",
              R"(
graph(%x: f32[n, 2])
  %u = constant f32[2, 2] [2, 6, 4, 8]
  %y = matmul(%x, %u)
  return %y
)");
}

TEST(Fold, shapes_of_numbers_are_constants) {
  expect_pass("fold", R"(
graph(%x: f32[2, 3, n])
  %s = shape(%x) {end = 2}
  %a = mul(%s, s64[2] [2, 1])
  %y = cast(%a) {to = f32}
  return %y
)",
              R"(
graph(%x: f32[2, 3, n])
  %y = constant f32[2] [4, 3]
  return %y
)");
}

TEST(Fold, what_a_constant_decides_is_inferred_again) {
  Graph g = parse_graph(R"(
graph(%x: f32[2, 6])
  %half = constant f32[2] [3.9, 4.2]
  %s = cast(%half) {to = s64}
  %y = reshape(%x, %s)
  return %y
)");
  run_pass("fold", g);
  EXPECT_EQ(text(g, g.nodes[0]), "%y: f32[3, 4] = reshape(%x, s64[2] [3, 4])");
}

TEST(Fold, keeps_within_its_budget) {
  const char* wide = "graph(%x: f32[n]) %s = expand(f32 1, s64[1] [1000]) return %s, %x";
  Graph small = parse_graph(wide), large = parse_graph(wide);
  PassOptions options;
  run_pass("fold", large, options);
  EXPECT_TRUE(large.nodes.empty());
  options.limits.fold_bytes_node = 3999;
  run_pass("fold", small, options);
  EXPECT_EQ(small.nodes.size(), 1u);
}

TEST(Fold, weights_stay_quantised) {
  expect_unchanged("fold", R"(
graph(%x: f32[n, 2])
  %w = constant s8[2, 2] [1, 2, 3, 4]
  %d = dequantize(%w, f32 0.5)
  %y = matmul(%x, %d)
  return %y
)");
}

TEST(ShareConstants, equal_ones_become_one) {
  expect_pass("share_constants", R"(
graph(%x: f32[2])
  %a = constant f32[2] [1, 2]
  %b = constant f32[2] [1, 2]
  %c = constant f32[2] [1, 3]
  %p = add(%x, %a)
  %q = add(%p, %b)
  %r = add(%q, %c)
  return %r
)",
              R"(
graph(%x: f32[2])
  %a = constant f32[2] [1, 2]
  %c = constant f32[2] [1, 3]
  %p = add(%x, %a)
  %q = add(%p, %a)
  %r = add(%q, %c)
  return %r
)");
}

TEST(MergeCommon, the_first_stays) {
  expect_pass("merge_common", R"(
graph(%x: f32[n, 4])
  %a = softmax(%x)
  %b = softmax(%x)
  %c = softmax(%x) {axis = 0}
  %d = neg(%a)
  %e = neg(%b)
  return %d, %e, %c
)",
              R"(
graph(%x: f32[n, 4])
  %a = softmax(%x)
  %c = softmax(%x) {axis = 0}
  %d = neg(%a)
  return %d, %d, %c
)");
}

TEST(DropDead, nodes_and_last_results) {
  expect_pass("drop_dead", R"(
graph(%x: f32[1, 1, 4, 4])
  %a, %at = max_pool(%x) {kernel_shape = [2, 2]}
  %b = relu(%x)
  %c = neg(%b)
  return %a
)",
              R"(
graph(%x: f32[1, 1, 4, 4])
  %a = max_pool(%x) {kernel_shape = [2, 2]}
  return %a
)");
}

TEST(TrimCaptures, constants_and_what_no_branch_reads) {
  expect_pass("trim_captures", R"(
graph(%flag: bool[], %x: f32[2], %unread: f32[3])
  %w = constant f32[2] [1, 2]
  %y = if(%flag, %x, %unread, %w)
    graph(%x: f32[2], %u: f32[3], %w: f32[2])
      %a = add(%x, %w)
      return %a
    graph(%x: f32[2], %u: f32[3], %w: f32[2])
      return %x
  return %y
)",
              R"(
graph(%flag: bool[], %x: f32[2], %unread: f32[3])
  %y = if(%flag, %x)
    graph(%x: f32[2])
      %w = constant f32[2] [1, 2]
      %a = add(%x, %w)
      return %a
    graph(%x: f32[2])
      return %x
  return %y
)");
}

TEST(FoldIf, takes_the_branch_that_is_known) {
  expect_pass("fold_if", R"(
graph(%x: f32[n])
  %y, %z = if(bool false, %x)
    graph(%x: f32[n])
      return %x, %x
    graph(%x: f32[n])
      %w = constant f32[1] [3]
      %a = mul(%x, %w)
      %b = neg(%a)
      return %b, %a
  %r = add(%y, %z)
  return %r
)",
              R"(
graph(%x: f32[n])
  %w = constant f32[1] [3]
  %a = mul(%x, %w)
  %b = neg(%a)
  %r = add(%b, %a)
  return %r
)");
}

TEST(FoldIf, within_a_branch_and_with_other_sizes) {
  expect_pipeline(R"(
graph(%flag: bool[], %x: f32[4])
  %one = constant s64[1] [1]
  %same = equal(%one, s64[1] [1])
  %y = if(%flag, %x, %same)
    graph(%x: f32[4], %same: bool[1])
      %p = if(%same, %x)
        graph(%x: f32[4])
          %k = relu(%x)
          return %k
        graph(%x: f32[4])
          %c = concat(%x, %x) {axis = 0}
          return %c
      %n = neg(%p)
      return %n
    graph(%x: f32[4], %same: bool[1])
      return %x
  return %y
)",
                  R"(
graph(%flag: bool[], %x: f32[4])
  %y = if(%flag, %x)
    graph(%x: f32[4])
      %n = pointwise(%x) {relu(0); neg(1)}
      return %n
    graph(%x: f32[4])
      return %x
  return %y
)");
}

}  // namespace
}  // namespace tenon
