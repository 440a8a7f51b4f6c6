#include "harness/problem.h"
#include "ops/cast.h"
#include "ops/quantize.h"

namespace tenon {
namespace {

TEST(CodesKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const auto any = [&] {
      return r.pick({DType::f64, DType::f32, DType::f16, DType::bf16, DType::s64, DType::s32,
                     DType::s16, DType::s8, DType::u64, DType::u32, DType::u16, DType::u8,
                     DType::boolean});
    };
    const DType from = any();
    Cast c;
    c.to = any();
    const bool is_bool = from == DType::boolean;
    check("cast", c,
          {of(from, {n, r.in(1, 3)}, is_unsigned(from) || is_bool ? 0 : -100, is_bool ? 1 : 100)});
    Source wild = of(from, {n}, 0, 1);
    if (is_real(from)) wild.values = {1e30, -1e30, 0.5, -0.5, 3e9, -3e9, 1.5e19, 2.5, -1};
    check("cast", c, {wild});
    const DType small = r.pick({DType::s4, DType::u4, DType::s2, DType::u2});
    check("cast", c,
          {of(small, {n},
              small == DType::s2   ? -2
              : is_unsigned(small) ? 0
                                   : -8,
              small == DType::u4   ? 15
              : small == DType::s4 ? 7
              : small == DType::s2 ? 1
                                   : 3)});
    check("bit_cast", BitCast{r.pick({DType::s32, DType::u32})}, {f32({n, 2})});

    const DType type = r.pick({DType::u8, DType::s8, DType::s16, DType::u16}),
                real = r.pick({DType::f32, DType::f16, DType::bf16});
    std::vector<int64_t> shape{r.in(1, 4), n, r.in(1, 4)}, scales;
    const int64_t axis = r.in(0, 2), block = r.chance(0.5) ? r.in(1, 5) : 0;
    if (block && r.chance(0.8)) {
      scales = shape;
      scales[static_cast<size_t>(axis)] = (shape[static_cast<size_t>(axis)] + block - 1) / block;
    } else if (r.chance(0.5)) {
      scales = {shape[static_cast<size_t>(axis)]};
    }
    Quantize q{.axis = axis - 3, .block_size = scales.size() == 3 ? block : 0};
    std::vector<Source> sources{of(real, shape, -9, 9), of(real, scales, 0.1, 0.5)};
    if (r.chance(0.7)) sources.push_back(of(type, scales, is_unsigned(type) ? 0 : -9, 9));
    else q.output_dtype = type;
    check("quantize", q, sources);
    const DType stored = r.pick({DType::u8, DType::s8, DType::s16, DType::u16, DType::s32,
                                 DType::u4, DType::s4, DType::u2, DType::s2});
    const double low = stored == DType::s2   ? -2
                       : is_unsigned(stored) ? 0
                                             : -8,
                 high = stored == DType::s2   ? 1
                        : stored == DType::u2 ? 3
                                              : 7;
    std::vector<Source> codes{of(stored, shape, low, high), sources[1]};
    if (r.chance(0.7)) codes.push_back(of(stored, scales, low, high));
    check("dequantize", Dequantize{.axis = axis, .block_size = q.block_size}, codes);
  });
  expect_every_kernel("codes");
}

}  // namespace
}  // namespace tenon
