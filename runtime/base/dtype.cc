#include "base/dtype.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace tenon {
namespace {

enum class Class : uint8_t { none, real, sint, uint, boolean, string, complex };

struct Info {
  DType type;
  std::string_view name;
  int bits;
  Class kind;
};

constexpr Info kInfo[] = {
    {DType::none, "none", 0, Class::none},
    {DType::f64, "f64", 64, Class::real},
    {DType::f32, "f32", 32, Class::real},
    {DType::f16, "f16", 16, Class::real},
    {DType::bf16, "bf16", 16, Class::real},
    {DType::f8e4m3fn, "f8e4m3fn", 8, Class::real},
    {DType::f8e4m3fnuz, "f8e4m3fnuz", 8, Class::real},
    {DType::f8e5m2, "f8e5m2", 8, Class::real},
    {DType::f8e5m2fnuz, "f8e5m2fnuz", 8, Class::real},
    {DType::f8e8m0, "f8e8m0", 8, Class::real},
    {DType::f4e2m1, "f4e2m1", 4, Class::real},
    {DType::s64, "s64", 64, Class::sint},
    {DType::s32, "s32", 32, Class::sint},
    {DType::s16, "s16", 16, Class::sint},
    {DType::s8, "s8", 8, Class::sint},
    {DType::s4, "s4", 4, Class::sint},
    {DType::s2, "s2", 2, Class::sint},
    {DType::u64, "u64", 64, Class::uint},
    {DType::u32, "u32", 32, Class::uint},
    {DType::u16, "u16", 16, Class::uint},
    {DType::u8, "u8", 8, Class::uint},
    {DType::u4, "u4", 4, Class::uint},
    {DType::u2, "u2", 2, Class::uint},
    {DType::boolean, "bool", 8, Class::boolean},
    {DType::string, "string", 64, Class::string},
    {DType::c64, "c64", 64, Class::complex},
    {DType::c128, "c128", 128, Class::complex},
};

const Info& info(DType type) { return kInfo[static_cast<int>(type)]; }

// A small floating-point format: sign bit unless unsigned, exponent and mantissa widths, and what its special patterns mean.
struct Mini {
  int exponent_bits, mantissa_bits, bias;
  enum { ieee, finite_nan, nan_at_minus_zero, finite_only } special;
};

constexpr Mini kF16{5, 10, 15, Mini::ieee};
constexpr Mini kBf16{8, 7, 127, Mini::ieee};
constexpr Mini kE4M3{4, 3, 7, Mini::finite_nan};
constexpr Mini kE4M3Uz{4, 3, 8, Mini::nan_at_minus_zero};
constexpr Mini kE5M2{5, 2, 15, Mini::ieee};
constexpr Mini kE5M2Uz{5, 2, 16, Mini::nan_at_minus_zero};
constexpr Mini kE2M1{2, 1, 1, Mini::finite_only};

const Mini* mini(DType type) {
  switch (type) {
    case DType::f16: return &kF16;
    case DType::bf16: return &kBf16;
    case DType::f8e4m3fn: return &kE4M3;
    case DType::f8e4m3fnuz: return &kE4M3Uz;
    case DType::f8e5m2: return &kE5M2;
    case DType::f8e5m2fnuz: return &kE5M2Uz;
    case DType::f4e2m1: return &kE2M1;
    default: return nullptr;
  }
}

double decode(const Mini& f, uint32_t pattern) {
  const int width = 1 + f.exponent_bits + f.mantissa_bits;
  const uint32_t sign = pattern >> (width - 1) & 1;
  const uint32_t exponent = pattern >> f.mantissa_bits & ((1u << f.exponent_bits) - 1);
  const uint32_t mantissa = pattern & ((1u << f.mantissa_bits) - 1);
  const uint32_t top = (1u << f.exponent_bits) - 1, all = (1u << f.mantissa_bits) - 1;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  if (f.special == Mini::nan_at_minus_zero && sign && !exponent && !mantissa) return nan;
  if (f.special == Mini::finite_nan && exponent == top && mantissa == all) return nan;
  if (f.special == Mini::ieee && exponent == top) {
    if (mantissa) return nan;
    return sign ? -INFINITY : INFINITY;
  }
  const double magnitude = exponent ? std::ldexp(1.0 + std::ldexp(double(mantissa), -f.mantissa_bits), int(exponent) - f.bias)
                                    : std::ldexp(double(mantissa), 1 - f.bias - f.mantissa_bits);
  return sign ? -magnitude : magnitude;
}

double greatest_of(const Mini& f) {
  uint32_t exponent = (1u << f.exponent_bits) - 1, mantissa = (1u << f.mantissa_bits) - 1;
  if (f.special == Mini::ieee) --exponent;
  if (f.special == Mini::finite_nan) --mantissa;
  return decode(f, exponent << f.mantissa_bits | mantissa);
}

uint32_t encode(const Mini& f, double value, bool saturate) {
  const int width = 1 + f.exponent_bits + f.mantissa_bits;
  const uint32_t sign_bit = 1u << (width - 1), top = (1u << f.exponent_bits) - 1, all = (1u << f.mantissa_bits) - 1;
  const uint32_t sign = std::signbit(value) ? sign_bit : 0;
  const auto not_a_number = [&]() -> uint32_t {
    switch (f.special) {
      case Mini::ieee: return sign | top << f.mantissa_bits | 1u << (f.mantissa_bits - 1);
      case Mini::finite_nan: return sign | top << f.mantissa_bits | all;
      case Mini::nan_at_minus_zero: return sign_bit;
      default: return sign | top << f.mantissa_bits | all;  // no NaN: the largest
    }
  };
  if (std::isnan(value)) return not_a_number();
  double magnitude = std::fabs(value);
  const double largest = greatest_of(f);
  const auto largest_pattern = [&] {
    uint32_t exponent = top, mantissa = all;
    if (f.special == Mini::ieee) --exponent;
    if (f.special == Mini::finite_nan) --mantissa;
    return sign | exponent << f.mantissa_bits | mantissa;
  };
  if (magnitude != 0 && !std::isinf(magnitude)) {
    int exponent;
    std::frexp(magnitude, &exponent);
    const int step = std::max(exponent - 1, 1 - f.bias) - f.mantissa_bits;
    magnitude = std::ldexp(std::nearbyint(std::ldexp(magnitude, -step)), step);
  }
  if (magnitude > largest) {
    if (saturate || f.special == Mini::finite_only) return largest_pattern();
    return f.special == Mini::ieee ? sign | top << f.mantissa_bits : not_a_number();
  }
  if (magnitude == 0) return f.special == Mini::nan_at_minus_zero ? 0 : sign;
  int exponent;
  std::frexp(magnitude, &exponent);
  const int biased = exponent - 1 + f.bias;
  if (biased < 1) return sign | static_cast<uint32_t>(std::ldexp(magnitude, f.bias - 1 + f.mantissa_bits));
  const auto mantissa = static_cast<uint32_t>(std::ldexp(magnitude, f.mantissa_bits - (exponent - 1))) & all;
  return sign | static_cast<uint32_t>(biased) << f.mantissa_bits | mantissa;
}

// f8e8m0: an exponent alone, 2^(pattern - 127); 255 is NaN.
double decode_e8m0(uint8_t pattern) { return pattern == 255 ? std::numeric_limits<double>::quiet_NaN() : std::ldexp(1.0, pattern - 127); }

uint8_t encode_e8m0(double value, bool saturate) {
  if (std::isnan(value)) return 255;
  value = std::fabs(value);
  if (std::isinf(value)) return saturate ? 254 : 255;
  if (value == 0) return 0;
  int exponent;
  const double fraction = std::frexp(value, &exponent);  // [0.5, 1)
  int power = exponent - 1;
  if (fraction > 0.75 || (fraction == 0.75 && (power & 1))) ++power;
  if (power > 127) return saturate ? 254 : 255;
  return static_cast<uint8_t>(std::max(power, -127) + 127);
}

template <class T>
T get(const void* data, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + index * int64_t(sizeof(T)), sizeof(T));
  return value;
}

