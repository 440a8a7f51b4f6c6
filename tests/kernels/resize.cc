#include "ops/resize.h"

#include "harness/problem.h"

namespace tenon {
namespace {

Resize random_resize(Random& r, ResizeMode mode) {
  Resize a;
  a.mode = mode;
  a.coordinate_transformation_mode =
      r.pick({ResizeCoordinates::half_pixel, ResizeCoordinates::half_pixel_symmetric, ResizeCoordinates::pytorch_half_pixel,
              ResizeCoordinates::align_corners, ResizeCoordinates::asymmetric, ResizeCoordinates::tf_half_pixel_for_nn});
  a.nearest_mode = r.pick({NearestMode::round_prefer_floor, NearestMode::round_prefer_ceil, NearestMode::floor, NearestMode::ceil});
  return a;
}

TEST(ResizeKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const float scales[] = {0.5f, 0.75f, 1, 1, 1.5f, 2, 2.25f, 3};
    const auto scale = [&] { return scales[r.in(0, 7)]; };
    std::vector<int64_t> shape{r.in(1, 2), r.pick<int64_t>({1, 3, 8, 17})};
    for (int64_t i = r.in(0, 1); i >= 0; --i) shape.push_back(r.in(2, 4));
    shape.push_back(n);
    Resize a = random_resize(r, r.pick({ResizeMode::nearest, ResizeMode::linear}));
    a.scales = {r.chance(0.9) ? 1 : scale(), 1};
    while (a.scales.size() < shape.size()) a.scales.push_back(scale());
    check("resize", a, {f32(shape)});
    a.axes = {-1, 0}, a.scales = {scale(), scale()};
    check("resize", a, {f32(shape)});
    a.axes = {}, a.scales = {};
    std::vector<int64_t> sizes = shape;
    for (size_t i = 2; i < sizes.size(); ++i) sizes[i] = sizes[i] ? r.in(0, 9) : 0;
    check("resize", a, {f32(shape), omitted_source(), omitted_source(), integers(sizes)});
    Resize b = random_resize(r, ResizeMode::nearest);
    b.axes = {2}, b.scales = {scale()};
    check("resize", b, {of(r.pick({DType::u8, DType::s64, DType::f16}), shape, 0, 100)});
    check("resize", b, {u8(shape, 0.1f, 3)}, u8({}, 0.1f, 3).type);
  });
  expect_every_kernel("resize");
}

}  // namespace
}  // namespace tenon
