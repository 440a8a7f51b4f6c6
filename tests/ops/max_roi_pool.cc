#include "ops/max_roi_pool.h"

#include "ops/arrays.h"

namespace tenon {
namespace {

MaxRoiPool two_by_two(float scale = 1) { return {.pooled_shape = {2, 2}, .spatial_scale = scale}; }

TEST(MaxRoiPool, cells_of_regions) {
  const Array src = counting({1, 1, 4, 4});
  const std::vector<Array> out =
      run(ops::max_roi_pool, two_by_two(), {src, reals({2, 5}, {0, 0, 0, 3, 3, 0, 1, 1, 1, 1})});
  expect_reals(out[0], {2, 1, 2, 2}, {5, 7, 13, 15, 5, 5, 5, 5});
  expect_reals(run(ops::max_roi_pool, two_by_two(0.5f), {src, reals({1, 5}, {0, 0, 0, 6, 6})})[0],
               {1, 1, 2, 2}, {5, 7, 13, 15});
}

TEST(MaxRoiPool, cells_outside_the_image_are_0) {
  const Array beyond = reals({1, 5}, {0, 5, 5, 9, 9});
  expect_reals(run(ops::max_roi_pool, two_by_two(), {counting({1, 1, 2, 2}), beyond})[0],
               {1, 1, 2, 2}, {0, 0, 0, 0});
  const Array hostile = reals({1, 5}, {0, NAN, -1e30, 1e30, INFINITY});
  EXPECT_EQ(run(ops::max_roi_pool, two_by_two(), {counting({1, 1, 2, 2}), hostile})[0].count(), 4);
}

TEST(MaxRoiPool, refuses_images_that_are_not_there) {
  for (double image : {-1.0, 1.0, double{NAN}})
    expect_error(Code::bad_input, "there are 1", [&] {
      run(ops::max_roi_pool, two_by_two(),
          {counting({1, 1, 2, 2}), reals({1, 5}, {image, 0, 0, 1, 1})});
    });
  expect_error(Code::bad_model, "pooled_shape of max_roi_pool", [] {
    run(ops::max_roi_pool, MaxRoiPool{.pooled_shape = {0, 2}},
        {counting({1, 1, 2, 2}), reals({1, 5}, {0, 0, 0, 1, 1})});
  });
}

}  // namespace
}  // namespace tenon
