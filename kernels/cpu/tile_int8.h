// The register tile of int8: M rows times N vectors of s32 sums,
//   sum[r][j] = offset[j] + sum over the loops of a[r] * b[j], exact in s32 on every level,
// stored as quantised bytes, or as floats for an epilogue. a holds `Left` and b `Right` elements, kDot neighbours along k in a lane.
//
// With VNNI, a is the byte as it is (s8 plus 128) and b the weight as s8 (u8 less 128); the zero point of a is folded into the offsets
// through the sums of the weights, and a zero point that b has left is taken away through the sums of a. Elsewhere both are int16 less
// their zero points.
#pragma once

#include "base/requantise.h"
#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/tile_size.h"

namespace tenon::cpu::TENON_ISA {
namespace {

inline constexpr int kLaneBytes = 4;  // of kDot elements
inline constexpr bool kBytes8 = kDot == 4;

enum class Stored : uint8_t { u8, s8, s32, f32 };

struct SumTile {
  const char* a;
  int64_t a_row;  // bytes
  const char* b;  // [loops][k][vector][lane][kDot]
  Loop loop[3];   // outer to inner, steps in bytes
  int64_t k;      // lanes of kDot
  void* c;
  int64_t c_row, c_vector;  // elements
  int64_t lanes;            // of the last vector
  const int32_t* offset;    // one a column
  const float* multiplier;  // one a column; not for s32
  Stored stored;
  int32_t zero, low, high;  // of bytes
  const int32_t* row_sums;  // or null: sum[r][j] -= row_sums[r] * column_zero[j]
  const int32_t* column_zero;
  const float* bias;  // of floats, one a column, or null
  float real_low, real_high;
  bool clamped;
};

// How sums become bytes, as `requantised` of base/requantise.h. A copy of its numbers stays in registers: whatever lies in memory could be
// what a store of bytes changes.
class Requantise {
 public:
  Requantise(int32_t zero, int32_t low, int32_t high)
      : zero_(zero), low_(low), high_(high), bottom_(static_cast<float>(low - zero)), top_(static_cast<float>(high - zero)) {}

  TENON_INLINE I operator()(V value, V multiplier) const { return rounded(least(most(value * multiplier, bottom_), top_)) + I(zero_); }

  // sums(r), r = 0 .. M-1, are those of row r, with one multiplier a lane; rows lie `step` apart.
  template <int M, class Sums>
  TENON_INLINE void store_rows(uint8_t* to, int64_t step, int64_t lanes, V multiplier, Sums sums) const {
    const auto one = [&](auto r) TENON_INLINE { store(to + r * step, (*this)(real(sums(r)), multiplier), lanes); };
    if (step != kLanes || lanes != kLanes) return unroll<M>(one);
    const auto scaled = [&](auto r) TENON_INLINE { return rounded(least(real(sums(r)) * multiplier, top_)); };
    unroll<M / 4>([&](auto i) TENON_INLINE {
      constexpr int r = 4 * i;
      using Row = std::integral_constant<int, r>;
      store_four(to + r * kLanes, scaled(Row{}), scaled(std::integral_constant<int, r + 1>{}), scaled(std::integral_constant<int, r + 2>{}),
                 scaled(std::integral_constant<int, r + 3>{}), zero_, low_, high_);
    });
    unroll<M % 4>([&](auto i) TENON_INLINE { one(std::integral_constant<int, M / 4 * 4 + i>{}); });
  }

