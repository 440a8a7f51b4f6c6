#pragma once

#include <cstdint>

namespace tenon {

// src as a matrix: the axes before `axis` become the rows, the others the columns.
struct Flatten {
  int64_t axis = 1;

  bool operator==(const Flatten&) const = default;
  void fields(auto& f) { f("axis", axis); }
};

}  // namespace tenon
