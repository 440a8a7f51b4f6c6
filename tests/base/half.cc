// Floats of sixteen bits against the cells that the references use.
#include "base/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "base/dtype.h"

namespace tenon {
namespace {

uint16_t by_cells(DType to, float x) {
  uint16_t out = 0;
  store_cell(to, &out, 0, {.real = static_cast<double>(x)});
  return out;
}

TEST(Half, every_number_comes_back) {
  for (DType type : {DType::f16, DType::bf16})
    for (uint32_t bits = 0; bits < 65536; ++bits) {
      const uint16_t half = static_cast<uint16_t>(bits);
      float wide;
      uint16_t back;
      widen_to_floats(type, &half, 1, &wide);
      round_to_halves(type, &wide, 1, &back);
      if (std::isnan(wide)) EXPECT_TRUE(std::isnan(load_cell(type, &back, 0).real)) << bits;
      else EXPECT_EQ(back, half);
      const double cell = load_cell(type, &half, 0).real;
      EXPECT_TRUE(cell == wide || (std::isnan(cell) && std::isnan(wide))) << bits;
    }
}

TEST(Half, rounds_to_nearest_even) {
  std::vector<float> numbers = {0.f,  -0.f,      65504.f,       65519.9f,      65520.f,       65536.f,
                                1e9f, -INFINITY, 5.9604645e-8f, 2.9802322e-8f, 2.9802326e-8f, 8.940697e-8f};
  for (DType type : {DType::f16, DType::bf16})  // halfway between neighbours, and a float to either side
    for (uint32_t bits = 0; bits < 65536; bits += 7) {
      const uint16_t half = static_cast<uint16_t>(bits), next = static_cast<uint16_t>(bits + 1);
      float a, b;
      widen_to_floats(type, &half, 1, &a), widen_to_floats(type, &next, 1, &b);
      const float middle = a + (b - a) / 2;
      if (std::isfinite(middle)) numbers.insert(numbers.end(), {middle, std::nextafter(middle, INFINITY), std::nextafter(middle, -INFINITY)});
    }
  std::mt19937 random(1);
  for (int i = 0; i < 200000; ++i)
    if (const float x = std::bit_cast<float>(static_cast<uint32_t>(random())); !std::isnan(x)) numbers.push_back(x);
  for (DType type : {DType::f16, DType::bf16}) {
    std::vector<uint16_t> halves(numbers.size());
    round_to_halves(type, numbers.data(), static_cast<int64_t>(numbers.size()), halves.data());
    for (size_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(halves[i], by_cells(type, numbers[i])) << numbers[i];
  }
}

}  // namespace
}  // namespace tenon
