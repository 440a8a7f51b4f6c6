// How passes walk and change a graph: once over the nodes in order, each seen with its inputs up to date.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "ops/op.h"

namespace tenon {

class Sweep {
 public:
  explicit Sweep(Graph& g);
  ~Sweep() { finish(); }
  Sweep(const Sweep&) = delete;

  // Calls visit(node) for every live node that stood in the graph at the start.
  template <class Visit>
  void run(Visit visit) {
    for (NodeId i = 0; i < count_; ++i) {
      if (graph.nodes[i].dead) continue;
      arrive(i);
      visit(graph.nodes[i]);
    }
    finish();
  }

  // Everything that reads `old`, a result of the node under the walk, reads `with` instead. Nodes that nothing reads any more die. An
  // output of the graph hands its name on, unless `with` is an input or another output.
  void replace(ValueId old, ValueId with);
  // Replaces the only result of the node under the walk by a new node's.
  void become(const Op& op, Attributes attributes, std::vector<ValueId> inputs);
  // A new node in front of the one under the walk, named after it.
  ValueId emit(const Op& op, Attributes attributes, std::vector<ValueId> inputs);
  std::vector<ValueId> emit(Node n);
  // Gives the node under the walk another input.
  void set_input(Node& n, size_t i, ValueId v);
  // The node under the walk goes, since its results have become constants.
  void drop(Node& n);
  // More is known of v than before: its readers are inferred again.
  void refine(ValueId v);

  // How many nodes and outputs of the graph read v.
  int uses(ValueId v) const { return static_cast<size_t>(v) < uses_.size() ? uses_[static_cast<size_t>(v)] : 0; }
  // The node that computes v, where it is `op` and has no epilogue; else null.
  const Node* producer(ValueId v, const Op& op) const;
  // The same, where nothing else reads v.
  const Node* only(ValueId v, const Op& op) const { return uses(v) == 1 ? producer(v, op) : nullptr; }
  const Type& type(ValueId v) const { return graph.value(v).type; }
  NodeId here() const { return at_; }

  Graph& graph;

 private:
  void arrive(NodeId n);
  void infer_again(NodeId n);
  ValueId current(ValueId v) const;
  void change_uses(ValueId v, int by);
  void release(ValueId v);
  void finish();

  Rewriter rewriter_;
  NodeId count_, at_ = 0;
  std::vector<int> uses_;
  std::vector<ValueId> forward_;
  std::vector<bool> refined_;
  bool finished_ = false;
};

// The value of all elements of a constant, when they are equal.
std::optional<double> number(const Graph& g, ValueId v);
// The elements of a constant of at most `most` elements.
std::optional<std::vector<double>> numbers(const Graph& g, ValueId v, int64_t most = 1 << 20);
// Elements of a shape of numbers.
int64_t count_of(const Shape& shape);
// A constant of numbers, of a real type.
ValueId add_reals(Graph& g, DType dtype, const Shape& shape, const std::vector<double>& values);
// The perm of a transpose of a value of `rank`, every axis named and counted from the front.
std::vector<int64_t> permutation(const Node& transpose, int rank);
// The operand of a node of two inputs that is not inputs[i].
inline ValueId other(const Node& n, int i) { return n.inputs[static_cast<size_t>(1 - i)]; }

}  // namespace tenon
