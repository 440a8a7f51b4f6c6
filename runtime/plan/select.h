// Lowering: which kernel runs each node, in which layouts. Reorders become nodes of the graph.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plan/operand.h"

namespace tenon {

struct PlanOptions {
  Isa isa = Isa::reference;  // the highest level that may be used
  int workers = 1;
  std::map<std::string, int64_t> hints;  // likely values of symbolic sizes
  int64_t hint = 16;                     // of all others
};

// The likely values of the rows of a table, which may grow meanwhile.
class Likely {
 public:
  Likely(const Extents& extents, const PlanOptions& options) : extents_(extents), options_(options) {}
  // Of all rows that the table has by now.
  const std::vector<int64_t>& values();
  int64_t operator()(Dim d) { return d.known() ? d.number() : values()[static_cast<size_t>(d.row())]; }

 private:
  const Extents& extents_;
  const PlanOptions& options_;
  std::vector<int64_t> values_;
};

// Of dense elements.
double likely_bytes(const Type& t, Likely& likely);

struct Candidate {
  const Kernel* kernel;
  const char* rejection;  // null: accepts
  float cost = 0;         // nanoseconds at the likely sizes, reorders of the sources included
  Needs needs = {};
  bool gaps = true;  // takes sources that are windows of larger memory; else they are copied for it
};

// The kernels chosen for one node: the best at the likely sizes first, then those that could take its place when a frame is bound
// (same layouts and packing). Empty: the reference.
struct Selection {
  std::vector<const Kernel*> kernels;
  Needs needs;
  float cost = 0;
  bool gaps = true;
};

// Changes g: values get layouts, reorders are inserted. One selection for each node of the changed graph.
std::vector<Selection> select(Graph& g, const PlanOptions& options);

// All kernels of the node's op, in the order of the tables, with what each says; for `explain`.
std::vector<Candidate> candidates(Graph& g, const Node& node, const PlanOptions& options, Likely& likely);

// A node as a step: operands without data, symbolic sizes unknown or at their likely values. Owns what the step points to.
struct ModelStep {
  // `dense`: sources that are windows as copies of them are.
  ModelStep(Graph& g, const Node& node, Likely* likely, bool dense = false);
  ModelStep(const ModelStep&) = delete;
  std::vector<Operand> operands;
  std::vector<Reads> reads;
  Step step;
};

// Whether the node's result is its first source in another shape, so that no step is needed. Not where data decide that shape: that
// takes a step.
bool shares_memory(const Graph& g, const Node& node);

}  // namespace tenon
