// Panels of a matrix stored narrower than f32 beside f32: the same panels as those of floats, [panel][k][vectors of the panel], in
// the stored type. A number of eight bits is (stored - zero) * scale, with the numbers of the whole or of its column; a half is itself.
#pragma once

#include <cstring>

#include "kernels/cpu/gemm_shape.h"
#include "kernels/cpu/tile.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kNarrowRows = 4;     // up to so many rows make numbers real in registers
constexpr int64_t kNarrowDepth = 256;  // of k that more rows make real at once
constexpr int64_t kUnpackedBytes = kNarrowDepth * kTileVectors * kLanes * 4;

// As the pack_panel of floats; lanes beyond the last column are zero.
template <class Word>
void pack_panel(const Word* b, const Matrix& x, int64_t k, Range vectors, int64_t wide, Word* to) {
  const int64_t first = vectors.begin * kLanes, lanes = vectors.end * kLanes - first, columns = smaller(lanes, x.columns - first);
  for (int64_t i = 0; i < k; ++i, to += wide * kLanes) {
    const Word* from = b + i * x.row + first * x.column;
    if (x.column == 1) std::memcpy(to, from, static_cast<size_t>(columns) * sizeof(Word));
    else
      for (int64_t c = 0; c < columns; ++c) to[c] = from[c * x.column];
    std::memset(to + columns, 0, static_cast<size_t>(lanes - columns) * sizeof(Word));
  }
}

// A vector of columns: `number` of what is stored, of which sums are scaled in the end.
template <class Byte>
struct ByteColumns {
  using Word = Byte;
  I zero;
  V scale;
  TENON_INLINE ByteColumns(const Operand& b, int64_t column, int64_t lanes)
      : zero(b.per_axis ? load(b.zero + column, lanes) : I(b.zero[0])), scale(b.per_axis ? load(b.scale + column, lanes) : V(b.scale[0])) {}
  TENON_INLINE V number(const Byte* p) const { return real(load(p) - zero); }
  TENON_INLINE V scaled(V sum) const { return sum * scale; }
};

template <bool brain>
struct HalfColumns {
  using Word = uint16_t;
  TENON_INLINE HalfColumns(const Operand&, int64_t, int64_t) {}
  TENON_INLINE V number(const uint16_t* p) const { return brain ? load_bf16(p) : load_f16(p); }
  TENON_INLINE V scaled(V sum) const { return sum; }
};

// Calls f with a null pointer to the columns of the stored type.
template <class F>
void with_columns(const Operand& b, const F& f) {
  switch (static_cast<DType>(b.dtype)) {
    case DType::u8: return f(static_cast<const ByteColumns<uint8_t>*>(nullptr));
    case DType::s8: return f(static_cast<const ByteColumns<int8_t>*>(nullptr));
    case DType::bf16: return f(static_cast<const HalfColumns<true>*>(nullptr));
    default: return f(static_cast<const HalfColumns<false>*>(nullptr));
  }
}

// The columns of the vectors of a panel, the last of which has `last` lanes.
template <class Columns, int N>
struct PanelColumns {
  Columns of[N];
  TENON_INLINE PanelColumns(const Operand& b, int64_t column, int64_t last) : PanelColumns(b, column, last, std::make_integer_sequence<int, N>{}) {}

 private:
  template <int... J>
  TENON_INLINE PanelColumns(const Operand& b, int64_t column, int64_t last, std::integer_sequence<int, J...>)
      : of{Columns(b, column + J * kLanes, J + 1 == N ? last : kLanes)...} {}
};

template <class Columns, int N>
void unpack_vectors(const Operand& b, const typename Columns::Word* from, int64_t k, int64_t column, int64_t last, float* to) {
  const PanelColumns<Columns, N> columns(b, column, last);
  for (int64_t i = 0; i < k; ++i, from += N * kLanes, to += N * kLanes)
    unroll<N>([&](auto j) TENON_INLINE { store(to + j * kLanes, columns.of[j].scaled(columns.of[j].number(from + j * kLanes))); });
}

// k rows of a panel of `wide` vectors, the last of `last` lanes, as floats in the same order. `at`: elements before them.
inline void unpack_panel(const Operand& b, const void* packed, int64_t at, int64_t k, int64_t wide, int64_t column, int64_t last, float* to) {
  static_assert(kTileVectors == 3);
  with_columns(b, [&]<class Columns>(const Columns*) {
    const auto* from = static_cast<const typename Columns::Word*>(packed) + at;
    if (wide == 3) unpack_vectors<Columns, 3>(b, from, k, column, last, to);
    else if (wide == 2) unpack_vectors<Columns, 2>(b, from, k, column, last, to);
    else unpack_vectors<Columns, 1>(b, from, k, column, last, to);
  });
}

// As tile(), all of k at once.
template <class Columns, int M, int N>
__attribute__((noinline)) void narrow_tile_of(const Tile& t, const Operand& b, const void* packed, int64_t at, int64_t column) {
  const PanelColumns<Columns, N> columns(b, column, t.lanes);
  V sum[M][N];
  unroll<N>([&](auto j) TENON_INLINE { unroll<M>([&](auto r) TENON_INLINE { sum[r][j] = V(0.f); }); });
  const float* a = t.a;
  const auto* from = static_cast<const typename Columns::Word*>(packed) + at;
  for (int64_t k = t.k; k > 0; --k, a += t.a_k, from += N * kLanes) {
    V right[N];
    unroll<N>([&](auto j) TENON_INLINE { right[j] = columns.of[j].number(from + j * kLanes); });
    unroll<M>([&](auto r) TENON_INLINE {
      const V left(a[r * t.a_row]);
      unroll<N>([&](auto j) TENON_INLINE { sum[r][j] = fma(left, right[j], sum[r][j]); });
    });
  }
  unroll<N>([&](auto j) TENON_INLINE { unroll<M>([&](auto r) TENON_INLINE { sum[r][j] = columns.of[j].scaled(sum[r][j]); }); });
  finish_tile(t, sum);
}

using NarrowTileFunction = void (*)(const Tile&, const Operand&, const void*, int64_t, int64_t);

template <class Columns, int N, int... M>
constexpr void fill_narrow_tiles(NarrowTileFunction* table, std::integer_sequence<int, M...>) {
  ((table[M] = narrow_tile_of<Columns, M + 1, N>), ...);
}

// of[n - 1][m - 1]
template <class Columns>
struct NarrowTiles {
  NarrowTileFunction of[kTileVectors][kNarrowRows] = {};
  constexpr NarrowTiles() {
    fill_narrow_tiles<Columns, 1>(of[0], std::make_integer_sequence<int, kNarrowRows>{});
    fill_narrow_tiles<Columns, 2>(of[1], std::make_integer_sequence<int, kNarrowRows>{});
    fill_narrow_tiles<Columns, 3>(of[2], std::make_integer_sequence<int, kNarrowRows>{});
  }
};
template <class Columns>
constexpr NarrowTiles<Columns> kNarrowTiles;

inline void narrow_tile(const Tile& t, const Operand& b, const void* packed, int64_t at, int64_t column, int64_t wide, int64_t rows) {
  with_columns(b, [&]<class Columns>(const Columns*) { kNarrowTiles<Columns>.of[wide - 1][rows - 1](t, b, packed, at, column); });
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
