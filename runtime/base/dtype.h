// Storage element types, and the eight-byte cells that references compute on.
#pragma once

#include <cstdint>
#include <string_view>

namespace tenon {

enum class DType : uint8_t {
  none,
  f64,
  f32,
  f16,
  bf16,
  f8e4m3fn,
  f8e4m3fnuz,
  f8e5m2,
  f8e5m2fnuz,
  f8e8m0,
  f4e2m1,
  s64,
  s32,
  s16,
  s8,
  s4,
  s2,
  u64,
  u32,
  u16,
  u8,
  u4,
  u2,
  boolean,
  string,
  c64,
  c128,
};

// Sequences and optionals of tensors, maps and sequences of maps are values too; their tensors get memory while running.
enum class Container : uint8_t { tensor, sequence, optional, optional_sequence, map, map_sequence };

std::string_view name(DType type);         // "f32", "s8", "bool", "string", "c64" ...
DType dtype_named(std::string_view name);  // none where no type has the name

int bits(DType type);      // of one element in memory; a string counts 64, the size of its handle
bool is_real(DType type);  // floating point of any width
inline bool is_half(DType type) { return type == DType::f16 || type == DType::bf16; }
bool is_signed(DType type);    // signed integer
bool is_unsigned(DType type);  // unsigned integer
inline bool is_integer(DType type) { return is_signed(type) || is_unsigned(type); }
inline bool is_complex(DType type) { return type == DType::c64 || type == DType::c128; }
// The least and greatest value an integer type holds (u64 is held in a cell as the same 64 bits).
int64_t lowest(DType type);
int64_t highest(DType type);
// The greatest finite value of a real type.
double greatest(DType type);

// Bytes that `count` elements take: sub-byte elements are packed, the first in the low bits, and the last byte is filled.
// Throws Error(limit) when the number does not fit 63 bits.
int64_t storage_bytes(DType type, int64_t count);

// A cell holds a double for real types, an int64 for integers, bool, extents and string handles.
union Cell {
  double real;
  int64_t integer;
};

// `value` in a cell of the type; for integers cut towards zero and to the range of s64, NaN 0.
Cell cell_of(DType type, double value);

// Reads element `index`. Complex types have two cells an element and are read as their parts (index counts parts).
Cell load_cell(DType type, const void* data, int64_t index);
// Rounds to nearest even; real values beyond a type's range become infinity, or the type's largest where it has none
// (`saturate`: always the largest). Integers wrap.
void store_cell(DType type, void* data, int64_t index, Cell value, bool saturate = false);

// The value after a round trip through `type`.
double rounded(DType type, double value);

}  // namespace tenon
