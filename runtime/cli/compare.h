// Comparing tensors as ONNX's own tests do.
#pragma once

#include <string>

#include "base/tensor.h"

namespace tenon::cli {

struct Difference {
  bool same = true;
  std::string reason;
  double largest = 0, of_range = 0;  // of_range: divided by the largest magnitude expected
};

// |got - expected| <= absolute + relative * |expected| for every element; NaN equals NaN. Integers, bool and strings must be equal.
Difference compare(const Tensor& got, const Tensor& expected, double relative, double absolute);

}  // namespace tenon::cli
