// append_state and group_queries.
#include <gtest/gtest.h>

#include "harness/pass.h"

namespace tenon {
namespace {

TEST(AppendState, a_concat_behind_a_tied_input) {
  expect_pass("append_state", R"(
graph(%x: f32[b, 2, s, 4], %past: f32[b, 2, p, 4])
  %present = concat(%past, %x) {axis = 2}
  %y = mul(%present, f32 2)
  tie %present -> %past
  return %present, %y
)",
              R"(
graph(%x: f32[b, 2, s, 4], %past: f32[b, 2, p, 4] room[b, 2, capacity, 4] at 0)
  %present = append(%past, %x) {axis = 2}
  %y = mul(%present, f32 2)
  tie %present -> %past
  return %present, %y
)");
}

TEST(AppendState, in_the_branch_that_has_a_past) {
  expect_pass("append_state", R"(
graph(%first: bool[], %whole: f32[b, s + p, 4], %x: f32[b, s, 4], %past: f32[b, p, 4])
  %present = if(%first, %whole, %x, %past)
    graph then(%whole: f32[b, s + p, 4], %x: f32[b, s, 4], %past: f32[b, p, 4])
      %new = neg(%whole)
      return %new
    graph else(%whole: f32[b, s + p, 4], %x: f32[b, s, 4], %past: f32[b, p, 4])
      %longer = concat(%past, %x) {axis = -2}
      return %longer
  tie %present -> %past
  return %present
)",
              R"(
graph(%first: bool[], %whole: f32[b, s + p, 4], %x: f32[b, s, 4], %past: f32[b, p, 4] room[b, capacity, 4] at 0)
  %present: f32[b, s + p, 4] room[b, capacity, 4] at 0 = if(%first, %whole, %x, %past)
    graph then(%whole: f32[b, s + p, 4], %x: f32[b, s, 4], %past: f32[b, p, 4] room[b, capacity, 4] at 0)
      %new = neg(%whole)
      %copy: f32[b, s + p, 4] room[b, capacity, 4] at 0 = concat(%new) {axis = 1}
      return %copy
    graph else(%whole: f32[b, s + p, 4], %x: f32[b, s, 4], %past: f32[b, p, 4] room[b, capacity, 4] at 0)
      %longer = append(%past, %x) {axis = -2}
      return %longer
  tie %present -> %past
  return %present
)");
}

TEST(AppendState, not_without_a_tie_nor_behind_the_new_rows) {
  expect_unchanged("append_state", R"(
graph(%x: f32[s, 4], %past: f32[p, 4])
  %present = concat(%past, %x)
  return %present
)");
  expect_unchanged("append_state", R"(
graph(%x: f32[s, 4], %past: f32[p, 4])
  %present = concat(%x, %past)
  tie %present -> %past
  return %present
)");
  expect_unchanged("append_state", R"(
graph(%x: f32[b, 4], %past: f32[b, 4])
  %present = add(%x, %past)
  tie %present -> %past
  return %present
)");
}

// What makes the state anew would write over what the other reader needs.
TEST(AppendState, not_where_the_old_rows_are_read_beside_a_branch) {
  expect_unchanged("append_state", R"(
graph(%first: bool[], %x: f32[b, s, 4], %past: f32[b, p, 4])
  %present = if(%first, %x, %past)
    graph then(%x: f32[b, s, 4], %past: f32[b, p, 4])
      %new = neg(%x)
      return %new
    graph else(%x: f32[b, s, 4], %past: f32[b, p, 4])
      %longer = concat(%past, %x) {axis = 1}
      return %longer
  %y = neg(%past)
  tie %present -> %past
  return %present, %y
)");
}

TEST(GroupQueries, heads_that_share_keys_are_rows_of_one_product) {
  expect_pass("group_queries", R"(
graph(%q: f32[b, 6, s, 4], %k: f32[b, 3, t, 4])
  %ku = unsqueeze(%k) {axes = [2]}
  %kt = tile(%ku, s64[5] [1, 1, 2, 1, 1])
  %kr = reshape(%kt, s64[4] [0, 6, -1, 4])
  %p = matmul(%q, %kr, f32 0.5) {transpose_b = true} then mul(0, 1)
  return %p
)",
              R"(
graph(%q: f32[b, 6, s, 4], %k: f32[b, 3, t, 4])
  %ku = unsqueeze(%k) {axes = [2]}
  %kt = tile(%ku, s64[5] [1, 1, 2, 1, 1])
  %kr = reshape(%kt, s64[4] [0, 6, -1, 4])
  %lead = shape(%q) {end = 1}
  %last = shape(%q) {start = 3, end = 4}
  %rows = concat(%lead, s64[2] [3, -1], %last)
  %g = reshape(%q, %rows)
  %m = matmul(%g, %k, f32 0.5) {transpose_b = true} then mul(0, 1)
  %front = shape(%q) {end = 3}
  %columns = shape(%kr) {start = 2, end = 3}
  %sizes = concat(%front, %columns)
  %p = reshape(%m, %sizes)
  return %p
)");
}

TEST(GroupQueries, values_repeated_by_expand) {
  expect_pass("group_queries", R"(
graph(%p: f32[6, s, t], %v: f32[3, t, 4])
  %vu = unsqueeze(%v) {axes = [1]}
  %n = shape(%v) {start = 1, end = 2}
  %to = concat(s64[2] [3, 2], %n, s64[1] [4])
  %vt = expand(%vu, %to)
  %vr = reshape(%vt, s64[3] [6, -1, 4])
  %y = matmul(%p, %vr)
  return %y
)",
              R"(
graph(%p: f32[6, s, t], %v: f32[3, t, 4])
  %vu = unsqueeze(%v) {axes = [1]}
  %n = shape(%v) {start = 1, end = 2}
  %to = concat(s64[2] [3, 2], %n, s64[1] [4])
  %vt = expand(%vu, %to)
  %vr = reshape(%vt, s64[3] [6, -1, 4])
  %last = shape(%p) {start = 2, end = 3}
  %rows = concat(s64[2] [3, -1], %last)
  %g = reshape(%p, %rows)
  %m = matmul(%g, %v)
  %front = shape(%p) {end = 2}
  %columns = shape(%vr) {start = 2, end = 3}
  %sizes = concat(%front, %columns)
  %y = reshape(%m, %sizes)
  return %y
)");
}

TEST(GroupQueries, not_where_rows_are_repeated_nor_with_a_mask) {
  expect_unchanged("group_queries", R"(
graph(%q: f32[b, 3, s, 4], %k: f32[b, 3, t, 4])
  %ku = unsqueeze(%k) {axes = [3]}
  %kt = tile(%ku, s64[5] [1, 1, 1, 2, 1])
  %kr = reshape(%kt, s64[4] [0, 3, -1, 4])
  %p = matmul(%q, %kr) {transpose_b = true}
  return %p
)");
  expect_unchanged("group_queries", R"(
graph(%q: f32[b, 6, s, 4], %k: f32[b, 3, t, 4], %mask: f32[s, t])
  %ku = unsqueeze(%k) {axes = [2]}
  %kt = tile(%ku, s64[5] [1, 1, 2, 1, 1])
  %kr = reshape(%kt, s64[4] [0, 6, -1, 4])
  %p = matmul(%q, %kr, %mask) {transpose_b = true} then add(0, 1)
  return %p
)");
}

}  // namespace
}  // namespace tenon
