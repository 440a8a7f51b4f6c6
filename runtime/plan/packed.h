// Packed weights, once for all plans of a model that read them: of its branches and bodies, and what is planned again when states are
// tied.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/buffer.h"
#include "base/wipe.h"
#include "formats/weights.h"
#include "ir/graph.h"

namespace tenon {

struct Packed {
  explicit Packed(int64_t bytes) : memory(bytes) {}
  ~Packed() { wipe_memory(memory.data(), static_cast<size_t>(memory.bytes())); }  // they may be those of a sealed model

  Buffer memory;
  std::vector<std::shared_ptr<const WeightSource>> sources;  // keys name them by their addresses
  int planning = 0;                                          // that made it, or read it last
};

// For one planning at a time.
class PackedWeights {
 public:
  // The number of a planning, which is that of a graph and all that is in it.
  int begin() { return ++plannings_; }
  // After a failure: what that planning was to fill is not there.
  void forget(int planning) {
    std::erase_if(all_, [&](const auto& each) { return !each.second || each.second->planning == planning; });
  }
  std::shared_ptr<Packed>& operator[](const std::string& key) { return all_[key]; }
  // The constant in sixteen bits, rounded as it is read: one source for all who ask.
  std::shared_ptr<const WeightSource> rounded(const Constant& c, DType to) {
    std::shared_ptr<const WeightSource>& out = rounded_[{c.source.get(), c.offset, to}];
    if (!out) out = make_rounded_source(c.source, c.offset, c.bytes / 4, to);
    return out;
  }

 private:
  int plannings_ = 0;
  std::map<std::tuple<const WeightSource*, int64_t, DType>, std::shared_ptr<const WeightSource>> rounded_;
  std::unordered_map<std::string, std::shared_ptr<Packed>> all_;
};

}  // namespace tenon
