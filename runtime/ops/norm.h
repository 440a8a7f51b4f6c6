#pragma once

#include <cstdint>

namespace tenon {

// layer_norm: dst = (src - mean) / sqrt(variance + epsilon) * scale + bias, mean and variance over the axes from `axis` on.
// Sources: src, scale, bias (optional), both broadcast to src. Destinations: dst, and optionally mean and 1 / sqrt(variance + epsilon),
// with size 1 on the reduced axes (f32, or f64 where src is).
// rms_norm: dst = src / sqrt(mean(src^2) + epsilon) * scale. Destinations: dst, of the type of scale, and optionally
// 1 / sqrt(mean(src^2) + epsilon). The arithmetic of both is f32 at least.
struct LayerNorm {
  int64_t axis = -1;
  float epsilon = 1e-5f;

  bool operator==(const LayerNorm&) const = default;
  void fields(auto& f) { f("axis", axis), f("epsilon", epsilon); }
};

// group_norm: the same for src [n, c, spatial], mean and variance over the spatial axes and the channels of one of num_groups groups
// (0: each channel is a group, as in instance normalisation); scale [c] and bias [c].
struct GroupNorm {
  int64_t num_groups = 0;
  float epsilon = 1e-5f;

  bool operator==(const GroupNorm&) const = default;
  void fields(auto& f) { f("num_groups", num_groups), f("epsilon", epsilon); }
};

// lrn: dst[n, c, ...] = src / (bias + alpha / size * sum of squares of the `size` channels around c) ^ beta. An even size takes one
// channel more after c than before.
struct Lrn {
  int64_t size = 0;
  float alpha = 1e-4f, beta = 0.75f, bias = 1;

  bool operator==(const Lrn&) const = default;
  void fields(auto& f) { f("size", size), f("alpha", alpha), f("beta", beta), f("bias", bias); }
};

}  // namespace tenon
