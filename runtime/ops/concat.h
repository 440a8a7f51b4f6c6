#pragma once

#include <cstdint>

namespace tenon {

// The sources one after the other along `axis`; their other sizes are equal.
struct Concat {
  int64_t axis = 0;

  bool operator==(const Concat&) const = default;
  void fields(auto& f) { f("axis", axis); }
};

}  // namespace tenon
