#pragma once

#include <vector>

#include "ops/op.h"

namespace tenon {

// Multiply-adds of a node: products that are summed, of conv, matmul and what is made of them; else 0. `values` are those of the rows of
// the graph's extents.
double multiply_adds(const Graph& g, const Node& n, const std::vector<int64_t>& values);

}  // namespace tenon
