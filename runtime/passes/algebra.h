// Arithmetic as what it means: the spellings of an expression that exporters have are one polynomial.
#pragma once

#include <map>
#include <vector>

#include "passes/sweep.h"

namespace tenon {

// A value that is not taken apart, or one over it.
struct Leaf {
  ValueId value;
  bool inverse = false;
  auto operator<=>(const Leaf&) const = default;
};

// A sum of products of leaves with factors: the sorted leaves of each product, and its factor.
class Polynomial {
 public:
  using Leaves = std::vector<Leaf>;
  std::map<Leaves, double> terms;

  double factor(const Leaves& leaves) const;
  // Whether it is factor * product of the leaves, and nothing else.
  bool is(double factor, Leaves leaves) const;
  // It divided by a leaf that every product has; nothing where one lacks it.
  Polynomial over(const Leaf& leaf) const;
};

// The value of v over values that are not taken apart: results of ops other than sums, differences, products, quotients, negations and
// reciprocals, of another type than v, or that something else reads too (v itself may be read by anyone).
Polynomial polynomial(const Sweep& s, ValueId v);

// x, a and b of v = a * x + b, where one value makes it up.
struct Affine {
  ValueId x;
  double a, b;
};
std::optional<Affine> affine(const Sweep& s, ValueId v);

// Equal as far as files of that type spell constants: 1.4142 is the root of 2 in half precision.
bool close(double a, double b, DType type);

}  // namespace tenon
