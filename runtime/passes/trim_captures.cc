#include <algorithm>

#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {

// What the branches of an if capture: a constant becomes a constant of each branch, and what neither reads is not handed in.
void trim_captures(Graph& g) {
  for (Node& n : g.nodes) {
    if (n.dead || n.op != &ops::if_) continue;
    for (size_t i = n.inputs.size() - 1; i >= 1; --i) {
      const ValueId captured = n.inputs[i];
      bool read = false;
      for (const auto& sub : n.subgraphs) {
        const ValueId inside = sub->inputs[i - 1];
        if (g.is_constant(captured)) sub->values[inside].constant = g.value(captured).constant, sub->values[inside].type = g.value(captured).type;
        else read |= sub->uses()[static_cast<size_t>(inside)] > 0;
      }
      if (read) continue;
      n.inputs.erase(n.inputs.begin() + static_cast<int64_t>(i));
      for (const auto& sub : n.subgraphs) sub->inputs.erase(sub->inputs.begin() + static_cast<int64_t>(i - 1));
    }
  }
}

}  // namespace tenon
