#pragma once

#include <cstdint>
#include <vector>

namespace tenon {

// src without the axes named, each of which has one element. Sources: src, axes (s64, optional; instead of the attribute, where they are
// not known before the model runs).
struct Squeeze {
  std::vector<int64_t> axes;

  bool operator==(const Squeeze&) const = default;
  void fields(auto& f) { f("axes", axes); }
};

// src with axes of one element put in; `axes` are their places in dst. Sources as those of squeeze.
struct Unsqueeze {
  std::vector<int64_t> axes;

  bool operator==(const Unsqueeze&) const = default;
  void fields(auto& f) { f("axes", axes); }
};

}  // namespace tenon
