// Decision trees of ai.onnx.ml.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "formats/onnx/post_transform.h"
#include "ops/reduce.h"
#include "ops/reshape.h"
#include "ops/tree_ensemble.h"

namespace tenon::onnx {
namespace {

// What the operators of all versions come to.
struct Trees {
  TreeEnsemble attributes;
  std::vector<double> splits, weights, base;
};

// Emits the ensemble in `dtype`; scores [rows, targets].
ValueId emit_trees(const Import& n, const Trees& t, DType dtype) {
  const auto list = [&](const std::vector<double>& elements) { return add_constant(n, {static_cast<int64_t>(elements.size())}, elements, dtype); };
  std::vector<ValueId> in{input(n, 0), list(t.splits), list(t.weights)};
  if (!t.base.empty()) in.push_back(list(t.base));
  return n.emit("tree_ensemble", t.attributes, in);
}

// The type in which features are compared: that of the tensors, which are there for doubles, or that of the features.
DType arithmetic(const Import& n, bool tensors) { return tensors || n.element(0) == DType::f64 ? DType::f64 : DType::f32; }

// A list given as floats or as a tensor of doubles.
std::vector<double> numbers(const Import& n, const std::string& name, bool& tensors) {
  const std::vector<float> floats = n.reals(name);
  if (n.opset < 3) return {floats.begin(), floats.end()};
  const std::optional<Array> tensor = tensor_attribute(n, name + "_as_tensor");
  if (!tensor) return {floats.begin(), floats.end()};
  expect(floats.empty(), name + " is given once");
  tensors = true;
  std::vector<double> out;
  for (int64_t i = 0; i < tensor->count(); ++i) out.push_back(tensor->number(i));
  return out;
}

// The nodes of the operators of versions 1 to 3: lists in which a tree and a node number name each node.
class NodeLists {
 public:
  explicit NodeLists(const Import& n, bool& tensors)
      : trees_(n.integers("nodes_treeids")),
        ids_(n.integers("nodes_nodeids")),
        features_(n.integers("nodes_featureids")),
        yes_(n.integers("nodes_truenodeids")),
        no_(n.integers("nodes_falsenodeids")),
        missing_(n.integers("nodes_missing_value_tracks_true")),
        modes_(n.texts("nodes_modes")),
        values_(numbers(n, "nodes_values", tensors)) {
    n.ignore("nodes_hitrates");
    n.ignore("nodes_hitrates_as_tensor");
    const size_t count = ids_.size();
    expect(trees_.size() == count && features_.size() == count && yes_.size() == count && no_.size() == count && modes_.size() == count &&
               values_.size() == count,
           "the lists of nodes have one length");
    expect(missing_.empty() || missing_.size() == count, "nodes_missing_value_tracks_true has a number for each node");
    for (size_t i = 0; i < count; ++i)
      expect(places_.emplace(std::pair(trees_[i], ids_[i]), i).second, "each node of a tree has a number of its own");
    number();
    find_roots();
  }

  // Nodes, children and roots of the op; leaves are numbered in the order of the lists.
  void fill(Trees& t) const {
    TreeEnsemble& a = t.attributes;
    for (size_t i = 0; i < ids_.size(); ++i) {
      if (is_leaf(i)) continue;
      a.features.push_back(features_[i]);
      a.branches.push_back(branch(modes_[i]));
      a.yes.push_back(child(i, yes_[i]));
      a.no.push_back(child(i, no_[i]));
      if (!missing_.empty()) a.missing_is_yes.push_back(missing_[i] != 0);
      t.splits.push_back(values_[i]);
    }
    for (size_t root : roots_) a.roots.push_back(numbers_[root]);
  }
  size_t leaves() const { return static_cast<size_t>(std::count(modes_.begin(), modes_.end(), "LEAF")); }
  // The leaf that a weight belongs to, or -1 when it is no leaf.
  int64_t leaf(int64_t tree, int64_t id) const {
    const auto at = places_.find({tree, id});
    expect(at != places_.end(), "each weight belongs to a node");
    return is_leaf(at->second) ? ~numbers_[at->second] : -1;
  }

