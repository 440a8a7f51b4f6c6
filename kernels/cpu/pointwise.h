// How the operands of pointwise are walked: dst in memory order, axes on which every operand steps evenly merged, so that most steps are
// one long run.
#pragma once

#include "kernels/cpu/operand.h"
#include "ops/pointwise.h"

namespace tenon::cpu::TENON_ISA {
namespace {

inline constexpr int kOperands = 12;
inline constexpr int64_t kChunk = 16384;  // elements of dst

// The axes of dst in memory order, and how far each operand moves along them.
struct Axes {
  int rank = 0;
  int64_t size[kMaxRank + 1];
  int64_t step[kOperands + 1][kMaxRank + 1];  // of dst, then of the operands
};

inline const Program& program(const Step& s) { return static_cast<const Pointwise*>(s.attributes)->program; }

inline Axes axes(const Step& s) {
  const Operand& dst = *s.dst;
  Axes a;
  const auto add = [&](int64_t size, auto step_of) {
    int64_t steps[kOperands + 1];
    for (int i = 0; i <= s.sources; ++i) steps[i] = step_of(i == 0 ? dst : s.src[i - 1]);
    if (size == 1) return;
    if (a.rank) {
      bool even = true;
      for (int i = 0; i <= s.sources; ++i) even &= a.step[i][a.rank - 1] == steps[i] * size;
      if (even) {
        a.size[a.rank - 1] *= size;
        for (int i = 0; i <= s.sources; ++i) a.step[i][a.rank - 1] = steps[i];
        return;
      }
    }
    a.size[a.rank] = size;
    for (int i = 0; i <= s.sources; ++i) a.step[i][a.rank] = steps[i];
    ++a.rank;
  };
  for (int axis = 0; axis < dst.rank; ++axis) {
    const bool cut = axis == dst.block_axis;
    add(cut ? ceil_div(dst.size[axis], dst.block) : dst.size[axis], [&](const Operand& o) -> int64_t {
      const int own = axis - (dst.rank - o.rank);
      return own < 0 || o.size[own] == 1 ? 0 : o.stride[own];
    });
  }
  if (dst.block > 1) add(dst.block, [](const Operand& o) -> int64_t { return o.rank == 0 || o.block == 1 ? 0 : 1; });
  if (a.rank == 0) add(2, [](const Operand&) -> int64_t { return 0; }), a.size[0] = 1;
  return a;
}

// Calls body(offsets of dst and of each operand, n) for runs of n elements along the last axis.
template <class Body>
void walk(const Step& s, const Context& context, const Axes& a, const Body& body) {
  const int axis = a.rank - 1;
  int64_t rows = 1;
  for (int i = 0; i < axis; ++i) rows *= a.size[i];
  if (count(*s.dst) == 0) return;
  const int64_t length = a.size[axis], pieces = ceil_div(length, kChunk), each = pieces > 1 ? kChunk : length;
  parallel(context, rows * pieces, larger(1, kChunk / each), [&](int64_t begin, int64_t end, int) {
    for (int64_t unit = begin; unit < end; ++unit) {
      int64_t row = unit / pieces;
      const int64_t first = unit % pieces * each;
      int64_t at[kOperands + 1];
      for (int i = 0; i <= s.sources; ++i) at[i] = first * a.step[i][axis];
      for (int k = axis - 1; k >= 0; --k) {
        const int64_t index = row % a.size[k];
        row /= a.size[k];
        for (int i = 0; i <= s.sources; ++i) at[i] += index * a.step[i][k];
      }
      body(at, smaller(each, length - first));
    }
  });
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
