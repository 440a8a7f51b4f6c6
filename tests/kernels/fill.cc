#include "harness/problem.h"
#include "ops/trilu.h"

namespace tenon {
namespace {

Source one(DType type, int64_t value) {
  Source s = constant(of(type, {}, 0, 0));
  s.values = {static_cast<double>(value)};
  return s;
}

TEST(FillKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const DType type = r.pick({DType::s64, DType::s32});
    const int64_t start = r.in(-99, 99), delta = r.pick<int64_t>({1, 1, 2, -1, -7});
    check("range", None{}, {one(type, start), one(type, start + n * delta), one(type, delta)});
    const float step = r.pick({0.5f, 0.1f, -0.3f, 7.25f});
    check("range", None{},
          {scalar(0.7f), scalar(0.7f + static_cast<float>(n) * step), scalar(step)});

    const DType any = r.pick({DType::f32, DType::u8, DType::s64, DType::f16, DType::boolean});
    std::vector<int64_t> shape{n, r.in(1, 40)};
    if (r.chance(0.5)) std::swap(shape[0], shape[1]);
    if (r.chance(0.4)) shape.insert(shape.begin(), r.in(1, 3));
    std::vector<Source> sources{is_real(any) ? of(any, shape, -2, 2) : of(any, shape, 0, any == DType::boolean ? 1 : 99)};
    if (r.chance(0.8)) sources.push_back(one(DType::s64, r.chance(0.1) ? INT64_MIN / 2 : r.in(-50, 50)));
    check("trilu", Trilu{r.chance(0.5)}, sources);
  });
  expect_every_kernel("fill");
}

}  // namespace
}  // namespace tenon
