#include "ops/pool.h"

#include <cmath>

#include "ops/window.h"

namespace tenon {
namespace {

// Checks the window and gives the shape of the result.
void infer_window(Inference& n, const Pool& a, Shape& shape) {
  n.expect_inputs(1, 1);
  const int spatial = n.rank(0) - 2;
  n.expect(spatial >= 1, "src of a pool has a batch, a channel and at least one spatial axis");
  n.expect(static_cast<int>(a.kernel_shape.size()) == spatial, "kernel_shape has one number for each spatial axis");
  for (int64_t k : a.kernel_shape) n.expect(k >= 1 && k <= INT32_MAX, "kernel_shape is at least 1 and below 2^31");
  expect_window(n, a, spatial);
  shape = {n.size(0, 0), n.size(0, 1)};
  for (int s = 0; s < spatial; ++s) shape.push(window_result(n, a, s, n.size(0, 2 + s), a.kernel_shape[static_cast<size_t>(s)], a.ceil_mode));
}

void infer_max(Inference& n) {
  const auto& a = n.attributes<Pool>();
  n.expect(!a.count_include_pad, "padding counts in average_pool only");
  Shape shape;
  infer_window(n, a, shape);
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

void infer_average(Inference& n) {
  const auto& a = n.attributes<Pool>();
  n.expect(is_real(n.dtype(0)), "src of average_pool is floating point");
  n.expect(!a.column_major, "storage_order is for max_pool only");
  Shape shape;
  infer_window(n, a, shape);
  n.result(n.dtype(0), shape);
}

// Whether a tap falls on src or on its padding, rather than beyond both, where windows end that rounding up has added.
bool within_padding(const Window& w, const Array& src, const std::vector<int64_t>& taps, const Walk& at, const Walk& tap) {
  for (size_t s = 0; s < taps.size(); ++s) {
    const int64_t size = src.shape[2 + s];
    const int64_t i = at[2 + s] * w.stride(s) - w.before(s, size, taps[s]) + tap[s] * w.dilation(s);
    if (i >= size + w.after(s, size, taps[s])) return false;
  }
  return true;
}

void average_reference(Reference& n) {
  const auto& a = n.attributes<Pool>();
  const Array& src = *n.in[0];
  const std::vector<int64_t> strides = strides_of(src.shape);
  for (Walk at(n.out[0].shape); at.more(); at.next()) {
    const int64_t channel = at[0] * strides[0] + at[1] * strides[1];
    double sum = 0;
    int64_t count = 0;
    for (Walk tap(a.kernel_shape); tap.more(); tap.next()) {
      const int64_t from = window_offset(a, src, strides, a.kernel_shape, at, tap);
      if (from >= 0) sum += src.real(channel + from);
      count += from >= 0 || (a.count_include_pad && within_padding(a, src, a.kernel_shape, at, tap));
    }
    n.out[0].real(at.flat()) = count ? sum / static_cast<double>(count) : 0;
  }
}

void infer_lp(Inference& n) {
  const auto& a = n.attributes<LpPool>();
  n.expect(is_real(n.dtype(0)), "src of lp_pool is floating point");
  n.expect(a.p >= 1, "p of lp_pool is at least 1");
  n.expect(!a.column_major && !a.count_include_pad, "storage_order and count_include_pad have no meaning for lp_pool");
  Shape shape;
  infer_window(n, a, shape);
  n.result(n.dtype(0), shape);
}

void lp_reference(Reference& n) {
  const auto& a = n.attributes<LpPool>();
  const double p = static_cast<double>(a.p);
  const Array& src = *n.in[0];
  const std::vector<int64_t> strides = strides_of(src.shape);
  for (Walk at(n.out[0].shape); at.more(); at.next()) {
    const int64_t channel = at[0] * strides[0] + at[1] * strides[1];
    double sum = 0;
    for (Walk tap(a.kernel_shape); tap.more(); tap.next()) {
      const int64_t from = window_offset(a, src, strides, a.kernel_shape, at, tap);
      if (from >= 0) sum += std::pow(std::abs(src.real(channel + from)), p);
    }
    n.out[0].real(at.flat()) = std::pow(sum, 1 / p);
  }
}

}  // namespace
const Op ops::max_pool{.name = "max_pool", .attributes = Attributes::make<Pool>, .infer = infer_max, .reference = max_reference};
const Op ops::average_pool{.name = "average_pool",
                           .attributes = Attributes::make<Pool>,
                           .infer = infer_average,
                           .reference = average_reference,
                           .exactness = {Exactness::relative, 2e-6}};
const Op ops::lp_pool{.name = "lp_pool",
                      .attributes = Attributes::make<LpPool>,
                      .infer = infer_lp,
                      .reference = lp_reference,
                      .exactness = {Exactness::relative, 1e-5}};
}  // namespace tenon
