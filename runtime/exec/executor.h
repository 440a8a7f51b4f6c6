// Runs a plan, again and again, in memory of its own. One thread at a time; a plan may have many executors.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "exec/thread_pool.h"
#include "plan/frame.h"

namespace tenon {

// Looks on while steps run.
class StepObserver {
 public:
  virtual ~StepObserver() = default;
  virtual void before(const Plan&, int /*step*/, const Step&) {}
  virtual void after(const Plan&, int step, const Step&, double nanoseconds) = 0;
};

class Executor {
 public:
  Executor(std::shared_ptr<const Plan> plan, int64_t memory_limit);

  Frame& frame() { return frame_; }
  // Of the frame and of those of branches.
  BindCounters counters() const;
  // Binds and runs. Throws Error; the executor stays usable.
  void run();
  // The same, observed: also inside the branches of control flow.
  void run(StepObserver& observer);

 private:
  void run_steps(const Context& context);
  void run_by_reference(int step);
  // Control flow, in control.cc.
  void run_bodies(int step, const Context& context);
  void run_branch(int step, const Context& context);
  void run_loop(int step, const Context& context);
  void enter(Executor& body) const;
  Tensor source(const PlannedStep& p, int i);
  // Throws Error(internal) where a run-time size that the step reads has not been decided.
  void expect_sizes(int step) const;
  void size_by_content(int step);
  void raise_fault(int step);
  static void fault(const Context& context, const char* what, int64_t value, int64_t bound);

  struct Faulting : Context {
    Executor* executor;
  };
  void run_slowly(int step, const Faulting& context);
  bool size_by_kernel(int step, Faulting& context);
  void use_scratch(Context& context);

  Frame frame_;
  int64_t memory_limit_;
  std::vector<bool> plain_;  // steps that are a kernel and nothing else
  std::vector<std::vector<std::unique_ptr<Executor>>> branches_;
  std::vector<int32_t> outer_rows_;  // of sizes that a branch gets from outside
  std::atomic<const char*> fault_{nullptr};
  int64_t fault_value_ = 0, fault_bound_ = 0;
  StepObserver* observer_ = nullptr;
};

// Where an error in a step says it happened.
std::string place_of(const Plan& plan, int step);

}  // namespace tenon
