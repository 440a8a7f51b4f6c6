// Pools, transposed convolution, integer convolution and product: sizes and elements worked out by hand.
#include "ops/arrays.h"
#include "ops/conv.h"
#include "ops/conv_transpose.h"
#include "ops/matmul.h"
#include "ops/pool.h"

namespace tenon {
namespace {

AutoPad same(bool upper) { return upper ? AutoPad::same_upper : AutoPad::same_lower; }

Pool pool(std::vector<int64_t> kernel, std::vector<int64_t> strides = {}, std::vector<int64_t> pads = {}) {
  Pool p;
  p.kernel_shape = std::move(kernel), p.strides = std::move(strides), p.pads = std::move(pads);
  return p;
}

TEST(AveragePool, divides_by_what_lies_inside) {
  const Array src = counting({1, 1, 5});
  Pool p = pool({3}, {2}, {1, 1});
  expect_reals(run(ops::average_pool, p, {src})[0], {1, 1, 3}, {0.5, 2, 3.5});
  p.count_include_pad = true;
  expect_reals(run(ops::average_pool, p, {src})[0], {1, 1, 3}, {1. / 3, 2, 7. / 3});
}

TEST(AveragePool, rounded_up_windows_count_what_is_padded_only) {
  const Array src = counting({1, 1, 6});
  Pool p = pool({3}, {2}, {0, 1});
  p.ceil_mode = true;
  expect_reals(run(ops::average_pool, p, {src})[0], {1, 1, 3}, {1, 3, 4.5});
  p.count_include_pad = true;
  expect_reals(run(ops::average_pool, p, {src})[0], {1, 1, 3}, {1, 3, 3});
  p.pads = {};
  expect_reals(run(ops::average_pool, p, {src})[0], {1, 1, 3}, {1, 3, 4.5});
}

TEST(Pools, rounded_up_windows_may_be_larger_than_the_source) {
  const Array src = counting({1, 1, 2});
  Pool p = pool({3}, {2});
  p.ceil_mode = true;
  expect_reals(run(ops::average_pool, p, {src})[0], {1, 1, 1}, {0.5});
  expect_reals(run(ops::max_pool, p, {src})[0], {1, 1, 1}, {1});
  p.kernel_shape = {4};
  EXPECT_THROW(run(ops::max_pool, p, {src}), Error);
}

TEST(Pools, dilate_and_pad_by_themselves) {
  const Array src = counting({1, 1, 5});
  Pool p = pool({2});
  p.dilations = {2};
  expect_reals(run(ops::average_pool, p, {src})[0], {1, 1, 3}, {1, 2, 3});
  for (bool upper : {false, true}) {
    Pool q = pool({2}, {2});
    q.auto_pad = same(upper);
    expect_reals(run(ops::average_pool, q, {src})[0], {1, 1, 3}, upper ? std::vector<double>{0.5, 2.5, 4} : std::vector<double>{0, 1.5, 3.5});
  }
}

TEST(LpPool, roots_sums_of_powers) {
  LpPool p;
  static_cast<Pool&>(p) = pool({2}, {2});
  const Array src = reals({1, 1, 4}, {3, -4, 6, 8});
  expect_reals(run(ops::lp_pool, p, {src})[0], {1, 1, 2}, {5, 10});
  p.p = 1;
  expect_reals(run(ops::lp_pool, p, {src})[0], {1, 1, 2}, {7, 14});
}

TEST(Pools, refuse_what_has_no_meaning) {
  const Array src = counting({1, 1, 5});
  const auto average = [&](Pool p) { return [=] { run(ops::average_pool, p, {src}); }; };
  expect_error(Code::bad_model, "one number for each spatial axis", average(pool({2, 2})));
  expect_error(Code::bad_model, "kernel_shape is at least 1", average(pool({0})));
  expect_error(Code::bad_model, "strides are at least 1", average(pool({2}, {0})));
  expect_error(Code::bad_model, "pads has two numbers", average(pool({2}, {}, {1})));
  expect_error(Code::bad_model, "pads are at least 0", average(pool({2}, {}, {-1, 0})));
  expect_error(Code::bad_model, "larger than the padded source", average(pool({9})));
  expect_error(Code::bad_model, "at least one spatial axis", [] { run(ops::average_pool, pool({}), {counting({2, 3})}); });
}

TEST(ConvTranspose, spreads_each_element) {
  const Array src = reals({1, 1, 3}, {1, 2, 3}), weight = reals({1, 1, 2}, {10, 1});
  ConvTranspose a;
  expect_reals(run(ops::conv_transpose, a, {src, weight})[0], {1, 1, 4}, {10, 21, 32, 3});
  a.strides = {3};
  expect_reals(run(ops::conv_transpose, a, {src, weight})[0], {1, 1, 8}, {10, 1, 0, 20, 2, 0, 30, 3});
  a.output_padding = {1};
  expect_reals(run(ops::conv_transpose, a, {src, weight, reals({1}, {100})})[0], {1, 1, 9}, {110, 101, 100, 120, 102, 100, 130, 103, 100});
  a.pads = {1, 2}, a.output_padding = {};
  expect_reals(run(ops::conv_transpose, a, {src, weight})[0], {1, 1, 5}, {1, 0, 20, 2, 0});
}

TEST(ConvTranspose, shape_decides_pads) {
  const Array src = reals({1, 1, 3}, {1, 2, 3}), weight = reals({1, 1, 4}, {1, 1, 1, 1});
  ConvTranspose a;
  a.strides = {2};
  // Uncut: 1 1 3 3 5 5 3 3. Two are cut, or three with the odd one in front unless SAME_UPPER.
  a.auto_pad = AutoPad::same_lower;
  expect_reals(run(ops::conv_transpose, a, {src, weight})[0], {1, 1, 6}, {1, 3, 3, 5, 5, 3});
  a.output_shape = {5};
  expect_reals(run(ops::conv_transpose, a, {src, weight})[0], {1, 1, 5}, {3, 3, 5, 5, 3});
  a.auto_pad = AutoPad::same_upper;
  expect_reals(run(ops::conv_transpose, a, {src, weight})[0], {1, 1, 5}, {1, 3, 3, 5, 5});
}

TEST(ConvTranspose, groups_have_weights_of_their_own) {
  ConvTranspose a;
  a.group = 2;
  expect_reals(run(ops::conv_transpose, a, {reals({1, 2, 1}, {1, 2}), reals({2, 2, 1}, {1, 2, 3, 4})})[0], {1, 4, 1}, {1, 2, 6, 8});
  expect_error(Code::bad_model, "multiple of the group", [&] { run(ops::conv_transpose, a, {counting({1, 3, 4}), counting({3, 1, 2})}); });
  expect_error(Code::bad_model, "rank of input 1", [] { run(ops::conv_transpose, ConvTranspose{}, {counting({1, 3, 4}), counting({3, 1})}); });
}

TEST(ConvInteger, padding_counts_as_the_zero_point) {
  Conv a;
  a.pads = {1, 1};
  const Array src = list({10, 20, 30}, DType::u8), weight = integers({2, 1, 2}, {1, 2, 3, 4}, DType::s8);
  const Array image = integers({1, 1, 3}, {10, 20, 30}, DType::u8);
  const Array zero = integers({}, {10}, DType::u8), zeros = list({1, 2}, DType::s8);
  expect_integers(run(ops::conv_integer, a, {image, weight, zero, zeros})[0], {1, 2, 4}, {0, 10, 20, 0, 0, 20, 50, 20});
  expect_integers(run(ops::conv_integer, a, {image, weight})[0], {1, 2, 4}, {20, 50, 80, 30, 40, 110, 180, 90});
  expect_error(Code::bad_model, "at least one spatial axis", [&] { run(ops::conv_integer, a, {src, weight}); });
}

TEST(MatmulInteger, zero_points_of_rows_and_columns) {
  const Array a = integers({2, 2}, {1, 2, 3, 4}, DType::u8), b = integers({2, 2}, {-1, 2, 3, -4}, DType::s8);
  expect_integers(run(ops::matmul_integer, Matmul{}, {a, b})[0], {2, 2}, {5, -6, 9, -10});
  // a - {1, 3} = 0 1 / 0 1, b - {0, 1} = -1 1 / 3 -5
  expect_integers(run(ops::matmul_integer, Matmul{}, {a, b, list({1, 3}, DType::u8), list({0, 1}, DType::s8)})[0], {2, 2}, {3, -5, 3, -5});
  expect_error(Code::bad_model, "zero points of input 0", [&] { run(ops::matmul_integer, Matmul{}, {a, b, list({1, 2, 3}, DType::u8)}); });
}

}  // namespace
}  // namespace tenon
