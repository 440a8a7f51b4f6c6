// What outputs of one run hand to inputs of the next. A value that only grows by appending stays in memory with room for more, and one
// that its last reader can write over (a scatter into a cache) stays in its memory; any other swaps two buffers.
#pragma once

#include <vector>

#include "exec/executor.h"
#include "tenon.h"

namespace tenon {

class State {
 public:
  struct Item {
    int output = 0, input = 0;  // ports of the model
    int planned_input = -1;     // of the plan, which lacks inputs that became constants
    Tensor view;                // of what the next run reads: shape and memory, dense unless it has room
    int64_t capacity = 0;       // along `axis`; 0: dense
    int axis = -1;              // along which it grows in place
    int32_t row = -1;           // of the capacity
    Dim size;                   // of the output along the axis
    bool in_place = false;      // the step that makes the output writes over the input
    bool fresh = true;          // starts from zeros
    std::vector<bool> changes;  // the axes whose size is another after each run
    Buffer memory;
  };

  // Throws Error(bad_usage) where the two cannot be tied.
  void tie(const std::vector<Port>& inputs, const std::vector<Port>& outputs, int output, int input);
  void reset();
  void reserve(int64_t positions) { reserved_ = positions; }
  bool empty() const { return items_.empty(); }
  const std::vector<Item>& items() const { return items_; }
  const Item* of_output(int output) const;
  std::vector<Tie> ties() const;

  // Gives fresh values their sizes, from those of the other inputs, and lists what the next run reads in `given`.
  void begin(const std::vector<Port>& inputs, std::vector<Tensor>& given);
  // The plan that will run: which values grow in place.
  void settle(const Plan& plan, const std::vector<int>& planned_inputs);
  // Binds the frame, with memory for all that grows.
  void bind(Frame& frame, int64_t memory_limit);
  // After a run: its results are what the next one reads.
  void carry(Frame& frame, std::vector<Tensor>& given);
  void carry(const std::vector<OwnedTensor>& results, std::vector<Tensor>& given);

  OwnedTensor dense(const Item& item) const;
  int64_t copied() const { return copied_; }

 private:
  void move(Item& item, int64_t capacity);
  void bind_items(Frame& frame);

  std::vector<Item> items_;
  int64_t reserved_ = 0, copied_ = 0;
};

// The pairs of ports that names and shapes say are state.
std::vector<StateTie> find_ties(const std::vector<Port>& inputs, const std::vector<Port>& outputs);

}  // namespace tenon