 private:
  int32_t zero_, low_, high_;
  V bottom_, top_;
};

template <int M, int N>
TENON_INLINE inline void accumulate_sums(const SumTile& t, I (&sum)[M][N]) {
  for (int64_t x = 0; x < t.loop[0].count; ++x)
    for (int64_t y = 0; y < t.loop[1].count; ++y)
      for (int64_t z = 0; z < t.loop[2].count; ++z) {
        const char* a = t.a + x * t.loop[0].a + y * t.loop[1].a + z * t.loop[2].a;
        const char* b = t.b + x * t.loop[0].b + y * t.loop[1].b + z * t.loop[2].b;
        for (int64_t k = t.k; k > 0; --k, a += kLaneBytes, b += N * kLanes * kLaneBytes) {
          I right[N];
          unroll<N>([&](auto j) TENON_INLINE { right[j] = load(reinterpret_cast<const int32_t*>(b) + j * kLanes); });
          unroll<M>([&](auto r) TENON_INLINE {
            const I left = repeated(a + r * t.a_row);
            unroll<N>([&](auto j) TENON_INLINE { sum[r][j] = dot(sum[r][j], left, right[j]); });
          });
        }
      }
}

template <int M, int N>
__attribute__((noinline)) void sum_tile(const SumTile& t) {
  I sum[M][N];
  const auto lanes = [&](int j) TENON_INLINE { return j + 1 == N ? t.lanes : kLanes; };
  unroll<N>([&](auto j) TENON_INLINE {
    const I offset = load(t.offset + j * kLanes);
    unroll<M>([&](auto r) TENON_INLINE { sum[r][j] = offset; });
  });
  accumulate_sums(t, sum);
  if (t.row_sums)
    unroll<N>([&](auto j) TENON_INLINE {
      const I zero = load(t.column_zero + j * kLanes);
      unroll<M>([&](auto r) TENON_INLINE { sum[r][j] -= I(t.row_sums[r]) * zero; });
    });
  const auto each = [&](auto body) TENON_INLINE {
    unroll<N>([&](auto j) TENON_INLINE { unroll<M>([&](auto r) TENON_INLINE { body(r, j, r * t.c_row + j * t.c_vector); }); });
  };
  if (t.stored == Stored::s32)
    return each([&](auto r, auto j, int64_t at) TENON_INLINE { store(static_cast<int32_t*>(t.c) + at, sum[r][j], lanes(j)); });
  if (t.stored == Stored::f32) {
    unroll<N>([&](auto j) TENON_INLINE {
      const V multiplier = load(t.multiplier + j * kLanes), bias = t.bias ? load(t.bias + j * kLanes, lanes(j)) : V(0.f);
      unroll<M>([&](auto r) TENON_INLINE {
        V v = real(sum[r][j]) * multiplier;
        if (t.bias) v += bias;
        if (t.clamped) v = least(most(v, V(t.real_low)), V(t.real_high));
        store(static_cast<float*>(t.c) + r * t.c_row + j * t.c_vector, v, lanes(j));
      });
    });
    return;
  }
  const Requantise requantise(t.zero, t.low, t.high);
  uint8_t* c = static_cast<uint8_t*>(t.c);
  const int64_t row = t.c_row, vector = t.c_vector, last = t.lanes;
  const float* multiplier = t.multiplier;
  unroll<N>([&](auto j) TENON_INLINE {
    requantise.store_rows<M>(c + j * vector, row, j + 1 == N ? last : kLanes, load(multiplier + j * kLanes),
                             [&](auto r) TENON_INLINE { return sum[r][j]; });
  });
}

using SumTileFunction = void (*)(const SumTile&);

template <int N, int... M>
constexpr void fill_sum_tiles(SumTileFunction* table, std::integer_sequence<int, M...>) {
  ((table[M] = sum_tile<M + 1, N>), ...);
}

// kSumTiles.of[n - 1][m - 1]
struct SumTiles {
  SumTileFunction of[kTileVectors][16] = {};
  constexpr SumTiles() {
    fill_sum_tiles<1>(of[0], std::make_integer_sequence<int, tile_rows(1)>{});
    fill_sum_tiles<2>(of[1], std::make_integer_sequence<int, tile_rows(2)>{});
    fill_sum_tiles<3>(of[2], std::make_integer_sequence<int, tile_rows(3)>{});
  }
};
inline constexpr SumTiles kSumTiles;

// ------------------------------------------------------------------------------------------------ operands

inline bool is_signed(const Operand& o) { return is(o, DType::s8); }
inline bool is_byte(const Operand& o) { return is(o, DType::u8) || is(o, DType::s8); }
inline int32_t byte(const Operand& o, int64_t i) { return is_signed(o) ? data<int8_t>(o)[i] : data<uint8_t>(o)[i]; }
inline int32_t lowest_of(const Operand& o) { return is_signed(o) ? -128 : 0; }
inline int32_t highest_of(const Operand& o) { return is_signed(o) ? 127 : 255; }

// What is added to a stored value of a before it is a Left.
inline int32_t left_shift(bool is_signed, int32_t zero) { return kBytes8 ? (is_signed ? 128 : 0) : -zero; }
// A zero of the source as a Left, and what the offsets take away for it times the sum of the weights.
inline Left left_zero(bool is_signed, int32_t zero) { return static_cast<Left>(zero + left_shift(is_signed, zero)); }

// dst[i] = src[i] as Left for n values.
inline void convert_left(const Operand& o, int64_t first, int64_t n, int32_t shift, Left* dst) {
#if defined(__AVX512VNNI__)
  const uint8_t* src = data<uint8_t>(o) + first;
  int64_t i = 0;
  const I flip(shift ? static_cast<int32_t>(0x80808080) : 0);
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) store(reinterpret_cast<int32_t*>(dst + i), load(reinterpret_cast<const int32_t*>(src + i)) ^ flip);
  for (; i < n; ++i) dst[i] = static_cast<Left>(src[i] ^ (shift ? 0x80 : 0));
#else
  const I add(shift);
  if (is_signed(o))
    vectors(n, [&](int64_t i, int64_t lanes)
                   TENON_INLINE { store_u16(reinterpret_cast<uint16_t*>(dst + i), load(data<int8_t>(o) + first + i, lanes) + add, lanes); });
  else
    vectors(n, [&](int64_t i, int64_t lanes)
                   TENON_INLINE { store_u16(reinterpret_cast<uint16_t*>(dst + i), load(data<uint8_t>(o) + first + i, lanes) + add, lanes); });
#endif
}

// The sum of `lanes` lanes of kDot neighbours of a.
inline int32_t lane_total(const char* at, int64_t lanes) {
  I sum(0);
  const I ones(kBytes8 ? 0x01010101 : 0x00010001);
  vectors(lanes, [&](int64_t i, int64_t n) TENON_INLINE { sum = dot(sum, load(reinterpret_cast<const int32_t*>(at) + i, n), ones); });
  return total(sum);
}

inline int32_t weight_zero(const Operand& w, int64_t channel) { return w.zero ? w.zero[w.per_axis ? channel : 0] : 0; }
inline float weight_scale(const Operand& w, int64_t channel) { return w.scale[w.per_axis ? channel : 0]; }

// What is taken from a stored weight before it is a Right, and what of its zero point is then still to be taken.
inline int32_t right_less(const Operand& w, int64_t channel) { return !kBytes8 ? weight_zero(w, channel) : is_signed(w) ? 0 : 128; }
inline int32_t zero_left(const Operand& w, int64_t channel) { return weight_zero(w, channel) - right_less(w, channel); }
inline bool any_zero_left(const Operand& w, int64_t channels) {
  for (int64_t i = 0; i < (w.per_axis ? channels : 1); ++i)
    if (zero_left(w, i)) return true;
  return false;
}

// The sums themselves.
inline bool is_sums(const Operand& o) { return is(o, DType::s32) && !o.scale; }

// What every int8 product of a quantised src and weight asks; `axis` is that of the weight which makes the channels of dst.
inline const char* int8_reject(const Step& s, int axis) {
  const Operand &src = s.src[0], &w = s.src[1], &dst = *s.dst;
  if (!is_quantised(src) || src.per_axis) return "src is not u8 or s8 with one scale";
  if (!is_quantised(w)) return "the weight is not quantised to u8 or s8";
  if (w.per_axis && w.scale_axis != axis) return "the scales of the weight are not those of the channels of dst";
  if (!is_f32(dst) && !is_sums(dst) && (!is_quantised(dst) || dst.per_axis)) return "dst is neither f32 nor sums nor u8 or s8 with one scale";
  return epilogue_reject_quantised(s);
}

// How sums become dst: at once, or as floats in a buffer that an epilogue and a requantisation follow.
struct Output {
  const Step& s;
  Finish finish;
  bool quantised, buffered;
  Stored stored;
  int32_t zero = 0, low = 0, high = 0;
  float reciprocal = 1;

