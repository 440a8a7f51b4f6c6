#include "passes/passes.h"

namespace tenon {
namespace {

void rename(Value& v, Renaming& renamed) {
  const auto rename_shape = [&](Shape& s) {
    for (int i = 0; i < s.rank(); ++i) s[i] = renamed(s[i]);
  };
  rename_shape(v.type.shape);
  rename_shape(v.type.layout.room);
  v.type.layout.offset = renamed(v.type.layout.offset);
  if (!v.content) return;
  auto content = std::make_shared<std::vector<Dim>>(*v.content);
  for (Dim& d : *content) d = renamed(d);
  if (*content != *v.content) v.content = std::move(content);
}

void rename(Graph& g, Renaming& renamed) {
  for (Value& v : g.values) rename(v, renamed);
  for (Node& n : g.nodes)
    for (const auto& sub : n.subgraphs) rename(*sub, renamed);
}

}  // namespace

void rename_sizes(Graph& g) {
  Renaming renamed(*g.extents);
  rename(g, renamed);
  for (Guard& guard : *g.guards) guard.a = renamed(guard.a), guard.b = renamed(guard.b);
  std::erase_if(*g.guards, [](const Guard& guard) { return guard.a == guard.b; });
}

}  // namespace tenon
