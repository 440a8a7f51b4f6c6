#include "ops/pool.h"

#include <cmath>

#include "ops/window.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  const auto& a = n.attributes<Pool>();
  n.expect_inputs(1, 1);
  const int spatial = n.rank(0) - 2;
  n.expect(spatial >= 1, "src of a pool has a batch, a channel and at least one spatial axis");
  n.expect(static_cast<int>(a.kernel_shape.size()) == spatial, "kernel_shape has one number for each spatial axis");
  for (int64_t k : a.kernel_shape) n.expect(k >= 1, "kernel_shape is at least 1");
  expect_window(n, a, spatial);
  Shape shape{n.size(0, 0), n.size(0, 1)};
  for (int s = 0; s < spatial; ++s) shape.push(window_result(n, a, s, n.size(0, 2 + s), a.kernel_shape[s], a.ceil_mode));
  n.result(n.dtype(0), shape);
  if (n.wanted(1)) n.result(DType::s64, shape);
}

// The flat index of a position within all of src, along rows or along columns of the spatial axes.
int64_t index_of(const Array& src, const std::vector<int64_t>& strides, int64_t channel_first, int64_t from, bool column_major) {
  if (!column_major) return channel_first + from;
  int64_t index = 0, step = 1;
  for (size_t s = 2; s < src.shape.size(); ++s) {
    index += from / strides[s] % src.shape[s] * step;
    step *= src.shape[s];
  }
  return channel_first + index;
}

void max_reference(Reference& n) {
  const auto& a = n.attributes<Pool>();
  const Array& src = *n.in[0];
  const std::vector<int64_t> strides = strides_of(src.shape);
  for (Walk at(n.out[0].shape); at.more(); at.next()) {
    const int64_t channel = at[0] * strides[0] + at[1] * strides[1];
    int64_t best = -1;
    for (Walk tap(a.kernel_shape); tap.more(); tap.next()) {
      const int64_t from = window_offset(a, src, strides, a.kernel_shape, at, tap);
      if (from >= 0 && (best < 0 || src.number(channel + from) > src.number(channel + best))) best = from;
    }
    if (best >= 0) n.out[0].move(at.flat(), src, channel + best);
    else if (src.is_real()) n.out[0].real(at.flat()) = -INFINITY;
    else n.out[0].integer(at.flat()) = lowest(src.dtype);
    if (n.out.size() > 1) n.out[1].integer(at.flat()) = index_of(src, strides, channel, best, a.column_major);
  }
}

}  // namespace
const Op ops::max_pool{.name = "max_pool", .attributes = Attributes::make<Pool>, .infer = infer, .reference = max_reference};
}  // namespace tenon