  explicit Output(const Step& s) : s(s), finish(s, nullptr), quantised(s.dst->scale) {
    stored = is_sums(*s.dst) ? Stored::s32 : !quantised ? Stored::f32 : is_signed(*s.dst) ? Stored::s8 : Stored::u8;
    buffered = finish.residual || (quantised && (finish.program() || finish.bias || finish.clamped));
    if (!quantised) return;
    zero = s.dst->zero[0], low = lowest_of(*s.dst), high = highest_of(*s.dst), reciprocal = 1.f / s.dst->scale[0];
    // A clamp alone moves the bounds of the bytes, as rounding keeps order.
    if (!buffered || finish.program() || finish.bias || finish.residual) return;
    buffered = false;
    const int32_t from = requantise_bound(finish.low), to = requantise_bound(finish.high);
    low = from, high = to > from ? to : from;
  }

  int32_t requantise_bound(float v) const { return tenon::requantised(v, reciprocal, zero, low, high); }

  // The multiplier of a channel's sums.
  float multiplier(float product) const { return quantised && !buffered ? product / s.dst->scale[0] : product; }

  void prepare(SumTile& t) const {
    t.stored = buffered ? Stored::f32 : stored, t.zero = zero, t.low = low, t.high = high;
    t.real_low = finish.low, t.real_high = finish.high, t.clamped = finish.clamped && !finish.residual;
  }

