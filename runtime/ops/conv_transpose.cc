#include "ops/conv_transpose.h"

#include <algorithm>

#include "ops/window.h"

namespace tenon {
namespace {

Extent result_size(const Inference& n, const ConvTranspose& a, int axis) {
  const size_t s = static_cast<size_t>(axis);
  const Extent size = n.size(0, 2 + axis), taps = n.size(1, 2 + axis);
  if (!a.output_shape.empty()) return a.output_shape[s];
  if (a.auto_pad == AutoPad::same_upper || a.auto_pad == AutoPad::same_lower) return size * a.stride(s);
  const bool padded = a.auto_pad == AutoPad::notset && !a.pads.empty();
  const Extent cut = padded ? Extent(a.pads[s]) + a.pads[a.pads.size() / 2 + s] : 0;
  return (size - 1) * a.stride(s) + a.lengthened(s) + (taps - 1) * a.dilation(s) + 1 - cut;
}

void infer(Inference& n) {
  const auto& a = n.attributes<ConvTranspose>();
  n.expect_inputs(2, 3);
  const int rank = n.rank(0), spatial = rank - 2;
  n.expect(spatial >= 1, "src of conv_transpose has a batch, a channel and at least one spatial axis");
  n.expect_rank(1, rank);
  n.expect_same_dtype(0, 1);
  n.expect(a.group >= 1, "the group of conv_transpose is at least 1");
  expect_window(n, a, spatial);
  const size_t count = static_cast<size_t>(spatial);
  n.expect(a.output_padding.empty() || a.output_padding.size() == count, "output_padding has one number for each spatial axis");
  n.expect(a.output_shape.empty() || a.output_shape.size() == count, "output_shape has one number for each spatial axis");
  for (size_t s = 0; s < count; ++s)
    n.expect(a.lengthened(s) >= 0 && a.lengthened(s) < std::max(a.stride(s), a.dilation(s)),
             "output_padding is less than the stride or the dilation");
  for (int64_t size : a.output_shape) n.expect(size >= 1 && size <= INT32_MAX, "output_shape is at least 1 and below 2^31");
  n.equal(n.size(0, 1), n.size(1, 0), "channels of input 0 and of the weight");
  n.equal(n.size(0, 1) % a.group, 0, "channels of input 0 are a multiple of the group");
  if (n.has(2)) {
    n.expect_same_dtype(0, 2);
    n.expect_rank(2, 1);
    n.equal(n.size(2, 0), n.size(1, 1) * a.group, "elements of the bias and channels of the result");
  }
  Shape shape{n.size(0, 0), n.size(1, 1) * a.group};
  for (int s = 0; s < spatial; ++s) shape.push(result_size(n, a, s));
  n.result(n.dtype(0), shape);
}

// The offset within one channel of dst that a tap of the source element at `at` adds to, or -1 where it is cut.
int64_t offset(const ConvTranspose& a, const Array& src, const Array& dst, const std::vector<int64_t>& strides, const std::vector<int64_t>& taps,
               const Walk& at, const Walk& tap) {
  int64_t to = 0;
  for (size_t s = 0; s < taps.size(); ++s) {
    const int64_t i = at[2 + s] * a.stride(s) - a.cut_before(s, src.shape[2 + s], taps[s]) + tap[s] * a.dilation(s);
    if (i < 0 || i >= dst.shape[2 + s]) return -1;
    to += i * strides[2 + s];
  }
  return to;
}

void reference(Reference& n) {
  const auto& a = n.attributes<ConvTranspose>();
  const Array &src = *n.in[0], &weight = *n.in[1];
  Array& dst = n.out[0];
  const int64_t inner = src.size(1) / a.group, outer = weight.size(1);
  const std::vector<int64_t> dst_strides = strides_of(dst.shape), weight_strides = strides_of(weight.shape);
  const std::vector<int64_t> taps(weight.shape.begin() + 2, weight.shape.end());
  if (n.has(2))
    for (Walk at(dst.shape); at.more(); at.next()) dst.move(at.flat(), *n.in[2], at[1]);
  for (Walk at(src.shape); at.more(); at.next()) {
    const int64_t group = at[1] / inner;
    for (Walk tap(taps); tap.more(); tap.next()) {
      const int64_t to = offset(a, src, dst, dst_strides, taps, at, tap);
      if (to < 0) continue;
      for (int64_t o = 0; o < outer; ++o) {
        const int64_t d = at[0] * dst_strides[0] + (group * outer + o) * dst_strides[1] + to;
        const int64_t w = at[1] * weight_strides[0] + o * weight_strides[1] + tap.flat();
        if (src.is_real()) dst.real(d) += src.real(at.flat()) * weight.real(w);
        else dst.integer(d) += src.integer(at.flat()) * weight.integer(w);
      }
    }
  }
}

}  // namespace
const Op ops::conv_transpose{.name = "conv_transpose",
                             .attributes = Attributes::make<ConvTranspose>,
                             .infer = infer,
                             .reference = reference,
                             .exactness = {Exactness::relative, 2e-5},
                             .linear = true};
}  // namespace tenon
