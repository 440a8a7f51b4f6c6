#include "ops/pointwise.h"

#include <cmath>

#include "harness/problem.h"

namespace tenon {
namespace {

Source drawn_for(Function f, int operand, const std::vector<int64_t>& shape) {
  const FunctionInfo& row = info(f);
  if (row.kind == Kind::logic || (row.kind == Kind::pick && operand == 0)) return of(DType::boolean, shape, 0, 1);
  // A divisor, and what powers are taken of, keeps away from zero; bounds lie below and above.
  if (operand == 1 && (f == Function::div || f == Function::mod || f == Function::fmod)) return f32(shape, 0.5, 9);
  if (f == Function::clip && operand) return f32(shape, operand == 1 ? -5 : 1, operand == 1 ? 0 : 5);
  if (f == Function::is_inf && operand) return f32(shape, 1, 1);
  return f32(shape, static_cast<double>(row.low), static_cast<double>(row.high));
}

// Where numbers of about the result's largest size cancel, their last places stay: such results are measured against the largest.
bool cancels(Function f) { return f == Function::gelu || f == Function::hard_sigmoid || f == Function::hard_swish; }

TEST(PointwiseKernels, each_function_agrees) {
  for (int i = 0; i < kFunctionCount; ++i) {
    const auto f = static_cast<Function>(i);
    if (info(f).kind == Kind::whole) continue;
    for (int64_t n : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 255, 256, 257, 3000}) {
      Program p{info(f).arity, {row(f, 0, info(f).arity > 1 ? 1 : -1, info(f).arity > 2 ? 2 : -1)}};
      Problem problem{"pointwise", Pointwise{p}, {}};
      for (int k = 0; k < info(f).arity; ++k) problem.sources.push_back(drawn_for(f, k, {n}));
      const double ulp = static_cast<double>(info(f).ulp);
      problem.exactness = ulp == 0     ? Exactness{Exactness::bitwise}
                          : cancels(f) ? Exactness{Exactness::relative, ulp * 0x1p-23}
                                       : Exactness{Exactness::ulp, ulp};
      check(problem);
    }
  }
}

TEST(PointwiseKernels, keep_what_is_no_number) {
  Source a = f32({7, 6}), b = a;
  a.values = {1, NAN, -1, INFINITY, NAN, -INFINITY}, b.values = {NAN, 1, INFINITY, NAN, NAN, NAN, 0};
  for (Function f : {Function::min, Function::max, Function::add, Function::mul, Function::less, Function::equal})
    check("pointwise", Pointwise{Program{2, {row(f, 0, 1)}}}, {a, b});
  for (Function f : {Function::relu, Function::abs, Function::neg, Function::sigmoid, Function::sqrt, Function::floor})
    check("pointwise", Pointwise{Program{1, {row(f, 0)}}}, {a});
  check("pointwise", Pointwise{Program{3, {row(Function::clip, 0, 1, 2)}}}, {a, scalar(-0.5), scalar(0.5)});
}

TEST(PointwiseKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const int64_t rank = r.in(0, 4);
    std::vector<int64_t> shape;
    for (int64_t i = 0; i < rank; ++i) shape.push_back(r.in(1, 5));
    if (rank) shape[static_cast<size_t>(r.in(0, rank - 1))] = n;
    const int operands = static_cast<int>(r.in(1, 6)), rows = static_cast<int>(r.in(1, 8));
    Program p{operands, {}};
    for (int i = 0; i < rows; ++i) {
      const auto any = [&] { return i && r.chance(0.6) ? operands + i - 1 : static_cast<int>(r.in(0, operands + i - 1)); };
      const Function f = r.pick({Function::add, Function::sub, Function::mul, Function::min, Function::max, Function::relu, Function::abs,
                                 Function::sigmoid, Function::clip});
      p.rows.push_back(row(f, any(), info(f).arity > 1 ? any() : -1, info(f).arity > 2 ? any() : -1));
    }
    Problem problem{"pointwise", Pointwise{p}, {}};
    for (int i = 0; i < operands; ++i) {
      std::vector<int64_t> own = shape;
      for (int64_t& d : own)
        if (i && r.chance(0.25)) d = 1;
      if (i && r.chance(0.2)) own.erase(own.begin(), own.begin() + r.in(0, rank));
      Source s = f32(own);
      s.constant = i && r.chance(0.3);
      problem.sources.push_back(s);
    }
    check(problem);
  });
  expect_every_kernel("pointwise");
}

}  // namespace
}  // namespace tenon
