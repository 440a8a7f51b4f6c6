// Control flow, sequences, strings, trees, random numbers.
#include <map>

#include "formats/onnx/export.h"
#include "ops/control.h"
#include "ops/random.h"
#include "ops/sequence.h"
#include "ops/strings.h"
#include "ops/tree_ensemble.h"

namespace tenon::onnx {
namespace {

constexpr std::string_view kMl = "ai.onnx.ml";
constexpr std::string_view kNgrams[] = {"mode", "min_gram_length", "max_gram_length", "max_skip_count"}, kPattern[] = {"pattern"};

// The same operator under another name, with attributes of the same names.
#define SAME(op_, onnx)                                                    \
  {                                                                        \
    &ops::op_, [](const Export& n) { n.result(onnx, n.in(), n.fields()); } \
  }

void if_(const Export& n) { n.result("If", {n.in(0)}, {attribute("then_branch", n.body(0, 0, 1)), attribute("else_branch", n.body(1, 0, 1))}); }

void loop(const Export& n) {
  const auto carried = static_cast<size_t>(n.attributes<Loop>().carried);
  Names in;
  for (size_t i = 0; i < 2 + carried; ++i) in.push_back(n.in(static_cast<int>(i)));
  n.result("Loop", in, {attribute("body", n.body(0, 2 + carried, static_cast<int>(2 + carried)))});
}

AttributeView type_attribute(const Export& n, const Optional& a) {
  static_cast<void>(n);
  TypeView tensor;
  tensor.kind = TypeView::tensor;
  tensor.element = data_type_of(a.dtype);
  TypeView type = tensor;
  if (a.sequence) {
    type = {};
    type.kind = TypeView::sequence;
    type.inner.push_back(tensor);
  }
  AttributeView out;
  out.name = "type", out.type = AttributeView::kType;
  out.types.push_back(std::move(type));
  return out;
}

void optional(const Export& n) {
  if (n.has(0)) return n.result("Optional", n.in());
  n.result("Optional", {}, {type_attribute(n, n.attributes<Optional>())});
}

void concat_from_sequence(const Export& n) {
  const auto& a = n.attributes<ConcatFromSequence>();
  n.result("ConcatFromSequence", n.in(), {attribute("axis", a.axis), attribute("new_axis", int64_t{a.new_axis})});
}

void random(const Export& n) {
  const auto& a = n.attributes<Random>();
  const bool uniform = a.distribution == Distribution::uniform;
  std::vector<AttributeView> attributes{attribute("dtype", int64_t{data_type_of(a.dtype)}), attribute(uniform ? "low" : "mean", a.first),
                                        attribute(uniform ? "high" : "scale", a.second)};
  if (a.seeded) n.refuse("a seed gives the numbers of the program that draws them");
  n.result(uniform ? "RandomUniformLike" : "RandomNormalLike", {n.emit("ConstantOfShape", {n.in(0)})}, std::move(attributes));
}

void lookup(const Export& n) {
  n.result("LabelEncoder", {n.in(0)}, {n.tensor("keys_tensor", 1), n.tensor("values_tensor", 2), n.tensor("default_tensor", 3)}, kMl);
}

// The nodes of all trees, numbered within each tree, leaves among them.
struct Trees {
  std::vector<int64_t> trees, ids, features, yes, no, missing;
  std::vector<std::string_view> modes;
  std::vector<float> splits;
  std::vector<int64_t> weight_trees, weight_ids, targets;
  std::vector<float> weights;
};

Trees listed(const TreeEnsemble& a, const std::vector<double>& splits, const std::vector<double>& weights) {
  constexpr std::string_view kModes[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"};
  Trees t;
  for (size_t tree = 0; tree < a.roots.size(); ++tree) {
    std::map<int64_t, int64_t> ids{{a.roots[tree], 0}};
    std::vector<int64_t> children{a.roots[tree]};
    const auto id_of = [&](int64_t child) {
      const auto [at, fresh] = ids.emplace(child, static_cast<int64_t>(children.size()));
      if (fresh) children.push_back(child);
      return at->second;
    };
    for (size_t i = 0; i < children.size(); ++i) {
      const int64_t child = children[i];
      const bool is_leaf = child < 0;
      const auto node = static_cast<size_t>(is_leaf ? 0 : child), leaf = static_cast<size_t>(is_leaf ? ~child : 0);
      t.trees.push_back(static_cast<int64_t>(tree));
      t.ids.push_back(static_cast<int64_t>(i));
      t.features.push_back(is_leaf ? 0 : a.features[node]);
      t.modes.push_back(is_leaf ? "LEAF" : kModes[a.branches[node]]);
      t.splits.push_back(is_leaf ? 0 : static_cast<float>(splits[node]));
      t.yes.push_back(is_leaf ? 0 : id_of(a.yes[node]));
      t.no.push_back(is_leaf ? 0 : id_of(a.no[node]));
      t.missing.push_back(!is_leaf && !a.missing_is_yes.empty() ? a.missing_is_yes[node] : 0);
      for (int64_t w = is_leaf ? a.leaf_begins[leaf] : 0; is_leaf && w < a.leaf_begins[leaf + 1]; ++w) {
        t.weight_trees.push_back(static_cast<int64_t>(tree));
        t.weight_ids.push_back(static_cast<int64_t>(i));
        t.targets.push_back(a.weight_targets[static_cast<size_t>(w)]);
        t.weights.push_back(static_cast<float>(weights[static_cast<size_t>(w)]));
      }
    }
  }
  return t;
}

void tree_ensemble(const Export& n) {
  const auto& a = n.attributes<TreeEnsemble>();
  if (n.result_type().expressed() != DType::f32) n.refuse("trees whose results are not f32");
  constexpr std::string_view kAggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"};
  Trees t = listed(a, n.numbers(1), n.numbers(2));
  std::vector<AttributeView> attributes{attribute("nodes_treeids", std::move(t.trees)),
                                        attribute("nodes_nodeids", std::move(t.ids)),
                                        attribute("nodes_featureids", std::move(t.features)),
                                        attribute("nodes_modes", std::move(t.modes)),
                                        attribute("nodes_values", std::move(t.splits)),
                                        attribute("nodes_truenodeids", std::move(t.yes)),
                                        attribute("nodes_falsenodeids", std::move(t.no)),
                                        attribute("nodes_missing_value_tracks_true", std::move(t.missing)),
                                        attribute("target_treeids", std::move(t.weight_trees)),
                                        attribute("target_nodeids", std::move(t.weight_ids)),
                                        attribute("target_ids", std::move(t.targets)),
                                        attribute("target_weights", std::move(t.weights)),
                                        attribute("n_targets", a.targets),
                                        attribute("aggregate_function", kAggregates[static_cast<int>(a.aggregate)])};
  if (n.has(3)) {
    std::vector<float> base;
    for (double b : n.numbers(3)) base.push_back(static_cast<float>(b));
    attributes.push_back(attribute("base_values", std::move(base)));
  }
  n.result("TreeEnsembleRegressor", {n.in(0)}, std::move(attributes), kMl);
}

const ExportRow kRows[] = {
    {&ops::if_, if_},
    {&ops::loop, loop},
    SAME(sequence_construct, "SequenceConstruct"),
    SAME(sequence_empty, "SequenceEmpty"),
    SAME(sequence_at, "SequenceAt"),
    SAME(sequence_insert, "SequenceInsert"),
    SAME(sequence_erase, "SequenceErase"),
    SAME(sequence_length, "SequenceLength"),
    SAME(split_to_sequence, "SplitToSequence"),
    {&ops::concat_from_sequence, concat_from_sequence},
    {&ops::optional, optional},
    SAME(optional_has_element, "OptionalHasElement"),
    SAME(optional_get_element, "OptionalGetElement"),
    SAME(string_concat, "StringConcat"),
    {&ops::string_split, [](const Export& n) { n.result("StringSplit", n.in(), n.fields(), {}, 2); }},
    SAME(string_normalize, "StringNormalizer"),
    {&ops::ngrams, [](const Export& n) { n.result("TfIdfVectorizer", n.in(), n.fields(kNgrams)); }},
    {&ops::regex_match, [](const Export& n) { n.result("RegexFullMatch", n.in(), n.fields(kPattern)); }},
    {&ops::random, random},
    {&ops::lookup, lookup},
    {&ops::tree_ensemble, tree_ensemble},
};

}  // namespace

const ExportTable kOtherExports{kRows};

}  // namespace tenon::onnx
