#pragma once

namespace tenon {

// The elements of src in a new shape (input 1, s64). -1 stands for what is left over; 0 for the size of src on that axis, unless
// `allowzero`.
struct Reshape {
  bool allowzero = false;

  bool operator==(const Reshape&) const = default;
  void fields(auto& f) { f("allowzero", allowzero); }
};

}  // namespace tenon
