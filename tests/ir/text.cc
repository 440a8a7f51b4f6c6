#include "ir/text.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "ir/verify.h"

namespace tenon {
namespace {

void expect_round_trip(std::string_view written) {
  const Graph g = parse_graph(written);
  EXPECT_EQ(breach(g), "");
  const std::string plain = text(g, false), typed = text(g, true);
  EXPECT_EQ(plain, written.substr(1));
  EXPECT_EQ(text(parse_graph(plain), false), plain);
  EXPECT_EQ(text(parse_graph(typed), true), typed);
}

TEST(Text, reads_what_it_prints) {
  expect_round_trip(R"(
graph main(%x: f32[n, 3, h, w], %"odd name": f32[n, 2, 1, 1])
  %weight = constant f32[2, 3, 1, 1] [0.5, 1, 1.5, -1, -2, 4]
  %a = transpose(%x) {perm = [0, 2, 3, 1]}
  %b = conv(%x, %weight, _, %"odd name") {strides = [1, 1]} then add(0, 1); relu(2)
  %c = clip(%b, f32 0, f32 6)
  %0, %1 = max_pool(%c) {kernel_shape = [1, 1]}
  %d = reshape(%0, s64[2] [0, -1])
  %e = pointwise(%c, %0) {mul(0, 1); neg(2); add(3, 0)}
  return %a, %d, %e, %1
)");
}

TEST(Text, subgraphs_and_ties) {
  expect_round_trip(R"(
graph(%flag: bool[], %x: f32[n], %state: f32[n])
  %y, %z = if(%flag, %x)
    graph then(%x: f32[n])
      %a = relu(%x)
      return %a, %x
    graph else(%x: f32[n])
      %a = neg(%x)
      %b = if(bool true, %a)
        graph(%c: f32[n])
          return %c
        graph(%c: f32[n])
          return %c
      return %x, %b
  tie %y -> %state
  return %y, %z
)");
}

TEST(Text, types_say_storage) {
  expect_round_trip(R"(
graph(%x: u8[1, 4] scale 0.02 zero 128, %y: s8[2, 3] scale [0.5, 0.25] zero [0, 1] axis 0 as s32, %z: sequence(f32[n]))
  %a: u8[1, 4] scale 0.05 zero 3 = relu(%x)
  return %a, %y, %z
)");
}

TEST(Text, extents_are_read_back) {
  expect_round_trip(R"(
graph(%x: f32[2*n + 1, floor(n, 2), min(n, 3), n*m - 4], %sizes: f32[n, m])
  %a = relu(%x)
  return %a
)");
}

TEST(Text, constants_of_every_type) {
  expect_round_trip(R"(
graph()
  %a = constant f16[2] [0.5, -1.25]
  %b = constant bool[2, 1] [true, false]
  %c = constant string[2] ["one", "two words"]
  %d = constant f32[2] [inf, nan]
  %e = constant s4[3] [-8, 0, 7]
  %f = constant c64[1] [1, -2]
  return %a, %b, %c, %d, %e, %f
)");
}

TEST(Text, random_constants_are_the_same_every_time) {
  const char* written = "graph() %a = constant f32[3, 3] random 7 %b = constant u8[4] random 8 return %a, %b";
  EXPECT_EQ(text(parse_graph(written)), text(parse_graph(written)));
  EXPECT_EQ(text(parse_graph("graph() %a = constant f32[64] random 1 return %a")), "graph()\n  %a = constant f32[64] from bytes 256\n  return %a\n");
}

TEST(Text, one_node_alone) {
  const Graph g = parse_graph("graph(%x: f32[n]) %a = elu(%x, f32 1) return %a");
  EXPECT_EQ(text(g, g.nodes[0]), "%a: f32[n] = elu(%x, f32 1)");
}

void expect_refused(const char* written, const char* reason) {
  try {
    parse_graph(written);
    ADD_FAILURE() << "accepted: " << written;
  } catch (const Error& e) { EXPECT_NE(std::string(e.what()).find(reason), std::string::npos) << e.what(); }
}

TEST(Text, errors_name_the_line_and_what_was_expected) {
  expect_refused("graph(%x: f32[n])\n  %a = rely(%x)\n  return %a", "line 2: an op instead of rely expected");
  expect_refused("graph(%x: f32[n])\n  %a = relu(%y)\n  return %a", "line 2: a value that is defined above, which %y is not");
  expect_refused("graph(%x: f32[n])\n  return %x %x", "line 2: the end expected, \"%x\" found");
  expect_refused("graph(%x: f33[n])", "an element type instead of f33");
  expect_refused("graph(%x: f32[n])\n  %x = relu(%x)\n  return %x", "a new name instead of %x");
  expect_refused("graph(%x: f32[n])\n\n %a = softmax(%x) {axes = 1}\n  return %a", "line 3: an attribute of softmax instead of axes");
  expect_refused("graph(%x: f32[n]) %a: f32[2*n] = relu(%x) return %a", "the type f32[n] for %a expected");
  expect_refused("graph() %a = constant f32[3] [1, 2] return %a", "\",\" expected");
  expect_refused("graph(%x: f32[n]) %a = pointwise(%x) {add(5, 0)} return %a", "reads a value that does not stand before it");
  expect_refused("graph(%x: f32[n]) %a = matmul(%x, %x) then neg(7) return %a", "its epilogue has more operands than it has inputs");
  expect_refused("graph(%x: f32[2], %y: f32[3])\n %a = add(%x, %y)\n return %a", "2 is not 3");
}

}  // namespace
}  // namespace tenon
