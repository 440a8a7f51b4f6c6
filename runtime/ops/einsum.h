#pragma once

#include <string>

namespace tenon {

// dst[output labels] = sum over all other labels of the product of the sources, each indexed by its own labels: "bij,bjk->bik".
// Letters are labels; "..." stands for axes that broadcast, as many as a source has besides its letters. Without "->" the result has the
// axes of "...", then the letters that occur once, in alphabetical order.
struct Einsum {
  std::string equation;

  bool operator==(const Einsum&) const = default;
  void fields(auto& f) { f("equation", equation); }
};

}  // namespace tenon
