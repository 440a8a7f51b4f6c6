#pragma once

#include <cstdint>

namespace tenon {

// The different parts of src along `axis`, or (flat) its different elements, in ascending order or in that of their first appearance.
// Destinations: the parts, s64[parts] where each appears first, s64[size] which part each of src is, s64[parts] how often each appears.
// NaN is the greatest and equals itself.
struct Unique {
  bool flat = true, sorted = true;
  int64_t axis = 0;

  bool operator==(const Unique&) const = default;
  void fields(auto& f) { f("flat", flat), f("sorted", sorted), f("axis", axis); }
};

}  // namespace tenon
