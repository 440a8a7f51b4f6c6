#include "ops/resize.h"

#include <algorithm>

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

// Every mode, of few axes, by factors or sizes that are constants or not.
Problem any_problem(int64_t n, Random& r, DType type) {
  Resize a = random_resize(
      r, r.pick({ResizeMode::nearest, ResizeMode::linear, ResizeMode::cubic, ResizeMode::cubic}));
  if (type != DType::f32 && a.mode == ResizeMode::nearest) a.mode = ResizeMode::linear;
  a.antialias = a.mode != ResizeMode::nearest && r.chance(0.4),
  a.exclude_outside = a.mode == ResizeMode::cubic && r.chance(0.3);
  if (r.chance(0.2))
    a.coordinate_transformation_mode = ResizeCoordinates::tf_crop_and_resize,
    a.extrapolation_value = 2;
  std::vector<int64_t> shape;
  for (int64_t i = r.in(0, 3); i > 0; --i) shape.push_back(r.in(1, 5));
  shape.push_back(std::max<int64_t>(n, 1));
  const auto rank = static_cast<int64_t>(shape.size());
  Problem p{"resize", a, {of(type, shape, is_unsigned(type) ? 0 : -9, 9), omitted_source()}};
  if (a.coordinate_transformation_mode == ResizeCoordinates::tf_crop_and_resize)
    p.sources[1] = f32({2 * rank}, -0.2, 1.2), p.sources[1].constant = r.chance(0.5);
  if (r.chance(0.5)) {
    Source scales = f32({rank});
    for (int64_t i = 0; i < rank; ++i)
      scales.values.push_back(r.pick({0.3f, 0.5f, 0.75f, 1.f, 1.f, 1.5f, 2.f}));
    scales.constant = true;
    p.sources.push_back(scales);
    return p;
  }
  std::vector<int64_t> sizes;
  for (int64_t d : shape) sizes.push_back(r.in(1, 2 * std::min<int64_t>(d, 40)));
  a.keep_aspect_ratio_policy = r.pick({AspectRatio::stretch, AspectRatio::stretch,
                                       AspectRatio::not_larger, AspectRatio::not_smaller});
  if (a.keep_aspect_ratio_policy == AspectRatio::not_smaller)
    for (size_t i = 0; i < sizes.size(); ++i) sizes[i] = std::max<int64_t>(1, shape[i] / 2);
  p.attributes = a;
  p.sources.push_back(omitted_source()), p.sources.push_back(integers(sizes));
  return p;
}

void check_any(int64_t n, Random& r) {
  check(any_problem(n, r, DType::f32));
  check(any_problem(std::min<int64_t>(n, 100), r,
                    r.pick({DType::u8, DType::s32, DType::f16, DType::f64, DType::s8})));
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
    check_any(n, r);
  });
  expect_every_kernel("resize");
}

TEST(ResampleKernels, agree) {
  sweep([](int64_t n, Random& r) {
    check(any_problem(std::min<int64_t>(n, 100), r,
                      r.pick({DType::u8, DType::s32, DType::f16, DType::f64, DType::s64})));
  });
  expect_every_kernel("resample");
}

}  // namespace
}  // namespace tenon
