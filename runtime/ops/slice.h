#pragma once

#include <algorithm>
#include <cstdint>

#include "base/axis.h"

namespace tenon {

// dst = src[start : end : step] along some axes, with the meaning of numpy, but for a first index beyond the end when stepping back,
// which is the last one. Sources: src, starts, ends, axes (optional: all axes in order), steps (optional: ones); all of one integer
// type and, but for src, of one length. Slice has no attributes.

// One axis of it in numbers.
struct SliceAxis {
  int64_t first, step, count;  // the elements first, first + step ...

  static SliceAxis of(int64_t start, int64_t end, int64_t step, int64_t size) {
    if (step > 0) {
      const int64_t first = std::clamp<int64_t>(from_front(start, size), 0, size), last = std::clamp<int64_t>(from_front(end, size), 0, size);
      return {first, step, last > first ? (last - first - 1) / step + 1 : 0};
    }
    const int64_t first = std::min(std::max<int64_t>(from_front(start, size), 0), size - 1),
                  last = std::max<int64_t>(std::min(from_front(end, size), size - 1), -1);
    // The step may be the lowest number, which has no positive counterpart.
    return {first, step,
            first > last ? static_cast<int64_t>(static_cast<uint64_t>(first - last - 1) / (uint64_t{0} - static_cast<uint64_t>(step))) + 1 : 0};
  }
};

}  // namespace tenon
