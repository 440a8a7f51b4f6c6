#include "ops/coded_matmul.h"

#include "harness/problem.h"

namespace tenon {
namespace {

TEST(CodedMatmulKernels, agree) {
  sweep([](int64_t n, Random& r) {
    CodedMatmul a;
    a.bits = r.pick({2, 4, 8});
    a.block = r.pick({16, 32, 64, 128});
    a.k = r.in(1, 300);
    const int64_t rows = r.in(1, 40), blocks = a.blocks();
    std::vector<Source> sources{f32({n, a.k}, -1, 1), constant(of(DType::u8, {rows, blocks, a.block * a.bits / 8}, 0, 255)),
                                constant(f32({rows, blocks}, 0.01, 0.1))};
    if (r.chance(0.3)) sources.push_back(constant(of(DType::u8, {rows, blocks}, 0, (1 << a.bits) - 1)));
    else if (r.chance(0.3)) sources.push_back(constant(f32({rows, blocks}, 0, 8)));
    check("coded_matmul", a, std::move(sources));
  });
  expect_every_kernel("coded_matmul");
}

// More blocks in a row than the kernel takes at once.
TEST(CodedMatmulKernels, long_rows) {
  CodedMatmul a{.k = 16 * 1100 + 5, .block = 16, .bits = 4};
  check("coded_matmul", a, {f32({3, a.k}, -1, 1), constant(of(DType::u8, {2, a.blocks(), 8}, 0, 255)), constant(f32({2, a.blocks()}, 0.01, 0.1))});
}

}  // namespace
}  // namespace tenon
