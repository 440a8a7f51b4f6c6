#include "harness/problem.h"
#include "ops/matmul.h"

namespace tenon {
namespace {

// A constant of eight bits, with one scale and zero point or one a column.
Source stored_in_bytes(Random& r, const std::vector<int64_t>& shape, int column) {
  std::vector<float> scales(r.chance(0.5) ? 1 : static_cast<size_t>(shape[static_cast<size_t>(column)]));
  std::vector<int32_t> zeros(scales.size());
  const DType type = r.pick({DType::u8, DType::s8});
  for (size_t i = 0; i < scales.size(); ++i) {
    scales[i] = static_cast<float>(r.real(0.01, 0.02));
    zeros[i] = static_cast<int32_t>(r.in(lowest(type), highest(type)));
  }
  return constant(quantised(type, shape, scales, zeros, scales.size() == 1 ? -1 : column));
}

// a [batch, m, k] and b [k, n] or [batch, k, n], as transposes and vectors too.
Problem product(Random& r, int64_t m, int64_t n, int64_t k) {
  Matmul a{r.chance(0.3), r.chance(0.4)};
  std::vector<int64_t> left = a.transpose_a ? std::vector<int64_t>{k, m} : std::vector<int64_t>{m, k};
  std::vector<int64_t> right = a.transpose_b ? std::vector<int64_t>{n, k} : std::vector<int64_t>{k, n};
  const int64_t batch = r.in(1, 3);
  if (r.chance(0.4)) left.insert(left.begin(), batch);
  if (r.chance(0.3)) right.insert(right.begin(), r.chance(0.5) ? batch : 1);
  if (r.chance(0.1)) left.insert(left.begin(), {2, 1}), left.erase(left.begin() + 2, left.end() - 2);
  if (r.chance(0.05)) a.transpose_a = false, left = {k};
  if (r.chance(0.05)) a.transpose_b = false, right = {k};
  Source b = f32(right);
  b.constant = r.chance(0.5);
  if (right.size() > 1 && r.chance(0.25)) b = stored_in_bytes(r, right, static_cast<int>(right.size()) - (a.transpose_b ? 2 : 1));
  if (right.size() > 1 && r.chance(0.25)) b = constant(of(r.pick({DType::bf16, DType::f16}), right, -2, 2)), a.to = DType::f32;
  Problem p{"matmul", a, {f32(left), b}};
  std::vector<int64_t> dst;
  for (size_t i = 2; i < std::max(left.size(), right.size()); ++i) {
    const auto at = [&](const std::vector<int64_t>& s) { return s.size() > 2 && i < s.size() ? s[s.size() - 1 - i] : 1; };
    dst.insert(dst.begin(), std::max(at(left), at(right)));
  }
  if (left.size() > 1) dst.push_back(m);
  if (right.size() > 1) dst.push_back(n);
  if (right.size() > 1 && r.chance(0.5)) {
    p.after = {{row(Function::add, 0, 1)}, {constant(f32({n}))}};
    if (r.chance(0.5)) p.after.rows.push_back(row(r.pick({Function::relu, Function::tanh}), 2));
  } else if (r.chance(0.3)) {
    p.after = {{row(Function::add, 0, 1), row(Function::clip, 4, 2, 3)}, {f32(dst), scalar(-1), scalar(2)}};
  }
  return p;
}

TEST(GemmKernels, agree) {
  sweep([](int64_t n, Random& r) {
    check(product(r, n, r.in(1, 40), r.in(1, 40)));
    check(product(r, r.in(1, 40), n, r.in(1, 40)));
    check(product(r, r.in(1, 40), r.in(1, 40), n));
  });
  Random r(1);
  for (int64_t m = 1; m < 7; ++m) {
    check("matmul", Matmul{}, {f32({m, 300}), stored_in_bytes(r, {300, 200}, 1)});
    for (DType half : {DType::bf16, DType::f16}) check("matmul", Matmul{.to = DType::f32}, {f32({m, 300}), constant(of(half, {300, 200}, -2, 2))});
  }
  check("matmul", Matmul{}, {f32({5, 1100}), constant(f32({1100, 50}))});
  check("matmul", Matmul{.transpose_a = true}, {f32({512, 130}), f32({512, 97})});
  expect_every_kernel("gemm");
}

}  // namespace
}  // namespace tenon
