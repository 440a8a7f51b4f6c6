#include <algorithm>

#include "harness/problem.h"
#include "ops/boxes.h"
#include "ops/pool.h"

namespace tenon {
namespace {

using Shape64 = std::vector<int64_t>;

TEST(WindowKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const int64_t spatial = r.in(1, 4);
    Shape64 shape{r.in(1, 2), r.in(1, 3)};
    Pool a;
    a.ceil_mode = r.chance(0.3);
    for (int64_t i = 0; i < spatial; ++i) {
      const int64_t taps = r.in(1, 3), stride = r.in(1, 3), dilation = r.chance(0.3) ? 2 : 1;
      a.kernel_shape.push_back(taps), a.strides.push_back(stride), a.dilations.push_back(dilation);
      const int64_t least = (taps - 1) * dilation + 1 - (a.ceil_mode ? stride - 1 : 0);
      shape.push_back(std::max<int64_t>({least, 1, i == spatial - 1 ? n : r.in(1, 4)}));
    }
    for (int64_t i = 0; i < 2 * spatial; ++i)
      a.pads.push_back(r.in(0, a.kernel_shape[static_cast<size_t>(i % spatial)] - 1));
    if (r.chance(0.2))
      a.pads = {}, a.auto_pad = r.pick({AutoPad::same_upper, AutoPad::same_lower, AutoPad::valid});
    const DType real = r.pick({DType::f32, DType::f64, DType::f16, DType::bf16});
    LpPool lp;
    static_cast<Pool&>(lp) = a;
    lp.p = r.in(1, 4);
    check("lp_pool", lp, {of(real, shape, -2, 2)});
    a.count_include_pad = r.chance(0.5);
    check("average_pool", a, {of(real, shape, -2, 2)});
    a.count_include_pad = false, a.column_major = r.chance(0.5);
    const DType type = r.pick({DType::f32, DType::u8, DType::s8, DType::f16, DType::f64});
    Problem max{"max_pool", a, {of(type, shape, is_unsigned(type) ? 0 : -9, 9)}};
    // Windows of padding alone have no index.
    max.outputs = r.chance(0.7) ? 2 : 1;
    check(max);

    MaxUnpool u;
    Shape64 small{r.in(1, 2), r.in(1, 2), r.in(1, 3), n}, image{small[0], small[1]};
    for (size_t i = 0; i < 2; ++i) {
      u.kernel_shape.push_back(r.in(1, 3)), u.strides.push_back(r.in(1, 3));
      image.push_back(std::max<int64_t>((small[2 + i] - 1) * u.strides[i] + u.kernel_shape[i], 0));
    }
    int64_t elements = 1;
    for (int64_t d : image) elements *= d;
    if (n && elements) {
      std::vector<Source> sources{of(type, small, 0, 9),
                                  of(DType::s64, small, 0, static_cast<double>(elements - 1))};
      if (r.chance(0.5)) {
        for (int64_t& d : image) d += r.in(0, 2);
        sources.push_back(integers(image));
      }
      check("max_unpool", u, sources);
    }

    ColumnsToImage c;
    Shape64 size, block, places;
    int64_t taps = 1, standing = 1;
    for (int64_t i = r.in(1, 3); i > 0; --i) {
      block.push_back(r.in(1, 3)), c.strides.push_back(r.in(1, 2)),
          c.dilations.push_back(r.in(1, 2));
      size.push_back(std::max<int64_t>((block.back() - 1) * c.dilations.back() + 1,
                                       size.empty() ? n : r.in(1, 5)));
    }
    for (size_t i = 0; i < 2 * size.size(); ++i) c.pads.push_back(r.in(0, 1));
    for (size_t i = 0; i < size.size(); ++i) {
      const int64_t all =
          size[i] + c.pads[i] + c.pads[size.size() + i] - ((block[i] - 1) * c.dilations[i] + 1);
      taps *= block[i], standing *= all / c.strides[i] + 1;
    }
    const DType sum = r.pick({DType::f32, DType::f64, DType::f16, DType::s32, DType::s64});
    check("columns_to_image", c,
          {of(sum, {r.in(1, 2), taps * r.in(1, 2), standing}, -2, 2), integers(size),
           integers(block)});
  });
  expect_every_kernel("window");
}

}  // namespace
}  // namespace tenon
