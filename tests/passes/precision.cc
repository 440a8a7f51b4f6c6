// round_weights, and what follows from it when a model runs.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/half.h"
#include "device/cpu.h"
#include "harness/pass.h"
#include "ir/text.h"
#include "ops/cast.h"
#include "passes/pipeline.h"
#include "plan/plan.h"

namespace tenon {
namespace {

Graph rounded(const std::string& text, Precision precision) {
  Graph g = parse_graph(text);
  run_pass("round_weights", g, {.precision = precision, .verify = true});
  return g;
}

std::vector<const Node*> casts(const Graph& g) {
  std::vector<const Node*> out;
  for (const Node& n : g.nodes)
    if (n.op == &ops::cast) out.push_back(&n);
  return out;
}

std::string product(const std::string& rows, int k, int n) {
  const std::string a = std::to_string(k), b = std::to_string(n);
  return "graph(%x: f32[" + rows + ", " + a + "])\n  %w = constant f32[" + a + ", " + b + "] random 1\n  %y = matmul(%x, %w)\n  return %y\n";
}

TEST(RoundWeights, shows_a_cast_with_its_error) {
  for (const char* rows : {"1", "n"})
    for (Precision p : {Precision::bf16, Precision::fp16}) {
      const Graph g = rounded(product(rows, 100, 90), p);
      ASSERT_EQ(casts(g).size(), 1u);
      const Cast& cast = casts(g)[0]->attributes.as<Cast>();
      EXPECT_EQ(cast.to, p == Precision::bf16 ? DType::bf16 : DType::f16);
      // Uniform rounding errors have a third of the square of the largest, which is 2^-9 of a number, or 2^-12.
      const double unit = p == Precision::bf16 ? 0x1p-9 : 0x1p-12;
      EXPECT_GT(cast.error, unit / 3);
      EXPECT_LT(cast.error, unit);
      EXPECT_NE(text(g).find("error"), std::string::npos) << text(g);
    }
}

TEST(RoundWeights, only_where_it_saves_time) {
  EXPECT_TRUE(casts(rounded(product("2", 100, 90), Precision::bf16)).empty()) << "rows share the weights that a cache holds";
  EXPECT_TRUE(casts(rounded(product("1", 10, 90), Precision::bf16)).empty()) << "few weights";
  EXPECT_EQ(casts(rounded(product("4", 4000, 2500), Precision::bf16)).size(), 1u) << "weights that no cache holds";
  EXPECT_TRUE(casts(rounded(product("5", 4000, 2500), Precision::bf16)).empty()) << "many rows";
  EXPECT_TRUE(casts(rounded(product("1", 100, 90), Precision::model)).empty()) << "nobody asks for it";
  EXPECT_TRUE(casts(rounded(product("1", 100, 90), Precision::int8)).empty());
}

TEST(RoundWeights, a_weight_that_two_products_read_once) {
  const Graph g = rounded(R"(
graph(%x: f32[1, 80])
  %w = constant f32[80, 80] random 3
  %h = matmul(%x, %w)
  %y = matmul(%h, %w) {transpose_b = true}
  return %y
)",
                          Precision::bf16);
  EXPECT_EQ(casts(g).size(), 1u) << text(g);
}

TEST(RoundWeights, stays_where_a_number_is_beyond_the_type) {
  Graph g = parse_graph(product("1", 64, 64));
  for (Value& v : g.values) {
    if (!v.constant) continue;
    std::vector<float> w(64 * 64, 0.5f);
    w[77] = 65520;
    v.constant = Constant{make_memory_source(w.data(), 64 * 64 * 4), 0, 64 * 64 * 4, nullptr};
  }
  Graph wide = clone(g);
  run_pass("round_weights", g, {.precision = Precision::fp16, .verify = true});
  EXPECT_TRUE(casts(g).empty());
  run_pass("round_weights", wide, {.precision = Precision::bf16, .verify = true});
  EXPECT_EQ(casts(wide).size(), 1u);
}

// A file that stores halves: the steps read them as they are stored, which changes nothing.
TEST(RoundWeights, halves_of_a_file_are_exact) {
  for (const char* type : {"f16", "bf16"}) {
    Graph g = parse_graph("graph(%x: " + std::string(type) + "[1, 100])\n  %w = constant " + type +
                          "[100, 90] random 1\n  %y = matmul(%x, %w)\n  return %y\n");
    run_passes(g, {.verify = true});
    std::vector<const Node*> narrow;
    for (const Node* n : casts(g))
      if (g.is_constant(n->inputs[0])) narrow.push_back(n);
    ASSERT_EQ(narrow.size(), 1u) << text(g);
    EXPECT_EQ(narrow[0]->attributes.as<Cast>().error, 0);
  }
}

TEST(RoundWeights, plans_keep_no_copy_of_the_floats) {
  PlanOptions options;
  options.isa = best_isa();
  Graph g = rounded(product("1", 1000, 960), Precision::bf16);
  const auto plan = make_plan(std::move(g), options);
  EXPECT_EQ(plan->summary.packed_bytes, 1000 * 960 * 2);
  EXPECT_EQ(plan->summary.constant_bytes, 0);
  EXPECT_EQ(plan->summary.rounded_weights, 1);
  EXPECT_GT(plan->summary.rounding_error, 0);
  EXPECT_EQ(plan->summary.steps, 1);
  EXPECT_EQ(plan->summary.by_reference, 0);
}

// What the plan packs is what the cast says, whatever unit the source is read in.
TEST(RoundWeights, are_the_same_from_any_source) {
  std::vector<float> w(500);
  for (size_t i = 0; i < w.size(); ++i) w[i] = std::sin(static_cast<float>(i));
  std::vector<uint16_t> expected(w.size());
  round_to_halves(DType::bf16, w.data(), 500, expected.data());
  const auto source = make_rounded_source(make_memory_source(w.data(), 2000), 40, 480, DType::bf16);
  EXPECT_EQ(source->bytes(), 960);
  std::vector<uint16_t> got(480);
  source->read(0, 100, got.data());
  source->read(100, 860, got.data() + 50);
  EXPECT_EQ(std::memcmp(got.data(), expected.data() + 10, 960), 0);
}

}  // namespace
}  // namespace tenon
