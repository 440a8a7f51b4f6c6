#include "ops/tree_ensemble.h"

#include <algorithm>
#include <cmath>

#include "ops/op.h"

namespace tenon {
namespace {

void expect_children(const Inference& n, const TreeEnsemble& a, const std::vector<int64_t>& children) {
  for (int64_t c : children) n.expect(c < a.nodes() && ~c < a.leaves(), "the roots and children of a tree ensemble are its nodes and leaves");
}

// Nodes are taken away once all their parents are; those of a cycle stay.
void expect_no_cycle(const Inference& n, const TreeEnsemble& a) {
  const size_t nodes = a.features.size();
  std::vector<int64_t> parents(nodes), open;
  for (const std::vector<int64_t>* side : {&a.yes, &a.no})
    for (int64_t c : *side)
      if (c >= 0) ++parents[static_cast<size_t>(c)];
  for (size_t i = 0; i < nodes; ++i)
    if (parents[i] == 0) open.push_back(static_cast<int64_t>(i));
  size_t taken = 0;
  for (; !open.empty(); ++taken) {
    const size_t node = static_cast<size_t>(open.back());
    open.pop_back();
    for (int64_t c : {a.yes[node], a.no[node]})
      if (c >= 0 && --parents[static_cast<size_t>(c)] == 0) open.push_back(c);
  }
  n.expect(taken == nodes, "the trees of a tree ensemble have no cycles");
}

void infer(Inference& n) {
  const auto& a = n.attributes<TreeEnsemble>();
  n.expect_inputs(3, 4);
  n.expect(is_real(n.dtype(0)) || is_integer(n.dtype(0)), "src of a tree ensemble holds numbers");
  n.expect_rank(0, 2);
  n.expect(a.targets >= 1 && a.targets <= INT32_MAX, "targets of a tree ensemble is at least 1 and below 2^31");
  const size_t nodes = a.features.size();
  n.expect(a.branches.size() == nodes && a.yes.size() == nodes && a.no.size() == nodes, "the lists of nodes of a tree ensemble have one length");
  n.expect(a.missing_is_yes.empty() || a.missing_is_yes.size() == nodes, "missing_is_yes has a number for each node");
  n.expect(!a.leaf_begins.empty() && a.leaf_begins.front() == 0 && std::is_sorted(a.leaf_begins.begin(), a.leaf_begins.end()) &&
               a.leaf_begins.back() == static_cast<int64_t>(a.weight_targets.size()),
           "leaf_begins divides the weights");
  for (int64_t b : a.branches) n.expect(b >= 0 && b <= static_cast<int64_t>(Branch::not_equal), "branches of a tree ensemble are 0 .. 5");
  for (int64_t t : a.weight_targets) n.expect(t >= 0 && t < a.targets, "the weights of a tree ensemble are for its targets");
  expect_children(n, a, a.roots);
  expect_children(n, a, a.yes);
  expect_children(n, a, a.no);
  expect_no_cycle(n, a);
  int64_t features = 0;
  for (int64_t f : a.features) {
    n.expect(f >= 0, "features of a tree ensemble are not negative");
    features = std::max(features, f + 1);
  }
  const Extent width = n.size(0, 1);
  if (width.known()) n.expect(features <= width.dim().number(), "src of a tree ensemble has the features that its nodes compare");
  else n.at_least(width, features, "features of src and those that the trees compare");
  n.expect(is_real(n.dtype(1)), "the splits of a tree ensemble are floating point");
  for (int i = 1; i < n.inputs(); ++i) {
    n.expect_same_dtype(1, i);
    n.expect_rank(i, 1);
  }
  n.equal(n.size(1, 0), a.nodes(), "splits and nodes");
  n.equal(n.size(2, 0), static_cast<int64_t>(a.weight_targets.size()), "weights and their targets");
  if (n.has(3)) n.equal(n.size(3, 0), a.targets, "base values and targets");
  n.result(n.dtype(1), {n.size(0, 0), a.targets});
}

void reference(Reference& n) {
  const auto& a = n.attributes<TreeEnsemble>();
  const Array &src = *n.in[0], &splits = *n.in[1], &weights = *n.in[2];
  for (int64_t row = 0; row < src.size(0); ++row) {
    std::vector<int64_t> votes(static_cast<size_t>(a.targets));
    const auto dst = [&](int64_t target) -> double& { return n.out[0].real(row * a.targets + target); };
    for (int64_t root : a.roots) {
      int64_t at = root;
      while (at >= 0) {
        const size_t node = static_cast<size_t>(at);
        const double x = rounded(splits.dtype, src.number(row * src.size(1) + a.features[node]));
        const bool missing = std::isnan(x) && !a.missing_is_yes.empty() && a.missing_is_yes[node];
        at = missing || TreeEnsemble::is_yes(a.branches[node], x, splits.real(at)) ? a.yes[node] : a.no[node];
      }
      for (int64_t w = a.leaf_begins[static_cast<size_t>(~at)]; w < a.leaf_begins[static_cast<size_t>(~at) + 1]; ++w) {
        const int64_t target = a.weight_targets[static_cast<size_t>(w)];
        double& sum = dst(target);
        const double v = weights.real(w);
        const bool first = votes[static_cast<size_t>(target)]++ == 0;
        if (a.aggregate == Aggregate::min) sum = first ? v : std::min(sum, v);
        else if (a.aggregate == Aggregate::max) sum = first ? v : std::max(sum, v);
        else sum += v;
      }
    }
    for (int64_t t = 0; t < a.targets; ++t) {
      if (a.aggregate == Aggregate::average && !a.roots.empty()) dst(t) /= static_cast<double>(a.roots.size());
      if (n.has(3)) dst(t) += n.in[3]->real(t);
    }
  }
}

}  // namespace
const Op ops::tree_ensemble{.name = "tree_ensemble",
                            .attributes = Attributes::make<TreeEnsemble>,
                            .infer = infer,
                            .reference = reference,
                            .exactness = {Exactness::relative, 1e-6}};
}  // namespace tenon
