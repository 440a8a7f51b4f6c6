// grid_sample, affine_grid, roi_align, deform_conv, non_max_suppression, center_crop_pad, columns_to_image, max_unpool, det.
#include "ops/arrays.h"
#include "ops/boxes.h"
#include "ops/sample.h"

namespace tenon {
namespace {

TEST(GridSample, reads_between_elements_and_beyond_them) {
  const Array image = counting({1, 1, 2, 2});
  const auto at = [&](double x, double y, GridSample a) { return run(ops::grid_sample, a, {image, reals({1, 1, 1, 2}, {x, y})})[0].real(0); };
  EXPECT_NEAR(at(0, 0, {}), 1.5, 1e-6);
  EXPECT_NEAR(at(1, -1, {.align_corners = true}), 1, 1e-6);
  EXPECT_NEAR(at(1, -1, {}), 0.25, 1e-6);  // a quarter of element 1, the rest are zeros
  EXPECT_NEAR(at(1, -1, {.padding_mode = SamplePadding::border}), 1, 1e-6);
  EXPECT_NEAR(at(2, -0.5, {.mode = SampleMode::nearest, .padding_mode = SamplePadding::reflection}), 1, 1e-6);
  EXPECT_NEAR(at(0, 0, {.mode = SampleMode::cubic, .padding_mode = SamplePadding::border}), 1.5, 1e-6);
  EXPECT_EQ(at(NAN, 1e30, {}), 0);
}

TEST(AffineGrid, maps_centres_or_corners) {
  const Array turn = reals({1, 2, 3}, {0, 1, 0, 1, 0, 5});  // x = y, y = x + 5
  expect_reals(run(ops::affine_grid, AffineGrid{true}, {turn, list({1, 1, 2, 2})})[0], {1, 2, 2, 2}, {-1, 4, -1, 6, 1, 4, 1, 6});
  expect_reals(run(ops::affine_grid, AffineGrid{}, {turn, list({1, 1, 1, 2})})[0], {1, 1, 2, 2}, {0, 4.5, 0, 5.5});
}

TEST(RoiAlign, means_of_samples) {
  const Array image = counting({1, 1, 4, 4});
  RoiAlign a;
  a.coordinate_transformation_mode = RoiPixels::output_half_pixel, a.sampling_ratio = 1;
  expect_reals(run(ops::roi_align, a, {image, reals({1, 4}, {0, 0, 2, 2}), list({0})})[0], {1, 1, 1, 1}, {5});
  expect_error(Code::bad_input, "lies in image 1 of 1", [&] { run(ops::roi_align, a, {image, reals({1, 4}, {0, 0, 2, 2}), list({1})}); });
  expect_reals(run(ops::roi_align, a, {Array(DType::f32, {1, 1, 0, 3}), reals({1, 4}, {0, 0, 2, 2}), list({0})})[0], {1, 1, 1, 1}, {0});
}

TEST(DeformConv, moves_its_taps) {
  const Array image = counting({1, 1, 3, 3}), weight = reals({1, 1, 1, 1}, {2});
  Array offset = reals({1, 2, 3, 3}, std::vector<double>(18));
  offset.real(0) = 0.5;  // y of the first place
  offset.real(17) = 1;   // x of the last one, which then lies outside
  expect_reals(run(ops::deform_conv, DeformConv{}, {image, weight, offset})[0], {1, 1, 3, 3}, {3, 2, 4, 6, 8, 10, 12, 14, 0});
  Array two = offset;
  two.resize({2, offset.size(1), offset.size(2), offset.size(3)});
  expect_error(Code::bad_model, "batches of the offsets", [&] { run(ops::deform_conv, DeformConv{}, {image, weight, two}); });
}

TEST(NonMaxSuppression, keeps_the_best_of_what_overlaps) {
  const Array boxes = reals({1, 3, 4}, {0, 0, 1, 1, 1, 1, 0, 0.1, 5, 5, 6, 6}), scores = reals({1, 1, 3}, {0.5, 0.9, 0.7});
  expect_integers(run(ops::non_max_suppression, NonMaxSuppression{}, {boxes, scores, list({9}), reals({1}, {0.5}), reals({1}, {0})})[0], {2, 3},
                  {0, 0, 1, 0, 0, 2});
  expect_integers(run(ops::non_max_suppression, NonMaxSuppression{}, {boxes, scores, list({1})})[0], {1, 3}, {0, 0, 1});
  expect_integers(run(ops::non_max_suppression, NonMaxSuppression{}, {boxes, scores})[0], {0, 3}, {});
}

TEST(CenterCropPad, alike_on_both_sides) {
  expect_reals(run(ops::center_crop_pad, CenterCropPad{}, {counting({5}), list({2})})[0], {2}, {1, 2});
  expect_reals(run(ops::center_crop_pad, CenterCropPad{{-1}}, {reals({1, 2}, {1, 2}), list({5})})[0], {1, 5}, {0, 1, 2, 0, 0});
}

TEST(ColumnsToImage, adds_what_overlaps) {
  expect_reals(run(ops::columns_to_image, ColumnsToImage{}, {reals({1, 2, 2}, {1, 2, 3, 4}), list({1, 3}), list({1, 2})})[0], {1, 1, 1, 3},
               {1, 5, 4});
  expect_error(Code::bad_input, "3 places", [&] {
    run(ops::columns_to_image, ColumnsToImage{}, {reals({1, 2, 2}, {1, 2, 3, 4}), list({1, 4}), list({1, 2})});
  });
}

TEST(MaxUnpool, puts_elements_back) {
  MaxUnpool a;
  a.kernel_shape = {2}, a.strides = {2};
  expect_reals(run(ops::max_unpool, a, {reals({1, 1, 2}, {7, 8}), integers({1, 1, 2}, {1, 2})})[0], {1, 1, 4}, {0, 7, 8, 0});
  expect_reals(run(ops::max_unpool, a, {reals({1, 1, 2}, {7, 8}), integers({1, 1, 2}, {1, 2}), list({1, 1, 5})})[0], {1, 1, 5}, {0, 7, 8, 0, 0});
  expect_error(Code::bad_input, "index 4", [&] { run(ops::max_unpool, a, {reals({1, 1, 2}, {7, 8}), integers({1, 1, 2}, {1, 4})}); });
}

TEST(Det, of_each_matrix) { expect_reals(run(ops::det, None{}, {reals({2, 2, 2}, {1, 2, 3, 4, 0, 1, 1, 0})})[0], {2}, {-2, -1}); }

}  // namespace
}  // namespace tenon
