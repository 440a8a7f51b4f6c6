#include "ops/sample.h"

#include <algorithm>

#include "harness/problem.h"

namespace tenon {
namespace {

using Shape64 = std::vector<int64_t>;

void check_grid(int64_t n, Random& r) {
  const int64_t spatial = r.in(1, 3), batch = r.in(1, 2);
  Shape64 src{batch, r.in(1, 3)}, grid{batch};
  for (int64_t i = 0; i < spatial; ++i)
    src.push_back(r.in(1, 9)), grid.push_back(i == spatial - 1 ? n : r.in(1, 3));
  grid.push_back(spatial);
  GridSample a{r.pick({SampleMode::linear, SampleMode::nearest, SampleMode::cubic}),
               r.pick({SamplePadding::zeros, SamplePadding::border, SamplePadding::reflection}),
               r.chance(0.5)};
  Source places = f32(grid, -1.6, 1.6);
  if (r.chance(0.1)) places.values = {0.25, -1, 1, 5, -9, 1e20, -1e9, 0.1, 0.7, -0.3, 0.01};
  check("grid_sample", a, {f32(src), places});
}

void check_deformed(int64_t n, Random& r) {
  DeformConv a;
  a.group = r.in(1, 2), a.offset_group = r.in(1, 2);
  const int64_t channels = 2 * r.in(1, 3), outputs = a.group * r.in(1, 20), batch = r.in(1, 2);
  Shape64 size{r.in(3, 5), std::max<int64_t>(5, n)}, taps{r.in(1, 3), r.in(1, 3)}, dst;
  for (size_t i = 0; i < 2; ++i) a.strides.push_back(r.in(1, 2)), a.dilations.push_back(r.in(1, 2));
  for (int i = 0; i < 4; ++i) a.pads.push_back(r.in(1, 2));
  for (size_t i = 0; i < 2; ++i)
    dst.push_back((size[i] + a.pads[i] + a.pads[2 + i] - ((taps[i] - 1) * a.dilations[i] + 1)) /
                      a.strides[i] +
                  1);
  const int64_t all = taps[0] * taps[1] * a.offset_group;
  std::vector<Source> sources{f32({batch, channels, size[0], size[1]}),
                              f32({outputs, channels / a.group, taps[0], taps[1]}),
                              f32({batch, 2 * all, dst[0], dst[1]}, -3, 3)};
  sources.push_back(r.chance(0.5) ? f32({outputs}) : omitted_source());
  if (r.chance(0.5)) sources.push_back(f32({batch, all, dst[0], dst[1]}, 0, 1));
  check("deform_conv", a, sources);
}

TEST(SampleKernels, agree) {
  sweep([](int64_t n, Random& r) {
    check_grid(n, r);
    if (n < 100) check_deformed(n, r);

    RoiAlign a;
    a.mode = r.pick({RoiMode::avg, RoiMode::max}),
    a.coordinate_transformation_mode =
        r.pick({RoiPixels::half_pixel, RoiPixels::output_half_pixel});
    a.output_height = r.in(1, 7), a.output_width = r.in(1, 7), a.sampling_ratio = r.in(0, 5),
    a.spatial_scale = r.chance(0.5) ? 1.f : 0.5f;
    const int64_t boxes = std::min<int64_t>(n, 6), batch = r.in(1, 2);
    Source box = f32({boxes, 4}, -2, 12);
    check("roi_align", a,
          {f32({batch, r.in(1, 4), r.in(1, 9), r.in(1, 9)}), box,
           of(DType::s64, {boxes}, 0, static_cast<double>(batch - 1))});

    const int64_t spatial = r.in(1, 3);
    Shape64 shape{batch, 3};
    for (int64_t i = 0; i < spatial; ++i) shape.push_back(i == spatial - 1 ? n : r.in(1, 4));
    check("affine_grid", AffineGrid{r.chance(0.5)},
          {f32({batch, spatial, spatial + 1}), integers(shape)});
  });
  expect_every_kernel("sample");
}

}  // namespace
}  // namespace tenon
