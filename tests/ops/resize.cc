// resize.
#include "ops/resize.h"
#include "ops/arrays.h"

namespace tenon {
namespace {

Resize of(ResizeMode mode, ResizeCoordinates coordinates, std::vector<float> scales) {
  Resize a;
  a.mode = mode, a.coordinate_transformation_mode = coordinates, a.scales = std::move(scales);
  return a;
}

constexpr auto kLinear = ResizeMode::linear;
constexpr auto kNearest = ResizeMode::nearest;

TEST(Resize, nearest) {
  Resize a = of(kNearest, ResizeCoordinates::asymmetric, {1, 2});
  a.nearest_mode = NearestMode::floor;
  expect_reals(run(ops::resize, a, {counting({1, 3})})[0], {1, 6}, {0, 0, 1, 1, 2, 2});
  a = of(kNearest, ResizeCoordinates::half_pixel, {});
  expect_reals(run(ops::resize, a, {counting({8}), omitted(), omitted(), list({3})})[0], {3}, {1, 3, 6});
  EXPECT_EQ(run(ops::resize, a, {strings({2}, {"a", "b"}), omitted(), omitted(), list({3})})[0].strings, (std::vector<std::string>{"a", "a", "b"}));
}

TEST(Resize, linear) {
  expect_reals(run(ops::resize, of(kLinear, ResizeCoordinates::half_pixel, {2}), {reals({2}, {1, 2})})[0], {4}, {1, 1.25, 1.75, 2});
  expect_reals(run(ops::resize, of(kLinear, ResizeCoordinates::align_corners, {2, 2}), {reals({2, 2}, {1, 2, 3, 4})})[0], {4, 4},
               {1, 4 / 3., 5 / 3., 2, 5 / 3., 2, 7 / 3., 8 / 3., 7 / 3., 8 / 3., 3, 10 / 3., 3, 10 / 3., 11 / 3., 4});
  expect_integers(run(ops::resize, of(kLinear, ResizeCoordinates::half_pixel, {2}), {list({0, 255}, DType::u8)})[0], {4}, {0, 64, 191, 255});
}

TEST(Resize, crops_to_a_region) {
  Resize a = of(kLinear, ResizeCoordinates::tf_crop_and_resize, {});
  a.extrapolation_value = 10;
  expect_reals(run(ops::resize, a, {counting({5}), reals({2}, {0.5, 1.5}), omitted(), list({3})})[0], {3}, {2, 4, 10});
}

TEST(Resize, antialias_of_ones_is_ones) {
  for (ResizeMode mode : {ResizeMode::linear, ResizeMode::cubic}) {
    Resize a = of(mode, ResizeCoordinates::half_pixel, {0.3f});
    a.antialias = true;
    expect_reals(run(ops::resize, a, {reals({10}, std::vector<double>(10, 1))})[0], {3}, {1, 1, 1});
  }
}

TEST(Resize, keeps_the_aspect_ratio) {
  Resize a = of(kNearest, ResizeCoordinates::half_pixel, {});
  a.keep_aspect_ratio_policy = AspectRatio::not_larger;
  EXPECT_EQ(run(ops::resize, a, {counting({2, 4}), omitted(), omitted(), list({7, 7})})[0].shape, (std::vector<int64_t>{4, 7}));
  a.keep_aspect_ratio_policy = AspectRatio::not_smaller;
  EXPECT_EQ(run(ops::resize, a, {counting({2, 4}), omitted(), omitted(), list({7, 7})})[0].shape, (std::vector<int64_t>{7, 14}));
}

TEST(Resize, sizes_of_symbols) {
  const auto by = [](float scale) {
    Graph g;
    const ValueId x = add_input(g, DType::f32, {g.extents->symbol("n")}, "x");
    return shape_text(g, emit(g, ops::resize, of(kNearest, ResizeCoordinates::asymmetric, {scale}), {x})[0]);
  };
  EXPECT_EQ(by(2), "[2*n]");
  EXPECT_EQ(by(0.5), "[floor(n, 2)]");
  EXPECT_EQ(by(1.5), "[floor(3*n, 2)]");
}

TEST(Resize, scales_that_the_model_computes) {
  Graph g;
  const ValueId x = add_input(g, DType::f32, {3}, "x"), scales = add_input(g, DType::f32, {1}, "scales");
  Resize a = of(kNearest, ResizeCoordinates::asymmetric, {});
  a.nearest_mode = NearestMode::floor;
  g.outputs = emit(g, ops::resize, a, {x, kNone, scales});
  expect_reals(run_reference(g, {counting({3}), reals({1}, {2})})[0], {6}, {0, 0, 1, 1, 2, 2});
}

TEST(Resize, refuses_what_makes_no_sense) {
  const Resize a = of(kNearest, ResizeCoordinates::half_pixel, {});
  expect_error(Code::bad_model, "either scales or sizes", [&] { run(ops::resize, a, {counting({3})}); });
  expect_error(Code::bad_model, "a scale is above 0", [&] { run(ops::resize, of(kNearest, ResizeCoordinates::half_pixel, {0}), {counting({3})}); });
  expect_error(Code::bad_model, "a scale is above 0", [&] { run(ops::resize, of(kNearest, ResizeCoordinates::half_pixel, {-1}), {counting({3})}); });
  expect_error(Code::bad_input, "nothing to read", [&] { run(ops::resize, a, {counting({0}), omitted(), omitted(), list({2})}); });
  expect_error(Code::bad_model, "sizes and axes", [&] { run(ops::resize, a, {counting({2}), omitted(), omitted(), list({2, 2})}); });
}

}  // namespace
}  // namespace tenon
