// Programs of scalar functions on vectors: what pointwise and every epilogue walk.
// A program runs row by row over a block of vectors in L1, so that choosing the function costs once a row and block.
#pragma once

#include "kernels/cpu/operand.h"
#include "kernels/cpu/simd.h"
#include "ops/elementwise.h"

namespace tenon::cpu::TENON_ISA {
namespace {

inline constexpr int64_t kProgramBlock = 256;  // elements of each value
inline constexpr int kProgramRows = 32, kProgramValues = 40;

// Values of a block: `at` holds whole vectors, `step` apart: kLanes, or 0 where all vectors are alike.
struct Lane {
  const float* at;
  int64_t step;
};

template <class Body>
TENON_INLINE inline void each(Lane a, Lane b, Lane c, float* dst, int64_t n, Body body) {
  for (int64_t i = 0; i < n; ++i) store(dst + i * kLanes, body(load(a.at + i * a.step), load(b.at + i * b.step), load(c.at + i * c.step)));
}

TENON_INLINE inline V truth(V v) { return v; }
TENON_INLINE inline V truth(Mask m) { return where(m, V(1.f), V(0.f)); }

// dst[i] = f(a[i], b[i], c[i]) for n vectors; operands that f does not use may be any readable lane. dst may be an operand.
inline void apply(Function f, Lane a, Lane b, Lane c, float* dst, int64_t n) {
  using T = V;
#define TENON_BODY(name, arity, body, ...) \
  case Function::name:                     \
    return each(a, b, c, dst, n, []([[maybe_unused]] V a, [[maybe_unused]] V b, [[maybe_unused]] V c) TENON_INLINE { return truth(body); });
#define ROW TENON_BODY
#define REAL TENON_BODY
#define TEST TENON_BODY
#define LOGIC TENON_BODY
#define PICK TENON_BODY
#define WHOLE(...)
  switch (f) {
#include "ops/elementwise.inc"
    default: return;  // WHOLE, which program_reject refuses
  }
#undef TENON_BODY
#undef ROW
#undef REAL
#undef TEST
#undef LOGIC
#undef PICK
#undef WHOLE
}

// Null where vectors of f32 can run the rows.
inline const char* program_reject(const Scalar* rows, int count, int operands) {
  if (count > kProgramRows) return "the program has more than 32 rows";
  if (operands + count > kProgramValues) return "the program has more than 40 values";
  for (int i = 0; i < count; ++i)
    if (info(rows[i].function).kind == Kind::whole) return "the program works on integers";
  return nullptr;
}

// Runs rows [first, count) over n vectors, n * kLanes <= kProgramBlock. value[0 .. operands + first) are given; `spare` holds
// kProgramBlock elements for each row. The last row writes dst, which may be one of the values.
inline void run_program(const Scalar* rows, int first, int count, int operands, Lane* value, float* spare, float* dst, int64_t n) {
  for (int i = first; i < count; ++i) {
    const auto& o = rows[i].operand;
    float* to = i + 1 == count ? dst : spare + i * kProgramBlock;
    apply(rows[i].function, value[o[0]], value[o[1] < 0 ? o[0] : o[1]], value[o[2] < 0 ? o[0] : o[2]], to, n);
    value[operands + i] = {to, kLanes};
  }
}

// Cost of the rows for one element on one core, in nanoseconds.
inline float program_cost(const Scalar* rows, int count) {
  float cycles = 0;
  for (int i = 0; i < count; ++i) {
    const FunctionInfo& f = info(rows[i].function);
    cycles += f.kind == Kind::real ? (f.ulp <= 4 ? 24.f : f.ulp <= 8 ? 20.f * kLanes : 40.f) : 2.f;
  }
  return cycles / 3.5f / kLanes;
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
