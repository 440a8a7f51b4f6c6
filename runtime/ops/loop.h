#pragma once

#include <cstdint>

namespace tenon {

// loop runs its body again and again. Sources: the most iterations (s64, one element; omitted: no end), whether to begin (bool, one
// element; omitted: yes), `carried` values, and what the body captures. The body takes the number of the iteration (s64), whether the
// loop goes on (bool), the carried values and what it captures; it gives whether to go on, the carried values, and the scan outputs.
// Destinations: the carried values as they end, and each scan output with the iterations as a new first axis.
struct Loop {
  int64_t carried = 0;
  bool operator==(const Loop&) const = default;
  void fields(auto& f) { f("carried", carried); }
};

}  // namespace tenon
