// Sums of products along rows of both sides, which are read where they lie: a product with a transposed right side that has few rows,
// such as the scores of a decoder's queries against its cache. The sums of kLanes columns are folded into one vector.
#pragma once

#include "kernels/cpu/tile.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int kDotRows = kRegisters == 32 ? 4 : 2, kDotColumns = 4;

// Pairs of rows `Size` apart become one: lanes that differ in that bit are added, and it then tells which row of the pair they are of.
template <int Size, size_t N>
TENON_INLINE inline void fold(V (&row)[N]) {
  unroll<static_cast<int>(N) / 2>([&](auto i) TENON_INLINE {
    swap_halves<Size>(row[i], row[i + N / 2], std::make_integer_sequence<int, static_cast<int>(kLanes)>{});
    row[i] += row[i + N / 2];
  });
}
// Lane c is the sum of row c.
template <size_t N>
TENON_INLINE inline V folded(V (&row)[N]) {
  if constexpr (N == 1) {
    return row[0];
  } else {
    fold<static_cast<int>(N) / 2>(row);
    V half[N / 2];
    unroll<static_cast<int>(N) / 2>([&](auto i) TENON_INLINE { half[i] = row[i]; });
    return folded(half);
  }
}

// As tile<M, 1>, for `t.lanes` columns whose rows begin at b and lie b_column apart; all of k at once, which both sides hold as neighbours.
template <int M>
__attribute__((noinline)) void dot_tile_of(const Tile& t, const float* b, int64_t b_column) {
  constexpr int kGroups = static_cast<int>(kLanes) / kDotColumns;  // columns that are summed together lie so far apart
  V part[M][kGroups];
  unroll<kGroups>([&](auto g) TENON_INLINE {
    const float* from[kDotColumns];
    V sum[M][kDotColumns];
    unroll<kDotColumns>([&](auto j) TENON_INLINE {
      from[j] = b + smaller(g + j * kGroups, t.lanes - 1) * b_column;
      unroll<M>([&](auto r) TENON_INLINE { sum[r][j] = V(0.f); });
    });
    const auto step = [&](int64_t i, auto read) TENON_INLINE {
      V right[kDotColumns];
      unroll<kDotColumns>([&](auto j) TENON_INLINE { right[j] = read(from[j] + i); });
      unroll<M>([&](auto r) TENON_INLINE {
        const V left = read(t.a + r * t.a_row + i);
        unroll<kDotColumns>([&](auto j) TENON_INLINE { sum[r][j] = fma(left, right[j], sum[r][j]); });
      });
    };
    int64_t i = 0;
    for (; i + kLanes <= t.k; i += kLanes) step(i, [](const float* p) TENON_INLINE { return load(p); });
    if (i < t.k) step(i, [&](const float* p) TENON_INLINE { return load(p, t.k - i); });
    unroll<M>([&](auto r) TENON_INLINE {
      fold<static_cast<int>(kLanes) / 2>(sum[r]);
      V half[2] = {sum[r][0], sum[r][1]};
      fold<static_cast<int>(kLanes) / 4>(half);
      part[r][g] = half[0];
    });
  });
  V all[M][1];
  unroll<M>([&](auto r) TENON_INLINE { all[r][0] = folded(part[r]); });
  finish_tile(t, all);
}

using DotTileFunction = void (*)(const Tile&, const float*, int64_t);

template <int... M>
constexpr void fill_dot_tiles(DotTileFunction* table, std::integer_sequence<int, M...>) {
  ((table[M] = dot_tile_of<M + 1>), ...);
}

struct DotTiles {
  DotTileFunction of[kDotRows] = {};
  constexpr DotTiles() { fill_dot_tiles(of, std::make_integer_sequence<int, kDotRows>{}); }
};
inline constexpr DotTiles kDotTiles;

// The tile t of `wide` vectors of columns.
inline void dot_tile(Tile t, const float* b, int64_t b_column, int64_t wide, int64_t rows) {
  const int64_t last = t.lanes;
  for (int64_t j = 0; j < wide; ++j) {
    t.lanes = j + 1 == wide ? last : kLanes;
    kDotTiles.of[rows - 1](t, b + j * kLanes * b_column, b_column);
    t.c += t.c_vector;
    if (t.bias) t.bias += kLanes;
    if (t.residual) t.residual += t.residual_vector;
  }
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
