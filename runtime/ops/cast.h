#pragma once

#include "base/dtype.h"

namespace tenon {

// How a number becomes a power of two (f8e8m0): away from zero, towards it, to the nearest (halves upwards).
enum class PowerRounding { up, down, nearest };
inline constexpr const char* kPowerRoundingNames[] = {"up", "down", "nearest"};

// Each element converted to the type `to`:
// real to real     rounds to nearest even; 8-bit targets take their largest value beyond it unless saturate is false, f4e2m1 takes -0
//                  for NaN
// real to integer  cuts towards zero; NaN is 0; what is beyond s64 (for targets of 64 bits and u32) or s32 (for the others) takes its
//                  limit, and of that the low bits are kept; numbers beyond s64 that fit u64 are kept
// integer to integer keeps the low bits; to real rounds to nearest even
// to bool          zero is false, all else, NaN included, true
// string to number reads a decimal number, or INF, NaN in any case; number to string writes the fewest digits that read back the same
struct Cast {
  DType to = DType::f32;
  bool saturate = true;
  PowerRounding round_mode = PowerRounding::up;
  float error = 0;  // of weights that precision rounds, |rounded - weight| / |weight|: tells, and does nothing

  bool operator==(const Cast&) const = default;
  void fields(auto& f) { f("to", to), f("saturate", saturate), f("round_mode", round_mode, kPowerRoundingNames), f("error", error); }
};

// bit_cast: the bits of each element read as another type of the same width.
struct BitCast {
  DType to = DType::f32;

  bool operator==(const BitCast&) const = default;
  void fields(auto& f) { f("to", to); }
};

}  // namespace tenon
