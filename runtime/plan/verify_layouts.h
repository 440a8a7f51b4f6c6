// The check that every operand of a planned step lies in memory as its kernel reads it.
#pragma once

#include <string>
#include <vector>

#include "plan/select.h"

namespace tenon {

// The first operand of `g` whose layout is not the one that the selected kernel reads or writes, as a sentence; empty if there is none.
// Constants count as any other operand. `selections` has one entry for each node of g.
std::string layout_breach(const Graph& g, const std::vector<Selection>& selections);

}  // namespace tenon
