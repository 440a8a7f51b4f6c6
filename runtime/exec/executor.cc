#include "exec/executor.h"

#include <algorithm>
#include <chrono>

#include "exec/reference.h"

namespace tenon {
namespace {

constexpr int64_t kMostContent = 4096;  // elements that may decide sizes

std::vector<Array> run_subgraph(Reference&, const Graph& g, std::vector<Array> inputs) { return run_reference(g, std::move(inputs)); }

}  // namespace

std::string place_of(const Plan& plan, int step) { return place_of(plan.graph.nodes[plan.steps[static_cast<size_t>(step)].node]); }

Executor::Executor(std::shared_ptr<const Plan> plan, int64_t memory_limit) : frame_(plan, memory_limit), memory_limit_(memory_limit) {
  for (const PlannedStep& s : plan->steps) {
    bool late = false;
    for (int k = 0; k < s.destinations; ++k) {
      const Place& p = plan->operands[s.first_operand + s.sources + k].place;
      late |= p.kind == Place::late || (p.kind == Place::output && frame_.is_provided(p.index));
    }
    const bool sizes = std::any_of(s.kernels.begin(), s.kernels.end(),
                                   [](const Kernel* k) { return k->size != nullptr; });
    plain_.push_back(!s.kernels.empty() && !s.sized_by_data && !late && !sizes);
    branches_.emplace_back();
    for (const auto& sub : s.subplans) branches_.back().push_back(std::make_unique<Executor>(sub, memory_limit));
  }
  const Extents& e = *plan->graph.extents;
  for (int32_t row = 0; row < e.rows(); ++row)
    if (e.is_symbol(row) || e.is_data(row)) outer_rows_.push_back(row);
}

BindCounters Executor::counters() const {
  BindCounters sum = frame_.counters();
  for (const auto& step : branches_)
    for (const auto& branch : step) {
      const BindCounters c = branch->counters();
      sum.binds += c.binds, sum.deltas += c.deltas, sum.grown += c.grown;
    }
  return sum;
}

void Executor::fault(const Context& context, const char* what, int64_t value, int64_t bound) {
  Executor& e = *static_cast<const Faulting&>(context).executor;
  const char* none = nullptr;
  if (e.fault_.compare_exchange_strong(none, what)) e.fault_value_ = value, e.fault_bound_ = bound;
}

void Executor::raise_fault(int step) {
  const char* what = fault_.exchange(nullptr);
  throw Error(Code::bad_input, std::string(what) + ": " + std::to_string(fault_value_) + ", bound " + std::to_string(fault_bound_))
      .within(place_of(frame_.plan(), step));
}

void Executor::run(StepObserver& observer) {
  observer_ = &observer;
  try {
    run();
  } catch (...) {
    observer_ = nullptr;
    throw;
  }
  observer_ = nullptr;
}

void Executor::run() {
  frame_.bind();
  const ThreadPool::Lease lease(ThreadPool::instance(), frame_.plan().options.workers);
  Context context{};
  context.fork = ThreadPool::fork;
  context.pool = &ThreadPool::instance();
  context.workers = lease.workers();
  run_steps(context);
}

// It moves where data decide that a step needs more.
void Executor::use_scratch(Context& context) {
  context.scratch = frame_.scratch();
  context.worker_scratch = frame_.scratch() + frame_.worker_offset();
  context.worker_stride = frame_.worker_stride();
}

void Executor::run_steps(const Context& shared) {
  Faulting context{shared, this};
  context.fault = fault;
  use_scratch(context);
  Step* steps = frame_.steps().data();
  const int n = static_cast<int>(frame_.steps().size());
  for (int i = 0; i < n; ++i) {
    std::chrono::steady_clock::time_point start;
    if (observer_) {
      observer_->before(frame_.plan(), i, steps[i]);
      start = std::chrono::steady_clock::now();
    }
    if (frame_.plan().has_data_sizes) expect_sizes(i);
    if (plain_[static_cast<size_t>(i)]) steps[i].kernel->run(steps[i], context);
    else run_slowly(i, context), use_scratch(context);
    if (fault_.load(std::memory_order_relaxed)) raise_fault(i);
    if (observer_)
      observer_->after(frame_.plan(), i, steps[i], std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count());
  }
}

void Executor::expect_sizes(int step) const {
  const Plan& plan = frame_.plan();
  for (int32_t row : plan.steps[static_cast<size_t>(step)].awaits)
    if (!frame_.is_set(row))
      throw Error(Code::internal, "no step has decided the size " + plan.graph.extents->text(Dim::of_row(row)) + " that this one reads")
          .within(place_of(plan, step));
}

// The sizes of the destinations where they follow from the contents of sources that are there now.
void Executor::size_by_content(int step) {
  const Plan& plan = frame_.plan();
  const PlannedStep& p = plan.steps[static_cast<size_t>(step)];
  const Node& node = plan.graph.nodes[p.node];
  std::vector<Type> types(static_cast<size_t>(p.sources));
  std::vector<std::vector<Dim>> contents(types.size());
  std::vector<const void*> reals(types.size());
  for (int i = 0; i < p.sources; ++i) {
    const Operand& o = frame_.operand(p.first_operand + i);
    if (plan.operands[p.first_operand + i].value == kNone) continue;
    types[i] = plan.graph.values[plan.operands[p.first_operand + i].value].type;
    Shape shape;
    int64_t count = 1;
    for (int k = 0; k < o.rank; ++k) shape.push(o.size[k]), count *= o.size[k];
    types[i].shape = shape;
    types[i].layout = {};
    const DType t = types[i].dtype;
    if (types[i].quantisation || count > kMostContent) continue;
    if (is_integer(t) || t == DType::boolean)
      for (const Cell& c : read(o).cells) contents[i].push_back(c.integer);
    if (t == DType::f32 && count <= kMaxRank && o.dense) reals[i] = o.data;
  }
  const std::vector<Type> results = infer_concrete(node, types, contents, {}, reals);
  for (int k = 0; k < p.destinations; ++k) {
    const PlannedOperand& o = plan.operands[p.first_operand + p.sources + k];
    if (o.value == kNone || !results[k].shape.known()) continue;
    int64_t size[kMaxRank];
    for (int a = 0; a < results[k].shape.rank(); ++a) size[a] = results[k].shape[a].number();
    frame_.decide(o, size);
  }
}

// The sizes of the destinations that the kernel finds; false where it refuses its sources.
bool Executor::size_by_kernel(int step, Faulting& context) {
  const PlannedStep& p = frame_.plan().steps[static_cast<size_t>(step)];
  const Step& s = frame_.steps()[static_cast<size_t>(step)];
  for (bool again = true; again;) {
    use_scratch(context);
    s.kernel->size(s, context);
    if (fault_.load(std::memory_order_relaxed)) return false;
    // What the kernel has left in scratch is lost where a later step needs more of it.
    const int64_t grown = frame_.counters().grown;
    for (int k = 0; k < p.destinations; ++k)
      if (const PlannedOperand& o = frame_.plan().operands[p.first_operand + p.sources + k];
          o.value != kNone)
        frame_.decide(o, s.dst[k].size);
    again = frame_.counters().grown != grown;
  }
  return true;
}

void Executor::run_slowly(int step, const Faulting& context) {
  const PlannedStep& p = frame_.plan().steps[static_cast<size_t>(step)];
  within([&] { return place_of(frame_.plan(), step); },
         [&] {
           if (!p.subplans.empty()) return run_bodies(step, context);
           if (p.kernels.empty()) return run_by_reference(step);
           Step& s = frame_.steps()[static_cast<size_t>(step)];
           if (p.sized_by_data && !s.kernel->size) size_by_content(step);
           Faulting own{context};
           if (s.kernel->size && !size_by_kernel(step, own)) return;
           frame_.provide(p);
           use_scratch(own);
           s.kernel->run(s, own);
           if (!p.sized_by_data || s.kernel->size) return;
           for (int k = 0; k < p.destinations; ++k)
             if (frame_.plan().operands[p.first_operand + p.sources + k].value != kNone)
               frame_.decide(frame_.plan().operands[p.first_operand + p.sources + k], s.dst[k].size);
         });
}

void Executor::run_by_reference(int step) {
  const Plan& plan = frame_.plan();
  const PlannedStep& p = plan.steps[static_cast<size_t>(step)];
  const Node& node = plan.graph.nodes[p.node];
  std::vector<Array> arrays(static_cast<size_t>(p.sources));
  std::vector<const Array*> in;
  for (int i = 0; i < p.sources; ++i) {
    if (const ValueId v = plan.operands[p.first_operand + i].value; v != kNone)
      arrays[i] = read(plan.graph.values[v], frame_.operand(p.first_operand + i));
    in.push_back(plan.operands[p.first_operand + i].value == kNone ? nullptr : &arrays[i]);
  }
  std::vector<Array> out = evaluate(node, in, run_subgraph);
  for (int k = 0; k < p.destinations; ++k) {
    const PlannedOperand& o = plan.operands[p.first_operand + p.sources + k];
    if (o.value != kNone && p.sized_by_data && out[k].container == Container::tensor) frame_.decide(o, out[k].shape.data());
  }
  frame_.provide(p);
  for (int k = 0; k < p.destinations; ++k) {
    if (plan.operands[p.first_operand + p.sources + k].value == kNone) continue;
    const Operand& to = frame_.operand(p.first_operand + p.sources + k);
    if (out[k].container != Container::tensor) *static_cast<Array*>(to.data) = std::move(out[k]);
    else write(out[k], to);
  }
}

}  // namespace tenon
