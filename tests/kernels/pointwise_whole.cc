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
    const std::vector<int64_t> shape = r.chance(0.5) ? std::vector<int64_t>{n} : std::vector<int64_t>{r.in(1, 3), n, r.in(1, 4)};
    const DType type = r.pick({DType::s64, DType::s32, DType::u32, DType::s16, DType::u16, DType::s8, DType::u8});
    const auto drawn = [&](DType t) {
      std::vector<int64_t> own = shape;
      for (int64_t& d : own)
        if (r.chance(0.25)) d = 1;
      const bool wide = t != DType::boolean && r.chance(0.3);  // so that results leave the type
      return of(t, own, wide ? std::max(-3e9, static_cast<double>(lowest(t))) : 0,
                t == DType::boolean ? 1
                : wide              ? std::min(3e9, static_cast<double>(highest(t)))
                                    : 9);
    };
    Problem p{"pointwise", Pointwise{}, {drawn(type), drawn(type), drawn(type)}};
    std::vector<Scalar> rows;
    for (int64_t i = r.in(1, 5); i > 0; --i) {
      const auto any = [&] { return static_cast<int>(r.in(0, 2 + static_cast<int64_t>(rows.size()))); };
      const Function f = r.pick({Function::add, Function::sub, Function::mul, Function::div, Function::mod, Function::fmod, Function::min,
                                 Function::max, Function::neg, Function::abs, Function::sign, Function::relu, Function::clip, Function::bit_and,
                                 Function::bit_or, Function::bit_xor, Function::bit_not});
      rows.push_back(row(f, any(), info(f).arity > 1 ? any() : -1, info(f).arity > 2 ? any() : -1));
    }
    if (r.chance(0.5)) {
      const int at = 2 + static_cast<int>(rows.size());
      rows.push_back(row(r.pick({Function::equal, Function::less, Function::less_equal, Function::greater, Function::greater_equal}), at, 0));
      if (r.chance(0.5)) rows.push_back(row(Function::where, at + 1, 1, 2));
    }
    p.attributes = Pointwise{Program{3, rows}};
    check(p);
  });
  expect_every_kernel("pointwise_whole");
}

}  // namespace
}  // namespace tenon
