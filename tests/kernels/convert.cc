#include "harness/problem.h"
#include "ops/cast.h"
#include "ops/quantize.h"

namespace tenon {
namespace {

Source drawn(Random& r, DType type, const std::vector<int64_t>& shape) {
  if (is_real(type)) return of(type, shape, -300, 300);
  if (type == DType::s64 || type == DType::s32) return of(type, shape, -(1 << 20), r.chance(0.5) ? 1 << 20 : INT32_MAX);
  return of(type, shape, static_cast<double>(type == DType::boolean ? 0 : lowest(type)),
            static_cast<double>(type == DType::boolean ? 1 : highest(type)));
}

TEST(ConvertKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const std::vector<int64_t> shape = r.chance(0.5) ? std::vector<int64_t>{n} : std::vector<int64_t>{r.in(1, 2), n, r.in(1, 4)};
    const auto type = [&] {
      return r.pick({DType::f32, DType::f64, DType::f16, DType::bf16, DType::s64, DType::s32, DType::s8, DType::u8, DType::boolean});
    };
    for (int i = 0; i < 4; ++i) check("cast", Cast{.to = type()}, {drawn(r, type(), shape)});

    const int64_t axis = r.in(0, static_cast<int64_t>(shape.size()) - 1);
    const std::vector<int64_t> scales = r.chance(0.5) ? std::vector<int64_t>{} : std::vector<int64_t>{shape[static_cast<size_t>(axis)]};
    const DType stored = r.pick({DType::u8, DType::s8});
    const Source zero = constant(drawn(r, stored, scales));
    check("quantize", Quantize{.axis = axis}, {f32(shape, -30, 30), constant(f32(scales, 0.05, 0.2)), zero});
    check("dequantize", Dequantize{.axis = axis}, {drawn(r, stored, shape), constant(f32(scales, 0.05, 0.2)), zero});
    check("dequantize", Dequantize{.axis = axis}, {drawn(r, DType::s32, shape), constant(f32(scales, 0.05, 0.2))});
    check("identity", None{}, {f32(shape, -30, 30)}, (stored == DType::u8 ? u8({}, 0.17f, 100) : s8({}, 0.11f, -7)).type);
    Problem back{"identity", None{}, {stored == DType::u8 ? u8(shape, 0.17f, 100) : s8(shape, 0.11f, -7)}};
    back.stored.dtype = DType::f32;
    check(back);
    Problem dynamic{"dynamic_quantize", None{}, {f32(shape, r.real(-9, 1), r.real(1.5, 9))}};
    dynamic.outputs = 3;
    check(dynamic);
  });
  expect_every_kernel("convert");
}

}  // namespace
}  // namespace tenon