template <class T>
void put(void* data, int64_t index, T value) {
  std::memcpy(static_cast<char*>(data) + index * int64_t(sizeof(T)), &value, sizeof(T));
}

uint32_t get_bits(const void* data, int64_t index, int width) {
  const int64_t position = index * width;
  return static_cast<const uint8_t*>(data)[position / 8] >> (position % 8) & ((1u << width) - 1);
}

void put_bits(void* data, int64_t index, int width, uint32_t value) {
  const int64_t position = index * width;
  uint8_t& byte = static_cast<uint8_t*>(data)[position / 8];
  const uint32_t mask = ((1u << width) - 1) << (position % 8);
  byte = static_cast<uint8_t>((byte & ~mask) | (value << (position % 8) & mask));
}

int64_t sign_extended(uint32_t value, int width) { return static_cast<int64_t>(static_cast<uint64_t>(value) << (64 - width)) >> (64 - width); }

}  // namespace

std::string_view name(DType type) { return info(type).name; }

DType dtype_named(std::string_view text) {
  for (const Info& i : kInfo)
    if (i.name == text) return i.type;
  return DType::none;
}

int bits(DType type) { return info(type).bits; }
bool is_real(DType type) { return info(type).kind == Class::real; }
bool is_signed(DType type) { return info(type).kind == Class::sint; }
bool is_unsigned(DType type) { return info(type).kind == Class::uint; }

int64_t lowest(DType type) { return is_signed(type) ? INT64_MIN >> (64 - bits(type)) : 0; }

