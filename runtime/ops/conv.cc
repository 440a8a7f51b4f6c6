#include "ops/conv.h"

#include "ops/window.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  const auto& a = n.attributes<Conv>();
  n.expect_inputs(2, 3);
  const int rank = n.rank(0), spatial = rank - 2;
  n.expect(spatial >= 1, "src of conv has a batch, a channel and at least one spatial axis");
  n.expect_rank(1, rank);
  n.expect_same_dtype(0, 1);
  n.expect(a.group >= 1, "the group of conv is at least 1");
  expect_window(n, a, spatial);
  n.equal(n.size(0, 1), n.size(1, 1) * a.group, "channels of input 0 and of the weight times the group");
  n.equal(n.size(1, 0) % a.group, 0, "channels of the result are a multiple of the group");
  if (n.has(2)) {
    n.expect_rank(2, 1);
    n.equal(n.size(2, 0), n.size(1, 0), "elements of the bias and channels of the result");
  }
  Shape shape{n.size(0, 0), n.size(1, 0)};
  for (int s = 0; s < spatial; ++s) shape.push(window_result(n, a, s, n.size(0, 2 + s), n.size(1, 2 + s), false));
  n.result(n.dtype(0), shape);
}

void reference(Reference& n) {
  const auto& a = n.attributes<Conv>();
  const Array &src = *n.in[0], &weight = *n.in[1];
  Array& dst = n.out[0];
  const int64_t inner = weight.size(1), outer = weight.size(0) / a.group;
  const std::vector<int64_t> src_strides = strides_of(src.shape), weight_strides = strides_of(weight.shape);
  const std::vector<int64_t> taps(weight.shape.begin() + 2, weight.shape.end());
  for (Walk at(dst.shape); at.more(); at.next()) {
    const int64_t batch = at[0], o = at[1], group = o / outer;
    double sum = n.has(2) ? n.in[2]->number(o) : 0;
    int64_t whole = n.has(2) ? n.in[2]->integer(o) : 0;
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

}  // namespace
const Op ops::conv{.name = "conv", .attributes = Attributes::make<Conv>, .infer = infer, .reference = reference,
                   .exactness = {Exactness::relative, 2e-5}, .linear = true};
}  // namespace tenon
