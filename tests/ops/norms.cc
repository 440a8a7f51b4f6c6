// Norms over trailing axes, groups of channels and neighbouring channels.
#include "ops/arrays.h"
#include "ops/norm.h"

namespace tenon {
namespace {

TEST(LayerNorm, over_trailing_axes) {
  const Array src = reals({2, 2}, {1, 3, 2, 6});
  const LayerNorm a{.axis = -1, .epsilon = 0};
  expect_reals(run(ops::layer_norm, a, {src, reals({2}, {1, 2})})[0], {2, 2}, {-1, 2, -1, 2});
  const std::vector<Array> all = run(ops::layer_norm, a, {src, reals({}, {1}), reals({2}, {10, 20})}, 3);
  expect_reals(all[0], {2, 2}, {9, 21, 9, 21});
  expect_reals(all[1], {2, 1}, {2, 4});
  expect_reals(all[2], {2, 1}, {1, 0.5});
  const LayerNorm whole{.axis = 0, .epsilon = 0.5f};  // mean 3, variance 3.5
  expect_reals(run(ops::layer_norm, whole, {src, reals({}, {1})})[0], {2, 2}, {-1, 0, -0.5, 1.5});
  expect_error(Code::bad_model, "broadcast to src", [&] { run(ops::layer_norm, a, {src, counting({3, 2, 2})}); });
  expect_error(Code::bad_model, "sizes of src and of scale", [&] { run(ops::layer_norm, a, {counting({2, 1}), counting({3})}); });
  expect_error(Code::bad_model, "outside a rank", [&] { run(ops::layer_norm, LayerNorm{.axis = 2}, {src, reals({}, {1})}); });
}

TEST(RmsNorm, has_no_mean) {
  const LayerNorm a{.axis = -1, .epsilon = 0};
  const std::vector<Array> all = run(ops::rms_norm, a, {reals({1, 2}, {1, 7}), reals({2}, {10, 20})}, 2);
  expect_reals(all[0], {1, 2}, {2, 28});
  expect_reals(all[1], {1, 1}, {0.2});
  EXPECT_EQ(run(ops::rms_norm, a, {reals({1, 2}, {1, 7}, DType::f16), reals({2}, {1, 1})})[0].dtype, DType::f32);
}

TEST(GroupNorm, groups_channels) {
  const Array src = reals({1, 4, 1}, {1, 3, 2, 6}), scale = reals({4}, {1, 2, 3, 4}), bias = reals({4}, {10, 20, 30, 40});
  expect_reals(run(ops::group_norm, GroupNorm{.num_groups = 2, .epsilon = 0}, {src, scale, bias})[0], {1, 4, 1}, {9, 22, 27, 44});
  const Array image = reals({1, 2, 2}, {1, 3, 2, 6});
  expect_reals(run(ops::group_norm, GroupNorm{.epsilon = 0}, {image, reals({2}, {1, 10}), reals({2}, {0, 5})})[0], {1, 2, 2}, {-1, 1, -5, 15});
  expect_error(Code::bad_model, "multiple of num_groups", [&] { run(ops::group_norm, GroupNorm{.num_groups = 3}, {src, scale, bias}); });
  expect_error(Code::bad_model, "elements of scale and bias", [&] { run(ops::group_norm, GroupNorm{}, {src, reals({2}, {1, 1}), bias}); });
}

TEST(Lrn, an_even_size_looks_further_ahead) {
  const Array src = reals({1, 4, 1}, {1, 2, 3, 4});
  const auto lrn = [&](int64_t size) { return run(ops::lrn, Lrn{.size = size, .alpha = static_cast<float>(size), .beta = 1, .bias = 0}, {src})[0]; };
  expect_reals(lrn(3), {1, 4, 1}, {1. / 5, 2. / 14, 3. / 29, 4. / 25});
  expect_reals(lrn(2), {1, 4, 1}, {1. / 5, 2. / 13, 3. / 25, 4. / 16});
  expect_error(Code::bad_model, "size of lrn is at least 1", [&] { lrn(0); });
  expect_error(Code::bad_model, "size of lrn is at least 1", [&] { run(ops::lrn, Lrn{.size = INT64_MAX}, {src}); });
}

}  // namespace
}  // namespace tenon
