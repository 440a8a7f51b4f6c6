// Comparing tensors: the one rule of `tenon check`, `tenon run --case`, the conformance runner and the tests.
#pragma once

#include <string>

#include "ops/op.h"

namespace tenon {

// How far a real element may be from the expected one: absolute + relative * |expected| + of_range * (largest finite magnitude expected).
// Whatever the bounds, infinity equals only itself, NaN only NaN, 0 equals -0, and integers, bools and strings equal only themselves.
struct Tolerance {
  double relative = 0, absolute = 0, of_range = 0;
};

struct Difference {
  bool same = true;
  std::string reason;   // the first element that differs, with both values; empty where same
  double largest = 0;   // of all elements, infinite where NaN or infinity differs
  double of_range = 0;  // `largest` divided by the largest finite magnitude expected
};

Difference compare(const Array& got, const Array& expected, const Tolerance& tolerance);
Difference compare(const Tensor& got, const Tensor& expected, const Tolerance& tolerance);

}  // namespace tenon
