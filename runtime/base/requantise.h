// The one scaling of integer arithmetic, shared by the references and the kernels, so that int8 gives the same bits everywhere.
// The sum of products of src and weight, each less its zero point, stands for sum * (scale of src * scale of weight).
// Stored straight into a quantised dst: requantised(sum, product_scale(...) / scale of dst). With an epilogue, or a real dst:
// real = sum * product_scale(...), the epilogue in f32, then requantised(real, reciprocal of the scale of dst).
#pragma once

#include <cmath>
#include <cstdint>

namespace tenon {

inline float product_scale(float src, float weight) { return src * weight; }

// value * multiplier to the nearest integer, ties to even, plus zero, within [low, high]. All of f32, each operation rounded.
inline int32_t requantised(float value, float multiplier, int32_t zero, int32_t low, int32_t high) {
  float scaled = value * multiplier;
  const float least = static_cast<float>(low - zero), most = static_cast<float>(high - zero);
  scaled = scaled > least ? scaled : least;
  scaled = scaled < most ? scaled : most;
  return static_cast<int32_t>(std::nearbyintf(scaled)) + zero;
}

// What is added to a sum for a bias of value `bias * scale`: the bias itself where scales agree, else the nearest integer, within s32.
inline int32_t bias_in_sums(double bias, float scale, float product) {
  if (scale == product) return static_cast<int32_t>(bias);
  const double steps = bias * static_cast<double>(scale) / static_cast<double>(product);
  return static_cast<int32_t>(std::nearbyint(steps < -2147483647.0 ? -2147483647.0 : steps > 2147483647.0 ? 2147483647.0 : steps));
}

}  // namespace tenon
