#pragma once

#include <cstdint>

namespace tenon {

// The k greatest (or least) elements along `axis`, best first, and their s64 indices; of equals the one with the lower index is first.
// NaN is the greatest. Sources: src, k (s64, one element). `sorted` false lets the order be any.
struct TopK {
  int64_t axis = -1;
  bool largest = true, sorted = true;

  bool operator==(const TopK&) const = default;
  void fields(auto& f) { f("axis", axis), f("largest", largest), f("sorted", sorted); }
};

}  // namespace tenon
