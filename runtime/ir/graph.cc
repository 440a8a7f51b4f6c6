#include "ir/graph.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.h"

namespace tenon {
namespace {

constexpr int64_t kMostContent = 4096;

int64_t known_count(const Shape& shape) {
  int64_t n = 1;
  for (Dim d : shape) {
    TENON_ASSERT(d.known());
    n *= d.number();
  }
  return n;
}

}  // namespace

const void* Constant::view() const {
  static const std::string nothing;
  if (strings) return strings->empty() ? &nothing : strings->data();
  return source->view(offset, bytes);
}

Graph::Graph() : extents(std::make_shared<Extents>()), guards(std::make_shared<std::vector<Guard>>()) {}

Graph::Graph(const Graph& parent, std::string name) : name(std::move(name)), extents(parent.extents), guards(parent.guards) {}

ValueId Graph::add_value(Value v) {
  values.push_back(std::move(v));
  return static_cast<ValueId>(values.size() - 1);
}

ValueId Graph::add_input(std::string name, Type type) {
  Value v;
  v.name = std::move(name);
  v.type = std::move(type);
  const ValueId id = add_value(std::move(v));
  inputs.push_back(id);
  return id;
}

ValueId Graph::add_constant(std::string name, Type type, Constant constant) {
  Value v;
  v.name = std::move(name);
  v.type = std::move(type);
  v.constant = std::move(constant);
  return add_value(std::move(v));
}

ValueId Graph::add_constant(std::string name, Type type, const void* data) {
  const int64_t bytes = storage_bytes(type.dtype, known_count(type.shape));
  Constant c{make_memory_source(data, bytes), 0, bytes, nullptr};
  return add_constant(std::move(name), std::move(type), std::move(c));
}

ValueId Graph::add_scalar(float value, DType dtype) {
  char storage[16] = {};
  store_cell(dtype, storage, 0, cell_of(dtype, static_cast<double>(value)));
  return add_constant("", {dtype, {}, {}, nullptr}, storage);
}

ValueId Graph::add_integers(const std::vector<int64_t>& list) {
  return add_constant("", {DType::s64, {static_cast<int64_t>(list.size())}, {}, nullptr}, list.data());
}

bool Graph::is_input(ValueId v) const { return std::find(inputs.begin(), inputs.end(), v) != inputs.end(); }
bool Graph::is_output(ValueId v) const { return std::find(outputs.begin(), outputs.end(), v) != outputs.end(); }

void Graph::replace(ValueId old, ValueId with) {
  if (old == with) return;
  for (Node& n : nodes) std::replace(n.inputs.begin(), n.inputs.end(), old, with);
  if (is_output(old) && values[with].name.empty()) values[with].name = values[old].name;
  std::replace(outputs.begin(), outputs.end(), old, with);
}

std::vector<int> Graph::uses() const {
  std::vector<int> count(values.size());
  for (const Node& n : nodes)
    if (!n.dead)
      for (ValueId v : n.inputs)
        if (v != kNone) ++count[v];
  for (ValueId v : outputs) ++count[v];
  return count;
}

const std::vector<Dim>* Graph::content(ValueId id) {
  if (id == kNone) return nullptr;
  Value& v = values[id];
  if (v.content || !v.constant || v.type.quantisation) return v.content.get();
  const DType t = v.type.dtype;
  if (!is_integer(t) && t != DType::boolean) return nullptr;
  const int64_t n = known_count(v.type.shape);
  if (n > kMostContent) return nullptr;
  std::vector<char> copy;
  const void* data = v.constant->view();
  if (!data) {
    copy.resize(static_cast<size_t>(v.constant->bytes));
    v.constant->source->read(v.constant->offset, v.constant->bytes, copy.data());
    data = copy.data();
  }
  auto list = std::make_shared<std::vector<Dim>>();
  for (int64_t i = 0; i < n; ++i) {
    const Dim d(load_cell(t, data, i).integer);
    if (!d.known()) return nullptr;
    list->push_back(d);
  }
  v.content = std::move(list);
  return v.content.get();
}

Graph clone(const Graph& g) {
  Graph copy = g;
  for (Node& n : copy.nodes)
    for (auto& sub : n.subgraphs) sub = std::make_shared<Graph>(clone(*sub));
  return copy;
}

void reorder(Graph& g, const std::vector<NodeId>& order) {
  std::deque<Node> nodes;
  for (NodeId old : order) {
    for (ValueId v : g.nodes[old].outputs)
      if (v != kNone) g.values[v].producer = static_cast<NodeId>(nodes.size());
    nodes.push_back(std::move(g.nodes[old]));
  }
  g.nodes = std::move(nodes);
}

void compact(Graph& g) {
  std::vector<NodeId> order;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    if (!g.nodes[i].dead) order.push_back(static_cast<NodeId>(i));
    else
      for (ValueId v : g.nodes[i].outputs)
        if (v != kNone && g.values[v].producer == static_cast<NodeId>(i)) g.values[v].producer = kNone;
  }
  if (order.size() != g.nodes.size()) reorder(g, order);
}

void Rewriter::finish() {
  if (first_ == SIZE_MAX) return;
  std::vector<NodeId> order;
  order.reserve(graph_.nodes.size());
  size_t next = 0;
  for (size_t i = 0; i < first_; ++i) {
    for (; next < places_.size() && places_[next] <= static_cast<NodeId>(i); ++next) order.push_back(static_cast<NodeId>(first_ + next));
    order.push_back(static_cast<NodeId>(i));
  }
  for (; next < places_.size(); ++next) order.push_back(static_cast<NodeId>(first_ + next));
  reorder(graph_, order);
  first_ = SIZE_MAX;
  places_.clear();
}

}  // namespace tenon
