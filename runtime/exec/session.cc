#include <algorithm>
#include <chrono>
#include <cstring>

#include "exec/check.h"
#include "exec/model.h"
#include "exec/reference.h"
#include "exec/state.h"

namespace tenon {
namespace {

int index_of(const std::vector<Port>& ports, const std::string& name, const char* kind) {
  for (size_t i = 0; i < ports.size(); ++i)
    if (ports[i].name == name) return static_cast<int>(i);
  std::string list;
  for (const Port& p : ports) list += (list.empty() ? "" : ", ") + ("\"" + printable(p.name) + "\"");
  throw Error(Code::bad_usage, std::string("the model has no ") + kind + " \"" + printable(name) + "\"; it has " + list);
}

// Of numbers, also within sequences and optionals; strings do not count.
uint64_t bytes_within(const Tensor& t) {
  if (t.container == Container::tensor) return t.dtype == DType::string ? 0 : static_cast<uint64_t>(t.bytes());
  uint64_t all = 0;
  for (int64_t i = 0; i < t.count(); ++i) all += bytes_within(t.as<Tensor>()[i]);
  return all;
}

void withhold(const Tensor& t) {
  if (t.container != Container::tensor)
    for (int64_t i = 0; i < t.count(); ++i) withhold(t.as<Tensor>()[i]);
  else if (t.dtype == DType::string) std::fill_n(t.as<std::string>(), t.count(), std::string());
  else if (t.data && t.bytes()) std::memset(t.data, 0, static_cast<size_t>(t.bytes()));
}

}  // namespace

struct Session::Impl {
  std::shared_ptr<const Model::Impl> model;
  std::unique_ptr<Executor> executor;
  std::vector<Tensor> inputs;
  std::vector<bool> bound;
  std::vector<OwnedTensor> results;             // of the reference; of a plan those that are sequences or optionals
  std::vector<Array> containers;                // inputs that are sequences or optionals, as frames take them
  std::shared_ptr<const Model::Impl> settled;   // the model for the sizes of the last inputs, and for the ties
  std::vector<int> planned_inputs;              // of each input the one of the plan, -1 where it became a constant
  std::vector<std::pair<void*, int64_t>> lent;  // memory bound to outputs
  State state;
  bool ties_changed = false;
  std::vector<int64_t> sizes, settled_sizes;  // of the inputs, where plans are made for them
  Counters before;                            // of the executors that are gone
  int64_t runs = 0;

  explicit Impl(std::shared_ptr<const Model::Impl> m)
      : model(std::move(m)), inputs(model->inputs.size()), bound(inputs.size()), lent(model->outputs.size()) {
    use(nullptr);
    for (const Tie& t : model->tied) tie(t.output, t.input);
    ties_changed = false;
    if (executor) state.settle(executor->frame().plan(), planned_inputs);
  }

  void run() {
    prepare();
    if (!executor) return run_reference_executor();
    executor->run();
    ++runs;
    collect_containers();
    state.carry(executor->frame(), inputs);
  }

  // Executes `body` where the policy of the model allows a run, and keeps the record that it may want. A result whose record cannot be
  // written is withheld.
  template <class Body>
  void execute(Body&& body) {
    Rights* rights = model->opened.rights.get();
    if (!rights) return body();
    rights->require_run();
    if (!rights->records_runs()) return body();
    RunFacts facts;
    for (size_t i = 0; i < bound.size(); ++i)
      if (bound[i]) facts.bytes_in += bytes_within(inputs[i]);
    const auto start = std::chrono::steady_clock::now();
    const auto record = [&] {
      facts.milliseconds =
          static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count());
      rights->record_run(facts);
    };
    try {
      body();
    } catch (const Error& e) {
      facts.error = &e;
      record();
      throw;
    }
    const std::vector<Tensor> results = outputs();
    for (const Tensor& t : results) facts.bytes_out += bytes_within(t);
    try {
      record();
    } catch (const Error&) {
      for (const Tensor& t : results) withhold(t);
      state.reset();
      throw;
    }
  }

