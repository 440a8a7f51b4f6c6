#pragma once

#include <cstdint>
#include <vector>

#include "ops/conv.h"

namespace tenon {

// non_max_suppression: of each class of each batch element the boxes with the best scores, without those that overlap a better one.
// Sources: boxes [batch, n, 4] (two corners as y, x, y, x in any order; or centre x, centre y, width, height), scores [batch, classes, n],
// the most boxes a class (one s64, optional: none), the overlap (intersection over union, optional: 0) beyond which a box falls away, and
// the score (optional) that a box must be above. dst [found, 3] (s64): batch element, class, box.
struct NonMaxSuppression {
  bool center_point_box = false;

  bool operator==(const NonMaxSuppression&) const = default;
  void fields(auto& f) { f("center_point_box", center_point_box); }
};

// center_crop_pad: axes cut or filled up with zeros, alike on both sides, to the sizes of input 1 (s64); what is odd is cut or added at
// the end. No axes: all of them.
struct CenterCropPad {
  std::vector<int64_t> axes;

  bool operator==(const CenterCropPad&) const = default;
  void fields(auto& f) { f("axes", axes); }
};

// columns_to_image: the sum of blocks laid where a window stood over the image. Sources: src [batch, channels * taps, places], the sizes of
// the image and of the block (s64).
struct ColumnsToImage : Window {
  bool operator==(const ColumnsToImage&) const = default;
  void fields(auto& f) { f("dilations", dilations), f("pads", pads), f("strides", strides); }
};

// max_unpool: zeros, but for the elements of src, each at its index into the image that a max pool with these attributes has read.
// Sources: src, indices (s64), the shape of dst (s64, optional), of which that image is the first corner.
struct MaxUnpool {
  std::vector<int64_t> kernel_shape, pads, strides;

  bool operator==(const MaxUnpool&) const = default;
  void fields(auto& f) { f("kernel_shape", kernel_shape), f("pads", pads), f("strides", strides); }
};

}  // namespace tenon
