// What resize does along each axis: factors, and the elements that make one of dst with their
// weights. For kernels of all types.
#pragma once

#include <cmath>
#include <limits>

#include "kernels/cpu/element.h"
#include "ops/resize.h"

namespace tenon::cpu::TENON_ISA {
namespace {

inline const Resize& resize_of(const Step& s) { return *static_cast<const Resize*>(s.attributes); }
inline bool crops(const Resize& a) {
  return a.coordinate_transformation_mode == ResizeCoordinates::tf_crop_and_resize;
}

// The place of an axis among those that are resampled; -1: it is none.
inline int place_of(const Resize& a, int axis, int rank) {
  if (a.axes.empty()) return axis;
  for (size_t i = 0; i < a.axes.size(); ++i)
    if (from_front(a.axes[i], rank) == axis) return static_cast<int>(i);
  return -1;
}

// The factor of an axis at `place`; 0 where it is not known yet.
inline double resize_scale(const Step& s, int axis, int place) {
  const Resize& a = resize_of(s);
  if (!a.scales.empty()) return static_cast<double>(a.scales[static_cast<size_t>(place)]);
  if (has(s, 2)) return s.src[2].data ? number(s.src[2], place) : 0;
  const int rank = s.src->rank;
  if (a.keep_aspect_ratio_policy == AspectRatio::stretch) {
    const int64_t from = s.src->size[axis], to = s.dst->size[axis];
    return known(from) && known(to) ? static_cast<double>(to) / static_cast<double>(from) : 0;
  }
  if (!s.src[3].data) return 0;
  double scale = 0;
  bool first = true;
  for (int k = 0; k < rank; ++k) {
    const int i = place_of(a, k, rank);
    if (i < 0) continue;
    if (!known(s.src->size[k])) return 0;
    const double own =
        static_cast<double>(data<int64_t>(s.src[3])[i]) / static_cast<double>(s.src->size[k]);
    const bool not_larger = a.keep_aspect_ratio_policy == AspectRatio::not_larger;
    scale = first || (not_larger ? own < scale : own > scale) ? own : scale;
    first = false;
  }
  return scale;
}

struct ResizeAxis {
  const Resize& a;
  bool named;
  int64_t size, result;
  double scale = 1, start = 0, end = 1;

  ResizeAxis(const Step& s, int axis)
      : a(resize_of(s)), size(s.src->size[axis]), result(s.dst->size[axis]) {
    const int place = place_of(a, axis, s.src->rank);
    named = place >= 0;
    if (!named) return;
    scale = resize_scale(s, axis, place);
    if (!crops(a) || !s.src[1].data) return;
    int axes = 0;
    for (int k = 0; k < s.src->rank; ++k) axes += place_of(a, k, s.src->rank) >= 0;
    start = number(s.src[1], place), end = number(s.src[1], axes + place);
  }

  bool stays() const { return !named || (scale == 1 && size == result && start == 0 && end == 1); }
  double place(int64_t i) const { return a.source(i, size, result, scale, start, end); }
  // Of tf_crop_and_resize, whose places outside src give the extrapolation value.
  bool outside(double place) const {
    return crops(a) && !(place >= 0 && place <= static_cast<double>(size - 1));
  }

  // The filter widens where src is made smaller.
  double narrow() const { return a.antialias && scale < 1 ? scale : 1; }
  int64_t first_tap(double narrow) const {
    const double support = a.mode == ResizeMode::cubic ? 2 : 1;
    return static_cast<int64_t>(std::floor(-support / narrow)) + 1;
  }
  int64_t taps() const { return stays() ? 1 : 2 - 2 * first_tap(narrow()); }
  // No less than taps(), where only the sizes are known: a factor that rounds to them is no less
  // than this.
  int64_t most_taps() const {
    const double least = (static_cast<double>(result) - 0.5) / static_cast<double>(size);
    return 2 - 2 * first_tap(a.antialias && result > 0 && size > 0 && least < 1 ? least : 1);
  }

  // Calls put(tap, element, weight) for what makes element i of the result; not where the place is
  // outside.
  template <class Put>
  bool fill(int64_t i, const Put& put) const {
    if (stays()) return put(0, i, 1.0), true;
    const double at = place(i);
    if (outside(at)) return false;
    const double thin = narrow(), base = std::ceil(at) - 1, last = static_cast<double>(size - 1);
    const int64_t first = first_tap(thin);
    const auto weight = [&](int64_t k) {
      const double element = base + static_cast<double>(k);
      return !a.exclude_outside || (element >= 0 && element <= last)
                 ? a.weight((element - at) * thin)
                 : 0.0;
    };
    double sum = 0;
    for (int64_t k = first; k <= 1 - first; ++k) sum += weight(k);
    const bool whole = (a.antialias || a.exclude_outside) && sum != 0;
    for (int64_t k = first; k <= 1 - first; ++k) {
      const double element = base + static_cast<double>(k), cut = element < 0      ? 0
                                                                  : element > last ? last
                                                                                   : element;
      put(k - first, static_cast<int64_t>(cut), whole ? weight(k) / sum : weight(k));
    }
    return true;
  }
};

inline const char* resize_reject(const Step& s) {
  if (s.epilogue.count) return "there is an epilogue";
  if (s.src->dtype != s.dst->dtype) return "src and dst are stored in different types";
  if (has(s, 2) && !is_real_number(s.src[2]))
    return "the scales are not floating point of 16 bits or more";
  if (crops(resize_of(s)) && has(s, 1) && !is_real_number(s.src[1]))
    return "the region is not floating point of 16 bits or more";
  return reject_gaps(s);
}

// Whether there is something to read.
inline bool resize_ready(const Step& s, const Context& context) {
  if (count(*s.dst) == 0) return false;
  if (count(*s.src) > 0) return true;
  context.fault(context, "resize has elements to read", 0, count(*s.dst));
  return false;
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
