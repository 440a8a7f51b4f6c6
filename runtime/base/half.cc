#include "base/half.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/wipe.h"

namespace tenon {
namespace {

constexpr uint32_t kSign = 0x80000000u, kInfinity = 0x7f800000u;
constexpr uint32_t kLeastNormalF16 = 0x38800000u, kBeyondF16 = 0x47800000u;  // 2^-14, 2^16

// Exponent and fraction are moved to where a float has them and the exponent is put right by a product, which is exact for subnormal
// numbers too; infinity and NaN have all bits of the exponent.
float from_f16(uint16_t h) {
  const float magnitude = std::bit_cast<float>((h & 0x7fffu) << 13) * 0x1p112f;
  const uint32_t special = (h & 0x7c00u) == 0x7c00u ? kInfinity : 0u;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | special | (h & 0x8000u) << 16);
}

float from_bf16(uint16_t h) { return std::bit_cast<float>(uint32_t{h} << 16); }

uint16_t to_f16(float x) {
  const uint32_t all = std::bit_cast<uint32_t>(x), m = all & ~kSign;
  // Of a subnormal result the unit is that of floats from 0.5 on: adding 0.5 rounds.
  const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(m) + 0.5f) - std::bit_cast<uint32_t>(0.5f);
  const uint32_t normal = (m + 0xfffu + (m >> 13 & 1u) - 0x38000000u) >> 13;
  const uint32_t beyond = m > kInfinity ? 0x7e00u : 0x7c00u;
  return static_cast<uint16_t>((m < kLeastNormalF16 ? subnormal : m < kBeyondF16 ? normal : beyond) | (all & kSign) >> 16);
}

uint16_t to_bf16(float x) {
  const uint32_t all = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (all + 0x7fffu + (all >> 16 & 1u)) >> 16, nan = all >> 16 | 0x40u;
  return static_cast<uint16_t>((all & ~kSign) > kInfinity ? nan : rounded);
}

}  // namespace

void round_to_halves(DType to, const float* src, int64_t n, uint16_t* dst) {
  if (to == DType::f16)
    for (int64_t i = 0; i < n; ++i) dst[i] = to_f16(src[i]);
  else
    for (int64_t i = 0; i < n; ++i) dst[i] = to_bf16(src[i]);
}

void widen_to_floats(DType from, const uint16_t* src, int64_t n, float* dst) {
  if (from == DType::f16)
    for (int64_t i = 0; i < n; ++i) dst[i] = from_f16(src[i]);
  else
    for (int64_t i = 0; i < n; ++i) dst[i] = from_bf16(src[i]);
}

void Rounding::add(DType to, const float* src, int64_t n) {
  constexpr int64_t kPiece = 1024, kSums = 8;
  uint16_t halves[kPiece];
  float back[kPiece];
  double losts[kSums] = {}, alls[kSums] = {};
  for (int64_t at = 0; at < n; at += kPiece) {
    const int64_t count = std::min(kPiece, n - at);
    round_to_halves(to, src + at, count, halves);
    widen_to_floats(to, halves, count, back);
    std::fill(back + count, back + (count + kSums - 1) / kSums * kSums, 0.f);
    for (int64_t i = 0; i < count; i += kSums)
      for (int64_t k = 0; k < kSums; ++k) {
        const double w = i + k < count ? src[at + i + k] : 0, d = w - back[i + k];
        losts[k] += d * d, alls[k] += w * w;
      }
  }
  for (int64_t k = 0; k < kSums; ++k) lost += losts[k], all += alls[k];
  wipe_memory(halves, sizeof halves);
  wipe_memory(back, sizeof back);
}

double Rounding::error() const { return lost == 0 ? 0 : std::sqrt(lost / all); }

}  // namespace tenon