int64_t highest(DType type) {
  if (type == DType::boolean) return 1;
  if (type == DType::u64) return -1;
  return is_signed(type) ? INT64_MAX >> (64 - bits(type)) : INT64_MAX >> (63 - bits(type));
}

double greatest(DType type) {
  if (const Mini* f = mini(type)) return greatest_of(*f);
  if (type == DType::f8e8m0) return std::ldexp(1.0, 127);
  return type == DType::f32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
}

int64_t storage_bytes(DType type, int64_t count) {
  int64_t total;
  if (count < 0 || __builtin_mul_overflow(count, int64_t(bits(type)), &total) || total > INT64_MAX - 7)
    throw Error(Code::limit, std::to_string(count) + " elements of " + std::string(name(type)) + " do not fit into memory");
  return (total + 7) / 8;
}

Cell cell_of(DType type, double value) {
  if (is_real(type) || is_complex(type)) return Cell{.real = value};
  constexpr double kBeyond = 0x1p63;
  if (std::isnan(value)) return Cell{.integer = 0};
  if (value >= kBeyond) return Cell{.integer = INT64_MAX};
  if (value < -kBeyond) return Cell{.integer = INT64_MIN};
  return Cell{.integer = static_cast<int64_t>(value)};
}

Cell load_cell(DType type, const void* data, int64_t index) {
  switch (type) {
    case DType::f64:
    case DType::c128: return {.real = get<double>(data, index)};
    case DType::f32:
    case DType::c64: return {.real = get<float>(data, index)};
    case DType::f16:
    case DType::bf16: return {.real = decode(*mini(type), get<uint16_t>(data, index))};
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz: return {.real = decode(*mini(type), get<uint8_t>(data, index))};
    case DType::f8e8m0: return {.real = decode_e8m0(get<uint8_t>(data, index))};
    case DType::f4e2m1: return {.real = decode(kE2M1, get_bits(data, index, 4))};
    case DType::s64:
    case DType::u64:
    case DType::string: return {.integer = get<int64_t>(data, index)};
    case DType::s32: return {.integer = get<int32_t>(data, index)};
    case DType::s16: return {.integer = get<int16_t>(data, index)};
    case DType::s8: return {.integer = get<int8_t>(data, index)};
    case DType::u32: return {.integer = get<uint32_t>(data, index)};
    case DType::u16: return {.integer = get<uint16_t>(data, index)};
    case DType::u8: return {.integer = get<uint8_t>(data, index)};
    case DType::boolean: return {.integer = get<uint8_t>(data, index) != 0};
    case DType::s4: return {.integer = sign_extended(get_bits(data, index, 4), 4)};
    case DType::s2: return {.integer = sign_extended(get_bits(data, index, 2), 2)};
    case DType::u4: return {.integer = get_bits(data, index, 4)};
    case DType::u2: return {.integer = get_bits(data, index, 2)};
    case DType::none: break;
  }
  TENON_ASSERT(!"a value without a type has no elements");
  return {.integer = 0};
}

void store_cell(DType type, void* data, int64_t index, Cell value, bool saturate) {
  switch (type) {
    case DType::f64:
    case DType::c128: return put(data, index, value.real);
    case DType::f32:
    case DType::c64: return put(data, index, static_cast<float>(value.real));
    case DType::f16:
    case DType::bf16: return put(data, index, static_cast<uint16_t>(encode(*mini(type), value.real, saturate)));
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz: return put(data, index, static_cast<uint8_t>(encode(*mini(type), value.real, saturate)));
    case DType::f8e8m0: return put(data, index, encode_e8m0(value.real, saturate));
    case DType::f4e2m1: return put_bits(data, index, 4, encode(kE2M1, value.real, saturate));
    case DType::s64:
    case DType::u64:
    case DType::string: return put(data, index, value.integer);
    case DType::s32:
    case DType::u32: return put(data, index, static_cast<uint32_t>(value.integer));
    case DType::s16:
    case DType::u16: return put(data, index, static_cast<uint16_t>(value.integer));
    case DType::s8:
    case DType::u8: return put(data, index, static_cast<uint8_t>(value.integer));
    case DType::boolean: return put(data, index, static_cast<uint8_t>(value.integer != 0));
    case DType::s4:
    case DType::u4: return put_bits(data, index, 4, static_cast<uint32_t>(value.integer));
    case DType::s2:
    case DType::u2: return put_bits(data, index, 2, static_cast<uint32_t>(value.integer));
    case DType::none: break;
  }
  TENON_ASSERT(!"a value without a type has no elements");
}

double rounded(DType type, double value) {
  alignas(8) char memory[16] = {};
  store_cell(type, memory, 0, {.real = value});
  return load_cell(type, memory, 0).real;
}

}  // namespace tenon
