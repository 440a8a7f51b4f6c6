// What conv and the pools share: the sizes of a moving window and where its taps fall.
#pragma once

#include "ops/conv.h"
#include "ops/op.h"

namespace tenon {

// Lengths and signs of the lists of a window over `spatial` axes.
void expect_window(const Inference& n, const Window& w, int spatial);

// Checks src (input 0), weight (input 1) and window of a conv, and gives the shape of the result.
Shape conv_shape(Inference& n, const Conv& a);

// The size of the result on spatial axis s. `ceil` rounds up, but no window starts beyond the source and its leading pad.
Extent window_result(Inference& n, const Window& w, int s, Extent size, Extent taps, bool ceil);

// The offset within one channel of src that a tap of the result at `at` (batch, channel, spatial) reads, or -1 where it falls on
// padding.
int64_t window_offset(const Window& w, const Array& src, const std::vector<int64_t>& strides, const std::vector<int64_t>& taps, const Walk& at,
                      const Walk& tap);

}  // namespace tenon
