#include "ops/window.h"

#include <algorithm>

namespace tenon {

void expect_window(const Inference& n, const Window& w, int spatial) {
  const size_t s = static_cast<size_t>(spatial);
  n.expect(w.strides.empty() || w.strides.size() == s, "strides has one number for each spatial axis");
  n.expect(w.dilations.empty() || w.dilations.size() == s, "dilations has one number for each spatial axis");
  n.expect(w.pads.empty() || w.pads.size() == 2 * s, "pads has two numbers for each spatial axis");
  const auto positive = [](int64_t v) { return v >= 1 && v <= INT32_MAX; };
  n.expect(std::all_of(w.strides.begin(), w.strides.end(), positive), "strides are at least 1 and below 2^31");
  n.expect(std::all_of(w.dilations.begin(), w.dilations.end(), positive), "dilations are at least 1 and below 2^31");
  n.expect(std::all_of(w.pads.begin(), w.pads.end(), [](int64_t v) { return v >= 0 && v <= INT32_MAX; }), "pads are at least 0 and below 2^31");
}

Extent window_result(Inference& n, const Window& w, int s, Extent size, Extent taps, bool ceil) {
  const size_t i = static_cast<size_t>(s);
  const Extent stride = w.stride(i);
  if (w.auto_pad == AutoPad::same_upper || w.auto_pad == AutoPad::same_lower) return (size + stride - 1) / stride;
  const Extent window = (taps - 1) * w.dilation(i) + 1;
  const bool padded = w.auto_pad == AutoPad::notset && !w.pads.empty();
  const Extent before = padded ? w.pads[i] : 0, after = padded ? w.pads[w.pads.size() / 2 + i] : 0;
  const Extent padded_size = size + before + after, spare = ceil ? stride - 1 : Extent(0), room = padded_size - window + spare;
  const Interval range = n.graph().extents->range(room);
  const std::string what = "the window of spatial axis " + std::to_string(s) + " is larger than the padded source";
  // An empty axis stays one where the pads nearly fill the window.
  if (range.high < (size.dim() == Dim(0) ? -1 : 0))
    throw Error(Code::bad_model, what + ": " + n.graph().extents->text(window) + " is more than " + n.graph().extents->text(padded_size));
  if (range.low < 0 && n.graph().extents->range(window - before - after - spare).high > 1) n.at_least(padded_size + spare, window, what);
  if (!ceil) return room / stride + 1;
  // The last window must start inside the source or its leading pad.
  return min(room / stride + 1, (size + before - 1) / stride + 1);
}

int64_t window_offset(const Window& w, const Array& src, const std::vector<int64_t>& strides, const std::vector<int64_t>& taps, const Walk& at,
                      const Walk& tap) {
  int64_t from = 0;
  for (size_t s = 0; s < taps.size(); ++s) {
    const int64_t size = src.shape[2 + s];
    const int64_t i = at[2 + s] * w.stride(s) - w.before(s, size, taps[s]) + tap[s] * w.dilation(s);
    if (i < 0 || i >= size) return -1;
    from += i * strides[2 + s];
  }
  return from;
}

}  // namespace tenon
