#pragma once

#include <cstdint>
#include <vector>

namespace tenon {

// max_roi_pool: the maximum of each cell of a grid laid over regions of an image, as in R.
// Girshick, "Fast R-CNN" (2015). Sources: src [n, c, h, w], regions [count, 5]: the image, then x1,
// y1, x2, y2, which times spatial_scale round to the first and last pixel of the region. dst
// [count, c, rows, columns], for pooled_shape {rows, columns}; a cell outside the image is 0.
struct MaxRoiPool {
  std::vector<int64_t> pooled_shape;
  float spatial_scale = 1;

  bool operator==(const MaxRoiPool&) const = default;
  void fields(auto& f) { f("pooled_shape", pooled_shape), f("spatial_scale", spatial_scale); }
};

}  // namespace tenon
