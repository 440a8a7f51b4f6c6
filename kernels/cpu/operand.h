// Questions that every family asks about the operands of a step.
#pragma once

#include "base/axis.h"
#include "base/dtype.h"
#include "kernels/kernel.h"

namespace tenon::cpu::TENON_ISA {
namespace {

inline bool is(const Operand& o, DType type) { return o.dtype == static_cast<uint8_t>(type); }
inline bool is_f32(const Operand& o) { return is(o, DType::f32) && !o.scale; }
inline bool is_quantised(const Operand& o) { return o.scale && (is(o, DType::u8) || is(o, DType::s8)); }
// Whether source i is there: optional ones may be left out.
inline bool has(const Step& s, int i) { return i < s.sources && s.src[i].dtype != 0; }
inline bool known(int64_t size) { return size != kUnknown; }
inline bool known(const Operand& o) {
  for (int i = 0; i < o.rank; ++i)
    if (!known(o.size[i])) return false;
  return true;
}

// For kernels that read and write without looking at strides.
inline const char* reject_gaps(const Step& s) {
  for (int i = 0; i < s.sources; ++i)
    if (has(s, i) && !s.src[i].dense) return "a source has gaps";
  for (int i = 0; i < s.destinations; ++i)
    if (s.dst[i].dtype && !s.dst[i].dense) return "dst has gaps";
  return nullptr;
}

// Whether neighbours along the last axis are neighbours in memory.
inline bool contiguous(const Operand& o) {
  return o.rank == 0 || o.size[o.rank - 1] == 1 || o.stride[o.rank - 1] == 1 || o.stride[o.rank - 1] == kUnknown;
}

// The product of sizes [begin, end); all must be known.
inline int64_t count(const Operand& o, int begin, int end) {
  int64_t n = 1;
  for (int i = begin; i < end; ++i) n *= o.size[i];
  return n;
}
inline int64_t count(const Operand& o) { return count(o, 0, o.rank); }
inline int64_t last(const int64_t* list, int rank) { return list[rank - 1]; }

template <class T = float>
const T* data(const Operand& o) {
  return static_cast<const T*>(o.data);
}
template <class T = float>
T* mutable_data(const Operand& o) {
  return static_cast<T*>(o.data);
}

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }
// Elements of memory without gaps, padding lanes included.
inline int64_t memory_count(const Operand& o) {
  int64_t n = o.block;
  for (int i = 0; i < o.rank; ++i) n *= i == o.block_axis ? ceil_div(o.size[i], o.block) : o.size[i];
  return n;
}
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
inline float larger(float a, float b) { return a > b ? a : b; }

// Piece i of n in `pieces` pieces that differ by one at most.
struct Range {
  int64_t begin, end;
};
inline Range piece(int64_t n, int64_t pieces, int64_t i) {
  const int64_t each = n / pieces, more = n % pieces;
  const int64_t begin = i * each + smaller(i, more);
  return {begin, begin + each + (i < more)};
}

// What one core of about 3.5 GHz does in a nanosecond: f32 multiply-adds in registers, bytes from memory that both of two cores read, and bytes that
// the step before has left in the caches. For `cost`.
#if defined(__AVX512F__)
inline constexpr float kMultiplyAdds = 60;
#elif defined(__AVX2__)
inline constexpr float kMultiplyAdds = 56;
#elif defined(__aarch64__)
inline constexpr float kMultiplyAdds = 28;
#else
inline constexpr float kMultiplyAdds = 20;
#endif
inline constexpr float kBytes = 15, kCachedBytes = 60;

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
