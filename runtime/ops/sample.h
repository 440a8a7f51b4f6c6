#pragma once

#include <cstdint>
#include <vector>

#include "ops/conv.h"

namespace tenon {

enum class SampleMode { linear, nearest, cubic };
inline constexpr const char* kSampleModeNames[] = {"linear", "nearest", "cubic"};
enum class SamplePadding { zeros, border, reflection };
inline constexpr const char* kSamplePaddingNames[] = {"zeros", "border", "reflection"};

// grid_sample: src [batch, channels, spatial ...] read at the places of a grid [batch, places ..., spatial axes], the last spatial axis
// first; -1 and 1 are the centres of the outermost elements (align_corners), else their outer edges. Cubic: Keys with a = -0.75.
struct GridSample {
  SampleMode mode = SampleMode::linear;
  SamplePadding padding_mode = SamplePadding::zeros;
  bool align_corners = false;

  bool operator==(const GridSample&) const = default;
  void fields(auto& f) { f("mode", mode, kSampleModeNames), f("padding_mode", padding_mode, kSamplePaddingNames), f("align_corners", align_corners); }
};

// affine_grid: the grid that grid_sample reads to see an image under affine maps. Sources: maps [batch, n, n + 1], and the shape
// [batch, channels, n sizes] (s64).
struct AffineGrid {
  bool align_corners = false;

  bool operator==(const AffineGrid&) const = default;
  void fields(auto& f) { f("align_corners", align_corners); }
};

enum class RoiMode { avg, max };
inline constexpr const char* kRoiModeNames[] = {"avg", "max"};
enum class RoiPixels { half_pixel, output_half_pixel };
inline constexpr const char* kRoiPixelsNames[] = {"half_pixel", "output_half_pixel"};

// roi_align: each box of src [batch, channels, h, w] cut into output_height x output_width bins, each the mean (or the largest term) of
// bilinear samples. Sources: src, boxes [n, 4] as x1, y1, x2, y2, and the batch element of each (n integers).
struct RoiAlign {
  RoiPixels coordinate_transformation_mode = RoiPixels::half_pixel;
  RoiMode mode = RoiMode::avg;
  int64_t output_height = 1, output_width = 1, sampling_ratio = 0;
  float spatial_scale = 1;

  bool operator==(const RoiAlign&) const = default;
  void fields(auto& f) {
    f("coordinate_transformation_mode", coordinate_transformation_mode, kRoiPixelsNames), f("mode", mode, kRoiModeNames),
        f("output_height", output_height), f("output_width", output_width), f("sampling_ratio", sampling_ratio), f("spatial_scale", spatial_scale);
  }
};

// deform_conv: a convolution of two spatial axes whose taps are moved by offsets and weighted by a mask. Sources: src, weight, offset
// [n, offset_group * taps * 2, h, w] (y before x), bias (optional), mask [n, offset_group * taps, h, w] (optional).
struct DeformConv : Window {
  int64_t group = 1, offset_group = 1;

  bool operator==(const DeformConv&) const = default;
  void fields(auto& f) { f("dilations", dilations), f("group", group), f("offset_group", offset_group), f("pads", pads), f("strides", strides); }
};

}  // namespace tenon
