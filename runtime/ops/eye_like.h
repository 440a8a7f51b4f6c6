#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace tenon {

// A matrix of the shape of src: ones k columns to the right of the diagonal, zeros elsewhere. No dtype: that of src.
struct EyeLike {
  DType dtype = DType::none;
  int64_t k = 0;

  bool operator==(const EyeLike&) const = default;
  void fields(auto& f) { f("dtype", dtype), f("k", k); }
};

}  // namespace tenon
