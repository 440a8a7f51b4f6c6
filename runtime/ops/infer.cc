#include <algorithm>

#include "base/wipe.h"
#include "ops/op.h"

namespace tenon {
namespace {

constexpr int64_t kMostContent = 4096;

std::string said(std::string_view what, const std::string& numbers) { return std::string(what) + ": " + numbers; }

bool content_type(const Type& t) { return (is_integer(t.dtype) || t.dtype == DType::boolean) && !t.quantisation && t.container == Container::tensor; }

int64_t small_count(const Shape& shape) {
  int64_t n = 1;
  for (Dim d : shape) {
    if (!d.known() || d.number() > kMostContent) return -1;
    n *= d.number();
    if (n > kMostContent) return -1;
  }
  return n;
}

Array array_of(const std::vector<Dim>& content, const Type& type) {
  std::vector<int64_t> shape;
  for (Dim d : type.shape) shape.push_back(d.number());
  Array a(type.dtype, shape);
  for (size_t i = 0; i < content.size(); ++i) a.cells[i].integer = content[i].bits;
  return a;
}

// Refuses what the reference of the op would misread: a container has no elements of its own, a string no cell, a complex number two.
void expect_taken(const Graph& g, const Node& node) {
  const Op& op = *node.op;
  const uint8_t takes = static_cast<uint8_t>(op.takes | (op.moves ? kStrings | kComplex : 0));
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNone) continue;
    const Type& t = g.values[node.inputs[i]].type;
    const auto refuse = [&](const char* what) {
      throw Error(Code::bad_model, "input " + std::to_string(i) + " of " + std::string(op.name) + " is " + what);
    };
    if (t.container != Container::tensor && !(takes & kContainers)) refuse("a sequence or an optional, expected a tensor");
    if (t.dtype == DType::string && !(takes & kStrings)) refuse("a tensor of strings, expected numbers or bool");
    if (is_complex(t.dtype) && !(takes & kComplex)) refuse("a tensor of complex numbers, expected real numbers or bool");
  }
}

// Runs the reference on extents, for ops that move elements and scalar functions; leaves contents empty where it cannot.
void infer_contents(Graph& g, const Node& node, Inference& n) {
  if (!(node.op->moves || node.op->function != kNoFunction) || !node.epilogue.empty() || !node.subgraphs.empty()) return;
  for (const Type& t : n.types)
    if (!content_type(t) || small_count(t.shape) < 0) return;
  std::vector<Array> arrays(node.inputs.size());
  Reference r;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId v = node.inputs[i];
    if (v == kNone) {
      r.in.push_back(nullptr);
      continue;
    }
    const std::vector<Dim>* content = g.content(v);
    if (!content || small_count(g.values[v].type.shape) != static_cast<int64_t>(content->size())) return;
    arrays[i] = array_of(*content, g.values[v].type);
    r.in.push_back(&arrays[i]);
  }
  for (const Type& t : n.types) r.out.push_back(array_of({}, t));
  r.node = &node;
  r.extents = g.extents.get();
  try {
    node.op->reference(r);
  } catch (const Error&) { return; }
  n.contents.clear();
  for (const Array& a : r.out) {
    auto list = std::make_shared<std::vector<Dim>>();
    for (const Cell& c : a.cells) list->push_back(Dim(c.integer));
    n.contents.push_back(std::move(list));
  }
}

}  // namespace

const Type& Inference::type(int i) const {
  if (!has(i)) throw Error(Code::bad_model, "input " + std::to_string(i) + " is missing");
  return graph_.values[node_.inputs[i]].type;
}

Extent Inference::size(int i, int axis) const {
  const Shape& s = shape(i);
  const int a = from_front(axis, s.rank());
  if (a < 0 || a >= s.rank())
    throw Error(Code::bad_model,
                "input " + std::to_string(i) + " has rank " + std::to_string(s.rank()) + ", too low for axis " + std::to_string(axis));
  return extent(s[a]);
}

