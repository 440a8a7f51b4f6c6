// shape, size, range, cast, and shape values: what exporters compute of sizes comes out as extents.
#include <cmath>

#include "ops/arrays.h"
#include "ops/cast.h"
#include "ops/concat.h"
#include "ops/gather.h"
#include "ops/reshape.h"
#include "ops/shape.h"
#include "ops/split.h"
#include "ops/squeeze.h"

namespace tenon {
namespace {

TEST(Shape, of_all_or_some_axes) {
  const Array src = counting({2, 3, 4});
  expect_integers(run(ops::shape, ShapeOf{}, {src})[0], {3}, {2, 3, 4});
  expect_integers(run(ops::shape, ShapeOf{-1, INT64_MAX}, {src})[0], {1}, {4});
  expect_integers(run(ops::shape, ShapeOf{0, -1}, {src})[0], {2}, {2, 3});
  expect_integers(run(ops::shape, ShapeOf{-9, 9}, {src})[0], {3}, {2, 3, 4});
  expect_integers(run(ops::shape, ShapeOf{2, 1}, {src})[0], {0}, {});
  expect_integers(run(ops::size, None{}, {src})[0], {}, {24});
}

TEST(Range, of_integers_and_reals) {
  expect_integers(run(ops::range, None{}, {integers({}, {3}), integers({}, {9}), integers({}, {3})})[0], {2}, {3, 6});
  expect_integers(run(ops::range, None{}, {integers({}, {10}), integers({}, {4}), integers({}, {-2})})[0], {3}, {10, 8, 6});
  expect_integers(run(ops::range, None{}, {integers({}, {4}), integers({}, {4}), integers({}, {1})})[0], {0}, {});
  expect_reals(run(ops::range, None{}, {reals({}, {1}), reals({}, {2}), reals({}, {0.3})})[0], {4}, {1, 1.3, 1.6, 1.9});
  expect_error(Code::bad_model, "delta of range is not 0", [] {
    run(ops::range, None{}, {integers({}, {3}), integers({}, {9}), integers({}, {0})});
  });
  expect_error(Code::bad_input, "does not end", [] { run(ops::range, None{}, {reals({}, {3}), reals({}, {9}), reals({}, {0})}); });
}

Array cast(const Array& src, DType to, bool saturate = true) {
  return run(ops::cast, Cast{.to = to, .saturate = saturate, .round_mode = PowerRounding::up}, {src})[0];
}

TEST(Cast, between_numbers) {
  expect_integers(cast(reals({6}, {-1.9, 1.9, 0.5, NAN, 3e9, -3e9}), DType::s32), {6}, {-1, 1, 0, 0, INT32_MAX, INT32_MIN});
  expect_integers(cast(reals({3}, {INFINITY, -INFINITY, 1e10}), DType::s64), {3}, {INT64_MAX, INT64_MIN, 10000000000});
  expect_integers(cast(reals({4}, {255.7, 256, -1, 1e20}), DType::u8), {4}, {255, 0, 255, 255});
  expect_integers(cast(reals({2}, {1e19, 1e20}, DType::f64), DType::u64), {2}, {static_cast<int64_t>(10000000000000000000u), -1});
  expect_integers(cast(list({200, -1, 256}, DType::s16), DType::s8), {3}, {-56, -1, 0});
  expect_integers(cast(reals({4}, {0, -0.0, NAN, 0.1}), DType::boolean), {4}, {0, 0, 1, 1});
  expect_integers(cast(list({0, 256, -1}), DType::boolean), {3}, {0, 1, 1});
  expect_reals(cast(list({1, 0}, DType::boolean), DType::f32), {2}, {1, 0});
  expect_reals(cast(list({-1}, DType::u64), DType::f64), {1}, {0x1p64});
  // The nearest f32 of 2^60 + 2^36 + 1 is above it; by way of a double it would be below.
  expect_reals(cast(list({(int64_t{1} << 60) + (int64_t{1} << 36) + 1}), DType::f32), {1}, {0x1p60 + 0x1p37}, 0);
}

TEST(Cast, to_eight_bits_saturates_when_asked) {
  const Array src = reals({3}, {1e6, -INFINITY, 0.3});
  expect_reals(cast(src, DType::f8e4m3fn), {3}, {448, -448, 0.3125});
  const Array open = cast(src, DType::f8e4m3fn, false);
  EXPECT_TRUE(std::isnan(open.real(0)) && std::isnan(open.real(1)));
  EXPECT_EQ(cast(src, DType::f8e5m2, false).real(0), INFINITY);
  EXPECT_EQ(cast(reals({1}, {1e6}), DType::f16).real(0), INFINITY);
}

TEST(Cast, to_powers_of_two) {
  const Array src = reals({4}, {3, 4, 5, 6});
  const std::pair<PowerRounding, std::vector<double>> cases[] = {
      {PowerRounding::up, {4, 4, 8, 8}}, {PowerRounding::down, {2, 4, 4, 4}}, {PowerRounding::nearest, {4, 4, 4, 8}}};
  for (const auto& [mode, expected] : cases)
    expect_reals(run(ops::cast, Cast{.to = DType::f8e8m0, .saturate = true, .round_mode = mode}, {src})[0], {4}, expected);
}

TEST(Cast, between_numbers_and_strings) {
  EXPECT_EQ(cast(reals({7}, {0.47892547, 100, -0.5, 1e-5, NAN, INFINITY, -INFINITY}), DType::string).strings,
            (std::vector<std::string>{"0.47892547", "100", "-0.5", "1e-05", "NaN", "INF", "-INF"}));
  EXPECT_EQ(cast(list({-7}), DType::string).strings, std::vector<std::string>{"-7"});
  expect_reals(cast(strings({6}, {"3.14", "1e-5", "+1E8", " 7 ", "inf", "-INF"}), DType::f32), {6}, {3.14, 1e-5, 1e8, 7, INFINITY, -INFINITY});
  EXPECT_TRUE(std::isnan(cast(strings({1}, {"NaN"}), DType::f64).real(0)));
  expect_integers(cast(strings({3}, {"9223372036854775807", "-3", "100.5"}), DType::s64), {3}, {INT64_MAX, -3, 100});
  expect_error(Code::bad_input, "\"Hello\" is not a number", [] { cast(strings({1}, {"Hello"}), DType::f32); });
}

TEST(BitCast, reads_the_same_bits) {
  expect_integers(run(ops::bit_cast, BitCast{DType::u32}, {reals({2}, {1, -0.0})})[0], {2}, {0x3f800000, 0x80000000});
  expect_reals(run(ops::bit_cast, BitCast{DType::f16}, {integers({1}, {0x3c00}, DType::s16)})[0], {1}, {1});
  expect_error(Code::bad_model, "types of one width", [] { run(ops::bit_cast, BitCast{DType::s64}, {reals({1}, {1})}); });
}

// ---- shape values

struct Symbols : testing::Test {
  Graph g;
  ValueId x = add_input(g, DType::f32, {g.extents->symbol("n", {1, 1000}), 3, g.extents->symbol("t", {1, 1000})}, "x");

