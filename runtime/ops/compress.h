#pragma once

#include <cstdint>

namespace tenon {

// The parts of src along `axis`, or (flat) its elements in row-major order, whose condition is true. Sources: src, condition (bool[n], at
// most as long as the axis; what is beyond it is left out).
struct Compress {
  bool flat = false;
  int64_t axis = 0;

  bool operator==(const Compress&) const = default;
  void fields(auto& f) { f("flat", flat), f("axis", axis); }
};

}  // namespace tenon
