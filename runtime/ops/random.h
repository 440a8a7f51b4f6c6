#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace tenon {

enum class Distribution { uniform, normal };
inline constexpr const char* kDistributionNames[] = {"uniform", "normal"};

// random: numbers of the shape that the source holds (s64). uniform: in [first, second); normal: with mean `first` and deviation
// `second`. With a seed every run gives the same numbers; without one each run others.
struct Random {
  Distribution distribution = Distribution::uniform;
  DType dtype = DType::f32;
  float first = 0, second = 1;
  bool seeded = false;
  int64_t seed = 0;

  bool operator==(const Random&) const = default;
  void fields(auto& f) {
    f("distribution", distribution, kDistributionNames), f("dtype", dtype), f("first", first), f("second", second), f("seeded", seeded),
        f("seed", seed);
  }
};

}  // namespace tenon