  // n floats to dst[first + i].
  void requantise(const float* from, int64_t n, int64_t first) const {
    const Requantise bytes(zero, low, high);
    const V scale(reciprocal);
    uint8_t* to = data_of_dst() + first;
    vectors(n, [&](int64_t i, int64_t lanes) TENON_INLINE { store(to + i, bytes(load(from + i, lanes), scale), lanes); });
  }
  uint8_t* data_of_dst() const { return static_cast<uint8_t*>(s.dst->data); }

  // Finishes a run of buffered floats and stores it at dst[first]...; `offset` as in Finish::run.
  template <class Offset>
  void finish_run(float* from, int64_t n, Channel kind, int64_t channel, int64_t channels, int64_t first, Offset offset) const {
    if (const Operand* r = finish.residual) {
      const float* other = data(*r) + offset(*r);
      vectors(n, [&](int64_t i, int64_t lanes) TENON_INLINE {
        V v = load(from + i, lanes) + load(other + i, lanes);
        if (finish.clamped) v = least(most(v, V(finish.low)), V(finish.high));
        store(from + i, v, lanes);
      });
    }
    if (finish.program()) finish.run(from, n, kind, channel, channels, offset);
    if (quantised) requantise(from, n, first);
    else
      vectors(n, [&](int64_t i, int64_t lanes) TENON_INLINE { store(static_cast<float*>(s.dst->data) + first + i, load(from + i, lanes), lanes); });
  }
};

// Offsets and multipliers of channels [channels); `sums` are those of the weights as packed. Lanes beyond channel `end` are zero.
inline void scale_channels(const Step& s, const Output& out, const Operand* bias, const int32_t* sums, Range channels, int64_t end, int32_t* offset,
                           float* multiplier) {
  const Operand &src = s.src[0], &w = s.src[1];
  const int32_t taken = kBytes8 ? left_zero(is_signed(src), src.zero[0]) : 0;
  for (int64_t i = channels.begin; i < channels.end; ++i, ++offset, ++multiplier) {
    *offset = 0, *multiplier = 0;
    if (i >= end) continue;
    const float product = product_scale(src.scale[0], weight_scale(w, i));
    *multiplier = out.multiplier(product);
    // As unsigned: the arithmetic of sums wraps.
    *offset = static_cast<int32_t>(0u - static_cast<uint32_t>(taken) * static_cast<uint32_t>(sums[i]));
    if (!bias) continue;
    const bool real_bias = is_f32(*bias);
    const int64_t at = i * bias->stride[0];
    const double value =
        real_bias ? static_cast<double>(data(*bias)[at]) : data<int32_t>(*bias)[at] - (bias->zero ? bias->zero[bias->per_axis ? i : 0] : 0);
    const float scale = real_bias ? 1.f : bias->scale ? bias->scale[bias->per_axis ? i : 0] : product;
    *offset = static_cast<int32_t>(static_cast<uint32_t>(*offset) + static_cast<uint32_t>(bias_in_sums(value, scale, product)));
  }
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
