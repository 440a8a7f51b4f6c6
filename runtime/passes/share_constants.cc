#include <unordered_map>

#include "base/wipe.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

constexpr int64_t kMostCompared = 4096;  // bytes; larger constants are the same only where they lie in the same place

// Equal for equal constants.
std::string key_of(const Graph& g, const Value& v) {
  const Constant& c = *v.constant;
  const std::string type = text(v.type, *g.extents) + "|";
  if (c.bytes > kMostCompared) return type + std::to_string(reinterpret_cast<uintptr_t>(c.source.get())) + "+" + std::to_string(c.offset);
  std::string key(type.size() + static_cast<size_t>(c.bytes), '\0');
  key.replace(0, type.size(), type);
  c.source->read(c.offset, c.bytes, key.data() + type.size());
  return key;
}

}  // namespace

// Equal constants become one.
void share_constants(Graph& g) {
  std::vector<std::string> keys(g.values.size());
  std::unordered_map<std::string_view, ValueId> first;
  std::vector<ValueId> same(g.values.size());
  for (size_t v = 0; v < g.values.size(); ++v) {
    same[v] = static_cast<ValueId>(v);
    if (!g.values[v].constant || g.values[v].constant->strings || g.values[v].type.quantisation) continue;
    keys[v] = key_of(g, g.values[v]);
    same[v] = first.try_emplace(keys[v], static_cast<ValueId>(v)).first->second;
  }
  for (std::string& key : keys) WipeAtEnd wipe(key);
  for (Node& n : g.nodes)
    for (ValueId& v : n.inputs)
      if (v != kNone) v = same[static_cast<size_t>(v)];
}

}  // namespace tenon
