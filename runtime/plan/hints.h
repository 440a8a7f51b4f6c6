#pragma once

#include "plan/select.h"

namespace tenon {

// Adds a likely value for each symbol that `options` have none for, so that kernels are chosen for sizes that can be: one for a symbol
// that leads the first input it is seen in, as batches do, and for the others the least power of two that leaves the fewest values of the
// graph nearly empty.
void guess_hints(const Graph& g, PlanOptions& options);

}  // namespace tenon
