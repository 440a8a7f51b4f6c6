#include "formats/onnx/functions.h"

#include <algorithm>
#include <string>

#include "base/error.h"

namespace tenon::onnx {
namespace {

// A function, or the model's graph, as far as calls go.
struct Body {
  int64_t nodes = 0, depth = 0;  // with every call expanded
  std::vector<const FunctionView*> calls;
  size_t next = 0;  // the call that is followed
  enum { fresh, open, done } state = fresh;
};

// Subgraphs are nested at most as deep as parsing allows.
void collect(const std::vector<NodeView>& nodes, const Functions& functions, Body& out) {
  for (const NodeView& n : nodes) {
    ++out.nodes;
    if (const FunctionView* f = functions.find(n)) out.calls.push_back(f);
    for (const AttributeView& a : n.attributes)
      for (const GraphView& g : a.graphs) collect(g.nodes, functions, out);
  }
}

std::string name(const FunctionView* f) { return f ? "the function " + printable(f->name) : "the graph"; }

// Adds up the bodies, callees first, with a stack of its own.
class Expansion {
 public:
  Expansion(const Functions& functions, const Model& model, const LoadLimits& limits) : limits_(limits) {
    collect(model.graph.nodes, functions, bodies_[nullptr]);
    for (const FunctionView& f : model.functions) collect(f.nodes, functions, bodies_[&f]);
  }

  void check(const FunctionView* root) {
    open(root);
    while (!stack_.empty()) {
      Body& body = bodies_[stack_.back()];
      if (body.next == body.calls.size()) {
        body.state = Body::done;
        stack_.pop_back();
        continue;
      }
      const FunctionView* callee = body.calls[body.next];
      Body& inner = bodies_[callee];
      if (inner.state == Body::open)
        throw Error(Code::bad_model, name(callee) + " calls itself" + (callee == stack_.back() ? "" : ", through " + name(stack_.back())));
      if (inner.state == Body::fresh) {
        open(callee);
        continue;
      }
      add(body, inner, stack_.back());
      ++body.next;
    }
  }

 private:
  void open(const FunctionView* f) {
    bodies_[f].state = Body::open;
    stack_.push_back(f);
  }
  void add(Body& body, const Body& inner, const FunctionView* f) {
    body.depth = std::max(body.depth, inner.depth + 1);
    if (body.depth > limits_.calls)
      throw Error(Code::limit, "functions called from " + name(f) + " are nested more than " + std::to_string(limits_.calls) + " deep (limit calls)");
    body.nodes += inner.nodes;
    if (body.nodes > limits_.nodes)
      throw Error(Code::limit, name(f) + " has more than " + std::to_string(limits_.nodes) + " nodes once its calls are expanded (limit nodes)");
  }

  const LoadLimits& limits_;
  std::map<const FunctionView*, Body> bodies_;
  std::vector<const FunctionView*> stack_;
};

}  // namespace

void Functions::set(const Model& model, const LoadLimits& limits) {
  functions_.clear();
  for (const FunctionView& f : model.functions)
    if (!functions_.emplace(std::make_tuple(domain_of(f.domain), f.name, f.overload), &f).second)
      throw Error(Code::bad_model, "the function " + printable(f.name) + " is defined twice");
  if (functions_.empty()) return;
  Expansion expansion(*this, model, limits);
  expansion.check(nullptr);
}

const FunctionView* Functions::find(const NodeView& n) const {
  if (functions_.empty()) return nullptr;
  const auto found = functions_.find({domain_of(n.domain), n.op, n.overload});
  return found == functions_.end() ? nullptr : found->second;
}

}  // namespace tenon::onnx
