#pragma once

#include <vector>

#include "base/attributes.h"

namespace tenon {

// A program of scalar functions over operands that broadcast.
struct Pointwise {
  Program program;

  bool operator==(const Pointwise&) const = default;
  void fields(auto&) {}  // printed as a program, by the printer of the graph
};

}  // namespace tenon
