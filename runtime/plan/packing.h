// Constants packed for their kernels, on several threads: each takes the next one, or the next rows of a large one, reads its elements
// where they cannot be used where they lie, such as those of a sealed model, and packs them. Rows are read and packed in pieces that
// the cache of a core holds.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/buffer.h"
#include "plan/select.h"

namespace tenon {

// The elements of one constant after another: where they lie, or in memory that is used again and wiped in the end.
class Lent {
 public:
  Lent() = default;
  ~Lent();
  Lent(const Lent&) = delete;
  // Until the next call. Throws what the source throws.
  const void* data(const Constant& c);
  // Memory of at least so many bytes, whose first `kept` are those of before.
  char* memory(int64_t bytes, int64_t kept);

 private:
  Buffer memory_;
};

class Packing {
 public:
  // `model` says everything but the data of source `source`, which are those of `c` (null: packed from the rest). `packed` is written
  // by run. `grain`: of the rows (Needs::pack_grain); with one, a large source is packed in several parts.
  void add(std::unique_ptr<ModelStep> model, int source, const Constant* c, void* packed, int64_t grain);
  // Throws the first failure of a source.
  void run(int workers);

 private:
  struct Task {
    std::shared_ptr<const ModelStep> model;
    int source;
    std::optional<Constant> constant;
    void* packed;
    int64_t grain;       // of the rows; 0: packed whole
    int64_t begin, end;  // rows

    int64_t row_bytes() const { return constant->bytes / model->step.src[source].size[0]; }
  };
  static void pack(const Task& t, Lent& lent);
  int threads(int workers) const;

  std::vector<Task> tasks_;
};

}  // namespace tenon
