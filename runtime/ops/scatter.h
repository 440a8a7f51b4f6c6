#pragma once

#include <cstdint>

namespace tenon {

// How an update meets what is there.
enum class ScatterReduction { none, add, mul, min, max };
inline constexpr const char* kScatterReductionNames[] = {"none", "add", "mul", "min", "max"};

// dst is src, in which dst[i, indices[i, j, k], k] = updates[i, j, k], for axis 1. Sources: src, indices (s32 or s64), updates (of the
// shape of the indices). Negative indices count from the end, others outside the axis are an error. Of updates to one element without
// a reduction the last in order of the indices stays.
struct ScatterElements {
  int64_t axis = 0;
  ScatterReduction reduction = ScatterReduction::none;

  bool operator==(const ScatterElements&) const = default;
  void fields(auto& f) { f("axis", axis), f("reduction", reduction, kScatterReductionNames); }
};

// dst is src, in which dst[indices[i, :], ...] = updates[i, ...]: the last axis of the indices holds coordinates of the first axes.
struct ScatterNd {
  ScatterReduction reduction = ScatterReduction::none;

  bool operator==(const ScatterNd&) const = default;
  void fields(auto& f) { f("reduction", reduction, kScatterReductionNames); }
};

enum class WriteMode { linear, circular };
inline constexpr const char* kWriteModeNames[] = {"linear", "circular"};

// tensor_scatter: a cache into which each sample of a batch writes at a place of its own: along `axis`, element i of the update goes to
// write_indices[sample] + i, which stays inside the cache or, circular, wraps around. Sources: cache, update, write_indices (s64[batch],
// optional: zeros).
struct TensorScatter {
  int64_t axis = -2;
  WriteMode mode = WriteMode::linear;

  bool operator==(const TensorScatter&) const = default;
  void fields(auto& f) { f("axis", axis), f("mode", mode, kWriteModeNames); }
};

}  // namespace tenon
