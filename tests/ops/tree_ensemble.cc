// Decision trees, and the ways in which a stranger's trees are none.
#include "ops/tree_ensemble.h"

#include "ops/arrays.h"

namespace tenon {
namespace {

// x0 <= 1 ? leaf 0 : (x1 > 2 ? leaf 1 : leaf 2); leaf 0 votes 10 for target 0, leaf 1 votes 20 for 0 and 1 for 1, leaf 2 votes nothing.
TreeEnsemble tree() {
  TreeEnsemble a;
  a.targets = 2;
  a.roots = {0};
  a.features = {0, 1};
  a.branches = {static_cast<int64_t>(Branch::less_equal), static_cast<int64_t>(Branch::greater)};
  a.yes = {~0, ~1};
  a.no = {1, ~2};
  a.leaf_begins = {0, 1, 3, 3};
  a.weight_targets = {0, 0, 1};
  return a;
}

std::vector<Array> inputs() { return {reals({3, 2}, {1, 0, 2, 3, 2, 2}), reals({2}, {1, 2}), reals({3}, {10, 20, 1})}; }

TEST(TreeEnsemble, adds_the_votes_of_leaves) {
  expect_reals(run(ops::tree_ensemble, tree(), inputs())[0], {3, 2}, {10, 0, 20, 1, 0, 0});
  std::vector<Array> with_base = inputs();
  with_base.push_back(reals({2}, {100, 200}));
  expect_reals(run(ops::tree_ensemble, tree(), with_base)[0], {3, 2}, {110, 200, 120, 201, 100, 200});
}

TEST(TreeEnsemble, aggregates_over_trees) {
  TreeEnsemble a = tree();
  a.roots = {0, 1, ~0};
  const auto row = [&](Aggregate aggregate) {
    a.aggregate = aggregate;
    return run(ops::tree_ensemble, a, {reals({1, 2}, {1, 3}), reals({2}, {1, 2}), reals({3}, {10, 20, 1})})[0];
  };
  expect_reals(row(Aggregate::sum), {1, 2}, {40, 1});
  expect_reals(row(Aggregate::average), {1, 2}, {40. / 3, 1. / 3});
  expect_reals(row(Aggregate::min), {1, 2}, {10, 1});
  expect_reals(row(Aggregate::max), {1, 2}, {20, 1});
}

TEST(TreeEnsemble, missing_values_go_where_the_node_says) {
  TreeEnsemble a = tree();
  const std::vector<Array> in{reals({1, 2}, {NAN, 3}), reals({2}, {1, 2}), reals({3}, {10, 20, 1})};
  expect_reals(run(ops::tree_ensemble, a, in)[0], {1, 2}, {20, 1});
  a.missing_is_yes = {1, 0};
  expect_reals(run(ops::tree_ensemble, a, in)[0], {1, 2}, {10, 0});
}

TEST(TreeEnsemble, refuses_what_is_no_tree) {
  const auto expect_refused = [](const char* words, const auto& change) {
    TreeEnsemble a = tree();
    change(a);
    expect_error(Code::bad_model, words, [&] { run(ops::tree_ensemble, a, inputs()); });
  };
  expect_refused("no cycles", [](TreeEnsemble& a) { a.no = {1, 0}; });
  expect_refused("no cycles", [](TreeEnsemble& a) { a.yes = {0, ~1}; });
  expect_refused("are its nodes and leaves", [](TreeEnsemble& a) { a.no = {1, 2}; });
  expect_refused("are its nodes and leaves", [](TreeEnsemble& a) { a.no = {1, ~3}; });
  expect_refused("are its nodes and leaves", [](TreeEnsemble& a) { a.roots = {INT64_MIN}; });
  expect_refused("one length", [](TreeEnsemble& a) { a.yes = {~0}; });
  expect_refused("missing_is_yes", [](TreeEnsemble& a) { a.missing_is_yes = {1}; });
  expect_refused("divides the weights", [](TreeEnsemble& a) { a.leaf_begins = {0, 3, 1, 3}; });
  expect_refused("divides the weights", [](TreeEnsemble& a) { a.leaf_begins = {0, 1, 2}; });
  expect_refused("are for its targets", [](TreeEnsemble& a) { a.weight_targets = {0, 2, 1}; });
  expect_refused("branches", [](TreeEnsemble& a) { a.branches = {6, 0}; });
  expect_refused("features that its nodes compare", [](TreeEnsemble& a) { a.features = {0, 2}; });
  expect_refused("not negative", [](TreeEnsemble& a) { a.features = {-1, 0}; });
  expect_refused("targets of a tree ensemble", [](TreeEnsemble& a) { a.targets = 0; });
  expect_error(Code::bad_model, "splits and nodes", [] { run(ops::tree_ensemble, tree(), {inputs()[0], reals({1}, {1}), inputs()[2]}); });
}

}  // namespace
}  // namespace tenon
