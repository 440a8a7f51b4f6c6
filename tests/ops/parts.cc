// concat, split, slice.
#include "ops/arrays.h"
#include "ops/concat.h"
#include "ops/slice.h"
#include "ops/split.h"

namespace tenon {
namespace {

TEST(Concat, joins_along_each_axis) {
  expect_reals(run(ops::concat, Concat{0}, {counting({1, 2}), counting({2, 2})})[0], {3, 2}, {0, 1, 0, 1, 2, 3});
  expect_reals(run(ops::concat, Concat{-1}, {counting({2, 1}), counting({2, 2}), counting({2, 0})})[0], {2, 3}, {0, 0, 1, 1, 2, 3});
  expect_error(Code::bad_model, "sizes of axis 0", [] { run(ops::concat, Concat{1}, {counting({1, 2}), counting({2, 2})}); });
  expect_error(Code::bad_model, "element types", [] { run(ops::concat, Concat{0}, {counting({2}), list({1})}); });
}

TEST(Concat, prefers_known_sizes_and_guards_the_others) {
  Graph g;
  const ValueId x = add_input(g, DType::f32, {g.extents->symbol("n"), g.extents->symbol("m")}, "x");
  const ValueId y = add_input(g, DType::f32, {2, 5}, "y");
  EXPECT_EQ(shape_text(g, emit(g, ops::concat, Concat{0}, {x, y})[0]), "[n + 2, 5]");
  ASSERT_EQ(g.guards->size(), 1u);
  EXPECT_EQ(g.extents->text(g.guards->front().a), "m");
}

TEST(Split, cuts_evenly_or_as_told) {
  auto out = run(ops::split, Split{.axis = 1, .num_outputs = 2}, {counting({2, 4})}, 2);
  expect_reals(out[0], {2, 2}, {0, 1, 4, 5});
  expect_reals(out[1], {2, 2}, {2, 3, 6, 7});
  out = run(ops::split, Split{.axis = 0, .num_outputs = 3}, {counting({7})}, 3);
  expect_reals(out[1], {3}, {3, 4, 5});
  expect_reals(out[2], {1}, {6});
  out = run(ops::split, Split{.axis = -1}, {counting({5}), list({0, 4, 1})}, 3);
  EXPECT_EQ(out[0].shape, std::vector<int64_t>{0});
  expect_reals(out[2], {1}, {4});
  expect_error(Code::bad_model, "sum of the sizes", [] { run(ops::split, Split{}, {counting({5}), list({2, 4})}, 2); });
  expect_error(Code::bad_model, "would have a size of -1", [] { run(ops::split, Split{.num_outputs = 4}, {counting({5})}, 4); });
}

struct SliceCase {
  int64_t size, start, end, step;
};

// What numpy gives, but for a start beyond the end when stepping back.
std::vector<double> sliced(const SliceCase& c) {
  std::vector<double> out;
  int64_t start = c.start < 0 ? c.start + c.size : c.start, end = c.end < 0 ? c.end + c.size : c.end;
  if (c.step > 0) {
    for (int64_t i = std::max<int64_t>(start, 0); i < std::min(end, c.size); i += c.step) out.push_back(static_cast<double>(i));
  } else {
    for (int64_t i = std::min(std::max<int64_t>(start, 0), c.size - 1); i > std::max<int64_t>(end, -1); i += c.step)
      out.push_back(static_cast<double>(i));
  }
  return out;
}

TEST(Slice, agrees_with_a_loop_for_all_small_bounds) {
  for (int64_t size : {0, 1, 2, 5})
    for (int64_t start = -7; start <= 7; ++start)
      for (int64_t end = -7; end <= 7; ++end)
        for (int64_t step : {-3, -2, -1, 1, 2, 3}) {
          SCOPED_TRACE("x[" + std::to_string(start) + ":" + std::to_string(end) + ":" + std::to_string(step) + "] of " + std::to_string(size));
          const std::vector<double> expected = sliced({size, start, end, step});
          const Array got = run(ops::slice, None{}, {counting({size}), list({start}), list({end}), omitted(), list({step})})[0];
          EXPECT_EQ(numbers_of(got), expected);
          if (testing::Test::HasFailure()) return;
        }
}

TEST(Slice, takes_some_axes_and_bounds_beyond_every_size) {
  const Array src = counting({2, 3, 4});
  expect_reals(run(ops::slice, None{}, {src, list({1, -1}), list({INT64_MAX, INT32_MAX}), list({-1, 0})})[0], {1, 3, 3},
               {13, 14, 15, 17, 18, 19, 21, 22, 23});
  expect_reals(run(ops::slice, None{}, {counting({4}), list({-1}), list({Dim::kLeastNumber}), list({0}), list({-1})})[0], {4}, {3, 2, 1, 0});
  expect_reals(run(ops::slice, None{}, {counting({4}), list({-1}), list({INT32_MIN}), list({0}), list({INT64_MIN / 4})})[0], {1}, {3});
  expect_error(Code::bad_model, "steps of slice are not 0", [&] { run(ops::slice, None{}, {src, list({0}), list({1}), list({0}), list({0})}); });
  expect_error(Code::bad_model, "named twice", [&] { run(ops::slice, None{}, {src, list({0, 0}), list({1, 1}), list({0, -3})}); });
  expect_error(Code::bad_model, "elements of input 2", [&] { run(ops::slice, None{}, {src, list({0, 0}), list({1})}); });
}

std::string slice_of(Interval range, std::vector<int64_t> bounds, int64_t step = 1) {
  Graph g;
  const ValueId x = add_input(g, DType::f32, {g.extents->symbol("n", range)}, "x");
  const ValueId y =
      emit(g, ops::slice, None{}, {x, g.add_integers({bounds[0]}), g.add_integers({bounds[1]}), g.add_integers({0}), g.add_integers({step})})[0];
  return shape_text(g, y);
}

TEST(Slice, keeps_sizes_of_symbols_simple) {
  const Interval any{0, INT32_MAX}, some{1, 1000}, many{8, 1000};
  EXPECT_EQ(slice_of(some, {1, INT64_MAX}), "[n - 1]");
  EXPECT_EQ(slice_of(some, {0, -1}), "[n - 1]");
  EXPECT_EQ(slice_of(some, {-1, INT64_MAX}), "[1]");
  EXPECT_EQ(slice_of(some, {0, 1}), "[1]");
  EXPECT_EQ(slice_of(some, {0, INT32_MAX}), "[n]");
  EXPECT_EQ(slice_of(any, {0, INT64_MAX}), "[n]");
  EXPECT_EQ(slice_of(any, {-1, Dim::kLeastNumber}, -1), "[n]");
  EXPECT_EQ(slice_of(any, {-1, INT32_MIN}, -1), "[n]");
  EXPECT_EQ(slice_of(many, {-3, -1}), "[2]");
  EXPECT_EQ(slice_of(many, {2, -2}), "[n - 4]");
  EXPECT_EQ(slice_of(many, {2, 6}), "[4]");
  EXPECT_EQ(slice_of(many, {0, INT64_MAX}, 2), "[floor(n + 1, 2)]");
  EXPECT_EQ(slice_of({0, INT64_MAX / 2}, {1, INT64_MAX}), "[max(n - 1, 0)]");
}

TEST(Slice, by_symbols) {
  Graph g;
  Extents& e = *g.extents;
  const Dim past = e.symbol("past"), more = e.symbol("more");
  Value start, end;
  start.type.dtype = end.type.dtype = DType::s64;
  start.type.shape = end.type.shape = {1};
  start.content = std::make_shared<std::vector<Dim>>(std::vector<Dim>{past});
  end.content = std::make_shared<std::vector<Dim>>(std::vector<Dim>{e.add(past, more)});
  const ValueId s = g.add_value(start), t = g.add_value(end);
  const ValueId x = add_input(g, DType::f32, {e.add(past, more), 8}, "x");
  EXPECT_EQ(shape_text(g, emit(g, ops::slice, None{}, {x, s, t, g.add_integers({0})})[0]), "[more, 8]");
  const ValueId table = add_input(g, DType::f32, {4096, 8}, "table");
  EXPECT_EQ(shape_text(g, emit(g, ops::slice, None{}, {table, g.add_integers({0}), t, g.add_integers({0})})[0]), "[min(past + more, 4096), 8]");
}

}  // namespace
}  // namespace tenon
