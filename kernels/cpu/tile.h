// The register tile that gemm and every direct convolution are made of: M rows times N vectors of sums,
//   c[r][j] = finish(sum over the loops of a[r] * b[j])
// where a is read as one number for each row and b as vectors. A nest of four loops walks a and b, so that a row of a matrix, a
// window over a blocked image and a window over a plain one are the same code.
#pragma once

#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/tile_size.h"

namespace tenon::cpu::TENON_ISA {
namespace {

struct Tile {
  const float* a;
  int64_t a_row;
  const float* b;  // vectors of one k are kLanes apart
  Loop loop[3];    // outer to inner
  int64_t k, a_k, b_k;
  int64_t k_last;  // k in the last round of loop[0], whose blocks may be partly filled
  float* c;
  int64_t c_row, c_vector;
  int64_t lanes;          // of the last vector
  bool first, last;       // whether the sums start at zero, and whether they are complete
  const float* bias;      // at the tile's first channel, or null
  bool bias_by_row;       // one for each row instead of each column
  const float* residual;  // laid out as c with these steps, or null
  int64_t residual_row, residual_vector;
  float low, high;
  bool clamped;
};

template <int M, int N>
TENON_INLINE inline void accumulate(const Tile& t, V (&sum)[M][N]) {
  const auto step = [&](const float* a, const float* b) TENON_INLINE {
    V right[N];
    unroll<N>([&](auto j) TENON_INLINE { right[j] = load(b + j * kLanes); });
    unroll<M>([&](auto r) TENON_INLINE {
      const V left(a[r * t.a_row]);
      unroll<N>([&](auto j) TENON_INLINE { sum[r][j] = fma(left, right[j], sum[r][j]); });
    });
  };
  for (int64_t x = 0; x < t.loop[0].count; ++x)
    for (int64_t y = 0; y < t.loop[1].count; ++y)
      for (int64_t z = 0; z < t.loop[2].count; ++z) {
        const float* a = t.a + x * t.loop[0].a + y * t.loop[1].a + z * t.loop[2].a;
        const float* b = t.b + x * t.loop[0].b + y * t.loop[1].b + z * t.loop[2].b;
        for (int64_t k = x + 1 == t.loop[0].count ? t.k_last : t.k; k > 0; --k, a += t.a_k, b += t.b_k) step(a, b);
      }
}

// Bias, residual and clamp where the sums are complete; then they go to c.
template <int M, int N>
TENON_INLINE inline void finish_tile(const Tile& t, V (&sum)[M][N]) {
  const auto lanes = [&](int j) TENON_INLINE { return j + 1 == N ? t.lanes : kLanes; };
  if (t.last) {
    if (t.bias && !t.bias_by_row)
      unroll<N>([&](auto j) TENON_INLINE {
        const V bias = load(t.bias + j * kLanes, lanes(j));
        unroll<M>([&](auto r) TENON_INLINE { sum[r][j] += bias; });
      });
    if (t.bias && t.bias_by_row) unroll<M>([&](auto r) TENON_INLINE { unroll<N>([&](auto j) TENON_INLINE { sum[r][j] += V(t.bias[r]); }); });
    if (t.residual)
      unroll<M>([&](auto r) TENON_INLINE {
        unroll<N>([&](auto j) TENON_INLINE { sum[r][j] += load(t.residual + r * t.residual_row + j * t.residual_vector, lanes(j)); });
      });
    if (t.clamped)
      unroll<M>([&](auto r) TENON_INLINE { unroll<N>([&](auto j) TENON_INLINE { sum[r][j] = least(most(sum[r][j], V(t.low)), V(t.high)); }); });
  }
  unroll<M>([&](auto r) TENON_INLINE { unroll<N>([&](auto j) TENON_INLINE { store(t.c + r * t.c_row + j * t.c_vector, sum[r][j], lanes(j)); }); });
}

template <int M, int N>
__attribute__((noinline)) void tile(const Tile& t) {
  V sum[M][N];
  unroll<M>([&](auto r) TENON_INLINE {
    unroll<N>([&](auto j) TENON_INLINE { sum[r][j] = t.first ? V(0.f) : load(t.c + r * t.c_row + j * t.c_vector, j + 1 == N ? t.lanes : kLanes); });
  });
  accumulate(t, sum);
  finish_tile(t, sum);
}

using TileFunction = void (*)(const Tile&);

template <int N, int... M>
constexpr void fill_tiles(TileFunction* table, std::integer_sequence<int, M...>) {
  ((table[M] = tile<M + 1, N>), ...);
}

// kTiles.of[n - 1][m - 1]
struct Tiles {
  TileFunction of[kTileVectors][16] = {};
  constexpr Tiles() {
    fill_tiles<1>(of[0], std::make_integer_sequence<int, tile_rows(1)>{});
    fill_tiles<2>(of[1], std::make_integer_sequence<int, tile_rows(2)>{});
    fill_tiles<3>(of[2], std::make_integer_sequence<int, tile_rows(3)>{});
  }
};
inline constexpr Tiles kTiles;

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
