#pragma once

#include <cstdint>

namespace tenon {

// softmax: dst = exp(src - max) / sum(exp(src - max)) along one axis. log_softmax: its logarithm. hardmax: 1 for the first largest
// element, 0 for the others.
struct Softmax {
  int64_t axis = -1;

  bool operator==(const Softmax&) const = default;
  void fields(auto& f) { f("axis", axis); }
};

}  // namespace tenon
