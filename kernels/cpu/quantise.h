// From f32 to eight bits, by given numbers or by the range of the elements themselves.
#pragma once

#include "kernels/cpu/operand.h"
#include "kernels/cpu/simd.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kChunk = 16384;  // elements that a worker takes at once, whole vectors

// dst[i] = round(src[i] / scale) + zero within the range of T; NaN is the least.
template <class T>
void quantise_run(const float* src, T* dst, int64_t n, float scale, int32_t zero) {
  constexpr int32_t low = static_cast<T>(-1) < 0 ? -128 : 0, high = static_cast<T>(-1) < 0 ? 127 : 255;
  const V by(scale), least_value(static_cast<float>(low - zero)), most_value(static_cast<float>(high - zero));
  const I shift(zero);
  vectors(n, [&](int64_t i, int64_t lanes) TENON_INLINE {
    const V q = round_even(quotient(load(src + i, lanes), by));
    store(dst + i, rounded(least(most(where(q == q, q, least_value), least_value), most_value)) + shift, lanes);
  });
}

// The u8 scale and zero point that span the elements and 0: `range_of` of ops/quantize_range.h, bit by bit.
struct DynamicRange {
  float scale = 1;
  int32_t zero = 0;
};

inline DynamicRange range_between(float low, float high) {
  DynamicRange range{(high - low) / 255.f, 0};
  if (range.scale == 0) return {};
  const float zero = std::nearbyint(-low / range.scale);
  range.zero = !(zero > 0) ? 0 : zero > 255 ? 255 : static_cast<int32_t>(zero);
  return range;
}

// Widens what is between low and high, lane by lane, to hold n elements.
TENON_INLINE inline void spread(const float* src, int64_t n, V& low, V& high) {
  vectors(n, [&](int64_t i, int64_t lanes) TENON_INLINE {
    const V v = load(src + i, lanes);
    low = least(low, v), high = most(high, v);
  });
}

// What dynamic_range takes of the step's scratch for `elements` in memory.
inline int64_t range_scratch(int64_t elements) { return ceil_div(elements, kChunk) * 2 * static_cast<int64_t>(sizeof(float)); }

// src is dense, plain or blocked. The pieces are of fixed size, and the order in which they are joined does not matter.
inline DynamicRange dynamic_range(const Operand& src, const Context& context) {
  const int64_t n = memory_count(src), pieces = ceil_div(n, kChunk);
  float* range = reinterpret_cast<float*>(context.scratch);
  // Of a blocked src the last block of each item may have lanes that hold nothing.
  const int64_t plane = src.block > 1 ? count(src, 2, src.rank) * src.block : n, spare = src.block > 1 ? src.size[1] % src.block : 0;
  const int64_t blocks = src.block > 1 ? ceil_div(src.size[1], src.block) : 1;
  parallel(context, pieces, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end; ++p) {
      V low(0.f), high(0.f);
      const int64_t last = smaller((p + 1) * kChunk, n);
      for (int64_t i = p * kChunk; i < last;) {
        const int64_t stop = spare ? smaller(last, (i / plane + 1) * plane) : last;
        if (spare && i / plane % blocks == blocks - 1)
          for (; i < stop; i += src.block) spread(data(src) + i, spare, low, high);
        else spread(data(src) + i, stop - i, low, high);
        i = stop;
      }
      range[2 * p] = -largest(-low), range[2 * p + 1] = largest(high);
    }
  });
  float low = 0, high = 0;
  for (int64_t p = 0; p < pieces; ++p) low = range[2 * p] < low ? range[2 * p] : low, high = larger(high, range[2 * p + 1]);
  return range_between(low, high);
}

// All of src, which is dense, in the same order.
inline void quantise_by(const DynamicRange& range, const Operand& src, uint8_t* dst, const Context& context) {
  parallel(context, memory_count(src), kChunk,
           [&](int64_t begin, int64_t end, int) { quantise_run(data(src) + begin, dst + begin, end - begin, range.scale, range.zero); });
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
