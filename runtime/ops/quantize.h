#pragma once

#include <cstdint>

namespace tenon {

enum class DType : uint8_t;

// One scale and zero point for a tensor (scale is a scalar or has one element), for each index of `axis` (scale has rank 1), or for each
// block of block_size elements along `axis` (scale has the rank of src).

// dst = clamp(round(src / scale) + zero), rounded to even and clamped to the range of the result; NaN becomes the lowest value. The
// quotient is rounded to `precision` (none: the type of scale). Sources: src, scale, zero (optional; its type is that of dst).
// Float8 results are not rounded to integers; what is out of range becomes the largest value, or without `saturate` infinity or NaN.
struct Quantize {
  int64_t axis = 1, block_size = 0;
  DType output_dtype{};  // none: the type of zero, or u8
  DType precision{};
  bool saturate = true;

  bool operator==(const Quantize&) const = default;
  void fields(auto& f) {
    f("axis", axis), f("block_size", block_size), f("output_dtype", output_dtype), f("precision", precision), f("saturate", saturate);
  }
};

// dst = (src - zero) * scale. Sources: src, scale, zero (optional, of the type of src).
struct Dequantize {
  int64_t axis = 1, block_size = 0;
  DType output_dtype{};  // none: the type of scale

  bool operator==(const Dequantize&) const = default;
  void fields(auto& f) { f("axis", axis), f("block_size", block_size), f("output_dtype", output_dtype); }
};

}  // namespace tenon
