#pragma once

#include <cstdint>
#include <vector>

namespace tenon {

enum class Aggregate { average, sum, min, max };
inline constexpr const char* kAggregateNames[] = {"average", "sum", "min", "max"};
enum class Branch : int64_t { less_equal, less, greater_equal, greater, equal, not_equal };

// Decision trees: dst[n, target] = the aggregate, over all trees, of the weights for the target in the leaf that row n of src reaches,
// plus base[target]. Average divides by the number of trees; min and max of no weight are 0.
// Sources: src [n, features] of numbers, splits [nodes] and weights [weights], base [targets] (optional), of one floating-point type
// in which src is compared and dst is given.
// A child that is not negative is a node, any other is leaf ~child; the weights of leaf l are leaf_begins[l] .. leaf_begins[l + 1].
// Trees have no cycles; several nodes may share a child.
struct TreeEnsemble {
  int64_t targets = 1;
  Aggregate aggregate = Aggregate::sum;
  std::vector<int64_t> roots;           // a child for each tree
  std::vector<int64_t> features;        // of each node: which feature it compares with its split,
  std::vector<int64_t> branches;        // how (a Branch),
  std::vector<int64_t> yes, no;         // its children
  std::vector<int64_t> missing_is_yes;  // and whether NaN goes to `yes`; empty: it goes to `no`
  std::vector<int64_t> leaf_begins;
  std::vector<int64_t> weight_targets;  // of each weight

  bool operator==(const TreeEnsemble&) const = default;
  void fields(auto& f) {
    f("targets", targets), f("aggregate", aggregate, kAggregateNames), f("roots", roots), f("features", features), f("branches", branches),
        f("yes", yes), f("no", no), f("missing_is_yes", missing_is_yes), f("leaf_begins", leaf_begins), f("weight_targets", weight_targets);
  }
  // Whether a row whose feature is x goes to `yes`.
  template <class T>
  static bool is_yes(int64_t branch, T x, T split) {
    switch (static_cast<Branch>(branch)) {
      case Branch::less_equal: return x <= split;
      case Branch::less: return x < split;
      case Branch::greater_equal: return x >= split;
      case Branch::greater: return x > split;
      case Branch::equal: return x == split;
      case Branch::not_equal: return x != split;
    }
    return false;
  }
  int64_t nodes() const { return static_cast<int64_t>(features.size()); }
  int64_t leaves() const { return static_cast<int64_t>(leaf_begins.size()) - 1; }
};

}  // namespace tenon
