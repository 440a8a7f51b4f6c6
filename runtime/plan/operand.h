// Resolved operands: how a Type becomes sizes and strides, and how elements move between an operand and cells.
#pragma once

#include "kernels/kernel.h"
#include "ops/op.h"

namespace tenon {

// Sizes and strides of a type as Dims: sizes, then strides in elements (see Operand).
struct Geometry {
  Shape size;
  std::array<Dim, kMaxRank> stride;
  Dim elements;  // in memory, padding lanes included
};
Geometry geometry(const Type& type, Extents& extents);

// What a kernel sees of a value while planning: data is null and what is no number is kUnknown.
Operand operand(const Type& type, const Geometry& geometry, bool constant);

// Bytes of a dense operand with known sizes, padding lanes included.
int64_t bytes(const Operand& o);

// Elements as cells: layout, quantisation and sub-byte storage undone. `exact`: a quantised operand is given as integers less their
// zero points.
Array read(const Operand& o, bool exact = false);
// The same of a value of any kind: a sequence or an optional is an Array already.
Array read(const Value& value, const Operand& o);
// The reverse. Values beyond a quantised type's range are clamped.
void write(const Array& array, const Operand& o);

// The shape of an operand.
std::vector<int64_t> shape_of(const Operand& o);

}  // namespace tenon
