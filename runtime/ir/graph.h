// The graph: values and nodes, referred to by index. Nodes stand in topological order. A subgraph (of if, loop, scan) is a
// graph of its own whose inputs are handed in by its node, captured values included; it shares the extents of its parent.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/attributes.h"
#include "base/type.h"
#include "formats/weights.h"

namespace tenon {

struct Op;
struct Graph;

using ValueId = int32_t;
using NodeId = int32_t;
inline constexpr int32_t kNone = -1;  // an omitted input or output; the producer of an input or a constant

// Where the elements of a constant lie: plain storage of its type, row-major.
struct Constant {
  std::shared_ptr<const WeightSource> source;
  int64_t offset = 0, bytes = 0;
  std::shared_ptr<const std::vector<std::string>> strings;  // of string tensors, instead of a source

  // The elements where they lie, or null when the source must be read.
  const void* view() const;
};

struct Value {
  std::string name;
  Type type;
  NodeId producer = kNone;
  std::optional<Constant> constant;
  // The elements of an integer or bool value, when known as extents. Of constants: filled in when first asked for.
  std::shared_ptr<const std::vector<Dim>> content;
};

struct Node {
  const Op* op = nullptr;
  Attributes attributes;
  Program epilogue;  // its extra operands are the last inputs
  std::vector<ValueId> inputs, outputs;
  std::vector<std::shared_ptr<Graph>> subgraphs;
  std::string name;  // where it comes from, as errors say it: node "conv_3" (Conv, opset 13)
  bool dead = false;

  // Inputs that belong to the op itself.
  int own_inputs() const { return static_cast<int>(inputs.size()) - (epilogue.empty() ? 0 : epilogue.operands - 1); }
};

// What infer could neither prove nor refute; checked at every bind.
struct Guard {
  enum Kind : uint8_t { equal, broadcast, at_least } kind;  // broadcast: equal, or one of the two is 1; at_least: a >= b
  Dim a, b;
  std::string sentence, place;  // place: the name of the node that needs it
};

// Output `output` of one run is input `input` of the next.
struct Tie {
  int output, input;
  bool operator==(const Tie&) const = default;
};

struct Graph {
  std::string name;
  // Adding to them moves none: a reference to a value or node stays good while others are made.
  std::deque<Value> values;
  std::deque<Node> nodes;
  std::vector<ValueId> inputs, outputs;
  std::vector<Tie> ties;
  std::shared_ptr<Extents> extents;
  std::shared_ptr<std::vector<Guard>> guards;  // shared with subgraphs, as extents are

  Graph();
  // An empty subgraph of `parent`.
  explicit Graph(const Graph& parent, std::string name);

  ValueId add_value(Value v);
  ValueId add_input(std::string name, Type type);
  ValueId add_constant(std::string name, Type type, Constant constant);
  // A constant with memory of its own; `data` holds storage of the type, whose shape is known.
  ValueId add_constant(std::string name, Type type, const void* data);
  ValueId add_scalar(float value, DType dtype = DType::f32);
  ValueId add_integers(const std::vector<int64_t>& values);  // s64[n]

  const Value& value(ValueId v) const { return values[v]; }
  // The node that computes v, or null.
  const Node* producer(ValueId v) const { return v == kNone || values[v].producer == kNone ? nullptr : &nodes[values[v].producer]; }
  Node* producer(ValueId v) { return v == kNone || values[v].producer == kNone ? nullptr : &nodes[values[v].producer]; }
  bool is_constant(ValueId v) const { return v != kNone && values[v].constant.has_value(); }
  bool is_input(ValueId v) const;
  bool is_output(ValueId v) const;
  // Every reader of `old` (outputs of the graph included) reads `with` instead.
  void replace(ValueId old, ValueId with);
  // How many nodes and outputs read each value.
  std::vector<int> uses() const;

  // The elements of v as extents, when known: of shape values, and of integer constants of at most 4096 elements. Else null.
  const std::vector<Dim>* content(ValueId v);
};

// A copy that shares constants, with subgraphs copied too; extents and guards are shared with the original.
Graph clone(const Graph& g);

// Emits new nodes where a pass finds something to replace, keeping topological order: nodes emitted while node `at` is looked at
// stand before it once the rewriter has finished.
class Rewriter {
 public:
  explicit Rewriter(Graph& g) : graph_(g) {}
  ~Rewriter() { finish(); }
  Rewriter(const Rewriter&) = delete;

  void at(NodeId n) { at_ = n; }
  // Infers and appends; see emit in ops/op.h, which calls it.
  std::vector<ValueId> emit(const Op& op, Attributes attributes, std::vector<ValueId> inputs, int outputs = 1, std::string name = {});
  // The same for a whole node; its outputs say only which of them are wanted.
  std::vector<ValueId> emit(Node n);
  // Puts the emitted nodes into their places.
  void finish();
  Graph& graph() { return graph_; }

 private:
  Graph& graph_;
  NodeId at_ = 0;
  size_t first_ = SIZE_MAX;  // emitted nodes are nodes[first_ ...]
  std::vector<NodeId> places_;
};

// Keeps nodes for which `keep` holds and renumbers producers.
void compact(Graph& g);
// Puts nodes into the order given: order[i] is the old index of the new node i.
void reorder(Graph& g, const std::vector<NodeId>& order);

}  // namespace tenon
