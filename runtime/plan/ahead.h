// Weights that cannot be used where they lie, such as those of a sealed model: each is read while the one before is being packed.
#pragma once

#include <future>
#include <vector>

#include "base/buffer.h"
#include "ir/graph.h"

namespace tenon {

class ReadAhead {
 public:
  ReadAhead() = default;
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;

  // Constants in the order in which get will be asked for them; it need not be asked for all.
  void expect(const Constant& c) { order_.push_back(c); }
  // The elements, until the next call. Throws what the source throws.
  const void* get(const Constant& c);

 private:
  static void read(const Constant& c, Buffer& memory);
  void start(size_t index);

  std::vector<Constant> order_;
  size_t next_ = 0;  // of order_: likely to be asked for
  Buffer memory_, coming_;
  std::future<void> reading_;  // order_[next_] into coming_
};

}  // namespace tenon
