// What import functions of several groups say: inputs that must be there, and constants that they compute.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/onnx/import.h"

namespace tenon::onnx {

// Input i. Throws Error(bad_model) where it is missing.
ValueId input(const Import& n, int i);

// The elements of input i when it is a constant tensor of numbers.
std::optional<Array> constant_input(const Import& n, int i);
// The elements of an attribute that is a tensor; no value where it is absent.
std::optional<Array> tensor_attribute(const Import& n, std::string_view name);

// A constant with these elements, stored as `dtype`.
ValueId add_constant(const Import& n, const Array& elements, DType dtype);
ValueId add_constant(const Import& n, const std::vector<int64_t>& shape, const std::vector<double>& elements, DType dtype);
// string[n]
ValueId add_strings(const Import& n, std::vector<std::string> elements);

// v as `dtype`; v itself where it is that already.
ValueId cast(const Import& n, ValueId v, DType dtype);

// For import functions that are formulas of ops without attributes; numbers are of `dtype`.
struct Formula {
  const Import& n;
  DType dtype;
  ValueId number(double v) const { return n.scalar(v, dtype); }
  ValueId operator()(const char* op, std::vector<ValueId> operands) const { return n.emit(op, None{}, std::move(operands)); }
};

// Throws Error(bad_model) unless `holds`: "what, which does not hold here".
void expect(bool holds, std::string_view what);

}  // namespace tenon::onnx
