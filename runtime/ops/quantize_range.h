// How the references quantise: shared by quantize, dynamic_quantize and dynamic_quantize_lstm.
#pragma once

#include <vector>

#include "base/dtype.h"

namespace tenon {

// round(quotient) + zero within the range of the type.
int64_t quantised(double quotient, int64_t zero, DType dtype);

// The u8 scale and zero point that span the elements and 0, rounded as f32 arithmetic rounds; 1 and 0 where nothing is spanned.
struct QuantisedRange {
  double scale;
  int64_t zero;
};
QuantisedRange range_of(const std::vector<double>& elements);

}  // namespace tenon
