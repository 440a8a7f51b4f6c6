#pragma once

#include "base/dtype.h"

namespace tenon {

// dst[..., m, n] = sum over k of a[..., m, k] * b[..., k, n], leading axes broadcast; a vector gains an axis that dst loses.
// to: f32, of operands that are f32, bf16 or f16 each; none: operands and result have one type.
// matmul_integer: 8-bit a and b less their zero points, summed in s32, which wraps; no transposes. Sources: a, b, zero point of a (one,
// one a row, or a's shape with k = 1; optional), of b (one, one a column, or b's shape with k = 1; optional).
// transpose_a: a is [..., k, m]; transpose_b: b is [..., n, k]. Both need rank 2 or more.
struct Matmul {
  bool transpose_a = false, transpose_b = false;
  DType to = DType::none;

  bool operator==(const Matmul&) const = default;
  void fields(auto& f) { f("transpose_a", transpose_a), f("transpose_b", transpose_b), f("to", to); }
};

}  // namespace tenon
