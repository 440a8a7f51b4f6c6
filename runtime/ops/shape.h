#pragma once

#include <cstdint>

namespace tenon {

// The sizes of the axes [start, end) of src as s64; both count from the end where negative and are cut to the rank.
struct ShapeOf {
  int64_t start = 0, end = INT64_MAX;

  bool operator==(const ShapeOf&) const = default;
  void fields(auto& f) { f("start", start), f("end", end); }
};

}  // namespace tenon
