#include <algorithm>

#include "ops/concat.h"
#include "ops/reshape.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

bool fits(const Sweep& s, const Node& n, ValueId v) { return s.type(v) == s.type(n.outputs[0]); }

// Ops whose result is the same elements in the same order.
bool is_view(const Node& n) {
  return n.epilogue.empty() && (n.op == &ops::reshape || n.op == &ops::flatten || n.op == &ops::squeeze || n.op == &ops::unsqueeze);
}

// The target of a reshape that makes `shape`: numbers, and -1 for one symbol. No value where there are several symbols.
std::optional<std::vector<int64_t>> target_of(const Shape& shape) {
  std::vector<int64_t> target;
  for (Dim d : shape) {
    if (d == Dim(0)) return std::nullopt;
    target.push_back(d.known() ? d.number() : -1);
  }
  return std::count(target.begin(), target.end(), -1) <= 1 ? std::optional(target) : std::nullopt;
}

// A chain of views is one, that reads what the first read: the last, or where that needs its own source (a target may name sizes of it
// by 0), a reshape.
void merge_views(Sweep& s, Node& n) {
  ValueId src = n.inputs[0];
  for (const Node* inner = s.graph.producer(src); inner && is_view(*inner); inner = s.graph.producer(src)) src = inner->inputs[0];
  if (fits(s, n, src)) return s.replace(n.outputs[0], src);
  if (src == n.inputs[0]) return;
  if (const auto target = target_of(s.type(n.outputs[0]).shape)) return s.become(ops::reshape, Reshape{}, {src, s.graph.add_integers(*target)});
  const std::vector<Dim>* content = n.op == &ops::reshape ? s.graph.content(n.inputs[1]) : nullptr;
  if (content && std::find(content->begin(), content->end(), Dim(0)) == content->end()) s.set_input(n, 0, src);
}

// A transpose that only moves axes of one element is a reshape.
void transpose(Sweep& s, Node& n) {
  const Shape& shape = s.type(n.inputs[0]).shape;
  std::vector<int64_t> moved;
  for (int64_t p : permutation(n, shape.rank()))
    if (shape[static_cast<int>(p)] != Dim(1)) moved.push_back(p);
  const auto target = target_of(s.type(n.outputs[0]).shape);
  if (!target || !std::is_sorted(moved.begin(), moved.end())) return;
  s.become(ops::reshape, Reshape{}, {n.inputs[0], s.graph.add_integers(*target)});
}

void to_operand(Sweep& s, Node& n) {
  if (fits(s, n, n.inputs[0])) s.replace(n.outputs[0], n.inputs[0]);
}

// A concat of one is its source; a concat within a concat along the same axis is part of it.
void concat(Sweep& s, Node& n) {
  if (n.inputs.size() == 1) return to_operand(s, n);
  const int rank = s.type(n.outputs[0]).shape.rank();
  const auto axis_of = [&](const Node& c) { return (c.attributes.as<Concat>().axis + rank) % rank; };
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    const Node* inner = s.only(n.inputs[i], ops::concat);
    if (!inner || axis_of(*inner) != axis_of(n) || inner->inputs.size() + n.inputs.size() > 256) continue;
    std::vector<ValueId> all(n.inputs.begin(), n.inputs.begin() + static_cast<int64_t>(i));
    all.insert(all.end(), inner->inputs.begin(), inner->inputs.end());
    all.insert(all.end(), n.inputs.begin() + static_cast<int64_t>(i) + 1, n.inputs.end());
    return s.become(ops::concat, n.attributes, std::move(all));
  }
}

// Padding of zeros.
void pad(Sweep& s, Node& n) {
  if (const auto all = numbers(s.graph, n.inputs[1]); all && std::all_of(all->begin(), all->end(), [](double p) { return p == 0; })) to_operand(s, n);
}

// Only a slice that keeps every element, in order, has the shape of its source, unless it steps back.
void slice(Sweep& s, Node& n) {
  if (n.inputs.size() > 4 && n.inputs[4] != kNone) {
    const auto steps = numbers(s.graph, n.inputs[4]);
    if (!steps || std::any_of(steps->begin(), steps->end(), [](double x) { return x < 0; })) return;
  }
  to_operand(s, n);
}

void split(Sweep& s, Node& n) {
  if (n.outputs.size() == 1) to_operand(s, n);
}

using Rule = void (*)(Sweep&, Node&);

struct {
  const Op* op;
  Rule rule;
} constexpr kRules[] = {
    {&ops::identity, to_operand},   {&ops::expand, to_operand},   {&ops::tile, to_operand},
    {&ops::reshape, merge_views},   {&ops::flatten, merge_views}, {&ops::squeeze, merge_views},
    {&ops::unsqueeze, merge_views}, {&ops::concat, concat},       {&ops::pad, pad},
    {&ops::slice, slice},           {&ops::split, split},         {&ops::transpose, transpose},
};

}  // namespace

// Ops on shapes and places that change nothing, or that one op can say.
void simplify_shapes(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    if (!n.epilogue.empty()) return;
    for (const auto& [op, rule] : kRules)
      if (n.op == op) return rule(s, n);
  });
}

}  // namespace tenon
