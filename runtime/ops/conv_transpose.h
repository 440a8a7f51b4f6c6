#pragma once

#include "ops/conv.h"

namespace tenon {

// The gradient of conv: each element of src spreads over a window of dst,
// dst[n, o, i * stride - before + tap * dilation] += src[n, c, i] * weight[c, o, tap], plus bias[o].
// Sources: src [n, c, spatial], weight [c, o / group, taps], bias [o] (optional). `pads` cuts dst; output_padding lengthens its end.
// output_shape, when given, decides the sizes and with them the pads.
struct ConvTranspose : Window {
  int64_t group = 1;
  std::vector<int64_t> output_padding, output_shape;

  bool operator==(const ConvTranspose&) const = default;
  void fields(auto& f) {
    f("auto_pad", auto_pad, kAutoPadNames), f("dilations", dilations), f("group", group), f("output_padding", output_padding),
        f("output_shape", output_shape), f("pads", pads), f("strides", strides);
  }
  // What is added to the end of axis s.
  int64_t lengthened(size_t s) const { return output_padding.empty() ? 0 : output_padding[s]; }
  // How much of the uncut result lies before the first element of dst on axis s, for a source of `size`.
  int64_t cut_before(size_t s, int64_t size, int64_t taps) const {
    const bool same = auto_pad == AutoPad::same_upper || auto_pad == AutoPad::same_lower;
    if (output_shape.empty() && !same) return auto_pad == AutoPad::valid || pads.empty() ? 0 : pads[s];
    const int64_t dst = output_shape.empty() ? size * stride(s) : output_shape[s];
    const int64_t total = stride(s) * (size - 1) + lengthened(s) + extent(s, taps) - dst;
    if (total <= 0) return 0;
    return auto_pad == AutoPad::same_upper ? total / 2 : total - total / 2;
  }
};

}  // namespace tenon
