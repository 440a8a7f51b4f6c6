#include "harness/problem.h"
#include "ops/matmul.h"

namespace tenon {
namespace {

Source bytes(Random& r, const std::vector<int64_t>& shape, bool centred) {
  const float scale = static_cast<float>(r.real(0.005, 0.05));
  if (r.chance(0.5)) return u8(shape, scale, centred ? 128 : static_cast<int32_t>(r.in(0, 255)));
  return s8(shape, scale, centred ? 0 : static_cast<int32_t>(r.in(-128, 127)));
}

// One scale for each column of b, whose columns are axis `axis`.
Source by_column(Random& r, const std::vector<int64_t>& shape, int axis) {
  const DType type = r.pick({DType::u8, DType::s8});
  std::vector<float> scales;
  std::vector<int32_t> zeros;
  const bool centred = r.chance(0.6);
  for (int64_t i = 0; i < shape[static_cast<size_t>(axis)]; ++i) {
    scales.push_back(static_cast<float>(r.real(0.005, 0.05)));
    zeros.push_back(static_cast<int32_t>(centred ? (type == DType::u8 ? 128 : 0) : r.in(lowest(type), highest(type))));
  }
  return quantised(type, shape, scales, zeros, axis);
}

Problem product(Random& r, int64_t m, int64_t n, int64_t k) {
  const Matmul a{r.chance(0.2), r.chance(0.4)};
  std::vector<int64_t> left = a.transpose_a ? std::vector<int64_t>{k, m} : std::vector<int64_t>{m, k};
  std::vector<int64_t> right = a.transpose_b ? std::vector<int64_t>{n, k} : std::vector<int64_t>{k, n};
  std::vector<int64_t> dst{m, n};
  if (r.chance(0.3)) left.insert(left.begin(), 2), dst.insert(dst.begin(), 2);
  const bool is_constant = r.chance(0.6);
  Source b = is_constant && n > 0 && r.chance(0.5) ? by_column(r, right, a.transpose_b ? 0 : 1) : bytes(r, right, r.chance(0.5));
  b.constant = is_constant;
  Problem p{"matmul", a, {bytes(r, left, false), b}};
  if (r.chance(0.7)) p.stored = bytes(r, {}, false).type;
  // Sums of about the range of what they are stored in.
  if (p.stored.quantisation)
    p.stored.quantisation = std::make_shared<Quantisation>(Quantisation{{0.02f * static_cast<float>(k + 1)}, p.stored.quantisation->zero, -1});
  switch (r.in(0, 4)) {
    case 0: p.after = {{row(Function::add, 0, 1)}, {constant(f32({n}))}}; break;
    case 1: p.after = {{row(Function::relu, 0)}, {}}; break;
    case 2:
      p.after = {{row(Function::add, 0, 1), row(Function::add, 3, 2), row(Function::relu, 4)}, {constant(f32({n})), bytes(r, dst, false)}};
      break;
    case 3: p.after = {{row(Function::add, 0, 1)}, {f32(dst)}}; break;
    default: break;
  }
  return p;
}

TEST(GemmInt8Kernels, agree) {
  sweep([](int64_t n, Random& r) {
    check(product(r, n, r.in(1, 40), r.in(1, 40)));
    check(product(r, r.in(1, 40), n, r.in(1, 40)));
    check(product(r, r.in(1, 40), r.in(1, 40), n));
    const DType left = r.pick({DType::u8, DType::s8}), right = r.pick({DType::u8, DType::s8});
    const auto whole = [](DType t, std::vector<int64_t> shape) {
      return of(t, shape, static_cast<double>(lowest(t)), static_cast<double>(highest(t)));
    };
    std::vector<Source> sources{whole(left, {r.in(1, 9), n}), constant(whole(right, {n, r.in(1, 40)}))};
    if (r.chance(0.7)) sources.push_back(whole(left, {}));
    if (sources.size() > 2 && r.chance(0.7))
      sources.push_back(constant(whole(right, r.chance(0.5) ? std::vector<int64_t>{} : std::vector<int64_t>{sources[1].type.shape[1].number()})));
    check("matmul_integer", Matmul{}, sources);
    const int64_t columns = sources[1].type.shape[1].number();
    const auto numbers = [&] { return r.chance(0.5) ? std::vector<int64_t>{} : std::vector<int64_t>{columns}; };
    Problem dynamic{
        "dynamic_matmul", None{}, {f32({r.in(1, 9), n}, r.real(-3, 0.5), r.real(1, 3)), sources[1], constant(f32(numbers(), 0.005, 0.05))}};
    if (r.chance(0.7)) dynamic.sources.push_back(constant(whole(right, numbers())));
    if (r.chance(0.5)) dynamic.after = {{row(Function::add, 0, 1), row(Function::relu, 2)}, {constant(f32({columns}))}};
    check(dynamic);
  });
  expect_every_kernel("gemm_int8");
}

}  // namespace
}  // namespace tenon
