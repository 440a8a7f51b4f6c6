// Programs of scalar functions as passes build them.
#pragma once

#include <optional>
#include <vector>

#include "ops/op.h"

namespace tenon {

// A program and the values that are its operands, each once.
struct Expression {
  std::vector<ValueId> operands;
  Program program;
};

// What vectors hold while a program runs over them (kernels/cpu/program.h).
inline constexpr int kMostRows = 32, kMostValues = 40, kMostOperands = 12;

// The program of a scalar function or a pointwise node; no value for other ops.
std::optional<Expression> expression_of(const Node& n);

// `outer` with its operand `v` replaced by the value of `inner`. No value where the result would be too long.
std::optional<Expression> substituted(const Expression& outer, ValueId v, const Expression& inner);

}  // namespace tenon
