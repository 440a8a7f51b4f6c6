#include "ir/verify.h"

#include <gtest/gtest.h>

#include <functional>

#include "ir/text.h"

namespace tenon {
namespace {

void expect_breach(const char* written, const char* sentence, const std::function<void(Graph&)>& harm) {
  Graph g = parse_graph(written);
  ASSERT_EQ(breach(g), "");
  harm(g);
  EXPECT_NE(breach(g).find(sentence), std::string::npos) << breach(g);
}

const char* kTwo = "graph(%x: f32[n]) %a = relu(%x) %b = neg(%a) return %b";

TEST(Verify, order_and_producers) {
  expect_breach(kTwo, "which does not stand before it", [](Graph& g) { std::swap(g.nodes[0], g.nodes[1]); });
  expect_breach(kTwo, "names another producer", [](Graph& g) { g.values[g.nodes[0].outputs[0]].producer = 1; });
  expect_breach(kTwo, "computed twice", [](Graph& g) { g.nodes[1].outputs[0] = g.nodes[0].outputs[0]; });
  expect_breach(kTwo, "no value of the graph", [](Graph& g) { g.nodes[1].inputs[0] = 99; });
  expect_breach(kTwo, "does not stand before it", [](Graph& g) { g.nodes[0].dead = true; });
  expect_breach(kTwo, "an output is never computed", [](Graph& g) { g.nodes[1].dead = true; });
}

TEST(Verify, types) {
  expect_breach(kTwo, "has no type", [](Graph& g) { g.values[g.nodes[0].outputs[0]].type = {}; });
  expect_breach(kTwo, "a blocked layout before lowering", [](Graph& g) { g.values[g.nodes[0].outputs[0]].type.layout.block = 8; });
  expect_breach("graph() %a = constant f32[2] [1, 2] return %a", "another number of bytes", [](Graph& g) { g.values[0].type.shape[0] = 3; });
}

TEST(Verify, programs) {
  const char* conv = "graph(%x: f32[1, 1, 2, 2], %w: f32[1, 1, 1, 1]) %a = conv(%x, %w) then relu(0) return %a";
  expect_breach(conv, "is never read", [](Graph& g) { g.nodes[0].epilogue.operands = 2; });
  expect_breach(conv, "does not stand before it", [](Graph& g) { g.nodes[0].epilogue.rows[0].operand[0] = 1; });
}

TEST(Verify, subgraphs_and_ties) {
  const char* branches =
      "graph(%c: bool[], %x: f32[n]) %y = if(%c, %x) graph(%x: f32[n]) return %x graph(%x: f32[n]) return %x tie %y -> %x return %y";
  expect_breach(branches, "another number of inputs", [](Graph& g) { g.nodes[0].inputs.pop_back(); });
  expect_breach(branches, "an input or output that does not exist", [](Graph& g) { g.ties[0].input = 5; });
  expect_breach(branches, "values of different types", [](Graph& g) { g.ties[0].input = 0; });
}

TEST(VerifyDeath, names_who_made_the_graph) {
  Graph g = parse_graph(kTwo);
  g.nodes[1].dead = true;
  EXPECT_DEATH(verify(g, Stage::portable, "some_pass"), "some_pass.*an output is never computed");
}

}  // namespace
}  // namespace tenon
