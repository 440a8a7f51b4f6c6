// The size of register tiles, for floats and for the sums of int8.
#pragma once

#include "kernels/cpu/simd.h"

namespace tenon::cpu::TENON_ISA {
namespace {

// The largest tiles. Rows times vectors of sums, the vectors of b and one number of a share the registers.
inline constexpr int kTileVectors = 3;
inline constexpr int tile_rows(int vectors) {
  return kRegisters == 32 ? (vectors == 1 ? 14 : vectors == 2 ? 14 : 8) : (vectors == 1 ? 12 : vectors == 2 ? 6 : 4);
}

struct Loop {
  int64_t count = 1, a = 0, b = 0;  // steps in elements
};

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
