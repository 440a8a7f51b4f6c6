#pragma once

namespace tenon {

// The upper (or lower) triangle of the matrices in the last two axes; the other elements become zero. Input 1 (s64, one element,
// optional) moves the diagonal: row i keeps the columns from i + k on (or up to it).
struct Trilu {
  bool upper = true;

  bool operator==(const Trilu&) const = default;
  void fields(auto& f) { f("upper", upper); }
};

}  // namespace tenon
