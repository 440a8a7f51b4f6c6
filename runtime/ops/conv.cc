#include "ops/conv.h"

#include "ops/window.h"

namespace tenon {

Shape conv_shape(Inference& n, const Conv& a) {
  const int rank = n.rank(0), spatial = rank - 2;
  n.expect(spatial >= 1, "src of conv has a batch, a channel and at least one spatial axis");
  n.expect_rank(1, rank);
  n.expect(a.group >= 1, "the group of conv is at least 1");
  expect_window(n, a, spatial);
  n.equal(n.size(0, 1), n.size(1, 1) * a.group, "channels of input 0 and of the weight times the group");
  n.equal(n.size(1, 0) % a.group, 0, "channels of the result are a multiple of the group");
  Shape shape{n.size(0, 0), n.size(1, 0)};
  for (int s = 0; s < spatial; ++s) shape.push(window_result(n, a, s, n.size(0, 2 + s), n.size(1, 2 + s), false));
  return shape;
}

namespace {

void infer(Inference& n) {
  n.expect_inputs(2, 3);
  n.expect_same_dtype(0, 1);
  const Shape shape = conv_shape(n, n.attributes<Conv>());
  if (n.has(2)) {
    n.expect_rank(2, 1);
    n.equal(n.size(2, 0), n.size(1, 0), "elements of the bias and channels of the result");
  }
  n.result(n.dtype(0), shape);
}

void infer_integer(Inference& n) {
  n.expect_inputs(2, 4);
  for (int i = 0; i < 2; ++i) {
    n.expect(n.dtype(i) == DType::u8 || n.dtype(i) == DType::s8, "the operands of conv_integer are u8 or s8");
    if (n.has(2 + i)) n.expect_same_dtype(i, 2 + i);
  }
  const Shape shape = conv_shape(n, n.attributes<Conv>());
  if (n.has(2)) n.equal(n.count(n.shape(2)), 1, "zero points of input 0");
  if (n.has(3) && n.count(n.shape(3)).dim() != Dim(1)) {
    n.expect_rank(3, 1);
    n.equal(n.size(3, 0), n.size(1, 0), "zero points of the weight and channels of the result");
  }
  n.result(DType::s32, shape);
}

void convolve(const Conv& a, const Array& src, const Array& weight, const Array* bias, Array& dst) {
  const int64_t inner = weight.size(1), outer = weight.size(0) / a.group;
  const std::vector<int64_t> src_strides = strides_of(src.shape), weight_strides = strides_of(weight.shape);
  const std::vector<int64_t> taps(weight.shape.begin() + 2, weight.shape.end());
  for (Walk at(dst.shape); at.more(); at.next()) {
    const int64_t batch = at[0], o = at[1], group = o / outer;
    double sum = bias ? bias->number(o) : 0;
    int64_t whole = bias ? bias->integer(o) : 0;
    for (Walk tap(taps); tap.more(); tap.next()) {
      const int64_t from = window_offset(a, src, src_strides, taps, at, tap);
      if (from < 0) continue;
      for (int64_t c = 0; c < inner; ++c) {
        const int64_t s = batch * src_strides[0] + (group * inner + c) * src_strides[1] + from;
        const int64_t w = o * weight_strides[0] + c * weight_strides[1] + tap.flat();
        if (src.is_real()) sum += src.real(s) * weight.real(w);
        else whole += src.integer(s) * weight.integer(w);
      }
    }
    if (src.is_real()) dst.real(at.flat()) = sum;
    else dst.integer(at.flat()) = whole;
  }
}

void reference(Reference& n) { convolve(n.attributes<Conv>(), *n.in[0], *n.in[1], n.has(2) ? n.in[2] : nullptr, n.out[0]); }

// src less its zero points: one, or one for each index of axis 0.
Array less_zero(const Array& src, const Array* zero) {
  Array out = src;
  for (int64_t i = 0, count = src.count(); zero && i < count; ++i)
    out.integer(i) -= zero->integer(zero->count() == 1 ? 0 : i / (count / src.size(0)));
  return out;
}

void integer_reference(Reference& n) {
  convolve(n.attributes<Conv>(), less_zero(*n.in[0], n.has(2) ? n.in[2] : nullptr), less_zero(*n.in[1], n.has(3) ? n.in[3] : nullptr), nullptr,
           n.out[0]);
}

}  // namespace
const Op ops::conv{.name = "conv",
                   .attributes = Attributes::make<Conv>,
                   .infer = infer,
                   .reference = reference,
                   .exactness = {Exactness::relative, 2e-5},
                   .linear = true};
const Op ops::conv_integer{.name = "conv_integer", .attributes = Attributes::make<Conv>, .infer = infer_integer, .reference = integer_reference};
}  // namespace tenon
