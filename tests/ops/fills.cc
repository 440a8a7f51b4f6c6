// expand, tile, pad, trilu, depth_to_space, space_to_depth, reverse_sequence, eye_like.
#include "ops/arrays.h"
#include "ops/depth_to_space.h"
#include "ops/eye_like.h"
#include "ops/pad.h"
#include "ops/reverse_sequence.h"
#include "ops/trilu.h"

namespace tenon {
namespace {

TEST(Expand, broadcasts_both_ways) {
  expect_reals(run(ops::expand, None{}, {counting({2, 1}), list({2})})[0], {2, 2}, {0, 0, 1, 1});
  expect_reals(run(ops::expand, None{}, {counting({2}), list({2, 1})})[0], {2, 2}, {0, 1, 0, 1});
  EXPECT_EQ(run(ops::expand, None{}, {counting({}), list({3, 0})})[0].shape, (std::vector<int64_t>{3, 0}));
  expect_error(Code::bad_model, "do not broadcast", [] { run(ops::expand, None{}, {counting({2}), list({3})}); });
}

TEST(Tile, repeats) {
  expect_reals(run(ops::tile, None{}, {counting({2, 2}), list({2, 2})})[0], {4, 4}, {0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3});
  EXPECT_EQ(run(ops::tile, None{}, {counting({2, 2}), list({0, 3})})[0].shape, (std::vector<int64_t>{0, 6}));
  expect_error(Code::bad_model, "repeats of tile and axes of src", [] { run(ops::tile, None{}, {counting({2, 2}), list({2})}); });
}

std::vector<double> padded(PadMode mode, int64_t size, int64_t before, int64_t after) {
  return numbers_of(run(ops::pad, Pad{.mode = mode, .axes = {}}, {counting({size}), list({before, after})})[0]);
}

TEST(Pad, in_every_mode) {
  using D = std::vector<double>;
  EXPECT_EQ(padded(PadMode::constant, 3, 1, 2), (D{0, 0, 1, 2, 0, 0}));
  EXPECT_EQ(padded(PadMode::reflect, 3, 2, 2), (D{2, 1, 0, 1, 2, 1, 0}));
  EXPECT_EQ(padded(PadMode::reflect, 3, 5, 0), (D{1, 0, 1, 2, 1, 0, 1, 2}));
  EXPECT_EQ(padded(PadMode::reflect, 1, 2, 1), (D{0, 0, 0, 0}));
  EXPECT_EQ(padded(PadMode::edge, 3, 2, 1), (D{0, 0, 0, 1, 2, 2}));
  EXPECT_EQ(padded(PadMode::wrap, 3, 4, 2), (D{2, 0, 1, 2, 0, 1, 2, 0, 1}));
  EXPECT_EQ(padded(PadMode::constant, 4, -1, -2), (D{1}));
  EXPECT_EQ(padded(PadMode::edge, 4, -1, 1), (D{1, 2, 3, 3}));
  EXPECT_EQ(padded(PadMode::wrap, 4, 1, -1), (D{2, 0, 1, 2}));
}

TEST(Pad, by_a_value_on_some_axes) {
  expect_reals(run(ops::pad, Pad{.axes = {-1}}, {counting({2, 2}), list({1, 0}), reals({}, {7})})[0], {2, 3}, {7, 0, 1, 7, 2, 3});
  EXPECT_EQ(run(ops::pad, Pad{}, {strings({1}, {"x"}), list({1, 0})})[0].strings, (std::vector<std::string>{"", "x"}));
  expect_error(Code::bad_model, "pads and twice the axes", [] { run(ops::pad, Pad{}, {counting({2, 2}), list({1, 0})}); });
  expect_error(Code::bad_model, "-1 elements are left", [] { run(ops::pad, Pad{}, {counting({2}), list({-1, -2})}); });
  expect_error(Code::bad_input, "nothing to extend", [] { run(ops::pad, Pad{.mode = PadMode::edge, .axes = {}}, {counting({2}), list({-2, 1})}); });
}

TEST(Trilu, keeps_a_triangle) {
  expect_reals(run(ops::trilu, Trilu{}, {reals({2, 3}, {1, 2, 3, 4, 5, 6})})[0], {2, 3}, {1, 2, 3, 0, 5, 6});
  expect_reals(run(ops::trilu, Trilu{}, {reals({2, 3}, {1, 2, 3, 4, 5, 6}), integers({}, {1})})[0], {2, 3}, {0, 2, 3, 0, 0, 6});
  expect_reals(run(ops::trilu, Trilu{false}, {reals({2, 3}, {1, 2, 3, 4, 5, 6}), integers({}, {-1})})[0], {2, 3}, {0, 0, 0, 4, 0, 0});
  expect_reals(run(ops::trilu, Trilu{false}, {reals({1, 2}, {1, 2}), integers({}, {INT64_MAX})})[0], {1, 2}, {1, 2});
}

TEST(DepthToSpace, and_back) {
  const Array src = counting({1, 8, 1, 2});
  const Array dcr = run(ops::depth_to_space, DepthToSpace{2, BlockOrder::dcr}, {src})[0];
  expect_reals(dcr, {1, 2, 2, 4}, {0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15});
  const Array crd = run(ops::depth_to_space, DepthToSpace{2, BlockOrder::crd}, {src})[0];
  expect_reals(crd, {1, 2, 2, 4}, {0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15});
  for (BlockOrder mode : {BlockOrder::dcr, BlockOrder::crd}) {
    const Array there = run(ops::depth_to_space, DepthToSpace{2, mode}, {src})[0];
    EXPECT_EQ(numbers_of(run(ops::space_to_depth, DepthToSpace{2, mode}, {there})[0]), numbers_of(src));
  }
  expect_error(Code::bad_model, "the blocksize is 1 to 65536", [&] { run(ops::depth_to_space, DepthToSpace{0}, {src}); });
  expect_error(Code::bad_model, "square of the blocksize", [&] { run(ops::depth_to_space, DepthToSpace{3}, {src}); });
}

TEST(ReverseSequence, reverses_the_beginning_of_each_sample) {
  expect_reals(run(ops::reverse_sequence, ReverseSequence{}, {counting({3, 2}), list({3, 2})})[0], {3, 2}, {4, 3, 2, 1, 0, 5});
  expect_reals(run(ops::reverse_sequence, ReverseSequence{0, 1}, {counting({2, 3}), list({1, 2})})[0], {2, 3}, {0, 1, 2, 4, 3, 5});
  expect_error(Code::bad_input, "length 4", [] { run(ops::reverse_sequence, ReverseSequence{0, 1}, {counting({2, 3}), list({1, 4})}); });
}

TEST(EyeLike, makes_a_diagonal) {
  expect_reals(run(ops::eye_like, EyeLike{.dtype = DType::none, .k = 1}, {counting({2, 3})})[0], {2, 3}, {0, 1, 0, 0, 0, 1});
  expect_integers(run(ops::eye_like, EyeLike{.dtype = DType::s32, .k = -1}, {counting({2, 2})})[0], {2, 2}, {0, 0, 1, 0});
  expect_reals(run(ops::eye_like, EyeLike{.dtype = DType::none, .k = INT64_MIN}, {counting({2, 2})})[0], {2, 2}, {0, 0, 0, 0});
}

}  // namespace
}  // namespace tenon
