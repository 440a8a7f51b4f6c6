#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace tenon {

enum class ResizeMode { nearest, linear, cubic };
inline constexpr const char* kResizeModeNames[] = {"nearest", "linear", "cubic"};
enum class ResizeCoordinates {
  half_pixel,
  half_pixel_symmetric,
  pytorch_half_pixel,
  align_corners,
  asymmetric,
  tf_crop_and_resize,
  tf_half_pixel_for_nn
};
inline constexpr const char* kResizeCoordinatesNames[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",  "align_corners",
                                                          "asymmetric", "tf_crop_and_resize",   "tf_half_pixel_for_nn"};
enum class NearestMode { round_prefer_floor, round_prefer_ceil, floor, ceil };
inline constexpr const char* kNearestModeNames[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
enum class AspectRatio { stretch, not_larger, not_smaller };
inline constexpr const char* kAspectRatioNames[] = {"stretch", "not_larger", "not_smaller"};

// src resampled along `axes` (none named: all), to the sizes of input 3 (s64) or by the factors of input 2 or of the attribute `scales`;
// one of the three is there, with one number for each axis. Input 1 (roi, of tf_crop_and_resize alone): the starts of the axes as a
// part of the size, then the ends. Axes are resampled one by one, each with weights that depend on the axis alone. ONNX Resize, opset 19.
struct Resize {
  ResizeMode mode = ResizeMode::nearest;
  ResizeCoordinates coordinate_transformation_mode = ResizeCoordinates::half_pixel;
  NearestMode nearest_mode = NearestMode::round_prefer_floor;
  float cubic_coeff_a = -0.75f, extrapolation_value = 0;
  bool exclude_outside = false, antialias = false;
  AspectRatio keep_aspect_ratio_policy = AspectRatio::stretch;
  std::vector<int64_t> axes;
  std::vector<float> scales;

  bool operator==(const Resize&) const = default;
  void fields(auto& f) {
    f("mode", mode, kResizeModeNames), f("coordinate_transformation_mode", coordinate_transformation_mode, kResizeCoordinatesNames);
    f("nearest_mode", nearest_mode, kNearestModeNames), f("cubic_coeff_a", cubic_coeff_a), f("extrapolation_value", extrapolation_value);
    f("exclude_outside", exclude_outside), f("antialias", antialias);
    f("keep_aspect_ratio_policy", keep_aspect_ratio_policy, kAspectRatioNames), f("axes", axes), f("scales", scales);
  }

  // Where in an axis of `size` elements element i of `result` lies; `scale` is the factor given, or result / size.
  double source(int64_t i, int64_t size, int64_t result, double scale, double roi_start = 0, double roi_end = 1) const {
    const double x = static_cast<double>(i), n = static_cast<double>(size), length = scale * n;
    switch (coordinate_transformation_mode) {
      case ResizeCoordinates::half_pixel: return (x + 0.5) / scale - 0.5;
      case ResizeCoordinates::half_pixel_symmetric: return n / 2 * (1 - static_cast<double>(result) / length) + (x + 0.5) / scale - 0.5;
      case ResizeCoordinates::pytorch_half_pixel: return result > 1 ? (x + 0.5) / scale - 0.5 : 0;
      case ResizeCoordinates::align_corners: return result > 1 && length != 1 ? x * (n - 1) / (length - 1) : 0;
      case ResizeCoordinates::asymmetric: return x / scale;
      case ResizeCoordinates::tf_half_pixel_for_nn: return (x + 0.5) / scale;
      case ResizeCoordinates::tf_crop_and_resize:
        return length != 1 && result > 1 ? roi_start * (n - 1) + x * (roi_end - roi_start) * (n - 1) / (length - 1)
                                         : (roi_start + roi_end) * (n - 1) / 2;
    }
    return 0;
  }

  // The element that stands nearest to a place, cut to the axis.
  int64_t nearest(double place, int64_t size) const {
    double i = std::floor(place);
    if (nearest_mode == NearestMode::round_prefer_floor) i = std::ceil(place - 0.5);
    if (nearest_mode == NearestMode::round_prefer_ceil) i = std::floor(place + 0.5);
    if (nearest_mode == NearestMode::ceil) i = std::ceil(place);
    return static_cast<int64_t>(std::fmin(std::fmax(i, 0), static_cast<double>(size - 1)));
  }

  // linear, cubic: how much an element counts that stands `distance` from the place, in elements of the filter.
  double weight(double distance) const {
    const double a = cubic_coeff_a, d = std::fabs(distance);
    if (mode == ResizeMode::linear) return d < 1 ? 1 - d : 0;
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
  }
};

}  // namespace tenon