const std::vector<Dim>& Inference::content(int i) {
  type(i);
  const std::vector<Dim>* c = graph_.content(node_.inputs[i]);
  if (!c) throw Error(Code::not_supported, "input " + std::to_string(i) + " is not known from shapes or constants");
  return *c;
}

std::optional<std::vector<double>> Inference::reals(int i) const {
  if (!has(i)) return std::nullopt;
  const Value& v = graph_.values[node_.inputs[i]];
  const int64_t n = small_count(v.type.shape);
  if (!v.constant || v.constant->strings || n < 0) return std::nullopt;
  std::vector<char> copy(static_cast<size_t>(v.constant->bytes));
  const WipeAtEnd wipe(copy);
  v.constant->source->read(v.constant->offset, v.constant->bytes, copy.data());
  const bool real = tenon::is_real(v.type.dtype);
  std::vector<double> out;
  for (int64_t k = 0; k < n; ++k) {
    const Cell c = load_cell(v.type.dtype, copy.data(), k);
    out.push_back(real ? c.real : static_cast<double>(c.integer));
  }
  return out;
}

void Inference::expect(bool holds, std::string_view what) const {
  if (!holds) throw Error(Code::bad_model, std::string(what) + ", which does not hold here");
}

void Inference::expect_inputs(int least, int most) const {
  if (inputs() < least || inputs() > most)
    throw Error(Code::bad_model,
                std::to_string(inputs()) + " inputs, " + std::to_string(least) + (least == most ? "" : " to " + std::to_string(most)) + " expected");
  for (int i = 0; i < least; ++i) type(i);
}

void Inference::expect_rank(int i, int wanted) const {
  if (rank(i) != wanted)
    throw Error(Code::bad_model, said("rank of input " + std::to_string(i), std::to_string(rank(i)) + " is not " + std::to_string(wanted)));
}

void Inference::expect_integers(int i) const {
  if (!is_integer(dtype(i)))
    throw Error(Code::bad_model, "input " + std::to_string(i) + " is " + std::string(name(dtype(i))) + ", expected integers");
}

void Inference::expect_same_dtype(int a, int b) const {
  if (dtype(a) != dtype(b))
    throw Error(Code::bad_model, said("element types of inputs " + std::to_string(a) + " and " + std::to_string(b),
                                      std::string(name(dtype(a))) + " is not " + std::string(name(dtype(b)))));
}

void Inference::equal(Extent a, Extent b, std::string_view what) {
  if (a.dim() == b.dim()) return;
  if (graph_.extents->differ(a, b)) throw Error(Code::bad_model, said(what, graph_.extents->text(a) + " is not " + graph_.extents->text(b)));
  guard(Guard::equal, a, b, what);
}

void Inference::at_least(Extent a, Extent b, std::string_view what) { guard(Guard::at_least, a, b, what); }

void Inference::guard(Guard::Kind kind, Dim a, Dim b, std::string_view what) {
  graph_.guards->push_back({kind, a, b, std::string(what), node_.name});
}

int Inference::axis(int64_t axis, int rank) const {
  if (axis < -rank || axis >= rank) throw Error(Code::bad_model, "axis " + std::to_string(axis) + " is outside a rank of " + std::to_string(rank));
  return static_cast<int>(from_front(axis, rank));
}

std::vector<int> Inference::axes(const std::vector<int64_t>& list, int rank) const {
  std::vector<int> out;
  for (int64_t a : list) out.push_back(axis(a, rank));
  std::vector<int> sorted = out;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) throw Error(Code::bad_model, "an axis is named twice");
  return out;
}

Shape Inference::broadcast(const Shape& a, const Shape& b) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Shape out = longer;
  const int skip = longer.rank() - shorter.rank();
  for (int i = 0; i < shorter.rank(); ++i) {
    const Dim x = longer[skip + i], y = shorter[i];
    Extents& e = *graph_.extents;
    out[skip + i] = e.broadcast(x, y);
    if (x == y || x == Dim(1) || y == Dim(1)) continue;
    const Interval p = e.range(x), q = e.range(y);
    if (e.differ(x, y) && (p.low > 1 || p.high < 1) && (q.low > 1 || q.high < 1))
      throw Error(Code::bad_model, "shapes " + text(a, e) + " and " + text(b, e) + " do not broadcast: " + e.text(x) + " is not " + e.text(y));
    guard(Guard::broadcast, x, y, "sizes that broadcast on axis " + std::to_string(skip + i));
  }
  return out;
}

