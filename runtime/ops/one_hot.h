#pragma once

#include <cstdint>

namespace tenon {

// An axis of `depth` elements put into the shape of the indices at `axis`: values[1] where the index says, values[0] elsewhere.
// Sources: indices (numbers, cut to integers; negative ones count from the end, those outside [-depth, depth) say nothing), depth (one
// number), values (two elements).
struct OneHot {
  int64_t axis = -1;

  bool operator==(const OneHot&) const = default;
  void fields(auto& f) { f("axis", axis); }
};

}  // namespace tenon
