// What kernels must write: the reference, and for integer arithmetic its exact sums followed by the one scaling of base/requantise.h.
#pragma once

#include "harness/problem.h"

namespace tenon::harness {

struct Expected {
  std::vector<Array> out;  // as stored: a quantised result holds integers
  double range = 0;        // the largest magnitude that went into output 0, before its epilogue or after it
  bool exact = false;      // integer arithmetic: every bit is decided
};

// `stored[i]` holds the elements of source i as memory holds them.
Expected expected(const Graph& g, const Node& node, const std::vector<Array>& stored);

}  // namespace tenon::harness
