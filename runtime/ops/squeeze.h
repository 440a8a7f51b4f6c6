#pragma once

#include <cstdint>
#include <vector>

namespace tenon {

// src without the axes named, each of which has one element.
struct Squeeze {
  std::vector<int64_t> axes;

  bool operator==(const Squeeze&) const = default;
  void fields(auto& f) { f("axes", axes); }
};

// src with axes of one element put in; `axes` are their places in dst.
struct Unsqueeze {
  std::vector<int64_t> axes;

  bool operator==(const Unsqueeze&) const = default;
  void fields(auto& f) { f("axes", axes); }
};

}  // namespace tenon