Type Inference::joined(const Type& a, const Type& b) { return tenon::joined(*graph_.extents, a, b); }

Type joined(Extents& extents, const Type& a, const Type& b) {
  if (a.items == Items::none || b.items == Items::any) return b;
  if (b.items == Items::none || a.items == Items::any) return a;
  Type t = a;
  if (a.shape.rank() != b.shape.rank()) {
    t.items = Items::any;
    t.shape = {};
    return t;
  }
  for (int i = 0; i < t.shape.rank(); ++i)
    if (a.shape[i] != b.shape[i]) t.shape[i] = extents.data(-1);
  return t;
}

Extent Inference::count(const Shape& shape) const {
  Extent n(1);
  for (Dim d : shape) n = n * extent(d);
  return n;
}

void Inference::result(DType dtype, const Shape& shape) {
  Type t;
  t.dtype = dtype;
  t.shape = shape;
  result(std::move(t));
}

void Inference::result(Type type) {
  for (Dim d : type.shape) {
    if (d.known() && d.number() < 0) throw Error(Code::bad_model, "the result would have a size of " + std::to_string(d.number()));
    graph_.extents->is_size(d);
  }
  types.push_back(std::move(type));
  contents.emplace_back();
}

void Inference::result(DType dtype, const Shape& shape, std::vector<Dim> content) {
  result(dtype, shape);
  if (static_cast<int64_t>(content.size()) <= kMostContent) contents.back() = std::make_shared<std::vector<Dim>>(std::move(content));
}

std::string place_of(const Node& n) { return n.name.empty() ? std::string(n.op->name) : n.name; }

void infer(Graph& g, NodeId id) {
  const Node& node = g.nodes[id];
  Inference n(g, node);
  within([&] { return place_of(node); },
         [&] {
           expect_taken(g, node);
           node.op->infer(n);
           if (n.types.size() < node.outputs.size())
             throw Error(Code::not_supported, "output " + std::to_string(n.types.size()) + " of " + std::string(node.op->name) + " does not exist");
           if (std::all_of(n.contents.begin(), n.contents.end(), [](const auto& c) { return !c; })) infer_contents(g, node, n);
         });
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == kNone) continue;
    Value& v = g.values[node.outputs[i]];
    v.type = std::move(n.types[i]);
    v.content = std::move(n.contents[i]);
    v.producer = id;
  }
}

void define_sizes(Extents& e, const Type& before, const Type& now) {
  if (before.container != Container::tensor || now.container != Container::tensor || before.shape.rank() != now.shape.rank()) return;
  for (int i = 0; i < now.shape.rank(); ++i) {
    const Dim old = before.shape[i];
    if (!old.known() && e.is_data(old.row()) && old != now.shape[i]) e.define(old.row(), now.shape[i]);
  }
}

namespace {

// Run-time sizes that inferring again made anew, with the same bound, are those that there were.
void keep_names(Extents& e, const Type& before, const Type& now) {
  if (before.container != Container::tensor || before.shape.rank() != now.shape.rank()) return;
  Renaming renamed(e);
  for (int i = 0; i < now.shape.rank(); ++i) {
    const Dim old = before.shape[i], made = now.shape[i];
    if (old.known() || made.known() || old == made || !e.is_data(old.row()) || !e.is_data(made.row())) continue;
    if (old.row() < made.row() && renamed(e.bound(old.row())) == e.bound(made.row())) e.define(made.row(), old);
  }
}

void rename(Extents& e, Value& v) {
  Renaming renamed(e);
  for (int i = 0; i < v.type.shape.rank(); ++i) v.type.shape[i] = renamed(v.type.shape[i]);
  if (!v.content) return;
  auto content = std::make_shared<std::vector<Dim>>(*v.content);
  for (Dim& d : *content) d = renamed(d);
  v.content = std::move(content);
}

bool same_content(const Value& a, const Value& b) {
  if (!a.content || !b.content) return !a.content && !b.content;
  return *a.content == *b.content;
}

}  // namespace

