#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tenon {

enum class AutoPad { notset, valid, same_upper, same_lower };
inline constexpr const char* kAutoPadNames[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};

// A window moving over spatial axes; shared by conv and the pools. Empty lists stand for ones (zeros for pads).
// pads: the beginnings of all axes, then the ends.
struct Window {
  std::vector<int64_t> dilations, pads, strides;
  AutoPad auto_pad = AutoPad::notset;

  bool operator==(const Window&) const = default;
  int64_t dilation(size_t s) const { return dilations.empty() ? 1 : dilations[s]; }
  int64_t stride(size_t s) const { return strides.empty() ? 1 : strides[s]; }
  int64_t extent(size_t s, int64_t taps) const { return (taps - 1) * dilation(s) + 1; }
  // The padding before the first element of axis s, for a source of `size` and a kernel of `taps`.
  int64_t before(size_t s, int64_t size, int64_t taps) const {
    if (auto_pad == AutoPad::notset) return pads.empty() ? 0 : pads[s];
    if (auto_pad == AutoPad::valid) return 0;
    const int64_t out = (size + stride(s) - 1) / stride(s);
    const int64_t total = (out - 1) * stride(s) + extent(s, taps) - size;
    if (total <= 0) return 0;
    return auto_pad == AutoPad::same_upper ? total / 2 : total - total / 2;
  }
  // The padding after the last element.
  int64_t after(size_t s, int64_t size, int64_t taps) const {
    if (auto_pad == AutoPad::notset) return pads.empty() ? 0 : pads[pads.size() / 2 + s];
    if (auto_pad == AutoPad::valid) return 0;
    const int64_t out = (size + stride(s) - 1) / stride(s);
    const int64_t total = (out - 1) * stride(s) + extent(s, taps) - size;
    return total <= 0 ? 0 : total - before(s, size, taps);
  }
};

// dst[n, o, ...] = sum over c and taps of src[n, c, ...] * weight[o, c, taps] + bias[o].
// Sources: src [n, c, spatial], weight [o, c / group, taps], bias [o] (optional).
// conv_integer: 8-bit src and weight less their zero points, summed in s32, which wraps; padding counts as the zero point. Sources: src,
// weight, zero point of src (one element, optional), of weight (one element or [o], optional).
struct Conv : Window {
  int64_t group = 1;

  bool operator==(const Conv&) const = default;
  void fields(auto& f) {
    f("auto_pad", auto_pad, kAutoPadNames), f("dilations", dilations), f("group", group), f("pads", pads), f("strides", strides);
  }
};

}  // namespace tenon
