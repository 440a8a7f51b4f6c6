#pragma once

#include <cstdint>

namespace tenon {

// coded_matmul: dst[..., n] = sum over k of src[..., k] * (code[n, k] - zero[n, k / block]) * scale[n, k / block], where the weight stays in
// codes of few bits. Sources: src [..., k] f32, codes u8 [n, blocks, block * bits / 8], in which a byte holds the codes of 8 / bits columns in
// a row, the first in the low bits; scale f32 [n, blocks]; zero u8 or f32 [n, blocks] (optional: 2^(bits - 1)). blocks = k / block, rounded up;
// codes beyond k count for nothing.
struct CodedMatmul {
  int64_t k = 0, block = 32, bits = 4;
  bool operator==(const CodedMatmul&) const = default;
  void fields(auto& f) { f("k", k), f("block", block), f("bits", bits); }

  int64_t blocks() const { return (k + block - 1) / block; }
};

}  // namespace tenon
