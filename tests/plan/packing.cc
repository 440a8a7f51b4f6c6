// Weights packed on several threads, from where they lie and from sources that must be read.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>

#include "device/cpu.h"
#include "ir/text.h"
#include "ops/op.h"
#include "passes/pipeline.h"
#include "plan/plan.h"

namespace tenon {
namespace {

constexpr int kLayers = 9;

// Elements that lie nowhere, as those of a sealed model, in units of so many bytes; `reads` counts, and the read number `failing`
// fails.
struct Reading {
  int failing = -1;
  int64_t unit = INT64_MAX;
  std::atomic<int> reads{0};
  std::atomic<int64_t> units{0}, longest{0};
};

class Read : public WeightSource {
 public:
  Read(Constant from, Reading& reading) : from_(std::move(from)), reading_(reading) {}
  const void* view(int64_t, int64_t) const override { return nullptr; }
  void read(int64_t offset, int64_t bytes, void* destination) const override {
    if (reading_.reads++ == reading_.failing) throw Error(Code::io, "the source ends");
    reading_.units += (offset + bytes - 1) / reading_.unit - offset / reading_.unit + 1;
    reading_.longest = std::max(reading_.longest.load(), bytes);
    from_.source->read(from_.offset + offset, bytes, destination);
  }
  int64_t bytes() const override { return from_.bytes; }
  int64_t unit_end(int64_t offset) const override {
    return reading_.unit == INT64_MAX ? bytes() : std::min(bytes(), (offset / reading_.unit + 1) * reading_.unit);
  }

