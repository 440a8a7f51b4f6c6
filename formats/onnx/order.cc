#include "formats/onnx/order.h"

#include <algorithm>
#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"

namespace tenon::onnx {
namespace {

// Calls f with each name that the node reads: of its subgraphs those that they do not give
// themselves.
void each_read(const NodeView& n, const std::function<void(std::string_view)>& f) {
  for (std::string_view name : n.inputs)
    if (!name.empty()) f(name);
  for (const AttributeView& a : n.attributes)
    for (const GraphView& g : a.graphs) {
      std::unordered_set<std::string_view> own;
      for (const ValueInfoView& v : g.inputs) own.insert(v.name);
      for (const TensorView& t : g.initializers) own.insert(t.name);
      for (const SparseTensorView& t : g.sparse_initializers) own.insert(t.values.name);
      for (const NodeView& inner : g.nodes) own.insert(inner.outputs.begin(), inner.outputs.end());
      const auto outer = [&](std::string_view name) {
        if (!own.count(name)) f(name);
      };
      for (const NodeView& inner : g.nodes) each_read(inner, outer);
      for (const ValueInfoView& v : g.outputs) outer(v.name);
    }
}

std::string said(const NodeView& n) {
  std::string name(n.name.empty() && !n.outputs.empty() ? n.outputs[0] : n.name);
  return "\"" + printable(name) + "\" (" + printable(n.op) + ")";
}

class Order {
 public:
  explicit Order(std::span<const NodeView> nodes) : nodes_(nodes), state_(nodes.size(), fresh) {
    for (size_t i = 0; i < nodes.size(); ++i)
      for (std::string_view name : nodes[i].outputs)
        if (!name.empty()) givers_.emplace(name, i);
  }

  std::vector<const NodeView*> run() {
    for (size_t i = 0; i < nodes_.size(); ++i)
      if (state_[i] == fresh) visit(i);
    return std::move(out_);
  }

 private:
  struct Open {
    size_t node;
    std::vector<size_t> needs;
    size_t next = 0;
  };

  void open(size_t node) {
    state_[node] = opened;
    Open o{node, {}};
    each_read(nodes_[node], [&](std::string_view name) {
      if (const auto at = givers_.find(name); at != givers_.end() && state_[at->second] != done)
        o.needs.push_back(at->second);
    });
    stack_.push_back(std::move(o));
  }

  void visit(size_t first) {
    open(first);
    while (!stack_.empty()) {
      Open& top = stack_.back();
      if (top.next == top.needs.size()) {
        state_[top.node] = done;
        out_.push_back(&nodes_[top.node]);
        stack_.pop_back();
        continue;
      }
      const size_t need = top.needs[top.next++];
      if (state_[need] == opened) refuse_cycle(need);
      if (state_[need] == fresh) open(need);
    }
  }

  [[noreturn]] void refuse_cycle(size_t node) const {
    constexpr size_t kMostNamed = 8;
    const auto begin =
        std::find_if(stack_.begin(), stack_.end(), [&](const Open& o) { return o.node == node; });
    const auto count = static_cast<size_t>(stack_.end() - begin);
    std::string text = count == 1 ? "the node " : "the nodes ";
    for (size_t i = 0; i < std::min(count, kMostNamed); ++i)
      text += said(nodes_[(begin + static_cast<std::ptrdiff_t>(i))->node]) + ", ";
    if (count > kMostNamed) text += "and " + std::to_string(count - kMostNamed) + " more, ";
    text.resize(text.size() - 2);
    throw Error(Code::bad_model,
                text + (count == 1 ? " reads its own output"
                                   : " form a cycle: each reads what the next gives"));
  }

  enum State : uint8_t { fresh, opened, done };
  std::span<const NodeView> nodes_;
  std::vector<State> state_;
  std::unordered_map<std::string_view, size_t> givers_;
  std::vector<Open> stack_;
  std::vector<const NodeView*> out_;
};

}  // namespace

std::vector<const NodeView*> ordered(std::span<const NodeView> nodes) { return Order(nodes).run(); }

}  // namespace tenon::onnx
