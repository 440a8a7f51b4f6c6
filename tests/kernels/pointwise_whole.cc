#include "harness/problem.h"
#include "ops/pointwise.h"

namespace tenon {
namespace {

constexpr DType kTypes[] = {DType::s64, DType::u64, DType::s32, DType::u32, DType::s16, DType::u16, DType::s8, DType::u8};

// Numbers that wrap when they are added in the narrow types; divisors and counts of bits stay small and above zero.
Source drawn_for(Function f, int operand, DType type, const std::vector<int64_t>& shape) {
  const Kind kind = info(f).kind;
  if (kind == Kind::logic || (kind == Kind::pick && operand == 0)) return of(DType::boolean, shape, 0, 1);
  if (operand == 1 && (f == Function::div || f == Function::mod || f == Function::fmod || f == Function::pow)) return of(type, shape, 1, 5);
  if (operand == 1 && (f == Function::shift_left || f == Function::shift_right)) return of(type, shape, 0, 7);
  if (f == Function::pow) return of(type, shape, 0, 3);
  return of(type, shape, is_signed(type) ? -120 : 0, 120);
}

TEST(PointwiseWholeKernels, each_function_agrees_in_each_type) {
  for (int i = 0; i < kFunctionCount; ++i) {
    const auto f = static_cast<Function>(i);
    if (info(f).kind == Kind::real || f == Function::is_nan || f == Function::is_inf) continue;
    for (DType type : kTypes)
      for (int64_t n : {0, 1, 3, 17, 255, 257}) {
        Program p{info(f).arity, {row(f, 0, info(f).arity > 1 ? 1 : -1, info(f).arity > 2 ? 2 : -1)}};
        Problem problem{"pointwise", Pointwise{p}, {}};
        for (int k = 0; k < info(f).arity; ++k) problem.sources.push_back(drawn_for(f, k, type, {n}));
        problem.exactness = Exactness{Exactness::bitwise};
        check(problem);
      }
  }
}

TEST(PointwiseWholeKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const DType type = kTypes[r.in(0, 7)];
    std::vector<int64_t> shape{r.in(1, 4), n, r.in(1, 3)};
    const int operands = static_cast<int>(r.in(1, 6)), rows = static_cast<int>(r.in(1, 8));
    Program p{operands, {}};
    for (int i = 0; i < rows; ++i) {
      const auto any = [&] { return i && r.chance(0.6) ? operands + i - 1 : static_cast<int>(r.in(0, operands + i - 1)); };
      const Function f = i + 1 == rows && r.chance(0.3) ? Function::less : r.pick({Function::add, Function::sub, Function::mul, Function::min, Function::max, Function::clip});
      p.rows.push_back(row(f, any(), any(), info(f).arity > 2 ? any() : -1));
    }
    Problem problem{"pointwise", Pointwise{p}, {}};
    problem.exactness = Exactness{Exactness::bitwise};
    for (int i = 0; i < operands; ++i) {
      std::vector<int64_t> own = shape;
      for (int64_t& d : own)
        if (i && r.chance(0.25)) d = 1;
      if (i && r.chance(0.2)) own.erase(own.begin(), own.begin() + r.in(0, 3));
      Source s = of(type, own, is_signed(type) ? -120 : 0, 120);
      s.constant = i && r.chance(0.3);
      problem.sources.push_back(s);
    }
    check(problem);
  });
  expect_every_kernel("pointwise_whole");
}

}  // namespace
}  // namespace tenon
