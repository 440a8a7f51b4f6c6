#include "plan/verify_layouts.h"

#include <algorithm>

#include "ir/text.h"
#include "ops/control.h"

namespace tenon {
namespace {

bool is_window(const Layout& l) { return l.room.rank() > 0; }

class Checker {
 public:
  explicit Checker(const Graph& g) : graph_(g) {}

  std::string run(const Node& n, const Selection& s) {
    wrong_.clear();
    if (shares_memory(graph_, n)) check_view(n);
    else if (!n.subgraphs.empty()) check_captures(n);
    else if (!s.kernels.empty() && n.op != &ops::reorder) check_kernel(n, s);  // a reorder's kernel takes the layouts of its operands
    return wrong_;
  }

 private:
  const Layout& layout(ValueId v) const { return graph_.values[v].type.layout; }

  void expect(bool holds, ValueId v, const std::string& expected) {
    if (holds || !wrong_.empty()) return;
    const Value& value = graph_.values[v];
    wrong_ = (value.constant ? "constant " : "value ") + std::string("\"") + printable(value.name) + "\" is " + text(value.type, *graph_.extents) +
             ", expected " + expected;
  }

  void expect_blocks(ValueId v, int16_t block) {
    const Layout& l = layout(v);
    const bool plain = l.block == 1;
    if (block == 1 || graph_.values[v].type.shape.rank() < 2) expect(plain, v, "no blocks");
    else expect(!plain && l.block == block && l.axis == 1, v, "blocks of " + std::to_string(block) + " along axis 1");
  }

  // A view has the memory of its source: dense and plain, or the same window.
  void check_view(const Node& n) {
    expect_blocks(n.inputs[0], 1);
    expect_blocks(n.outputs[0], 1);
    expect(is_window(layout(n.inputs[0])) == is_window(layout(n.outputs[0])), n.inputs[0], "the window of its view");
  }

  // A branch of an if gets its values as they are, everything else gets dense ones.
  void check_captures(const Node& n) {
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (n.inputs[i] == kNone) continue;
      for (const auto& sub : n.subgraphs) {
        const bool branch = n.op == &ops::if_ && i > 0;
        const Layout inside = branch ? sub->values[sub->inputs[i - 1]].type.layout : Layout{};
        expect(layout(n.inputs[i]) == inside, n.inputs[i], "the layout that the subgraph reads");
      }
    }
  }

  void check_kernel(const Node& n, const Selection& s) {
    const ValueId result = n.outputs[0];
    const int16_t dst_block = s.needs.dst == Wants::any ? layout(result).block : s.needs.dst == Wants::blocked ? s.needs.block : int16_t{1};
    expect_blocks(result, dst_block);
    for (size_t i = 1; i < n.outputs.size(); ++i)
      if (n.outputs[i] != kNone) expect_blocks(n.outputs[i], 1);
    // What takes any layout has one for all: that of the result, where the result takes any too.
    int16_t src_block = s.needs.src == Wants::blocked ? s.needs.block : int16_t{1};
    if (s.needs.src == Wants::any) src_block = s.needs.dst == Wants::any ? dst_block : layout(n.inputs[0]).block;
    for (int i = 0; i < static_cast<int>(n.inputs.size()); ++i) {
      const ValueId v = n.inputs[i];
      if (v == kNone) continue;
      if (is_window(layout(v))) expect(s.gaps, v, "dense memory");
      if (i >= n.own_inputs()) check_epilogue_operand(n, v, dst_block);
      else if (i == 0 || s.needs.all_sources) check_source(v, src_block, s.needs.src == Wants::any);
      else expect_blocks(v, 1);
    }
  }

  void check_source(ValueId v, int16_t block, bool any) {
    const Shape& shape = graph_.values[v].type.shape;
    const bool scalar = std::all_of(shape.begin(), shape.end(), [](Dim d) { return d == Dim(1); });
    if (any && scalar && layout(v).block == 1) return;
    expect_blocks(v, block);
  }

  void check_epilogue_operand(const Node& n, ValueId v, int16_t dst_block) {
    const auto reads = reads_of(graph_.values[v].type, graph_.values[n.outputs[0]].type, *n.op);
    // One value, or one for each channel, has the same order with blocks as without.
    if (!reads || *reads == Reads::like_dst) expect_blocks(v, dst_block);
  }

  const Graph& graph_;
  std::string wrong_;
};

}  // namespace

std::string layout_breach(const Graph& g, const std::vector<Selection>& selections) {
  Checker checker(g);
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    if (g.nodes[i].dead) continue;
    const std::string wrong = checker.run(g.nodes[i], selections[i]);
    if (wrong.empty()) continue;
    const std::string kernel = selections[i].kernels.empty() ? std::string(g.nodes[i].op->name) : selections[i].kernels[0]->name;
    return (g.nodes[i].name.empty() ? "" : g.nodes[i].name + ": ") + kernel + ": " + wrong;
  }
  return {};
}

}  // namespace tenon
