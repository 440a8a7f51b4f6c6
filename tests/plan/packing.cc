// Weights packed on several threads, from where they lie and from sources that must be read.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>

#include "device/cpu.h"
#include "ir/text.h"
#include "plan/plan.h"

namespace tenon {
namespace {

constexpr int kLayers = 9;

// Elements that lie nowhere, as those of a sealed model; `reads` counts, and the read number `failing` fails.
class Read : public WeightSource {
 public:
  Read(Constant from, std::atomic<int>& reads, int failing) : from_(std::move(from)), reads_(reads), failing_(failing) {}
  const void* view(int64_t, int64_t) const override { return nullptr; }
  void read(int64_t offset, int64_t bytes, void* destination) const override {
    if (reads_++ == failing_) throw Error(Code::io, "the source ends");
    from_.source->read(from_.offset + offset, bytes, destination);
  }
  int64_t bytes() const override { return from_.bytes; }

 private:
  Constant from_;
  std::atomic<int>& reads_;
  int failing_;
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

Graph unreadable(std::atomic<int>& reads, int failing) {
  Graph g = chain();
  for (Value& v : g.values)
    if (v.constant) v.constant = Constant{std::make_shared<Read>(*v.constant, reads, failing), 0, v.constant->bytes, nullptr};
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
    std::atomic<int> reads{0};
    EXPECT_EQ(packed(*planned(unreadable(reads, -1), workers)), expected) << workers;
    EXPECT_EQ(reads, 8) << "each weight is read once";
  }
}

TEST(Packing, ends_with_the_failure_of_a_source) {
  for (int workers : {1, 4}) {
    for (int failing : {0, 5, 7}) {
      std::atomic<int> reads{0};
      try {
        planned(unreadable(reads, failing), workers);
        ADD_FAILURE() << "no error for " << workers << " threads, read " << failing;
      } catch (const Error& e) { EXPECT_EQ(e.code(), Code::io); }
      if (workers == 1) { EXPECT_EQ(reads, failing + 1) << "nothing is read after a failure"; }
    }
  }
}

}  // namespace
}  // namespace tenon
