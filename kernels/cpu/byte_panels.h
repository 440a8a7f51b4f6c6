// Panels of a matrix of eight bits beside f32: the same panels as those of floats, [panel][k][vectors of the panel], one byte an element.
// An element is (stored - zero) * scale, with the numbers of the whole or of its column.
#pragma once

#include <cstring>

#include "kernels/cpu/gemm_shape.h"
#include "kernels/cpu/tile.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kByteRows = 4;     // up to so many rows make bytes real in registers
constexpr int64_t kByteDepth = 128;  // of k that more rows make real at once
constexpr int64_t kUnpackedBytes = kByteDepth * kTileVectors * kLanes * 4;

// As the pack_panel of floats; lanes beyond the last column are zero.
inline void pack_panel(const uint8_t* b, const Matrix& x, int64_t k, Range vectors, int64_t wide, uint8_t* to) {
  const int64_t first = vectors.begin * kLanes, lanes = vectors.end * kLanes - first, columns = smaller(lanes, x.columns - first);
  for (int64_t i = 0; i < k; ++i, to += wide * kLanes) {
    const uint8_t* from = b + i * x.row + first * x.column;
    if (x.column == 1) std::memcpy(to, from, static_cast<size_t>(columns));
    else
      for (int64_t c = 0; c < columns; ++c) to[c] = from[c * x.column];
    std::memset(to + columns, 0, static_cast<size_t>(lanes - columns));
  }
}

TENON_INLINE inline I byte_zeros(const Operand& b, int64_t column, int64_t lanes) { return b.per_axis ? load(b.zero + column, lanes) : I(b.zero[0]); }
TENON_INLINE inline V byte_scales(const Operand& b, int64_t column, int64_t lanes) {
  return b.per_axis ? load(b.scale + column, lanes) : V(b.scale[0]);
}

template <class Byte>
void unpack_bytes(const Operand& b, const Byte* from, int64_t k, int64_t wide, int64_t column, int64_t last, float* to) {
  for (int64_t j = 0; j < wide; ++j) {
    const int64_t lanes = j + 1 == wide ? last : kLanes;
    const I zero = byte_zeros(b, column + j * kLanes, lanes);
    const V scale = byte_scales(b, column + j * kLanes, lanes);
    for (int64_t i = 0; i < k; ++i) store(to + (i * wide + j) * kLanes, real(load(from + (i * wide + j) * kLanes) - zero) * scale);
  }
}

// k rows of a panel of `wide` vectors, the last of `last` lanes, as floats in the same order.
inline void unpack_byte_panel(const Operand& b, const uint8_t* from, int64_t k, int64_t wide, int64_t column, int64_t last, float* to) {
  if (is(b, DType::u8)) unpack_bytes(b, from, k, wide, column, last, to);
  else unpack_bytes(b, reinterpret_cast<const int8_t*>(from), k, wide, column, last, to);
}

// As tile(), all of k at once.
template <class Byte, int M, int N>
__attribute__((noinline)) void byte_tile_of(const Tile& t, const Operand& b, const void* bytes, int64_t column) {
  V sum[M][N];
  I zero[N];
  const auto lanes = [&](int j) TENON_INLINE { return j + 1 == N ? t.lanes : kLanes; };
  unroll<N>([&](auto j) TENON_INLINE {
    zero[j] = byte_zeros(b, column + j * kLanes, lanes(j));
    unroll<M>([&](auto r) TENON_INLINE { sum[r][j] = V(0.f); });
  });
  const float* a = t.a;
  const Byte* from = static_cast<const Byte*>(bytes);
  for (int64_t k = t.k; k > 0; --k, a += t.a_k, from += N * kLanes) {
    V right[N];
    unroll<N>([&](auto j) TENON_INLINE { right[j] = real(load(from + j * kLanes) - zero[j]); });
    unroll<M>([&](auto r) TENON_INLINE {
      const V left(a[r * t.a_row]);
      unroll<N>([&](auto j) TENON_INLINE { sum[r][j] = fma(left, right[j], sum[r][j]); });
    });
  }
  unroll<N>([&](auto j) TENON_INLINE {
    const V scale = byte_scales(b, column + j * kLanes, lanes(j));
    unroll<M>([&](auto r) TENON_INLINE { sum[r][j] *= scale; });
  });
  finish_tile(t, sum);
}

using ByteTileFunction = void (*)(const Tile&, const Operand&, const void*, int64_t);

template <class Byte, int N, int... M>
constexpr void fill_byte_tiles(ByteTileFunction* table, std::integer_sequence<int, M...>) {
  ((table[M] = byte_tile_of<Byte, M + 1, N>), ...);
}

// of[n - 1][m - 1]
template <class Byte>
struct ByteTiles {
  ByteTileFunction of[kTileVectors][kByteRows] = {};
  constexpr ByteTiles() {
    fill_byte_tiles<Byte, 1>(of[0], std::make_integer_sequence<int, kByteRows>{});
    fill_byte_tiles<Byte, 2>(of[1], std::make_integer_sequence<int, kByteRows>{});
    fill_byte_tiles<Byte, 3>(of[2], std::make_integer_sequence<int, kByteRows>{});
  }
};
inline constexpr ByteTiles<uint8_t> kTilesU8;
inline constexpr ByteTiles<int8_t> kTilesS8;

inline void byte_tile(const Tile& t, const Operand& b, const void* bytes, int64_t column, int64_t wide, int64_t rows) {
  (is(b, DType::u8) ? kTilesU8.of : kTilesS8.of)[wide - 1][rows - 1](t, b, bytes, column);
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