 private:
  bool is_leaf(size_t i) const { return modes_[i] == "LEAF"; }
  static int64_t branch(const std::string& mode) {
    constexpr const char* kModes[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"};
    for (int64_t i = 0; i < 6; ++i)
      if (mode == kModes[i]) return i;
    throw Error(Code::bad_model,
                "mode " + printable(mode) + " of a node is none of BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, BRANCH_GT, BRANCH_EQ, BRANCH_NEQ, LEAF");
  }
  void number() {
    int64_t node = 0, leaf = 0;
    for (size_t i = 0; i < ids_.size(); ++i) numbers_.push_back(is_leaf(i) ? ~leaf++ : node++);
  }
  int64_t child(size_t parent, int64_t id) const {
    const auto at = places_.find({trees_[parent], id});
    expect(at != places_.end(), "the children of a node are nodes of its tree");
    return numbers_[at->second];
  }
  // The root of a tree is no node's child.
  void find_roots() {
    std::vector<bool> is_child(ids_.size());
    for (size_t i = 0; i < ids_.size(); ++i)
      for (int64_t id : {yes_[i], no_[i]})
        if (const auto at = places_.find({trees_[i], id}); !is_leaf(i) && at != places_.end()) is_child[at->second] = true;
    std::set<int64_t> seen;
    for (size_t i = 0; i < ids_.size(); ++i) {
      if (is_child[i]) continue;
      expect(seen.insert(trees_[i]).second, "each tree has one root");
      roots_.push_back(i);
    }
    for (int64_t tree : trees_) expect(seen.contains(tree), "each tree has a root");
  }

  std::vector<int64_t> trees_, ids_, features_, yes_, no_, missing_;
  std::vector<std::string> modes_;
  std::vector<double> values_;
  std::map<std::pair<int64_t, int64_t>, size_t> places_;
  std::vector<int64_t> numbers_;  // of each list entry: its node or ~leaf
  std::vector<size_t> roots_;
};

// The lists <prefix>_treeids, _nodeids, _ids and _weights: each entry is a weight that a leaf has for a target.
void read_weights(const Import& n, const std::string& prefix, const NodeLists& nodes, Trees& t, bool& tensors) {
  const std::vector<int64_t> trees = n.integers(prefix + "_treeids"), ids = n.integers(prefix + "_nodeids"), targets = n.integers(prefix + "_ids");
  const std::vector<double> weights = numbers(n, prefix + "_weights", tensors);
  expect(trees.size() == ids.size() && targets.size() == ids.size() && weights.size() == ids.size(), "the lists of weights have one length");
  std::vector<std::vector<size_t>> of_leaf(nodes.leaves());
  for (size_t i = 0; i < ids.size(); ++i) {
    expect(targets[i] >= 0 && targets[i] < t.attributes.targets, "the targets of weights lie within those of the ensemble");
    if (const int64_t leaf = nodes.leaf(trees[i], ids[i]); leaf >= 0) of_leaf[static_cast<size_t>(leaf)].push_back(i);
  }
  t.attributes.leaf_begins = {0};
  for (const std::vector<size_t>& entries : of_leaf) {
    for (size_t i : entries) {
      t.attributes.weight_targets.push_back(targets[i]);
      t.weights.push_back(weights[i]);
    }
    t.attributes.leaf_begins.push_back(static_cast<int64_t>(t.weights.size()));
  }
}

Values regressor(const Import& n) {
  Trees t;
  bool tensors = false;
  t.attributes.targets = n.integer("n_targets", 1);
  const std::string aggregate = n.text("aggregate_function", "SUM");
  constexpr const char* kAggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"};
  const auto found = std::find(std::begin(kAggregates), std::end(kAggregates), aggregate);
  expect(found != std::end(kAggregates), "aggregate_function is AVERAGE, SUM, MIN or MAX");
  t.attributes.aggregate = static_cast<Aggregate>(found - std::begin(kAggregates));
  const PostTransform transform = post_transform(n);
  const NodeLists nodes(n, tensors);
  nodes.fill(t);
  read_weights(n, "target", nodes, t, tensors);
  t.base = numbers(n, "base_values", tensors);
  const DType dtype = arithmetic(n, tensors);
  return cast(n, transformed(n, transform, emit_trees(n, t, dtype), dtype), DType::f32);
}

// Two classes of which only the first has weights, which speak for the second: one score s says both. Where no weight is negative, s is a
// probability: the label is that of the second class from 0.5 on, else from 0 on, whatever is made of the scores then.
Values binary(const Import& n, Trees& t, const Labels& labels, PostTransform transform, DType dtype) {
  t.attributes.targets = 1;
  if (t.base.size() == 2) t.base = {t.base[1]};
  const bool probability = std::all_of(t.weights.begin(), t.weights.end(), [](double w) { return w >= 0; });
  const Formula f{n, dtype};
  const ValueId score = emit_trees(n, t, dtype);
  const ValueId above = f("greater", {score, f.number(probability ? 0.5 : 0)});
  const ValueId place = cast(n, n.emit("reshape", Reshape{}, {above, n.constant({-1})}), DType::s64);
  const OtherScore other = probability ? OtherScore::rest : OtherScore::negated;
  const ValueId both = two_scores(n, transform, other, score, dtype);
  return Values(std::vector<ValueId>{labels_at(n, labels, place), cast(n, both, DType::f32)});
}

Values classifier(const Import& n) {
  Trees t;
  bool tensors = false;
  const Labels labels = read_labels(n, "classlabels_int64s");
  if (labels.count == 1) n.refuse("a classifier of one class");
  t.attributes.targets = labels.count;
  const PostTransform transform = post_transform(n);
  const NodeLists nodes(n, tensors);
  nodes.fill(t);
  read_weights(n, "class", nodes, t, tensors);
  t.base = numbers(n, "base_values", tensors);
  const DType dtype = arithmetic(n, tensors);
  const std::vector<int64_t>& scored = t.attributes.weight_targets;
  if (labels.count == 2 && std::all_of(scored.begin(), scored.end(), [](int64_t c) { return c == 0; })) return binary(n, t, labels, transform, dtype);
  const ValueId scores = emit_trees(n, t, dtype);
  const ValueId best = n.emit("arg_max", Arg{.axis = 1, .keepdims = false}, {scores});
  return Values(std::vector<ValueId>{labels_at(n, labels, best), cast(n, transformed(n, transform, scores, dtype), DType::f32)});
}

// The sets of values that nodes of mode BRANCH_MEMBER test, each ended by NaN (the last one need not be).
std::vector<std::vector<double>> read_members(const Import& n) {
  std::vector<std::vector<double>> sets;
  const std::optional<Array> tensor = tensor_attribute(n, "membership_values");
  bool open = false;
  for (int64_t i = 0; tensor && i < tensor->count(); ++i) {
    if (!open) sets.emplace_back();
    open = !std::isnan(tensor->number(i));
    if (open) sets.back().push_back(tensor->number(i));
  }
  return sets;
}

// A node that tests for members of a set becomes one node a member.
void unroll_members(Trees& t, const std::vector<std::vector<double>>& sets) {
  TreeEnsemble& a = t.attributes;
  constexpr int64_t kMember = 6;
  size_t set = 0;
  for (size_t i = 0, count = a.features.size(); i < count; ++i) {
    if (a.branches[i] != kMember) continue;
    expect(set < sets.size(), "membership_values has a set for each node that tests members");
    const std::vector<double>& members = sets[set++];
    const int64_t otherwise = a.no[i];
    size_t at = i;
    a.branches[at] = static_cast<int64_t>(Branch::equal);
    t.splits[at] = members.empty() ? NAN : members[0];
    for (size_t k = 1; k < members.size(); ++k) {
      a.no[at] = static_cast<int64_t>(a.features.size());
      at = a.features.size();
      a.features.push_back(a.features[i]);
      a.branches.push_back(static_cast<int64_t>(Branch::equal));
      a.yes.push_back(a.yes[i]);
      a.no.push_back(otherwise);
      if (!a.missing_is_yes.empty()) a.missing_is_yes.push_back(a.missing_is_yes[i]);
      t.splits.push_back(members[k]);
    }
  }
  expect(set == sets.size(), "membership_values has a set for each node that tests members");
}

// Version 5: nodes and leaves refer to each other by place.
Values ensemble(const Import& n) {
  Trees t;
  TreeEnsemble& a = t.attributes;
  a.targets = n.integer("n_targets", 1);
  const int64_t aggregate = n.integer("aggregate_function", 1), transform = n.integer("post_transform", 0);
  expect(aggregate >= 0 && aggregate <= 3, "aggregate_function is 0 .. 3");
  expect(transform >= 0 && transform <= 4, "post_transform is 0 .. 4");
  a.aggregate = static_cast<Aggregate>(aggregate);
  a.features = n.integers("nodes_featureids"), a.roots = n.integers("tree_roots"), a.missing_is_yes = n.integers("nodes_missing_value_tracks_true");
  a.weight_targets = n.integers("leaf_targetids");
  n.ignore("nodes_hitrates");
  const std::vector<int64_t> yes = n.integers("nodes_truenodeids"), no = n.integers("nodes_falsenodeids");
  const std::vector<int64_t> yes_leaf = n.integers("nodes_trueleafs"), no_leaf = n.integers("nodes_falseleafs");
  const std::optional<Array> modes = tensor_attribute(n, "nodes_modes"), splits = tensor_attribute(n, "nodes_splits"),
                             weights = tensor_attribute(n, "leaf_weights");
  const size_t count = a.features.size();
  expect(modes && splits && weights, "nodes_modes, nodes_splits and leaf_weights are given");
  const auto length = [](const Array& list) { return static_cast<size_t>(list.count()); };
  expect(yes.size() == count && no.size() == count && yes_leaf.size() == count && no_leaf.size() == count && length(*modes) == count &&
             length(*splits) == count,
         "the lists of nodes have one length");
  expect(!modes->is_real(), "nodes_modes holds integers");
  expect(length(*weights) == a.weight_targets.size(), "the lists of leaves have one length");
  expect(a.missing_is_yes.empty() || a.missing_is_yes.size() == count, "nodes_missing_value_tracks_true has a number for each node");
  for (const auto& list : {yes, no, a.roots})
    for (int64_t v : list) expect(v >= 0, "places of nodes and leaves are not negative");
  for (size_t i = 0; i < count; ++i) {
    a.yes.push_back(yes_leaf[i] ? ~yes[i] : yes[i]);
    a.no.push_back(no_leaf[i] ? ~no[i] : no[i]);
    a.branches.push_back(modes->integer(static_cast<int64_t>(i)));
    t.splits.push_back(splits->number(static_cast<int64_t>(i)));
  }
  for (int64_t i = 0; i < weights->count(); ++i) t.weights.push_back(weights->number(i));
  for (size_t i = 0; i <= t.weights.size(); ++i) a.leaf_begins.push_back(static_cast<int64_t>(i));
  unroll_members(t, read_members(n));
  const DType dtype = n.element(0);
  return transformed(n, static_cast<PostTransform>(transform), emit_trees(n, t, dtype), dtype);
}

constexpr std::string_view kDomain = "ai.onnx.ml";

constexpr ImportRow kRows[] = {
    {"TreeEnsembleRegressor", regressor, 1, kDomain},
    {"TreeEnsembleClassifier", classifier, 1, kDomain},
    {"TreeEnsemble", ensemble, 5, kDomain},
};

}  // namespace

extern const ImportTable kMlRows{kRows};

}  // namespace tenon::onnx
