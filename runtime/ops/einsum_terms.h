// The equation of einsum, read: what its op and its import share.
#pragma once

#include <string_view>
#include <vector>

namespace tenon {

// The labels of each axis: a letter, or of the axes of "..." -1 for the last, -2 for the one before it.
struct EinsumTerms {
  std::vector<std::vector<int>> sources;
  std::vector<int> result;
};

// Throws Error(bad_model) when the equation has no meaning for sources of these ranks.
EinsumTerms parse_einsum(std::string_view equation, const std::vector<int>& ranks);

}  // namespace tenon