  ValueId shape() { return emit(g, ops::shape, ShapeOf{}, {x})[0]; }
  ValueId scalar(int64_t v) {
    Array a(DType::s64, {});
    a.integer(0) = v;
    return add_constant(g, a);
  }
  ValueId size(int64_t axis) { return emit(g, ops::gather, Gather{0}, {shape(), scalar(axis)})[0]; }
  ValueId one(ValueId v) { return emit(g, ops::unsqueeze, Unsqueeze{{0}}, {v})[0]; }
  ValueId join(std::vector<ValueId> parts) { return emit(g, ops::concat, Concat{0}, std::move(parts))[0]; }
  ValueId apply(const Op& op, std::vector<ValueId> in) { return emit(g, op, None{}, std::move(in))[0]; }
};

using Strings = std::vector<std::string>;

TEST_F(Symbols, view_of_torch) {
  const ValueId target = join({one(size(0)), one(apply(ops::mul, {size(1), size(2)}))});
  EXPECT_EQ(contents(g, target), (Strings{"n", "3*t"}));
  EXPECT_EQ(shape_text(g, emit(g, ops::reshape, Reshape{}, {x, target})[0]), "[n, 3*t]");
  EXPECT_EQ(shape_text(g, emit(g, ops::reshape, Reshape{}, {x, join({one(size(0)), g.add_integers({-1})})})[0]), "[n, 3*t]");
}

TEST_F(Symbols, zeros_of_a_shape) {
  const ValueId part = apply(ops::slice, {shape(), g.add_integers({0}), g.add_integers({2}), g.add_integers({0})});
  EXPECT_EQ(contents(g, part), (Strings{"n", "3"}));
  const ValueId zeros = apply(ops::expand, {add_constant(g, reals({}, {0})), part});
  EXPECT_EQ(shape_text(g, zeros), "[n, 3]");
  EXPECT_EQ(shape_text(g, apply(ops::tile, {zeros, join({g.add_integers({2}), one(size(2))})})), "[2*n, 3*t]");
}

TEST_F(Symbols, positions) {
  const ValueId past = emit(g, ops::size, None{}, {x})[0];
  EXPECT_EQ(contents(g, past), Strings{"3*n*t"});
  const ValueId end = apply(ops::add, {past, size(2)});
  EXPECT_EQ(shape_text(g, apply(ops::range, {past, end, scalar(1)})), "[t]");
  EXPECT_EQ(shape_text(g, apply(ops::range, {scalar(0), size(2), scalar(2)})), "[floor(t + 1, 2)]");
  EXPECT_EQ(contents(g, apply(ops::range, {size(0), apply(ops::add, {size(0), scalar(3)}), scalar(1)})), (Strings{"n", "n + 1", "n + 2"}));
}

TEST_F(Symbols, expand_by_a_choice_of_sizes) {
  // Where(shape == -1, ones, shape), as exporters write expand.
  const ValueId asked = join({g.add_integers({-1}), one(size(1)), one(size(2))});
  const ValueId ones = apply(ops::expand, {scalar(1), emit(g, ops::shape, ShapeOf{}, {asked})[0]});
  EXPECT_EQ(contents(g, ones), (Strings{"1", "1", "1"}));
  const ValueId chosen = apply(ops::where, {apply(ops::equal, {asked, apply(ops::mul, {ones, scalar(-1)})}), ones, asked});
  EXPECT_EQ(contents(g, chosen), (Strings{"1", "3", "t"}));
  EXPECT_EQ(shape_text(g, apply(ops::expand, {x, chosen})), "[n, 3, t]");
}

TEST_F(Symbols, pass_through_casts_splits_and_pads) {
  const ValueId narrow = emit(g, ops::cast, Cast{.to = DType::s32}, {shape()})[0];
  EXPECT_EQ(contents(g, narrow), (Strings{"n", "3", "t"}));
  EXPECT_EQ(contents(g, emit(g, ops::cast, Cast{.to = DType::boolean}, {shape()})[0]), (Strings{"1", "1", "1"}));
  EXPECT_EQ(contents(g, emit(g, ops::cast, Cast{.to = DType::u8}, {shape()})[0]), Strings{"unknown"});
  const auto parts = emit(g, ops::split, Split{.axis = 0, .num_outputs = 3}, {shape()}, 3);
  EXPECT_EQ(contents(g, parts[2]), Strings{"t"});
  const ValueId padded = emit(g, ops::pad, ops::pad.attributes(), {shape(), g.add_integers({1, 0}), scalar(7)})[0];
  EXPECT_EQ(contents(g, padded), (Strings{"7", "n", "3", "t"}));
}

TEST_F(Symbols, are_no_indices) {
  const ValueId table = g.add_integers({10, 20, 30});
  EXPECT_EQ(contents(g, emit(g, ops::gather, Gather{0}, {table, size(0)})[0]), Strings{"unknown"});
  const ValueId end = apply(ops::add, {size(0), scalar(1)});
  const ValueId one_element = apply(ops::slice, {table, one(size(0)), one(end), g.add_integers({0})});
  EXPECT_EQ(contents(g, one_element), Strings{"unknown"});
}

TEST_F(Symbols, pads_that_follow_from_sizes) {
  const ValueId missing = apply(ops::sub, {scalar(1000), size(2)});
  const ValueId pads = join({g.add_integers({0, 0, 0, 0, 0}), one(missing)});
  EXPECT_EQ(shape_text(g, emit(g, ops::pad, ops::pad.attributes(), {x, pads})[0]), "[n, 3, 1000]");
}

}  // namespace
}  // namespace tenon
