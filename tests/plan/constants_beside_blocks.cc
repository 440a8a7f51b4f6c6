// Constants that a kernel reads beside values laid out in blocks of channels.
#include <gtest/gtest.h>

#include "device/cpu.h"
#include "exec/executor.h"
#include "exec/reference.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "plan/verify_layouts.h"

namespace tenon {
namespace {

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

// Convolution and relu of `channels` channels, then a concat with a constant of `more` channels, which stands at `place`.
std::string joined(int spatial, int channels, int more, int place, bool folded) {
  const std::string pixels = repeated(", 6", spatial), taps = repeated(", 3", spatial), ones = repeated("1, ", 2 * spatial - 1) + "1";
  std::string text = "graph(%x: f32[1, 8" + pixels + "])\n  %w = constant f32[" + std::to_string(channels) + ", 8" + taps +
                     "] random 1\n  %y = conv(%x, %w) {pads = [" + ones + "]}\n  %r = relu(%y)\n  %c = constant f32[1, " + std::to_string(more) +
                     pixels + "] random 2\n";
  if (folded) text += "  %n = neg(%c)\n";
  std::vector<std::string> parts{"%r", "%r"};
  parts.insert(parts.begin() + place, folded ? "%n" : "%c");
  return text + "  %j = concat(" + parts[0] + ", " + parts[1] + ", " + parts[2] + ") {axis = 1}\n  return %j\n";
}

void expect_agreement(const std::string& text) {
  SCOPED_TRACE(text);
  const Graph g = parse_graph(text);
  Array x(DType::f32, {});
  std::vector<int64_t> shape;
  for (Dim d : g.values[g.inputs[0]].type.shape) shape.push_back(d.number());
  x.resize(shape);
  for (size_t i = 0; i < x.cells.size(); ++i) x.cells[i].real = static_cast<double>(static_cast<float>(i % 17) / 8 - 1);
  const Array wanted = run_reference(g, {x})[0];
  for (Isa isa : isa_levels()) {
    if (!supports(isa) || isa > best_isa()) continue;
    SCOPED_TRACE(name(isa));
    Graph passed = clone(g);
    run_passes(passed, {.verify = true});
    PlanOptions options;
    options.isa = isa;
    Executor executor(make_plan(std::move(passed), options), INT64_MAX);
    const OwnedTensor given = owned(x);
    executor.frame().set_input(0, given.view());
    executor.run();
    const Array got = array_of(executor.frame().output(0));
    ASSERT_EQ(got.shape, wanted.shape);
    for (size_t i = 0; i < wanted.cells.size(); ++i) ASSERT_NEAR(got.cells[i].real, wanted.cells[i].real, 1e-4) << "element " << i;
  }
}

TEST(ConstantsBesideBlocks, are_joined_along_the_channels) {
  for (int spatial : {1, 2, 3})
    for (const auto& [channels, more] : {std::pair{8, 8}, {16, 16}, {32, 16}, {64, 64}, {96, 32}, {16, 8}, {24, 40}, {16, 17}})
      for (int place : {0, 1, 2})
        for (bool folded : {false, true}) expect_agreement(joined(spatial, channels, more, place, folded));
}

TEST(ConstantsBesideBlocks, are_added_multiplied_and_chosen) {
  for (const char* second : {"1, 32, 6, 6", "1, 32, 1, 1", "1, 1, 6, 6", "32, 1, 1", "6"})
    for (const char* line : {"add(%r, %c)", "mul(%c, %r)", "where(%m, %r, %c)", "where(%m, %c, %r)"})
      expect_agreement(std::string("graph(%x: f32[1, 8, 6, 6])\n  %w = constant f32[32, 8, 3, 3] random 1\n  %y = conv(%x, %w) {pads = [1, 1, 1, 1]}\n"
                                   "  %r = relu(%y)\n  %c = constant f32[") +
                       second + "] random 2\n  %m = less(%r, f32 0.2)\n  %o = " + line + "\n  return %o\n");
}

// The same graph as planned, and with a constant whose layout is not the one that concat reads.
TEST(ConstantsBesideBlocks, a_constant_left_plain_is_found) {
  const auto plan = make_plan(parse_graph(joined(2, 32, 32, 1, false)), {.isa = best_isa()});
  Graph g = clone(plan->graph);
  EXPECT_EQ(layout_breach(g, plan->selections), "");
  bool planted = false;
  for (const Node& n : g.nodes)
    if (n.op == &ops::concat)
      for (ValueId v : n.inputs)
        if (g.is_constant(v) && g.values[v].type.layout.block > 1) g.values[v].type.layout = {}, planted = true;
  if (best_isa() == Isa::reference || !planted) GTEST_SKIP() << "this level joins the channels in plain layout";
  EXPECT_NE(layout_breach(g, plan->selections).find("expected blocks of"), std::string::npos) << layout_breach(g, plan->selections);
}

}  // namespace
}  // namespace tenon