bool infer_again(Graph& g, NodeId id) {
  std::vector<Value> before;
  for (ValueId v : g.nodes[id].outputs) before.push_back(v == kNone ? Value{} : g.values[v]);
  infer(g, id);
  Extents& e = *g.extents;
  const Node& n = g.nodes[id];
  for (size_t i = 0; i < n.outputs.size(); ++i)
    if (n.outputs[i] != kNone) keep_names(e, before[i].type, g.values[n.outputs[i]].type);
  bool changed = false;
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    if (n.outputs[i] == kNone) continue;
    Value& now = g.values[n.outputs[i]];
    if (e.has_definitions()) rename(e, now);
    // Inference tells the shape; how a result is stored has been decided since.
    const Type& old = before[i].type;
    if (old.quantisation && !now.type.quantisation) now.type.dtype = old.dtype, now.type.quantisation = old.quantisation;
    define_sizes(e, old, now.type);
    changed |= !(now.type == old) || !same_content(now, before[i]);
  }
  return changed;
}

namespace {

std::vector<ValueId> append(Graph& g, Node n) {
  for (ValueId& v : n.outputs) v = v == kNone ? kNone : g.add_value({});
  const std::vector<ValueId> out = n.outputs;
  g.nodes.push_back(std::move(n));
  infer(g, static_cast<NodeId>(g.nodes.size() - 1));
  return out;
}

}  // namespace

std::vector<ValueId> emit(Graph& g, const Op& op, Attributes attributes, std::vector<ValueId> inputs, int outputs, std::string name,
                          std::vector<std::shared_ptr<Graph>> subgraphs) {
  Node n;
  n.op = &op;
  n.attributes = std::move(attributes);
  n.inputs = std::move(inputs);
  n.outputs.assign(static_cast<size_t>(outputs), 0);
  n.name = std::move(name);
  n.subgraphs = std::move(subgraphs);
  return append(g, std::move(n));
}

std::vector<ValueId> Rewriter::emit(Node n) {
  if (first_ == SIZE_MAX) first_ = graph_.nodes.size();
  if (n.name.empty() && at_ < static_cast<NodeId>(first_)) n.name = graph_.nodes[at_].name;
  places_.push_back(at_);
  return append(graph_, std::move(n));
}

std::vector<ValueId> Rewriter::emit(const Op& op, Attributes attributes, std::vector<ValueId> inputs, int outputs, std::string name) {
  Node n;
  n.op = &op;
  n.attributes = std::move(attributes);
  n.inputs = std::move(inputs);
  n.outputs.assign(static_cast<size_t>(outputs), 0);
  n.name = std::move(name);
  return emit(std::move(n));
}

std::vector<Type> infer_concrete(const Node& node, const std::vector<Type>& inputs,
                                 const std::vector<std::vector<Dim>>& contents, const Graph& sizes,
                                 const std::vector<const void*>& reals) {
  Graph g(sizes, "");
  Node copy = node;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNone) continue;
    Value v;
    v.type = inputs[i];
    if (i < contents.size() && (!contents[i].empty() || small_count(v.type.shape) == 0)) {
      auto list = std::make_shared<std::vector<Dim>>(contents[i]);
      // Numbers from an input are numbers, even where rows have the same bits; any size so low is refused, any bound means the beginning.
      for (Dim& d : *list) d = std::max(d.bits, Dim::kLeastNumber);
      v.content = std::move(list);
    }
    if (i < reals.size() && reals[i]) {
      const int64_t bytes = storage_bytes(v.type.dtype, small_count(v.type.shape));
      v.constant = Constant{make_view_source(reals[i], bytes), 0, bytes, nullptr};
    }
    copy.inputs[i] = g.add_value(std::move(v));
  }
  Inference n(g, copy);
  within([&] { return place_of(node); },
         [&] {
           expect_taken(g, copy);
           node.op->infer(n);
         });
  return n.types;
}

}  // namespace tenon
