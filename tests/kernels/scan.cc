#include "harness/problem.h"
#include "ops/norm.h"
#include "ops/reduce.h"
#include "ops/softmax.h"

namespace tenon {
namespace {

using Shape64 = std::vector<int64_t>;

Source numbers(Random& r, const Shape64& shape) {
  const DType type = r.pick({DType::f32, DType::u8, DType::s64, DType::f16, DType::bf16, DType::s32,
                             DType::f64, DType::s8, DType::s16, DType::u32});
  return of(type, shape, is_unsigned(type) ? 0 : -3, 3);
}

TEST(ScanKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const int64_t rank = r.in(1, 3), axis = r.in(0, rank - 1);
    Shape64 shape;
    for (int64_t i = 0; i < rank; ++i) shape.push_back(r.in(1, 5));
    shape[static_cast<size_t>(r.in(0, rank - 1))] = n;
    Cumulate c{.axis = r.chance(0.5) ? axis : axis - rank,
               .exclusive = r.chance(0.5),
               .reverse = r.chance(0.5)};
    std::vector<Source> sources{numbers(r, shape)};
    if (r.chance(0.5))
      sources.push_back(of(r.pick({DType::s64, DType::s32}), {}, static_cast<double>(-rank),
                           static_cast<double>(rank - 1)));
    check("cum_sum", c, sources);
    sources[0].low = is_integer(sources[0].type.dtype) ? sources[0].low : 0.8,
    sources[0].high = is_integer(sources[0].type.dtype) ? 3 : 1.2;
    check("cum_prod", c, sources);

    check("hardmax", Softmax{axis - rank},
          {of(r.pick({DType::f32, DType::f16, DType::f64, DType::bf16}), shape, -2, 2)});
    if (shape[static_cast<size_t>(axis)]) {
      const Arg a{.axis = axis, .keepdims = r.chance(0.5), .select_last_index = r.chance(0.5)};
      check(r.chance(0.5) ? "arg_max" : "arg_min", a, {numbers(r, shape)});
    }

    const bool real = r.chance(0.5);
    Reduce reduce{.kind = r.pick({Reduction::sum, Reduction::mean, Reduction::max, Reduction::min,
                                  Reduction::l1, Reduction::l2, Reduction::sum_square})};
    if (real && r.chance(0.4)) reduce.kind = r.pick({Reduction::log_sum, Reduction::log_sum_exp});
    reduce.keepdims = r.chance(0.5), reduce.noop_with_empty_axes = r.chance(0.2);
    std::vector<int64_t> axes;
    for (int64_t i = 0; i < rank; ++i)
      if (r.chance(0.5)) axes.push_back(r.chance(0.5) ? i : i - rank);
    Source src =
        real ? of(r.pick({DType::f32, DType::f64, DType::f16}), shape, 0.5, 2) : numbers(r, shape);
    if (real && reduce.kind == Reduction::mean && n == 0) reduce.kind = Reduction::sum;
    if (!real && reduce.kind == Reduction::l2) reduce.kind = Reduction::max;
    std::vector<Source> all{src};
    if (r.chance(0.5)) all.push_back(integers(axes));
    else reduce.axes = axes;
    check("reduce", reduce, all);
    // Scales of any shape that broadcasts, and statistics.
    const DType type = r.pick({DType::f32, DType::f64, DType::f16});
    const int64_t from = r.in(0, rank - 1);
    Shape64 scale(shape.begin() + r.in(0, rank), shape.end());
    for (int64_t& d : scale) d = r.chance(0.3) ? 1 : d;
    Problem norm{"layer_norm",
                 LayerNorm{.axis = from - rank},
                 {of(type, shape, -2, 2), of(type, scale, -2, 2)}};
    norm.outputs = r.chance(0.5) ? 2 : 1;
    check(Problem{"rms_norm", norm.attributes, norm.sources, {}, {}, norm.outputs});
    if (r.chance(0.5)) norm.sources.push_back(of(type, scale, -2, 2));
    norm.outputs = r.chance(0.5) ? 3 : 1;
    check(norm);
    Reduce extreme{.kind = r.pick({Reduction::max, Reduction::min}), .axes = {axis}};
    if (n) check("reduce", extreme, {of(DType::boolean, shape, 0, 1)});
  });
  expect_every_kernel("scan");
}

}  // namespace
}  // namespace tenon
