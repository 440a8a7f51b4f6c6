#pragma once

#include <cstdint>
#include <vector>

namespace tenon {

// Axis i of dst is axis perm[i] of src. Empty: all axes in reverse.
struct Transpose {
  std::vector<int64_t> perm;

  bool operator==(const Transpose&) const = default;
  void fields(auto& f) { f("perm", perm); }
};

}  // namespace tenon
