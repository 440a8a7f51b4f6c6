#include "plan/hints.h"

#include <algorithm>
#include <set>

namespace tenon {
namespace {

constexpr int64_t kMostHint = 1 << 16, kFewElements = 4;

void collect_rows(const Graph& g, std::set<int32_t>& rows) {
  for (const Value& v : g.values)
    for (Dim d : v.type.shape)
      if (!d.known()) rows.insert(d.row());
  for (const Node& n : g.nodes)
    for (const auto& sub : n.subgraphs) collect_rows(*sub, rows);
}

// Sizes of values that are as small as to be nothing, or that hold for a window that hardly fits.
int64_t small_sizes(const std::set<int32_t>& rows, const std::vector<int64_t>& values) {
  return std::count_if(rows.begin(), rows.end(), [&](int32_t row) { return values[static_cast<size_t>(row)] < kFewElements; });
}

}  // namespace

void guess_hints(const Graph& g, PlanOptions& options) {
  std::set<int32_t> rows;
  collect_rows(g, rows);
  std::set<std::string> seen, others;
  for (ValueId v : g.inputs) {
    const Shape& shape = g.values[v].type.shape;
    for (int i = 0; i < shape.rank(); ++i) {
      if (shape[i].known() || !g.extents->is_symbol(shape[i].row())) continue;
      const std::string& name = g.extents->symbol_name(shape[i].row());
      if (options.hints.count(name) || !seen.insert(name).second) continue;
      if (i > 0 || shape.rank() == 1) {
        others.insert(name);
      } else {
        options.hints[name] = 1;
        rows.erase(shape[i].row());
      }
    }
  }
  int64_t best = options.hint, fewest = INT64_MAX;
  for (int64_t hint = options.hint; hint <= kMostHint && fewest > 0; hint *= 2) {
    for (const std::string& name : others) options.hints[name] = hint;
    const int64_t small = small_sizes(rows, Likely(*g.extents, options).values());
    if (small < fewest) fewest = small, best = hint;
  }
  for (const std::string& name : others) options.hints[name] = best;
}

}  // namespace tenon
