#pragma once

#include <cstdint>
#include <vector>

namespace tenon {

enum class PadMode { constant, reflect, edge, wrap };
inline constexpr const char* kPadModeNames[] = {"constant", "reflect", "edge", "wrap"};

// src with elements added (or, by negative numbers, taken away) at both ends of its axes. Sources: src, pads (s64: the beginnings of
// `axes`, then the ends; no axes: all of them), value (one element, optional: 0, false, the empty string), axes (s64, optional; instead of
// the attribute, where they are not known before the model runs). Elements are taken away first; the modes extend what is left: by the
// value, mirrored without repeating the border, by the border, as if on a ring.
struct Pad {
  PadMode mode = PadMode::constant;
  std::vector<int64_t> axes;

  bool operator==(const Pad&) const = default;
  void fields(auto& f) { f("mode", mode, kPadModeNames), f("axes", axes); }

  // Where element i, counted from the first of `size` elements that are left, is found among them; -1: it is the value.
  static int64_t source(PadMode mode, int64_t i, int64_t size) {
    if (i >= 0 && i < size) return i;
    if (mode == PadMode::constant || size <= 0) return -1;
    if (mode == PadMode::edge) return i < 0 ? 0 : size - 1;
    const int64_t period = mode == PadMode::wrap ? size : size > 1 ? 2 * (size - 1) : 1;
    const int64_t at = (i % period + period) % period;
    return at < size ? at : period - at;
  }
};

}  // namespace tenon
