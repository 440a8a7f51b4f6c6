// Packed weights, once for all plans of a model that read them: of its branches and bodies, of other sizes, and what is planned again
// when states are tied.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
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

// Of those, what some plan still reads. Made by one planning at a time.
class PackedWeights {
 public:
  // Constants that passes or the reader have made anew, though the model had them before, become those.
  void reuse_constants(Graph& g);

  // A lock while a graph is planned with all that is in it, and the number of that.
  std::pair<std::unique_lock<std::mutex>, int> begin();
  // Null where no plan has it.
  std::shared_ptr<Packed> find(const std::string& key) const;
  std::shared_ptr<Packed> add(const std::string& key, int64_t bytes);
  // The constant in sixteen bits, rounded as it is read: one source for all who ask.
  std::shared_ptr<const WeightSource> rounded(const Constant& c, DType to);

 private:
  struct Made {
    std::weak_ptr<const WeightSource> source;
    int64_t offset;
  };
  void reuse(Graph& g);

  std::mutex mutex_;
  int plannings_ = 0;
  std::unordered_map<std::string, std::weak_ptr<Packed>> all_;
  std::map<std::tuple<const WeightSource*, int64_t, DType>, std::weak_ptr<const WeightSource>> rounded_;
  std::map<std::pair<size_t, int64_t>, Made> made_;  // by a hash of the bytes and their number
};

}  // namespace tenon
