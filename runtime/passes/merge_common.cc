#include <algorithm>
#include <unordered_map>

#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

// Equal for nodes that may be equal.
std::string key_of(const Node& n) {
  std::string k(n.op->name);
  for (ValueId v : n.inputs) k += "," + std::to_string(v);
  return k + text(n.attributes, n.op->attributes());
}

bool same(const Graph& g, const Node& a, const Node& b) {
  if (a.op != b.op || a.inputs != b.inputs || !(a.epilogue == b.epilogue) || !(a.attributes == b.attributes)) return false;
  // A size that data decide has a name of its own in each node.
  return a.outputs.size() == b.outputs.size() && std::equal(a.outputs.begin(), a.outputs.end(), b.outputs.begin(), [&](ValueId x, ValueId y) {
           return (x == kNone) == (y == kNone) && (x == kNone || g.value(x).type == g.value(y).type);
         });
}

}  // namespace

// Of nodes that compute the same from the same values the first stays.
void merge_common(Graph& g) {
  Sweep s(g);
  std::unordered_multimap<std::string, NodeId> seen;
  s.run([&](Node& n) {
    if (n.op->effects || !n.subgraphs.empty()) return;
    const std::string key = key_of(n);
    const auto [first, last] = seen.equal_range(key);
    const auto twin = std::find_if(first, last, [&](const auto& e) { return !g.nodes[e.second].dead && same(g, g.nodes[e.second], n); });
    if (twin == last) return void(seen.emplace(key, s.here()));
    const std::vector<ValueId> mine = n.outputs, theirs = g.nodes[twin->second].outputs;
    for (size_t i = 0; i < mine.size(); ++i)
      if (mine[i] != kNone) s.replace(mine[i], theirs[i]);
  });
}

}  // namespace tenon
