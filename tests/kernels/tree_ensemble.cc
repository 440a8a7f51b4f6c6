#include "ops/tree_ensemble.h"

#include "harness/problem.h"

namespace tenon {
namespace {

// A root with two nodes below it, or a leaf alone, for each tree.
TEST(TreeEnsembleKernels, agree) {
  sweep([](int64_t n, Random& r) {
    TreeEnsemble a;
    a.targets = r.in(1, 5);
    a.aggregate = r.pick({Aggregate::average, Aggregate::sum, Aggregate::min, Aggregate::max});
    const int64_t width = r.in(1, 9), branch = r.in(0, 5);
    const bool missing = r.chance(0.5);
    int64_t leaves = 0;
    const auto node = [&](int64_t yes, int64_t no) {
      a.features.push_back(r.in(0, width - 1)), a.branches.push_back(r.chance(0.8) ? branch : r.in(0, 5));
      a.yes.push_back(yes), a.no.push_back(no);
      if (missing) a.missing_is_yes.push_back(r.in(0, 1));
      return a.nodes() - 1;
    };
    a.leaf_begins = {0};
    const auto leaf = [&] {
      for (int64_t i = r.in(0, 3); i > 0; --i) a.weight_targets.push_back(r.in(0, a.targets - 1));
      a.leaf_begins.push_back(static_cast<int64_t>(a.weight_targets.size()));
      return ~leaves++;
    };
    for (int64_t t = r.in(1, 6); t > 0; --t) {
      if (r.chance(0.2)) {
        a.roots.push_back(leaf());
        continue;
      }
      const int64_t left = node(leaf(), leaf());
      a.roots.push_back(node(left, r.chance(0.5) ? leaf() : node(leaf(), left)));
    }
    const int64_t nodes = a.nodes(), weights = static_cast<int64_t>(a.weight_targets.size());
    const int64_t targets = a.targets;
    std::vector<Source> sources{f32({n, width}, -1, 1), constant(f32({nodes}, -1, 1)), constant(f32({weights}, 0.5, 2))};
    if (r.chance(0.5)) sources.push_back(constant(f32({targets}, 0.5, 2)));
    check("tree_ensemble", std::move(a), std::move(sources));
  });
  expect_every_kernel("tree_ensemble");
}

}  // namespace
}  // namespace tenon
