#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {

// Nodes whose results nothing reads go, and so do last results that nothing reads: an op need not compute them.
void drop_dead(Graph& g) {
  std::vector<int> uses = g.uses();
  for (size_t i = g.nodes.size(); i-- > 0;) {
    Node& n = g.nodes[i];
    if (n.dead) continue;
    n.dead = true;
    for (ValueId v : n.outputs) n.dead &= v == kNone || uses[static_cast<size_t>(v)] == 0;
    if (!n.dead) {
      // The parts of a split are counted by its outputs.
      while (n.op != &ops::split && n.subgraphs.empty() && (n.outputs.back() == kNone || uses[static_cast<size_t>(n.outputs.back())] == 0))
        n.outputs.pop_back();
      continue;
    }
    for (ValueId v : n.inputs)
      if (v != kNone) --uses[static_cast<size_t>(v)];
  }
  compact(g);
}

// A row of the extents that a size decided by data is part of, and that no live value mentions, has no value at run time.
namespace {

class Sizes {
 public:
  explicit Sizes(const Graph& g) : extents_(*g.extents), decided_(static_cast<size_t>(extents_.rows())) { mark(g); }

  // Whether everything d is made of is decided by someone.
  bool known(Dim d) const {
    if (d.known()) return true;
    if (extents_.is_data(d.row())) return decided_[static_cast<size_t>(d.row())];
    if (extents_.is_symbol(d.row())) return true;
    for (int32_t part : extents_.parts(d.row()))
      if (!known(Dim::of_row(part))) return false;
    return true;
  }

 private:
  void mark(const Graph& g) {
    for (const Node& n : g.nodes) {
      if (n.dead) continue;
      for (ValueId v : n.outputs)
        if (v != kNone) mark(g.value(v));
      for (const auto& sub : n.subgraphs) mark(*sub);
    }
    for (ValueId v : g.inputs) mark(g.value(v));
  }
  void mark(const Value& v) {
    if (v.type.container != Container::tensor) return;
    for (Dim d : v.type.shape)
      if (!d.known() && extents_.is_data(d.row())) decided_[static_cast<size_t>(d.row())] = true;
  }

  const Extents& extents_;
  std::vector<bool> decided_;
};

}  // namespace

void drop_guards(Graph& g) {
  const Sizes sizes(g);
  std::vector<Guard> kept;
  for (Guard& guard : *g.guards) {
    bool again = false;
    for (const Guard& k : kept) again |= k.kind == guard.kind && k.a == guard.a && k.b == guard.b;
    if (!again && sizes.known(guard.a) && sizes.known(guard.b)) kept.push_back(std::move(guard));
  }
  *g.guards = std::move(kept);
}

}  // namespace tenon
