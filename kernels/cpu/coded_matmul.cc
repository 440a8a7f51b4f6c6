// coded_matmul in f32: codes become numbers in registers, as they stream by, and every row of src in a tile uses them. The columns of src
// are first sorted as a byte of codes holds them, so that codes need no shuffles.
#include "ops/coded_matmul.h"

#include "kernels/cpu/operand.h"
#include "kernels/cpu/simd.h"

namespace tenon::cpu::TENON_ISA {
namespace {

#if defined(__AVX512BW__)
constexpr int kRows = 8;  // of src in a tile
#else
constexpr int kRows = 4;
#endif
constexpr int64_t kWork = 1 << 16;  // multiply-adds that a worker takes at once

const CodedMatmul& attributes(const Step& s) { return *static_cast<const CodedMatmul*>(s.attributes); }

// The columns of one place within a byte, of one block: a run of them, filled up to whole vectors.
int64_t run_of(const CodedMatmul& a) { return round_up(a.block * a.bits / 8, kLanes); }
int64_t sorted_columns(const CodedMatmul& a) { return a.blocks() * (8 / a.bits) * run_of(a); }
int64_t rows_of(const Operand& src) { return src.rank ? count(src, 0, src.rank - 1) : 1; }

const char* reject(const Step& s) {
  if (!is_f32(s.src[0]) || !is_f32(*s.dst)) return "src or dst is not f32";
  if (s.epilogue.count) return "coded_matmul has no epilogue";
  return reject_gaps(s);
}

Needs needs(const Step& s) {
  Needs needs;
  needs.scratch_bytes = known(s.src[0]) ? rows_of(s.src[0]) * sorted_columns(attributes(s)) * static_cast<int64_t>(sizeof(float)) : 0;
  return needs;
}

float cost(const Step& s) {
  const auto rows = static_cast<float>(rows_of(s.src[0])), bytes = static_cast<float>(count(s.src[1]));
  const float codes = bytes * 8 / static_cast<float>(attributes(s).bits);
  // Codes are read, and made numbers, once a tile of rows.
  const float tiles = static_cast<float>(ceil_div(rows_of(s.src[0]), kRows));
  return 200 + larger(bytes * 0.1f, codes * (3 * tiles + rows) / (kMultiplyAdds));
}

// Column block * 8 / bits * i + p of each block becomes element i of run p.
void sort_columns(const CodedMatmul& a, const float* from, float* to) {
  const int64_t places = 8 / a.bits, run = a.block / places, room = run_of(a);
  for (int64_t b = 0; b < a.blocks(); ++b)
    for (int64_t p = 0; p < places; ++p, to += room)
      for (int64_t i = 0; i < room; ++i) {
        const int64_t k = b * a.block + i * places + p;
        to[i] = i < run && k < a.k ? from[k] : 0.f;
      }
}

// The products of one row of codes with M rows of src.
template <int M, int Bits>
TENON_INLINE inline void row_by_rows(const CodedMatmul& a, const uint8_t* codes, const float* scale, const float* zero, const float* src,
                                     int64_t step, float* dst, int64_t dst_step) {
  constexpr int kPlaces = 8 / Bits;
  const int64_t blob = a.block / kPlaces, room = run_of(a), blocks = a.blocks();
  V sums[M];
  unroll<M>([&](auto m) TENON_INLINE { sums[m] = V(0.f); });
  for (int64_t b = 0; b < blocks; ++b, codes += blob) {
    const V less(zero[b]), by(scale[b]);
    V dots[M];
    unroll<M>([&](auto m) TENON_INLINE { dots[m] = V(0.f); });
    for (int64_t i = 0; i < blob; i += kLanes) {
      const I bytes = load(codes + i, smaller(kLanes, blob - i));
      const float* at = src + b * kPlaces * room + i;
      unroll<kPlaces>([&](auto p) TENON_INLINE {
        constexpr int shift = decltype(p)::value * Bits;
        const V w = real(right<shift>(bytes) & I((1 << Bits) - 1)) - less;
        unroll<M>([&](auto m) TENON_INLINE { dots[m] = fma(w, load(at + decltype(p)::value * room + m * step), dots[m]); });
      });
    }
    unroll<M>([&](auto m) TENON_INLINE { sums[m] = fma(dots[m], by, sums[m]); });
  }
  unroll<M>([&](auto m) TENON_INLINE { dst[m * dst_step] = total(sums[m]); });
}

template <int Bits>
void run_bits(const Step& s, const Context& context) noexcept {
  const CodedMatmul& a = attributes(s);
  const int64_t rows = rows_of(s.src[0]), n = s.src[1].size[0], blocks = a.blocks(), blob = a.block * Bits / 8, columns = sorted_columns(a);
  float* sorted = reinterpret_cast<float*>(context.scratch);
  parallel(context, rows, kWork / (a.k + 1) + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t m = begin; m < end; ++m) sort_columns(a, data(s.src[0]) + m * a.k, sorted + m * columns);
  });
  parallel(context, n, kWork / (a.k * smaller(rows, kRows) + 1) + 1, [&](int64_t begin, int64_t end, int) {
    constexpr int64_t kMost = 512;  // zero points made numbers at once
    float zeros[kMost];
    for (int64_t first = 0; first < rows; first += kRows)
      for (int64_t row = begin; row < end; ++row) {
        const uint8_t* codes = data<uint8_t>(s.src[1]) + row * blocks * blob;
        const float* scale = data(s.src[2]) + row * blocks;
        // Long rows go in pieces of blocks that the zero points of fit; the sums of the pieces add up.
        for (int64_t block = 0; block < blocks; block += kMost) {
          CodedMatmul part = a;
          part.k = smaller(kMost, blocks - block) * a.block;
          for (int64_t b = 0; b < part.blocks(); ++b) {
            const int64_t at = row * blocks + block + b;
            if (!has(s, 3)) zeros[b] = static_cast<float>(1 << (Bits - 1));
            else zeros[b] = is(s.src[3], DType::u8) ? static_cast<float>(data<uint8_t>(s.src[3])[at]) : data(s.src[3])[at];
          }
          const float* src = sorted + first * columns + block * (8 / Bits) * run_of(a);
          float result[kRows] = {};
          const int64_t left = smaller(kRows, rows - first);
          int64_t done = 0;
          // As many rows at once as there are: the tile, else 4, 2, 1.
          const auto step = [&](auto m) TENON_INLINE {
            constexpr int M = decltype(m)::value;
            for (; left - done >= M; done += M)
              row_by_rows<M, Bits>(part, codes + block * blob, scale + block, zeros, src + done * columns, columns, result + done, 1);
          };
          step(std::integral_constant<int, kRows>{});
          if constexpr (kRows > 4) step(std::integral_constant<int, 4>{});
          step(std::integral_constant<int, 2>{});
          step(std::integral_constant<int, 1>{});
          for (int64_t m = 0; m < left; ++m) {
            float& to = mutable_data(*s.dst)[(first + m) * n + row];
            to = block ? to + result[m] : result[m];
          }
        }
      }
  });
}

void run(const Step& s, const Context& context) noexcept {
  switch (attributes(s).bits) {
    case 2: return run_bits<2>(s, context);
    case 4: return run_bits<4>(s, context);
    default: return run_bits<8>(s, context);
  }
}

const Kernel kKernels[] = {
    {.name = "coded_matmul_f32_stream_" TENON_ISA_NAME,
     .op = "coded_matmul",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run},
};

}  // namespace
extern const KernelTable coded_matmul_table{kKernels, 1};
}  // namespace tenon::cpu::TENON_ISA
