// What `tenon check` does: every step against its reference while a plan runs, and the outputs against the whole model as it was read.
#pragma once

#include "exec/executor.h"
#include "tenon.h"

namespace tenon {

// Thrown through an executor to end a check.
struct CheckEnded {};

// Compares each step with the reference, which gets the sources that the step had. Throws CheckEnded where `go_on` says no.
class StepChecker : public StepObserver {
 public:
  explicit StepChecker(GoOn go_on) : go_on_(std::move(go_on)) {}
  void before(const Plan& plan, int step, const Step& s) override;
  void after(const Plan& plan, int step, const Step& s, double nanoseconds) override;
  std::vector<CheckReport::Row> rows;

 private:
  GoOn go_on_;
  std::vector<std::vector<Array>> sources_;  // of the steps that are under way: a branch runs within its step
};

// Compares the outputs of a run with those of the reference executor on `read`, the graph before any pass. Throws CheckEnded where
// `go_on` says no.
std::vector<CheckReport::Output> check_outputs(const Graph& read, std::vector<Array> inputs, const std::vector<Array>& outputs,
                                               const std::vector<Port>& ports, Precision precision, const GoOn& go_on);

}  // namespace tenon