  // All up to the first step.
  void prepare() {
    for (size_t i = 0; i < bound.size(); ++i)
      if (!bound[i]) throw Error(Code::bad_usage, "input \"" + printable(model->inputs[i].name) + "\" (" + text(model->inputs[i]) + ") is not given");
    if (model->per_size) {
      state.begin(model->inputs, inputs);
      note_sizes();
      if (!settled || ties_changed || sizes != settled_sizes) {
        use(model->for_inputs(inputs, state.ties()));
        settled_sizes = sizes;
      }
    } else {
      if (ties_changed && model->plan) use(model->with_ties(state.ties()));
      state.begin(model->inputs, inputs);
    }
    if (!executor) return;
    Frame& frame = executor->frame();
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (planned_inputs[i] < 0) continue;
      if (inputs[i].container == Container::tensor) {
        frame.set_input(planned_inputs[i], inputs[i]);
        continue;
      }
      containers.resize(inputs.size());
      containers[i] = array_of(inputs[i]);
      Tensor t = inputs[i];
      t.data = &containers[i];
      frame.set_input(planned_inputs[i], t);
    }
    if (!state.empty()) state.bind(frame, planned().options.memory_limit);
  }

  // All that a plan made for these inputs may depend on.
  void note_sizes() {
    sizes.clear();
    for (const Tensor& t : inputs) {
      sizes.push_back(static_cast<int64_t>(t.shape.size()));
      sizes.insert(sizes.end(), t.shape.begin(), t.shape.end());
      if (may_decide(t))
        for (int64_t k = 0; k < t.count(); ++k) sizes.push_back(load_cell(t.dtype, t.data, k).integer);
    }
  }

  // Makes an executor for a plan of the model; null: its own.
  void use(std::shared_ptr<const Model::Impl> now) {
    if (now && now == settled) return;
    if (now) before = counters(), ++before.plans;
    settled = std::move(now);
    ties_changed = false;
    const Model::Impl& m = planned();
    executor = m.plan ? std::make_unique<Executor>(m.plan, m.options.memory_limit) : nullptr;
    planned_inputs.assign(model->inputs.size(), -1);
    for (size_t i = 0, next = 0; i < planned_inputs.size(); ++i)
      if (!m.options.fixed_inputs.count(model->inputs[i].name) || model->options.fixed_inputs.count(model->inputs[i].name))
        planned_inputs[i] = static_cast<int>(next++);
    if (!executor) return;
    for (size_t i = 0; i < lent.size(); ++i) executor->frame().set_output(static_cast<int>(i), lent[i].first, lent[i].second);
    state.settle(*m.plan, planned_inputs);
  }

  const Model::Impl& planned() const { return settled ? *settled : *model; }

  // Those of the planned model, dense.
  std::vector<Array> arrays() const {
    std::vector<Array> out;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (planned_inputs[i] < 0) continue;
      const auto& items = state.items();
      const auto item = std::find_if(items.begin(), items.end(), [&](const State::Item& s) { return s.input == static_cast<int>(i); });
      if (item == items.end()) {
        out.push_back(array_of(inputs[i]));
      } else {
        out.push_back(array_of(state.dense(*item)));
      }
    }
    return out;
  }

  void run_reference_executor() {
    results.clear();
    for (const Array& a : run_reference(planned().graph, arrays())) results.push_back(owned(a));
    ++runs;
    state.carry(results, inputs);
  }

  // Sequences and optionals as callers see them.
  void collect_containers() {
    if (!planned().has_containers) return;
    results.clear();
    for (size_t i = 0; i < model->outputs.size(); ++i) {
      const Tensor t = executor->frame().output(static_cast<int>(i));
      results.push_back(t.container == Container::tensor ? OwnedTensor() : owned(*t.as<Array>()));
    }
  }

  std::vector<Tensor> outputs() const {
    std::vector<Tensor> out;
    if (!executor)
      for (const OwnedTensor& t : results) out.push_back(t.view());
    else
      for (size_t i = 0; i < model->outputs.size(); ++i) {
        out.push_back(executor->frame().output(static_cast<int>(i)));
        if (out.back().container != Container::tensor) out.back() = results.at(i).view();
      }
    return out;
  }

  void tie(int output, int input) {
    if (lent[static_cast<size_t>(output)].first)
      throw Error(Code::bad_usage, "output \"" + printable(model->outputs[static_cast<size_t>(output)].name) +
                                       "\" is bound to memory; the session keeps the memory of state");
    state.tie(model->inputs, model->outputs, output, input);
    bound[static_cast<size_t>(input)] = true;
    ties_changed = true;
  }

  Counters counters() const {
    Counters c = before;
    c.runs = runs;
    c.state_bytes_copied = state.copied();
    c.wakes = ThreadPool::instance().wakes();
    if (executor) {
      const BindCounters b = executor->counters();
      c.binds += b.binds, c.plans += b.deltas, c.allocations += b.grown;
    }
    return c;
  }
};

Session::Session(const Model& model) {
  model.impl_->require(Right::run);
  impl_ = std::make_unique<Impl>(model.impl_);
}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

std::vector<Tensor> Session::run(const std::map<std::string, Tensor>& inputs) {
  for (const auto& [name, tensor] : inputs) bind_input(name, tensor);
  run();
  return outputs();
}

