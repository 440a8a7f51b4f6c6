#include "harness/problem.h"

namespace tenon {
namespace {

TEST(ReorderKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const DType type = r.pick({DType::f32, DType::u8, DType::s64, DType::f16});
    std::vector<int64_t> shape{r.in(1, 3), n};
    if (r.chance(0.3)) shape[1] = r.in(1, 40), shape.push_back(n);
    for (int64_t i = r.in(0, 3 - static_cast<int64_t>(shape.size()) + 1); i > 0; --i) shape.push_back(r.in(1, 9));
    Problem p{"reorder", None{}, {is_real(type) ? of(type, shape, -2, 2) : of(type, shape, 0, 99)}};
    p.src_block = r.pick<int16_t>({1, 4, 8, 16}), p.dst_block = r.pick<int16_t>({1, 4, 8, 16});
    check(p);
  });
  expect_every_kernel("reorder");
}

}  // namespace
}  // namespace tenon
