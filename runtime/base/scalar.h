// One row of a program of scalar functions: the attribute of `pointwise` and of every epilogue. Included by kernels.
#pragma once

#include <cstdint>

namespace tenon {

// The functions, in the order of elementwise.inc.
enum class Function : uint16_t;

// value[operands + row] = function(value[operand[0]], value[operand[1]], value[operand[2]]), where the first `operands` values are
// the inputs of the program and each row adds one. Unused operands are -1. The result of the last row is the program's.
struct Scalar {
  Function function;
  int16_t operand[3] = {-1, -1, -1};
  friend bool operator==(const Scalar&, const Scalar&) = default;
};

}  // namespace tenon
