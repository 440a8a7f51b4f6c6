#include <algorithm>
#include <chrono>
#include <cstring>

#include "exec/model.h"
#include "exec/reference.h"

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
  else if (t.bytes()) std::memset(t.data, 0, static_cast<size_t>(t.bytes()));
}

}  // namespace

struct Session::Impl {
  std::shared_ptr<const Model::Impl> model;
  std::unique_ptr<Executor> executor;
  std::vector<Tensor> inputs;
  std::vector<bool> bound;
  std::vector<OwnedTensor> results;  // of the reference; of a plan those that are sequences or optionals
  std::vector<Array> containers;     // inputs that are sequences or optionals, as frames take them
  std::shared_ptr<const Model::Impl> settled;         // the model for the sizes of the last inputs
  std::vector<std::pair<void*, int64_t>> lent;        // memory bound to outputs
  // Output `tie.output` of one run is input `tie.input` of the next: two buffers that change places.
  struct State {
    Tie tie;
    OwnedTensor initial;
    OwnedTensor memory[2];
    int next = 0;
  };
  std::vector<State> states;
  int64_t runs = 0, state_copies = 0;

  void run() {
    for (size_t i = 0; i < bound.size(); ++i)
      if (!bound[i]) throw Error(Code::bad_usage, "input \"" + printable(model->inputs[i].name) + "\" (" + text(model->inputs[i]) + ") is not given");
    if (model->per_size) settle();
    if (!executor) return run_reference_executor();
    set_inputs();
    executor->run();
    ++runs;
    collect_containers();
    carry_states();
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
      facts.milliseconds = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count());
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
      throw;
    }
  }

  // The model for the sizes of these inputs, where it is made for each set of them.
  void settle() {
    std::shared_ptr<const Model::Impl> now = model->for_inputs(inputs);
    if (now == settled) return;
    settled = std::move(now);
    executor = settled->plan ? std::make_unique<Executor>(settled->plan, settled->options.memory_limit) : nullptr;
    for (size_t i = 0; executor && i < lent.size(); ++i) executor->frame().set_output(static_cast<int>(i), lent[i].first, lent[i].second);
  }

  const Model::Impl& planned() const { return settled ? *settled : *model; }

  // The inputs of the planned model, which lacks those that became constants.
  std::vector<Tensor> planned_inputs() const {
    if (!settled) return inputs;
    std::vector<Tensor> out;
    for (size_t i = 0; i < inputs.size(); ++i)
      if (!settled->options.fixed_inputs.count(model->inputs[i].name)) out.push_back(inputs[i]);
    return out;
  }

  void set_inputs() {
    const std::vector<Tensor> given = settled ? planned_inputs() : std::vector<Tensor>{};
    const std::vector<Tensor>& all = settled ? given : inputs;
    containers.resize(all.size());
    for (size_t i = 0; i < all.size(); ++i) {
      Tensor t = all[i];
      if (t.container != Container::tensor) {
        containers[i] = array_of(t);
        t.data = &containers[i];
      }
      executor->frame().set_input(static_cast<int>(i), t);
    }
  }

  std::vector<Array> arrays() const {
    std::vector<Array> out;
    for (const Tensor& t : planned_inputs()) out.push_back(array_of(t));
    return out;
  }

  void run_reference_executor() {
    results.clear();
    for (const Array& a : run_reference(planned().graph, arrays())) results.push_back(owned(a));
    ++runs;
    carry_states();
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

  // The result of a tied output is copied to memory that the next run reads.
  void carry_states() {
    if (states.empty()) return;
    const std::vector<Tensor> out = outputs();
    for (State& s : states) {
      s.memory[0] = OwnedTensor(out[static_cast<size_t>(s.tie.output)]);
      state_copies += s.memory[0].view().bytes();
      inputs[static_cast<size_t>(s.tie.input)] = s.memory[0].view();
    }
  }

  void start(State& s) {
    inputs[static_cast<size_t>(s.tie.input)] = s.initial.view();
    bound[static_cast<size_t>(s.tie.input)] = true;
  }
};

Session::Session(const Model& model) : impl_(std::make_unique<Impl>()) {
  impl_->model = model.impl_;
  impl_->model->require(Right::run);
  impl_->inputs.resize(impl_->model->inputs.size());
  impl_->bound.resize(impl_->inputs.size());
  impl_->lent.resize(impl_->model->outputs.size());
  if (impl_->model->plan) impl_->executor = std::make_unique<Executor>(impl_->model->plan, impl_->model->options.memory_limit);
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
  impl_->inputs[i] = tensor;
  impl_->bound[i] = true;
}

void Session::bind_output(const std::string& name, void* data, int64_t bytes) {
  const int i = index_of(impl_->model->outputs, name, "output");
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
  Impl::State s;
  s.tie = {index_of(impl_->model->outputs, output, "output"), index_of(impl_->model->inputs, input, "input")};
  const Port& p = impl_->model->inputs[static_cast<size_t>(s.tie.input)];
  std::vector<int64_t> shape;
  for (const Axis& a : p.shape) shape.push_back(std::max<int64_t>(a.size, a.size < 0 && shape.empty() ? 1 : 0));
  s.initial = OwnedTensor(p.dtype, shape);
  std::memset(s.initial.data(), 0, static_cast<size_t>(s.initial.view().bytes()));
  impl_->states.push_back(std::move(s));
  impl_->start(impl_->states.back());
}

void Session::reset_state() {
  for (Impl::State& s : impl_->states) impl_->start(s);
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
  if (impl_->model->per_size) impl_->settle();
  if (!impl_->executor) throw Error(Code::not_supported, "the reference executor has no plan to profile");
  Profiler p;
  impl_->set_inputs();
  impl_->execute([&] { impl_->executor->run(p); });
  return std::move(p.times);
}

CheckReport Session::check() {
  impl_->model->require(Right::inspect);
  if (impl_->model->per_size) impl_->settle();
  if (!impl_->executor) throw Error(Code::not_supported, "the reference executor has no plan to check");
  Checker c;
  impl_->set_inputs();
  impl_->execute([&] {
    impl_->executor->run(c);
    impl_->collect_containers();
  });
  const std::vector<Array> expected = run_reference(impl_->planned().graph, impl_->arrays());
  const std::vector<Tensor> got = outputs();
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i].container != Container::tensor) continue;
    const Array mine = array_of(got[i]);
    double range = 0, error = 0;
    for (int64_t k = 0; k < static_cast<int64_t>(mine.cells.size()); ++k) {
      range = std::max(range, std::abs(expected[i].number(k)));
      error = std::max(error, std::abs(expected[i].number(k) - mine.number(k)));
    }
    c.report.outputs_of_range = std::max(c.report.outputs_of_range, range > 0 ? error / range : error);
  }
  return std::move(c.report);
}

Session::Counters Session::counters() const {
  Counters c;
  c.runs = impl_->runs;
  c.state_bytes_copied = impl_->state_copies;
  if (impl_->executor) {
    const BindCounters& b = impl_->executor->frame().counters();
    c.binds = b.binds, c.plans = b.deltas, c.allocations = b.grown;
  }
  c.wakes = Pool::instance().wakes();
  return c;
}

int64_t Session::memory_bytes() const { return impl_->executor ? impl_->executor->frame().arena_bytes() : 0; }

}  // namespace tenon
