#include <algorithm>

#include "ops/control.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {

// What the branches of an if and the body of a loop capture: a constant becomes a constant of each, and what none reads is not handed in.
void trim_captures(Graph& g) {
  for (Node& n : g.nodes) {
    if (n.dead || (n.op != &ops::if_ && n.op != &ops::loop)) continue;
    const bool branches = n.op == &ops::if_;
    const size_t first = branches ? 1 : 2 + static_cast<size_t>(n.attributes.as<Loop>().carried), shift = branches ? 1 : 0;
    for (size_t i = n.inputs.size(); i-- > first;) {
      const ValueId captured = n.inputs[i];
      bool read = false;
      for (const auto& sub : n.subgraphs) {
        const ValueId inside = sub->inputs[i - shift];
        if (g.is_constant(captured)) {
          define_sizes(*g.extents, sub->values[inside].type, g.value(captured).type);
          sub->values[inside].constant = g.value(captured).constant;
          sub->values[inside].type = g.value(captured).type;
        } else {
          read |= sub->uses()[static_cast<size_t>(inside)] > 0;
        }
      }
      if (read) continue;
      n.inputs.erase(n.inputs.begin() + static_cast<int64_t>(i));
      for (const auto& sub : n.subgraphs) sub->inputs.erase(sub->inputs.begin() + static_cast<int64_t>(i - shift));
    }
  }
}

}  // namespace tenon
