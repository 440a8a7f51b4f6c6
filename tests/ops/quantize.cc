// Codes and what they stand for: rounding, ranges, and the scales of axes and blocks.
#include "ops/quantize.h"

#include "ops/arrays.h"

namespace tenon {
namespace {

Array quantize(const Array& src, const Array& scale, const Array& zero, Quantize a = {}) { return run(ops::quantize, a, {src, scale, zero})[0]; }

TEST(Quantize, rounds_to_even_and_clamps) {
  const Array src = reals({8}, {-1000, -5, -3, -1, 1, 3, 1000, NAN}), two = reals({}, {2});
  expect_integers(quantize(src, two, integers({}, {128}, DType::u8)), {8}, {0, 126, 126, 128, 128, 130, 255, 0});
  expect_integers(quantize(src, two, integers({}, {0}, DType::s8)), {8}, {-128, -2, -2, 0, 0, 2, 127, -128});
  expect_integers(quantize(src, two, integers({}, {0}, DType::s4)), {8}, {-8, -2, -2, 0, 0, 2, 7, -8});
  expect_integers(quantize(src, two, integers({}, {0}, DType::u16)), {8}, {0, 0, 0, 0, 0, 2, 500, 0});
  EXPECT_EQ(run(ops::quantize, Quantize{}, {src, two})[0].dtype, DType::u8);
  EXPECT_EQ(run(ops::quantize, Quantize{.output_dtype = DType::s8}, {src, two})[0].dtype, DType::s8);
}

TEST(Quantize, divides_as_the_type_of_the_scale_does) {
  // 2.5 in f32 arithmetic, above it in that of doubles.
  const float scale = 0.7f, x = 1.75f;
  ASSERT_GT(static_cast<double>(x) / static_cast<double>(scale), 2.5);
  ASSERT_EQ(x / scale, 2.5f);
  expect_integers(quantize(reals({1}, {x}), reals({}, {scale}), integers({}, {0}, DType::u8)), {1}, {2});
}

TEST(Quantize, axes_and_blocks) {
  const Array src = reals({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  Quantize a{.axis = 0};
  expect_integers(quantize(src, reals({2}, {1, 0.5}), list({0, 1}, DType::u8), a), {2, 4}, {1, 2, 3, 4, 11, 13, 15, 17});
  a = {.axis = -1, .block_size = 3};
  const Array blocks = reals({2, 2}, {1, 2, 0.5, 4}), zeros = integers({2, 2}, {0, 0, 1, 10}, DType::u8);
  expect_integers(quantize(src, blocks, zeros, a), {2, 4}, {1, 2, 3, 2, 11, 13, 15, 12});
  const Array back =
      run(ops::dequantize, Dequantize{.axis = -1, .block_size = 3}, {integers({2, 4}, {1, 2, 3, 2, 11, 13, 15, 12}, DType::u8), blocks, zeros})[0];
  expect_reals(back, {2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  expect_error(Code::bad_model, "elements of scale and the size of its axis", [&] {
    quantize(src, reals({3}, {1, 1, 1}), list({0, 0, 0}, DType::u8), {});
  });
  expect_error(Code::bad_model, "blocks of scale", [&] { quantize(src, blocks, zeros, {.axis = 1, .block_size = 1}); });
  expect_error(Code::bad_model, "block_size is not negative", [&] { quantize(src, blocks, zeros, {.axis = 1, .block_size = -1}); });
  expect_error(Code::bad_model, "outside a rank", [&] { quantize(src, reals({2}, {1, 1}), list({0, 0}, DType::u8), {.axis = 2}); });
  expect_error(Code::bad_model, "one shape", [&] { quantize(src, reals({2}, {1, 1}), integers({2, 1}, {0, 0}, DType::u8), {.axis = 0}); });
}

TEST(Quantize, to_eight_bit_reals) {
  const Array src = reals({3}, {1, 1000, -3.3}), one = reals({}, {1});
  Quantize a{.output_dtype = DType::f8e4m3fn};
  expect_reals(run(ops::quantize, a, {src, one})[0], {3}, {1, 448, -3.25});
  a.saturate = false;
  EXPECT_TRUE(std::isnan(run(ops::quantize, a, {src, one})[0].real(1)));
}

TEST(Dequantize, subtracts_before_it_scales) {
  expect_reals(run(ops::dequantize, Dequantize{}, {list({0, 128, 255}, DType::u8), reals({}, {0.5}), integers({}, {128}, DType::u8)})[0], {3},
               {-64, 0, 63.5});
  expect_reals(run(ops::dequantize, Dequantize{}, {list({1 << 24, (1 << 24) + 1}, DType::s32), reals({}, {1})})[0], {2}, {0x1p24, 0x1p24}, 0);
  expect_error(Code::bad_model, "element types of inputs 0 and 2", [] {
    run(ops::dequantize, Dequantize{}, {list({0}, DType::u8), reals({}, {1}), integers({}, {0}, DType::s8)});
  });
}

TEST(DynamicQuantize, spans_zero) {
  const std::vector<Array> all = run(ops::dynamic_quantize, None{}, {reals({4}, {-1, 0, 0.5, 4.1})}, 3);
  expect_integers(all[0], {4}, {0, 50, 75, 255});
  expect_reals(all[1], {}, {5.1 / 255});
  expect_integers(all[2], {}, {50});
  const std::vector<Array> positive = run(ops::dynamic_quantize, None{}, {reals({2}, {255, 51})}, 3);
  expect_integers(positive[0], {2}, {255, 51});
  expect_integers(positive[2], {}, {0});
  const std::vector<Array> nothing = run(ops::dynamic_quantize, None{}, {reals({2}, {0, 0})}, 3);
  expect_integers(nothing[0], {2}, {0, 0});
  expect_reals(nothing[1], {}, {1});
}

}  // namespace
}  // namespace tenon
