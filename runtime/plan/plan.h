// The skeleton: everything about running a graph that does not depend on the values of its symbols. Immutable; shared by sessions.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "plan/packed.h"
#include "plan/select.h"

namespace tenon {

// Where a value lives.
struct Place {
  enum Kind : uint8_t {
    none,      // omitted
    constant,  // index into Plan::constants
    content,   // a shape value: written by the frame when its extents change; index into Plan::contents
    arena,     // a buffer of the arena
    late,      // memory got while running: its size has no bound that is known when the frame is bound
    input,     // lent by the caller of run; index into the graph's inputs
    output,    // of the session, or lent by the caller; index into the graph's outputs
  };
  Kind kind = none;
  int32_t index = 0;  // arena and late: into Plan::buffers
};

// Memory that one value, or several that share it, occupy while steps first .. last run.
struct BufferPlan {
  Dim bytes;
  int32_t first = 0, last = 0;
  bool late = false;
  // Buffers in the arena below this one: it starts where the highest of them ends.
  std::vector<int32_t> above;
};

struct PlannedStep {
  NodeId node;
  std::vector<const Kernel*> kernels;  // the first is best at the likely sizes; empty: the reference
  Needs needs;
  int32_t first_operand, sources, destinations;
  const void* packed = nullptr;
  std::vector<Reads> reads;
  std::vector<std::shared_ptr<const struct Plan>> subplans;
  bool sized_by_data = false;  // has a destination whose size is patched when the step has run
  std::vector<int32_t> awaits;  // run-time sizes of its sources, which earlier steps decide
};

struct PlannedOperand {
  ValueId value;
  Place place;
  Operand model;  // data is null, symbolic sizes are kUnknown
  Geometry geometry;
  int64_t offset = 0;  // bytes, of a window
};

// A value whose elements are extents.
struct ContentPlan {
  DType dtype;
  std::vector<Dim> elements;
};

// Branches and bodies included.
struct PlanSummary {
  int steps = 0, by_reference = 0, reorders = 0;
  double pack_ms = 0;
  int64_t packed_bytes = 0, constant_bytes = 0;  // constants: those that steps read as stored
  int rounded_weights = 0;                       // to sixteen bits
  double rounding_error = 0;                     // the largest of them
};

struct Plan {
  ~Plan();

  Graph graph;                        // as selected: with reorders and layouts
  std::vector<Selection> selections;  // of the nodes of `graph`
  std::vector<PlannedStep> steps;
  std::vector<PlannedOperand> operands;  // of the steps, each with its sources and then its destinations
  std::vector<PlannedOperand> inputs, outputs;
  std::vector<BufferPlan> buffers;
  std::vector<const void*> constants;  // null: packed, read by nobody else, and not to be had without a copy
  std::vector<ContentPlan> contents;
  std::map<ValueId, double> rounded;  // constants in sixteen bits, with the error of that
  std::vector<std::shared_ptr<const Packed>> packed;
  std::vector<Buffer> owned;  // reordered constants, constants that could not be read in place; wiped in the end
  PlanOptions options;
  PlanSummary summary;
  bool has_data_sizes = false;
};

// Lowers a portable graph (which it consumes). Weights that `packed` has are not packed again; null: there are none. Throws Error.
std::shared_ptr<const Plan> make_plan(Graph g, const PlanOptions& options, PackedWeights* packed = nullptr);

}  // namespace tenon
