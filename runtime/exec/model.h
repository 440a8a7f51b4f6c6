// What stands behind the public Model and Session.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "exec/executor.h"
#include "exec/rights.h"
#include "formats/formats.h"
#include "plan/plan.h"
#include "tenon.h"

namespace tenon {

// A model file, opened.
struct OpenedModel {
  std::shared_ptr<const WeightSource> bytes;
  std::string folder;                  // of external data; empty: there is none
  std::shared_ptr<const Blobs> blobs;  // of a container
  std::shared_ptr<Rights> rights;      // null: everything is allowed
};
// Weights that `packed` has are not packed again; null: there are none.
std::shared_ptr<const Model::Impl> load(OpenedModel opened, const Options& options, double read_ms, std::shared_ptr<PackedWeights> packed = nullptr);

struct Model::Impl {
  Options options;
  PlanOptions plan_options;
  std::string format;
  std::vector<std::string> notes;
  OpenedModel opened;
  Graph graph;                       // portable, after all passes
  std::shared_ptr<const Plan> plan;  // null when only the reference is wanted
  std::shared_ptr<PackedWeights> packed = std::make_shared<PackedWeights>();
  std::vector<Port> inputs, outputs;
  bool has_containers = false;  // among the outputs
  LoadTimes times;
  std::vector<StateTie> ties;  // given, or found
  std::vector<Tie> tied;       // by the ports, where Options gave them

  // A model whose ranks depend on its sizes, or on an input of one integer, is built when those are known, once for each set of them;
  // where that is not enough, short lists of integers count too.
  bool per_size = false;
  std::optional<Error> why_open;  // the node whose result has no known rank
  std::shared_ptr<const Impl> for_inputs(const std::vector<Tensor>& given, const std::vector<Tie>& ties) const;
  // The same model planned for other ties. Made once for each list of them.
  std::shared_ptr<const Impl> with_ties(const std::vector<Tie>& ties) const;
  mutable std::mutex mutex;
  mutable std::map<std::vector<int64_t>, std::shared_ptr<const Impl>> by_size, by_ties;

  void require(Right right) const {
    if (opened.rights) opened.rights->require(right);
  }
};

// Whether the elements of an input may decide ranks: one integer or bool, or a short list of them.
bool may_decide(const Tensor& input);

// A copy with extents and guards of its own, to which more can be added while others use the original.
Graph detached(const Graph& g);

// The graph as read, run through the passes up to and including `last`; "read" for none, "passes" for all.
// "simplified" for those alone that any reader of the model could use.
Graph graph_after(const Model::Impl& model, const std::string& last);
// What the file says of itself; of its graph inputs and outputs alone.
ReadModel file_of(const Model::Impl& model);

// Reports, in report.cc.
PlanReport explain(const Model::Impl& model);
Inspection inspect(const Model::Impl& model);

}  // namespace tenon