void Session::bind_input(const std::string& name, const Tensor& tensor) {
  const auto i = static_cast<size_t>(index_of(impl_->model->inputs, name, "input"));
  for (const State::Item& item : impl_->state.items())
    if (item.input == static_cast<int>(i))
      throw Error(Code::bad_usage, "input \"" + printable(name) + "\" is tied to an output; the session keeps its memory");
  impl_->inputs[i] = tensor;
  impl_->bound[i] = true;
}

void Session::bind_output(const std::string& name, void* data, int64_t bytes) {
  const int i = index_of(impl_->model->outputs, name, "output");
  if (data && impl_->state.of_output(i))
    throw Error(Code::bad_usage, "output \"" + printable(name) + "\" is tied to an input; the session keeps its memory");
  impl_->lent[static_cast<size_t>(i)] = {data, bytes};
  if (impl_->model->per_size && !impl_->settled) return;
  if (!impl_->executor) throw Error(Code::not_supported, "outputs of the reference executor cannot be bound to memory");
  impl_->executor->frame().set_output(i, data, bytes);
}

void Session::run() {
  within([] { return std::string("cannot run"); }, [&] { impl_->execute([&] { impl_->run(); }); });
}

std::vector<Tensor> Session::outputs() const { return impl_->outputs(); }

void Session::tie(const std::string& output, const std::string& input) {
  impl_->tie(index_of(impl_->model->outputs, output, "output"), index_of(impl_->model->inputs, input, "input"));
}

void Session::tie() {
  for (const StateTie& t : impl_->model->ties) tie(t.output, t.input);
}

void Session::reset_state() { impl_->state.reset(); }
void Session::reserve_state(int64_t positions) { impl_->state.reserve(positions); }

OwnedTensor Session::state(const std::string& output) const {
  const State::Item* item = impl_->state.of_output(index_of(impl_->model->outputs, output, "output"));
  if (!item) throw Error(Code::bad_usage, "output \"" + printable(output) + "\" is not tied to an input");
  if (item->fresh) throw Error(Code::bad_usage, "output \"" + printable(output) + "\" has no state before the first run");
  return impl_->state.dense(*item);
}

namespace {

class Profiler : public StepObserver {
 public:
  void after(const Plan& plan, int step, const Step& s, double nanoseconds) override {
    const PlannedStep& p = plan.steps[static_cast<size_t>(step)];
    const Node& n = plan.graph.nodes[p.node];
    if (!p.subplans.empty()) return;
    times.push_back({n.name, std::string(n.op->name), plan.graph.values[n.outputs[0]].name, s.kernel ? s.kernel->name : "reference", nanoseconds});
  }
  std::vector<StepTime> times;
};

}  // namespace

std::vector<StepTime> Session::profile() {
  impl_->model->require(Right::inspect);
  impl_->prepare();
  if (!impl_->executor) throw Error(Code::not_supported, "the reference executor has no plan to profile");
  Profiler p;
  impl_->execute([&] { impl_->executor->run(p); });
  return std::move(p.times);
}

CheckReport Session::check(const GoOn& go_on) {
  impl_->model->require(Right::inspect);
  impl_->prepare();
  if (!impl_->executor) throw Error(Code::not_supported, "the reference executor has no plan to check");
  const Model::Impl& planned = impl_->planned();
  CheckReport report;
  StepChecker steps(go_on);
  std::vector<Array> outputs;
  const std::vector<Array> inputs = impl_->arrays();  // before the run, which may write over state
  impl_->execute([&] {
    try {
      impl_->executor->run(steps);
      impl_->collect_containers();
    } catch (const CheckEnded&) { report.complete = false; }
  });
  report.rows = std::move(steps.rows);
  for (const CheckReport::Row& row : report.rows) report.ok &= row.ok;
  if (!report.complete) return report;
  for (size_t i = 0; i < planned.outputs.size(); ++i) {
    const Port& port = planned.outputs[i];
    const Operand& o = impl_->executor->frame().output_operand(static_cast<int>(i));
    outputs.push_back(port.container == Container::tensor ? read(o) : array_of(impl_->outputs()[i]));
  }
  try {
    report.outputs = check_outputs(graph_after(planned, "read"), inputs, outputs, planned.outputs, planned.options.precision, go_on);
  } catch (const CheckEnded&) { report.complete = false; }
  for (const CheckReport::Output& output : report.outputs) {
    report.ok &= output.ok;
    report.outputs_of_range = std::max(report.outputs_of_range, output.of_range);
  }
  return report;
}

Session::Counters Session::counters() const { return impl_->counters(); }

int64_t Session::memory_bytes() const { return impl_->executor ? impl_->executor->frame().arena_bytes() : 0; }

}  // namespace tenon
