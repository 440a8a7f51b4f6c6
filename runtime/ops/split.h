#pragma once

#include <cstdint>

namespace tenon {

// src cut along `axis`: into parts of the sizes given by input 1 (s64, optional), or into `num_outputs` parts of one size, of which the
// last may be smaller.
struct Split {
  int64_t axis = 0, num_outputs = 0;

  bool operator==(const Split&) const = default;
  void fields(auto& f) { f("axis", axis), f("num_outputs", num_outputs); }
};

}  // namespace tenon
