// Indices that are read from memory: what the references of ops that look elements up share.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/op.h"

namespace tenon {

// The elements of an integer source. Throws where one is an extent without a number, which nothing can be looked up by.
std::vector<int64_t> numbers(const Reference& n, int source);

// Element `element` of source `source` as an index into `size` elements, negative ones counted from the end.
// Throws Error(bad_input) where it lies outside [-size, size).
int64_t index_at(const Reference& n, int source, int64_t element, int64_t size);

}  // namespace tenon
