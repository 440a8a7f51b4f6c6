#include <unordered_map>

#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

constexpr int64_t kMostCompared = 4096;  // bytes; larger constants are the same only where they lie in the same place

std::string key_of(const Graph& g, const Value& v) {
  const Constant& c = *v.constant;
  std::string key = text(v.type, *g.extents) + "|";
  if (c.bytes > kMostCompared) return key + std::to_string(reinterpret_cast<uintptr_t>(c.source.get())) + "+" + std::to_string(c.offset);
  std::string bytes(static_cast<size_t>(c.bytes), '\0');
  c.source->read(c.offset, c.bytes, bytes.data());
  return key + bytes;
}

}  // namespace

// Equal constants become one.
void share_constants(Graph& g) {
  std::unordered_map<std::string, ValueId> first;
  std::vector<ValueId> same(g.values.size());
  for (size_t v = 0; v < g.values.size(); ++v) {
    same[v] = static_cast<ValueId>(v);
    if (!g.values[v].constant || g.values[v].constant->strings || g.values[v].type.quantisation) continue;
    same[v] = first.try_emplace(key_of(g, g.values[v]), static_cast<ValueId>(v)).first->second;
  }
  for (Node& n : g.nodes)
    for (ValueId& v : n.inputs)
      if (v != kNone) v = same[static_cast<size_t>(v)];
}

}  // namespace tenon
