// The table of scalar functions. Kernels include this header and elementwise.inc; it includes nothing but base/scalar.h.
#pragma once

#include "base/scalar.h"

#pragma push_macro("TEST")  // GoogleTest has one too
#undef TEST

namespace tenon {

enum class Kind : uint8_t { row, real, whole, test, logic, pick };

#define ROW(name, ...) name,
#define REAL(name, ...) name,
#define WHOLE(name, ...) name,
#define TEST(name, ...) name,
#define LOGIC(name, ...) name,
#define PICK(name, ...) name,
enum class Function : uint16_t {
#include "ops/elementwise.inc"
};
#undef ROW
#undef REAL
#undef WHOLE
#undef TEST
#undef LOGIC
#undef PICK

struct FunctionInfo {
  const char* name;
  Kind kind;
  int8_t arity;
  float low, high, ulp;
};

#define ROW(name, arity, body, low, high, ulp) {#name, Kind::row, arity, low, high, ulp},
#define REAL(name, arity, body, low, high, ulp) {#name, Kind::real, arity, low, high, ulp},
#define WHOLE(name, arity, body, low, high, ulp) {#name, Kind::whole, arity, low, high, ulp},
#define TEST(name, arity, body, low, high, ulp) {#name, Kind::test, arity, low, high, ulp},
#define LOGIC(name, arity, body, low, high, ulp) {#name, Kind::logic, arity, low, high, ulp},
#define PICK(name, arity, body, low, high, ulp) {#name, Kind::pick, arity, low, high, ulp},
inline constexpr FunctionInfo kFunctions[] = {
#include "ops/elementwise.inc"
};
#undef ROW
#undef REAL
#undef WHOLE
#undef TEST
#undef LOGIC
#undef PICK

inline constexpr int kFunctionCount = sizeof kFunctions / sizeof *kFunctions;

inline constexpr const FunctionInfo& info(Function f) { return kFunctions[static_cast<int>(f)]; }

}  // namespace tenon

#pragma pop_macro("TEST")
