// Elements by their C++ type, for kernels that take any number: floats of 16 bits as F16 and Bf16,
// which convert to and from float.
#pragma once

#include <bit>
#include <type_traits>

#include "kernels/cpu/operand.h"

namespace tenon::cpu::TENON_ISA {
namespace {

// IEEE 754 binary16; conversion from float rounds to nearest even.
struct F16 {
  uint16_t bits;
  F16() = default;
  F16(float v) {
    const uint32_t u = std::bit_cast<uint32_t>(v), sign = u >> 16 & 0x8000,
                   magnitude = u & 0x7fffffff;
    if (magnitude > 0x7f800000) bits = static_cast<uint16_t>(sign | 0x7e00);
    else if (magnitude >= 0x477ff000) bits = static_cast<uint16_t>(sign | 0x7c00);
    else if (magnitude >= 0x38800000)
      bits = static_cast<uint16_t>(sign |
                                   (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13);
    else
      bits = static_cast<uint16_t>(
          sign | (std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000));
  }
  operator float() const {
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, magnitude = bits & 0x7fff;
    if (magnitude >= 0x7c00)
      return std::bit_cast<float>(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    return std::bit_cast<float>(
        sign | std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112f));
  }
};

struct Bf16 {
  uint16_t bits;
  Bf16() = default;
  Bf16(float v) {
    const uint32_t u = std::bit_cast<uint32_t>(v);
    bits = static_cast<uint16_t>(v == v ? (u + 0x7fff + (u >> 16 & 1)) >> 16 : u >> 16 | 0x40);
  }
  operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
};

template <class T>
inline constexpr bool is_half_type = std::is_same_v<T, F16> || std::is_same_v<T, Bf16>;
template <class T>
inline constexpr bool is_real_type = std::is_floating_point_v<T> || is_half_type<T>;
// What arithmetic on T uses: float for floats of 16 bits, 64 bits for whole numbers.
template <class T>
using Wide = std::conditional_t<
    is_half_type<T>, float,
    std::conditional_t<std::is_floating_point_v<T>, T,
                       std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>>;

// Rounded once: on the way to 16 bits the float in between is made odd where it is not exact.
template <class T>
T from_double(double v) {
  if constexpr (is_half_type<T>) {
    float f = static_cast<float>(v);
    if (static_cast<double>(f) != v && v == v && f - f == 0) {
      const uint32_t u = std::bit_cast<uint32_t>(f);
      if (!(u & 1))
        f = std::bit_cast<float>(
            u + ((f > 0 ? static_cast<double>(f) < v : static_cast<double>(f) > v) ? 1 : -1));
    }
    return T(f);
  } else {
    return static_cast<T>(v);
  }
}

inline bool is_number(const Operand& o) {
  switch (static_cast<DType>(o.dtype)) {
    case DType::f64:
    case DType::f32:
    case DType::f16:
    case DType::bf16:
    case DType::s64:
    case DType::s32:
    case DType::s16:
    case DType::s8:
    case DType::u64:
    case DType::u32:
    case DType::u16:
    case DType::u8:
    case DType::boolean: return true;
    default: return false;
  }
}

// Calls body(T()) for the type of the elements, of which is_number holds; bool is uint8_t.
template <class Body>
auto by_number(const Operand& o, const Body& body) {
  switch (static_cast<DType>(o.dtype)) {
    case DType::f64: return body(double());
    case DType::f32: return body(float());
    case DType::f16: return body(F16());
    case DType::bf16: return body(Bf16());
    case DType::s64: return body(int64_t());
    case DType::s32: return body(int32_t());
    case DType::s16: return body(int16_t());
    case DType::s8: return body(int8_t());
    case DType::u64: return body(uint64_t());
    case DType::u32: return body(uint32_t());
    case DType::u16: return body(uint16_t());
    default: return body(uint8_t());
  }
}
// The same for floating point alone.
inline bool is_real_number(const Operand& o) {
  return is(o, DType::f64) || is(o, DType::f32) || is(o, DType::f16) || is(o, DType::bf16);
}
template <class Body>
auto by_real(const Operand& o, const Body& body) {
  switch (static_cast<DType>(o.dtype)) {
    case DType::f64: return body(double());
    case DType::f16: return body(F16());
    case DType::bf16: return body(Bf16());
    default: return body(float());
  }
}
// Calls body(T()) for an unsigned type of as many bytes, for kernels that only move elements.
template <class Body>
auto by_width(int bytes, const Body& body) {
  switch (bytes) {
    case 1: return body(uint8_t());
    case 2: return body(uint16_t());
    case 4: return body(uint32_t());
    default: return body(uint64_t());
  }
}

// An s32 or s64 element.
inline bool is_index(const Operand& o) { return is(o, DType::s64) || is(o, DType::s32); }
inline int64_t integer(const Operand& o, int64_t i) {
  return is(o, DType::s64) ? data<int64_t>(o)[i] : data<int32_t>(o)[i];
}
// Any number as a double.
inline double number(const Operand& o, int64_t i) {
  return by_number(o, [&](auto t) {
    return static_cast<double>(static_cast<Wide<decltype(t)>>(data<decltype(t)>(o)[i]));
  });
}

inline bool same_scale(const Operand& a, const Operand& b) {
  if (!a.scale && !b.scale) return true;
  return a.scale && b.scale && !a.per_axis && !b.per_axis && a.scale[0] == b.scale[0] &&
         a.zero[0] == b.zero[0];
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
