// Floats of 16 bits: DType f16 (IEEE 754 binary16) and bf16.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace tenon {

// dst[i] = src[i] rounded to the nearest number of the type, halves to even; beyond its range to infinity. NaN stays NaN.
void round_to_halves(DType to, const float* src, int64_t n, uint16_t* dst);
// Exact.
void widen_to_floats(DType from, const uint16_t* src, int64_t n, float* dst);

// What rounding takes from numbers.
struct Rounding {
  double lost = 0, all = 0;  // sums of squares: of what is lost, and of the numbers

  void add(DType to, const float* src, int64_t n);
  // |rounded - number| / |number|; infinite, or NaN, where a number is beyond the type.
  double error() const;
};

}  // namespace tenon
