#pragma once

#include <cstdint>

namespace tenon {

// gather: dst[before, indices, after] = src[before, index, after], where the axis `axis` of src is replaced by the shape of the indices.
// gather_elements: dst has the shape of the indices, and dst[i, j, k] = src[i, indices[i, j, k], k] for axis 1.
// Sources of both: src, indices (s32 or s64); negative ones count from the end, others outside the axis are an error.
struct Gather {
  int64_t axis = 0;

  bool operator==(const Gather&) const = default;
  void fields(auto& f) { f("axis", axis); }
};

// gather_nd: the last axis of the indices (s64) holds coordinates of the axes of src after `batch_dims` shared ones;
// dst[batch, i] = src[batch, indices[batch, i, :], ...].
struct GatherNd {
  int64_t batch_dims = 0;

  bool operator==(const GatherNd&) const = default;
  void fields(auto& f) { f("batch_dims", batch_dims); }
};

}  // namespace tenon
