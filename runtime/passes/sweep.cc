#include "passes/sweep.h"

#include <algorithm>
#include <cmath>

#include "ops/transpose.h"

namespace tenon {

Sweep::Sweep(Graph& g) : graph(g), rewriter_(g), count_(static_cast<NodeId>(g.nodes.size())), uses_(g.uses()) {}

ValueId Sweep::current(ValueId v) const {
  while (v != kNone && static_cast<size_t>(v) < forward_.size() && forward_[static_cast<size_t>(v)] != kNone) v = forward_[static_cast<size_t>(v)];
  return v;
}

void Sweep::arrive(NodeId n) {
  at_ = n;
  rewriter_.at(n);
  bool again = false;
  for (ValueId& v : graph.nodes[n].inputs) {
    v = current(v);
    again |= v != kNone && static_cast<size_t>(v) < refined_.size() && refined_[static_cast<size_t>(v)];
  }
  if (again) infer_again(n);
}

void Sweep::infer_again(NodeId id) {
  if (!tenon::infer_again(graph, id)) return;
  for (ValueId v : graph.nodes[id].outputs)
    if (v != kNone) refine(v);
}

void Sweep::refine(ValueId v) {
  if (refined_.size() <= static_cast<size_t>(v)) refined_.resize(graph.values.size());
  refined_[static_cast<size_t>(v)] = true;
}

void Sweep::drop(Node& n) {
  n.dead = true;
  for (ValueId v : n.inputs)
    if (v != kNone) release(v);
}

void Sweep::change_uses(ValueId v, int by) {
  if (v == kNone) return;
  if (uses_.size() < graph.values.size()) uses_.resize(graph.values.size());
  uses_[static_cast<size_t>(v)] += by;
}

// One reader of v is gone; a node whose results nothing reads goes too. `waiting` in place of recursion: chains may be long.
void Sweep::release(ValueId v) {
  std::vector<ValueId> waiting{v};
  while (!waiting.empty()) {
    const ValueId last = current(waiting.back());
    waiting.pop_back();
    if (last == kNone) continue;
    change_uses(last, -1);
    Node* n = graph.producer(last);
    if (!n || n->dead || std::any_of(n->outputs.begin(), n->outputs.end(), [&](ValueId o) { return o != kNone && uses(o) > 0; })) continue;
    n->dead = true;
    waiting.insert(waiting.end(), n->inputs.begin(), n->inputs.end());
  }
}

void Sweep::replace(ValueId old, ValueId with) {
  if (old == with) return;
  if (forward_.size() <= static_cast<size_t>(old)) forward_.resize(static_cast<size_t>(old) + 1, kNone);
  const int moved = uses(old);
  const bool output = graph.is_output(old);
  change_uses(with, moved + 1);  // one more until the old node has let go of what it reads
  change_uses(old, 1 - moved);
  if (output && !graph.is_input(with) && !graph.is_output(with)) graph.values[with].name = graph.values[old].name;
  release(old);
  forward_[static_cast<size_t>(old)] = with;
  if (!(type(old) == type(with))) {
    define_sizes(*graph.extents, type(old), type(with));
    refine(with);
  }
  change_uses(with, -1);
}

ValueId Sweep::emit(const Op& op, Attributes attributes, std::vector<ValueId> inputs) {
  for (ValueId v : inputs) change_uses(v, 1);
  return rewriter_.emit(op, std::move(attributes), std::move(inputs))[0];
}

std::vector<ValueId> Sweep::emit(Node n) {
  for (ValueId v : n.inputs) change_uses(v, 1);
  return rewriter_.emit(std::move(n));
}

void Sweep::become(const Op& op, Attributes attributes, std::vector<ValueId> inputs) {
  const ValueId old = graph.nodes[at_].outputs[0];
  replace(old, emit(op, std::move(attributes), std::move(inputs)));
}

void Sweep::set_input(Node& n, size_t i, ValueId v) {
  const ValueId old = n.inputs[i];
  change_uses(v, 1);
  n.inputs[i] = v;
  if (old != kNone) release(old);
}

const Node* Sweep::producer(ValueId v, const Op& op) const {
  const Node* n = v == kNone ? nullptr : std::as_const(graph).producer(v);
  return n && n->op == &op && n->epilogue.empty() ? n : nullptr;
}

void Sweep::finish() {
  if (std::exchange(finished_, true)) return;
  rewriter_.finish();
  for (Node& n : graph.nodes)
    for (ValueId& v : n.inputs) v = current(v);
  for (ValueId& v : graph.outputs) v = current(v);
  compact(graph);
}

int64_t count_of(const Shape& shape) {
  int64_t n = 1;
  for (Dim d : shape) n *= d.number();
  return n;
}

std::optional<std::vector<double>> numbers(const Graph& g, ValueId v, int64_t most) {
  if (!g.is_constant(v)) return std::nullopt;
  const Value& c = g.value(v);
  if (c.type.quantisation || c.constant->strings || is_complex(c.type.dtype) || count_of(c.type.shape) > most) return std::nullopt;
  const Array a = array_of(c);
  std::vector<double> out;
  for (int64_t i = 0; i < a.count(); ++i) out.push_back(a.number(i));
  return out;
}

std::optional<double> number(const Graph& g, ValueId v) {
  const auto all = numbers(g, v, 4096);
  if (!all || all->empty()) return std::nullopt;
  for (double x : *all)
    if (x != all->front() && !(std::isnan(x) && std::isnan(all->front()))) return std::nullopt;
  return all->front();
}

std::vector<int64_t> permutation(const Node& transpose, int rank) {
  std::vector<int64_t> perm = transpose.attributes.as<Transpose>().perm;
  for (int i = rank; perm.size() < static_cast<size_t>(rank);) perm.push_back(--i);
  for (int64_t& p : perm) p = from_front(p, rank);
  return perm;
}

ValueId add_reals(Graph& g, DType dtype, const Shape& shape, const std::vector<double>& values) {
  std::vector<char> storage(static_cast<size_t>(storage_bytes(dtype, static_cast<int64_t>(values.size()))));
  for (size_t i = 0; i < values.size(); ++i) store_cell(dtype, storage.data(), static_cast<int64_t>(i), Cell{.real = values[i]});
  return g.add_constant("", {dtype, shape, {}, nullptr}, storage.data());
}

}  // namespace tenon