 private:
  Constant from_;
  Reading& reading_;
};

// A chain of products, one of whose weights is used twice.
Graph chain() {
  std::string text = "graph(%x: f32[n, 640])\n  %v0 = relu(%x)\n  %again = constant f32[640, 640] random 77\n";
  for (int i = 0; i < kLayers; ++i) {
    const std::string n = std::to_string(i), weight = i % 4 == 3 ? "%again" : "%w" + n;
    if (weight != "%again") text += "  " + weight + " = constant f32[640, 640] random " + n + "\n";
    text += "  %v" + std::to_string(i + 1) + " = matmul(%v" + n + ", " + weight + ")\n";
  }
  return parse_graph(text + "  return %v" + std::to_string(kLayers) + "\n");
}

std::shared_ptr<const Plan> planned(Graph g, int workers) {
  PlanOptions options;
  options.isa = best_isa();
  options.workers = workers;
  return make_plan(std::move(g), options);
}

Graph unreadable(Graph g, Reading& reading) {
  for (Value& v : g.values)
    if (v.constant) v.constant = Constant{std::make_shared<Read>(*v.constant, reading), 0, v.constant->bytes, nullptr};
  return g;
}

std::vector<std::string> packed(const Plan& plan) {
  std::vector<std::string> out;
  std::set<const Packed*> seen;
  for (const auto& p : plan.packed)
    if (seen.insert(p.get()).second) out.emplace_back(p->memory.data(), static_cast<size_t>(p->memory.bytes()));
  return out;
}

TEST(Packing, is_the_same_for_any_number_of_threads_and_any_source) {
  const std::vector<std::string> expected = packed(*planned(chain(), 1));
  ASSERT_EQ(expected.size(), 8u) << "a weight that two steps read is packed once";
  for (int workers : {1, 2, 5, 40}) {
    EXPECT_EQ(packed(*planned(chain(), workers)), expected) << workers;
    Reading reading;
    EXPECT_EQ(packed(*planned(unreadable(chain(), reading), workers)), expected) << workers;
    EXPECT_EQ(reading.reads, 8) << "each weight is read once";
  }
}

// Rows that no unit holds whole, and parts that several threads pack.
TEST(Packing, reads_large_weights_in_pieces) {
  const std::string text =
      "graph(%x: f32[3, 2100])\n  %a = constant f32[2100, 4100] random 1\n  %b = constant f32[2050, 4100] random 2\n"
      "  %h = matmul(%x, %a)\n  %y = matmul(%h, %b) {transpose_b=true}\n  return %y\n";
  const int64_t bytes = int64_t{4} * 4100 * (2100 + 2050);
  const std::vector<std::string> expected = packed(*planned(parse_graph(text), 1));
  for (int64_t unit : {5000, 262144, 1 << 20})
    for (int workers : {1, 2, 5}) {
      Reading reading{.unit = unit};
      EXPECT_EQ(packed(*planned(unreadable(parse_graph(text), reading), workers)), expected) << unit << " " << workers;
      EXPECT_LE(reading.units, bytes / unit + 10) << "a unit is read again only where parts meet";
      EXPECT_LE(reading.longest, 2 << 20);
    }
}

// Weights that both branches and the graph around them read.
TEST(Packing, is_done_once_for_all_branches) {
  Graph g = parse_graph(R"(
graph(%c: bool[], %x: f32[2, 640])
  %w = constant f32[640, 640] random 5
  %h = matmul(%x, %w)
  %y = if(%c, %h, %w)
    graph(%h: f32[2, 640], %w: f32[640, 640])
      %a = matmul(%h, %w)
      return %a
    graph(%h: f32[2, 640], %w: f32[640, 640])
      %a = matmul(%h, %w)
      %b = relu(%a)
      return %b
  return %y
)");
  run_pass("trim_captures", g);
  const auto plan = planned(std::move(g), 2);
  EXPECT_EQ(plan->summary.packed_bytes, 640 * 640 * 4);
  std::set<const void*> packed;
  for (const PlannedStep& s : plan->steps) {
    packed.insert(s.packed);
    for (const auto& sub : s.subplans)
      for (const PlannedStep& inner : sub->steps) packed.insert(inner.packed);
  }
  packed.erase(nullptr);
  EXPECT_EQ(packed.size(), 1u);
}

TEST(Packing, is_not_done_again_for_another_plan_of_the_model) {
  PackedWeights shared;
  Reading reading;
  const Graph g = unreadable(chain(), reading);
  PlanOptions options;
  options.isa = best_isa();
  auto first = make_plan(clone(g), options, &shared), second = make_plan(clone(g), options, &shared);
  EXPECT_EQ(reading.reads, 8);
  EXPECT_EQ(packed(*first), packed(*second));
  EXPECT_EQ(first->summary.packed_bytes, second->summary.packed_bytes);
  EXPECT_EQ(first->packed[0], second->packed[0]);
  first.reset();
  EXPECT_EQ(packed(*make_plan(clone(g), options, &shared)), packed(*second));
  EXPECT_EQ(reading.reads, 8);
  second.reset();
  EXPECT_EQ(packed(*make_plan(clone(g), options, &shared)), packed(*planned(chain(), 1)));
  EXPECT_EQ(reading.reads, 16) << "nothing is kept that no plan reads";
}

TEST(Packing, starts_anew_after_a_failure) {
  PackedWeights shared;
  Reading reading{.failing = 3};
  const Graph g = unreadable(chain(), reading);
  PlanOptions options;
  options.isa = best_isa();
  EXPECT_THROW(make_plan(clone(g), options, &shared), Error);
  EXPECT_EQ(packed(*make_plan(clone(g), options, &shared)), packed(*planned(chain(), 1)));
}

// As when a model is read again for other sizes.
TEST(Packing, constants_made_anew_are_those_of_before) {
  const std::string text = "graph(%x: f32[2, 100])\n  %w = constant f32[100, 300] random 1\n  %y = matmul(%x, %w)\n  return %y\n";
  const std::string other = "graph(%x: f32[2, 100])\n  %w = constant f32[100, 300] random 2\n  %y = matmul(%x, %w)\n  return %y\n";
  PackedWeights shared;
  PlanOptions options;
  options.isa = best_isa();
  const auto plan = [&](const std::string& of) {
    Graph g = parse_graph(of);
    shared.reuse_constants(g);
    return make_plan(std::move(g), options, &shared);
  };
  const auto first = plan(text), again = plan(text), different = plan(other);
  EXPECT_EQ(first->packed[0], again->packed[0]);
  EXPECT_NE(first->packed[0], different->packed[0]);
  EXPECT_EQ(first->graph.values[1].constant->source, again->graph.values[1].constant->source);
}

// The same elements in another shape, or with another scale, are other weights.
TEST(Packing, tells_what_elements_mean) {
  for (const char* text :
       {"graph(%x: f32[2, 64], %z: f32[2, 32])\n  %a = constant f32[64, 32] random 1\n  %b = constant f32[32, 64] random 1\n"
        "  %y = matmul(%x, %a)\n  %u = matmul(%z, %b)\n  return %y, %u\n",
        "graph(%x: f32[2, 64], %z: f32[2, 64])\n  %a = constant u8[64, 32] scale 0.5 zero 3 random 1\n"
        "  %b = constant u8[64, 32] scale 0.25 zero 3 random 1\n  %y = matmul(%x, %a)\n  %u = matmul(%z, %b)\n  return %y, %u\n"}) {
    Graph g = parse_graph(text);
    std::shared_ptr<const WeightSource> source;
    for (Value& v : g.values) {
      if (!v.constant) continue;
      if (!source) source = v.constant->source;
      v.constant->source = source;
    }
    const auto plan = planned(std::move(g), 1);
    ASSERT_EQ(plan->packed.size(), 2u);
    EXPECT_NE(plan->packed[0], plan->packed[1]);
  }
}

// The same weights of one group and of two: with vectors of 16 a panel of two, and two of one.
TEST(Packing, depends_on_attributes) {
  const auto plan = planned(parse_graph(R"(
graph(%x: f32[1, 32, 28, 28], %z: f32[1, 64, 28, 28])
  %a = constant f32[32, 32, 3, 3] random 1
  %b = constant f32[64, 64, 3, 3] random 2
  %c = constant f32[32, 32, 1, 1] random 3
  %w = constant f32[32, 32, 1, 1] random 4
  %x1 = conv(%x, %a) {pads = [1, 1, 1, 1]}
  %x2 = conv(%x1, %w)
  %y = conv(%x2, %c)
  %z1 = conv(%z, %b) {pads = [1, 1, 1, 1]}
  %z2 = conv(%z1, %w) {group = 2}
  %u = conv(%z2, %c)
  return %y, %u
)"),
                            1);
  std::vector<const void*> packed;  // of the convs in order
  for (const PlannedStep& s : plan->steps)
    if (plan->graph.nodes[static_cast<size_t>(s.node)].op == &ops::conv) packed.push_back(s.packed);
  ASSERT_EQ(packed.size(), 6u);
  ASSERT_TRUE(packed[1] && packed[2]);
  EXPECT_NE(packed[1], packed[4]);
  EXPECT_EQ(packed[2], packed[5]);
}

TEST(Packing, ends_with_the_failure_of_a_source) {
  for (int workers : {1, 4}) {
    for (int failing : {0, 5, 7}) {
      Reading reading{.failing = failing};
      try {
        planned(unreadable(chain(), reading), workers);
        ADD_FAILURE() << "no error for " << workers << " threads, read " << failing;
      } catch (const Error& e) { EXPECT_EQ(e.code(), Code::io); }
      if (workers == 1) { EXPECT_EQ(reading.reads, failing + 1) << "nothing is read after a failure"; }
    }
  }
}

}  // namespace
}  // namespace tenon
