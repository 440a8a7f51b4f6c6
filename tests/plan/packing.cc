// Weights packed on several threads, from where they lie and from sources that must be read.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "device/cpu.h"
#include "ir/text.h"
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
  for (const Buffer& b : plan.owned) out.emplace_back(b.data(), static_cast<size_t>(b.bytes()));
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
