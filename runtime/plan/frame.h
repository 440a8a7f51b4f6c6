// A skeleton bound to sizes: the values of its extents, its operands, its memory. Binding again does only what depends on the symbols
// that changed, from a list made once for each set of them.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/tensor.h"
#include "plan/plan.h"

namespace tenon {

// What a set of changed symbols changes, in the order of doing.
struct Delta {
  struct Patch {
    int64_t* to;
    int32_t row;
  };
  struct Element {
    int32_t content, index, row;
  };
  std::vector<int32_t> rows;        // to be computed again
  std::vector<int32_t> range_rows;  // whose range changes, where data decide sizes
  std::vector<Patch> patches;       // of sizes and strides
  std::vector<Element> elements;    // of shape values
  std::vector<int32_t> buffers;     // whose size changes
  std::vector<int32_t> outputs;     // of the graph, likewise
  std::vector<int32_t> guards;
  std::vector<int32_t> steps;  // whose kernel or scratch is chosen again
};

struct BindCounters {
  int64_t binds = 0;   // with any symbol changed
  int64_t deltas = 0;  // lists made
  int64_t grown = 0;   // allocations
};

class Frame {
 public:
  explicit Frame(std::shared_ptr<const Plan> plan, int64_t memory_limit = INT64_MAX);
  Frame(const Frame&) = delete;

  const Plan& plan() const { return *plan_; }

  // Binds input `index` to memory; of a sequence or an optional `data` is an Array, here and of outputs. Throws Error(bad_input) naming the
  // input where type or shape do not fit. The memory of an input with room holds all of it.
  void set_input(int index, const Tensor& t) { set_input(index, t.container, t.dtype, t.shape.data(), static_cast<int>(t.shape.size()), t.data); }
  void set_input(int index, Container container, const Operand& o) {
    set_input(index, container, static_cast<DType>(o.dtype), o.size, o.rank, o.data);
  }
  // Binds output `index` to the caller's memory of at least `bytes`; null gives it back to the frame.
  void set_output(int index, void* data, int64_t bytes);
  // Takes the memory that holds output `index`, of the frame's own, and gives it other memory for the next run.
  Buffer swap_output(int index, Buffer other);
  // After all inputs are set: sizes, offsets, pointers, kernels. Throws Error for a guard that does not hold, an overflow, and memory
  // beyond the limit.
  void bind();

  // While running. The actual sizes of a destination whose symbols data decide.
  void decide(const PlannedOperand& destination, const int64_t* size);
  // Memory for the late destinations of a step, and pointers to it.
  void provide(const PlannedStep& step);
  // Whether output `index` gets its memory there: where data decide sizes, in a body also those that its inputs have.
  bool is_provided(int index) const { return plan_->has_data_sizes || is_open(plan_->outputs[static_cast<size_t>(index)]); }
  // The memory of an operand that is there before its step has run; null where it is not. For who computes it elsewhere.
  struct Memory {
    void* data = nullptr;
    int64_t bytes = 0;
  };
  Memory memory_of(int32_t operand) const;

  // Dense elements, and no data where the output lies in a room.
  Tensor output(int index) const;
  const Operand& output_operand(int index) const { return outputs_[static_cast<size_t>(index)]; }
  // The size of a row, or its largest value where data decide it. After bind.
  int64_t largest(Dim d) const {
    return d.known() ? d.number() : by_data_[static_cast<size_t>(d.row())] ? ranges_[static_cast<size_t>(d.row())].high : value(d);
  }
  std::vector<Step>& steps() { return steps_; }
  Operand& operand(int32_t i) { return operands_[static_cast<size_t>(i)]; }
  const std::vector<int64_t>& values() const { return values_; }
  bool is_set(int32_t row) const { return set_[static_cast<size_t>(row)]; }
  void set_value(int32_t row, int64_t value);
  char* scratch() { return scratch_.data(); }
  int64_t worker_offset() const { return shared_scratch_; }
  int64_t worker_stride() const { return worker_scratch_; }
  int64_t arena_bytes() const { return arena_.bytes(); }
  const BindCounters& counters() const { return counters_; }

 private:
  using Operands = std::vector<std::vector<int32_t>>;
  void set_input(int index, Container container, DType dtype, const int64_t* shape, int rank, void* data);
  void unify(int index, Container container, DType dtype, const int64_t* shape, int rank, const void* data);
  Container container(const PlannedOperand& o) const { return plan_->graph.values[o.value].type.container; }
  const Delta& delta(const std::vector<int32_t>& changed);
  void apply(const Delta& d, bool running);
  void choose(int32_t step);
  void expect_symbols() const;
  void check(const Guard& g) const;
  // Whether the data that decide d are there: while binding, what comes from outside; while running, what steps have decided too.
  bool decided(Dim d, bool running) const;
  void fit();
  void lay_out(bool exact);
  void place_output(int index);
  bool is_open(const PlannedOperand& planned) const;
  int64_t bytes_of(const PlannedOperand& planned, const Operand& o) const;
  void point(const Operands& list, int32_t index, void* data);
  int64_t value(Dim d) const { return d.known() ? d.number() : values_[static_cast<size_t>(d.row())]; }

  std::shared_ptr<const Plan> plan_;
  int64_t memory_limit_;
  std::vector<int64_t> values_;           // of the rows of the extents
  std::vector<Interval> ranges_;          // the same before data have decided, where they decide sizes
  std::vector<uint8_t> set_;              // symbols that have a value
  std::vector<int64_t> seen_;             // the run whose inputs gave the symbol
  std::vector<uint8_t> by_data_;          // rows that depend on a size that data decide
  std::vector<uint8_t> lent_;             // rows whose value comes from outside: symbols, and sizes that the caller's data decided
  std::vector<int32_t> data_rows_;        // sizes that data decide
  std::vector<int32_t> changed_, decided_;
  std::vector<Operand> operands_, inputs_, outputs_;
  std::vector<Step> steps_;
  std::map<std::vector<int32_t>, std::unique_ptr<Delta>> deltas_;
  // Which operands lie in each input, output, buffer of the arena, buffer got while running.
  Operands in_input_, in_output_, in_arena_, in_late_;
  std::vector<int64_t> size_, laid_, offset_;  // of the buffers: now, as laid out (no less), where
  Buffer arena_, scratch_;
  std::vector<Buffer> contents_;  // of shape values
  int64_t shared_scratch_ = 0, worker_scratch_ = 0;
  std::vector<Buffer> late_, own_outputs_;
  std::vector<std::unique_ptr<std::vector<std::string>>> late_strings_, output_strings_;
  std::vector<std::unique_ptr<Array>> late_arrays_, output_arrays_;  // of sequences and optionals
  std::vector<void*> input_data_;
  std::vector<Memory> given_;
  std::vector<int32_t> stale_outputs_;
  bool bound_once_ = false, laid_once_ = false, grown_ = false;
  int64_t run_ = 1;
  BindCounters counters_;
};

}  // namespace tenon
