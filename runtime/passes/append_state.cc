#include <algorithm>

#include "ops/concat.h"
#include "ops/control.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

size_t result_index(const Node& n, ValueId v) { return static_cast<size_t>(std::find(n.outputs.begin(), n.outputs.end(), v) - n.outputs.begin()); }

// The input of a branch of n that is v outside; kNone for no value and for one that n does not capture.
ValueId captured(const Node& n, const Graph& branch, ValueId v) {
  const auto at = std::find(n.inputs.begin() + 1, n.inputs.end(), v);
  return v == kNone || at == n.inputs.end() ? kNone : branch.inputs[static_cast<size_t>(at - n.inputs.begin()) - 1];
}

// Whether a value of g becomes another by appending to it: the axis, or -1. In the branches of an if at least one appends; the others
// may make the value anew where nothing reads the old one.
class Appending {
 public:
  explicit Appending(const Type& old) : old_(old) {}

  bool found(const Graph& g, ValueId from, ValueId to) { return look(g, from, to) && axis_ >= 0; }
  int axis() const { return axis_; }

 private:
  bool look(const Graph& g, ValueId from, ValueId to) {
    const Node* n = g.producer(to);
    if (std::count(g.outputs.begin(), g.outputs.end(), to) != 1 || !fits(g.value(to).type)) return false;
    if (n && n->op == &ops::concat && from != kNone && n->inputs[0] == from) return concat(g, *n, from);
    if (n && n->op == &ops::if_) return branches(g, *n, from, to);
    return inner_ && (from == kNone || g.uses()[static_cast<size_t>(from)] == 0) && !g.is_input(to) && !g.is_constant(to);
  }

  bool concat(const Graph& g, const Node& n, ValueId from) {
    const int64_t axis = n.attributes.as<Concat>().axis, rank = g.value(from).type.shape.rank();
    const int along = static_cast<int>(from_front(axis, rank));
    if (n.inputs.size() < 2 || std::count(n.inputs.begin(), n.inputs.end(), from) != 1 || (axis_ >= 0 && axis_ != along)) return false;
    axis_ = along;
    return true;
  }

  bool branches(const Graph& g, const Node& n, ValueId from, ValueId to) {
    const size_t k = result_index(n, to);
    // A branch that makes the value anew writes over what others would read.
    if (from != kNone && (g.uses()[static_cast<size_t>(from)] != 1 || captured(n, *n.subgraphs[0], from) == kNone)) return false;
    inner_ = true;
    return std::all_of(n.subgraphs.begin(), n.subgraphs.end(), [&](const auto& sub) { return look(*sub, captured(n, *sub, from), sub->outputs[k]); });
  }

  bool fits(const Type& t) const {
    return t.dtype == old_.dtype && t.shape.rank() == old_.shape.rank() && !t.quantisation && !old_.quantisation && t.container == Container::tensor;
  }

  const Type& old_;
  int axis_ = -1;
  bool inner_ = false;
};

bool same_but_for(const Shape& a, const Shape& b, int axis) {
  for (int i = 0; i < a.rank(); ++i)
    if (i != axis && a[i] != b[i]) return false;
  return true;
}

// Every value of the chain from output to input has sizes that are the same but for the axis.
bool even(const Graph& g, ValueId to, const Shape& shape, int axis) {
  if (!same_but_for(g.value(to).type.shape, shape, axis)) return false;
  const Node* n = g.producer(to);
  if (!n || n->op != &ops::if_) return true;
  const size_t k = result_index(*n, to);
  return std::all_of(n->subgraphs.begin(), n->subgraphs.end(), [&](const auto& sub) { return even(*sub, sub->outputs[k], shape, axis); });
}

// A symbol that the model does not have.
Dim fresh_symbol(Extents& e, std::string name) {
  for (int32_t row = 0; row < e.rows(); ++row)
    if (e.is_symbol(row) && e.symbol_name(row) == name) return fresh_symbol(e, name + "_");
  return e.symbol(name);
}

void set_room(Graph& g, ValueId v, int axis, Dim capacity) {
  Type& t = g.values[v].type;
  t.layout.room = t.shape;
  t.layout.room[axis] = capacity;
}

void append(Graph& g, ValueId from, ValueId& output, int axis, Dim capacity) {
  if (from != kNone) set_room(g, from, axis, capacity);
  Node* n = g.producer(output);
  if (n && n->op == &ops::if_) {
    const size_t k = result_index(*n, output);
    for (const auto& sub : n->subgraphs) append(*sub, captured(*n, *sub, from), sub->outputs[k], axis, capacity);
  } else if (n && n->op == &ops::concat && from != kNone && n->inputs[0] == from) {
    n->op = &ops::append;
  } else {
    // Made anew: copied to where it belongs.
    const ValueId made = output;
    output = emit(g, ops::concat, Concat{axis}, {made})[0];
    g.values[output].name = g.values[made].name;
  }
  set_room(g, output, axis, capacity);
}

}  // namespace

// An output that is an input of the next run with something appended to it: both get room for more in the same memory, `capacity` along
// that axis, and concat becomes append, which writes only what is new.
void append_state(Graph& g) {
  std::vector<std::pair<std::pair<Dim, Dim>, Dim>> capacities;  // by the sizes before and after: one for all layers of a model
  for (const Tie& t : g.ties) {
    const ValueId from = g.inputs[static_cast<size_t>(t.input)];
    ValueId& to = g.outputs[static_cast<size_t>(t.output)];
    const bool shared = std::count_if(g.ties.begin(), g.ties.end(), [&](const Tie& o) { return o.output == t.output; }) != 1;
    Appending a(g.value(from).type);
    if (shared || g.is_output(from) || g.value(to).type.layout.room.rank() || !a.found(g, from, to)) continue;
    if (!even(g, to, g.value(from).type.shape, a.axis())) continue;
    const auto sizes = std::make_pair(g.value(from).type.shape[a.axis()], g.value(to).type.shape[a.axis()]);
    const auto known = std::find_if(capacities.begin(), capacities.end(), [&](const auto& c) { return c.first == sizes; });
    const Dim capacity = known != capacities.end() ? known->second : fresh_symbol(*g.extents, "capacity");
    if (known == capacities.end()) capacities.emplace_back(sizes, capacity);
    append(g, from, to, a.axis(), capacity);
  }
}

}  // namespace tenon
