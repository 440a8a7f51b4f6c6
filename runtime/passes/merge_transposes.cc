#include <algorithm>

#include "ops/transpose.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {

// transpose(transpose(x)) is one transpose, and a transpose that moves nothing is none.
void merge_transposes(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    if (n.op != &ops::transpose) return;
    std::vector<int64_t> perm = permutation(n, s.type(n.inputs[0]).shape.rank());
    if (const Node* inner = s.producer(n.inputs[0], ops::transpose)) {
      const std::vector<int64_t> first = permutation(*inner, static_cast<int>(perm.size()));
      for (int64_t& p : perm) p = first[static_cast<size_t>(p)];
      s.set_input(n, 0, inner->inputs[0]);
    }
    n.attributes = Transpose{perm};
    if (std::is_sorted(perm.begin(), perm.end())) s.replace(n.outputs[0], n.inputs[0]);
  });
}

}  // namespace tenon
