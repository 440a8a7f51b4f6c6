#include <algorithm>
#include <chrono>

#include "device/cpu.h"
#include "exec/model.h"
#include "exec/state.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "plan/hints.h"

namespace tenon {
namespace {

class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    return ms;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

Port port(const Graph& g, ValueId id, const std::string& name) {
  const Value& v = g.values[id];
  Port p{name, v.type.dtype, {}, v.type.container, v.type.key};
  p.any_rank = p.container == Container::tensor && v.type.items == Items::any;
  if (p.container != Container::tensor) return p;
  for (Dim d : v.type.shape) p.shape.push_back(d.known() ? Axis{d.number(), ""} : Axis{-1, g.extents->text(d)});
  return p;
}

ReadModel read(const Model::Impl& m, bool ports_only = false) {
  ReadOptions o;
  o.ports_only = ports_only;
  o.limits = m.options.limits;
  o.follow_symlinks = m.options.follow_symlinks;
  o.dims = m.options.dims;
  o.ranks = m.options.ranks;
  o.fixed_inputs = m.options.fixed_inputs;
  o.blobs = m.opened.blobs;
  return read_model(m.opened.bytes, m.opened.folder, o);
}

void stage(const Options& o, const char* name) {
  if (o.progress) o.progress(name);
}

int index_of(const std::vector<std::string>& names, const std::string& name, const char* kind) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw Error(Code::bad_usage, std::string("the model has no ") + kind + " \"" + printable(name) + "\", which option ties names");
  return static_cast<int>(found - names.begin());
}

bool is_quantised(const Graph& g) {
  return std::any_of(g.nodes.begin(), g.nodes.end(), [](const Node& n) {
    const bool own = n.op == &ops::quantize || n.op == &ops::dequantize || n.op == &ops::dynamic_quantize || n.op == &ops::matmul_integer ||
                     n.op == &ops::conv_integer || n.op == &ops::dynamic_quantize_lstm;
    return own || std::any_of(n.subgraphs.begin(), n.subgraphs.end(), [](const auto& sub) { return is_quantised(*sub); });
  });
}

}  // namespace

std::shared_ptr<const Model::Impl> load(OpenedModel opened, const Options& options, double read_ms, std::shared_ptr<PackedWeights> packed) {
  if (options.reference && options.precision != Precision::model)
    throw Error(Code::bad_usage, "the reference computes as the model says; precision is for plans");
  auto m = std::make_shared<Model::Impl>();
  const bool again = packed != nullptr;
  if (again) m->packed = std::move(packed);
  m->options = options;
  m->options.sealed = {};
  m->opened = std::move(opened);
  m->times.read = read_ms;
  Stopwatch watch;
  const Isa best = best_isa();
  m->plan_options.isa = options.reference ? Isa::reference : options.isa.empty() ? best : std::min(best, isa_named(options.isa));
  m->plan_options.workers = options.threads > 0 ? options.threads : processors();
  m->plan_options.hints = options.likely_dims;
  ThreadPool::pin_workers(options.pin_threads);
  stage(options, "build");
  ReadModel model;
  try {
    model = read(*m);
  } catch (const NeedsSizes& e) {
    model = read(*m, true);
    m->per_size = true;
    m->why_open = e;
  }
  m->format = model.format;
  m->notes = std::move(model.notes);
  m->times.build = watch.lap();
  // Callers use the names of the file, whatever passes make of the values.
  std::vector<std::string> names;
  for (ValueId v : model.graph.outputs) names.push_back(model.graph.values[v].name);
  std::vector<std::string> input_names;
  for (ValueId v : model.graph.inputs) input_names.push_back(model.graph.values[v].name);
  for (const StateTie& t : options.ties) model.graph.ties.push_back({index_of(names, t.output, "output"), index_of(input_names, t.input, "input")});
  m->tied = model.graph.ties;
  if (options.precision == Precision::int8 && !is_quantised(model.graph))
    throw Error(Code::not_supported,
                "precision int8 is for quantised models, and this one has no quantised tensors; quantise it first, or ask for "
                "bf16, fp16 or model");
  stage(options, "passes");
  if (!options.reference && !m->per_size)
    run_passes(model.graph, {.limits = options.limits, .precision = options.precision, .workers = m->plan_options.workers});
  if (again) m->packed->reuse_constants(model.graph);
  m->times.passes = watch.lap();
  stage(options, "plan");
  for (ValueId v : model.graph.inputs) m->inputs.push_back(port(model.graph, v, model.graph.values[v].name));
  for (size_t i = 0; i < names.size(); ++i) m->outputs.push_back(port(model.graph, model.graph.outputs[i], names[i]));
  for (const Port& p : m->outputs) m->has_containers |= p.container != Container::tensor;
  m->ties = options.ties.empty() ? find_ties(m->inputs, m->outputs) : options.ties;
  m->graph = std::move(model.graph);
  guess_hints(m->graph, m->plan_options);
  if (!options.reference && !m->per_size) m->plan = make_plan(clone(m->graph), m->plan_options, m->packed.get());
  m->times.pack = m->plan ? m->plan->summary.pack_ms : 0;
  m->times.plan = watch.lap() - m->times.pack;
  const LoadTimes& t = m->times;
  m->times.total = t.read + t.build + t.passes + t.plan + t.pack;
  return m;
}

bool may_decide(const Tensor& t) {
  constexpr int64_t kMostElements = 16;
  if (t.container != Container::tensor || !(is_integer(t.dtype) || t.dtype == DType::boolean)) return false;
  return t.shape.empty() || (t.shape.size() == 1 && t.shape[0] <= kMostElements);
}

std::shared_ptr<const Model::Impl> Model::Impl::for_inputs(const std::vector<Tensor>& given, const std::vector<Tie>& ties) const {
  // All sizes are settled, and then short lists of integers too. Where state grows from run to run as little as will do, so that no run
  // plans again: inputs of one integer, or all sizes but those of state. Where the file does not tell a rank, ranks alone may do.
  enum Settled : int64_t { ranks, integers, but_state, all };
  struct Attempt {
    Settled level;
    bool lists;
  };
  constexpr Attempt kAttempts[] = {{ranks, false}, {integers, false}, {but_state, false}, {all, false}, {all, true}};
  const bool open_ranks = std::any_of(inputs.begin(), inputs.end(), [](const Port& p) { return p.any_rank; });
  const bool grows = std::any_of(ties.begin(), ties.end(), [&](const Tie& t) {
    return tenon::text(inputs[static_cast<size_t>(t.input)]) != tenon::text(outputs[static_cast<size_t>(t.output)]);
  });
  std::optional<Error> why;
  for (const auto& [level, lists] : kAttempts) {
    if (level == ranks ? !open_ranks : level != all && !grows) continue;
    std::vector<int64_t> key{level, lists};
    Options o = options;
    o.progress = nullptr;
    o.ties.clear();
    for (const Tie& t : ties)
      key.push_back(t.output), key.push_back(t.input),
          o.ties.push_back({outputs[static_cast<size_t>(t.output)].name, inputs[static_cast<size_t>(t.input)].name});
    std::map<std::string, int64_t> sizes = o.dims;
    for (size_t i = 0; i < given.size(); ++i) {
      const Tensor& t = given[i];
      const Port& p = inputs[i];
      const bool tied = std::any_of(ties.begin(), ties.end(), [&](const Tie& tie) { return tie.input == static_cast<int>(i); });
      const bool ranked = p.any_rank || t.container != Container::tensor || t.shape.size() == p.shape.size();
      if (t.container != p.container || t.dtype != p.dtype || !ranked)
        throw Error(Code::bad_input, "given " + tenon::text(t)).within("input \"" + printable(p.name) + "\" is " + tenon::text(p));
      if (t.container != Container::tensor) continue;
      if (p.any_rank) {
        key.push_back(static_cast<int64_t>(t.shape.size()));
        o.ranks[p.name] = static_cast<int>(t.shape.size());
      }
      for (size_t k = 0; k < t.shape.size(); ++k) {
        const std::string symbol = p.any_rank ? printable(p.name) + "." + std::to_string(k) : p.shape[k].symbol;
        const bool open = p.any_rank || p.shape[k].size < 0;
        if (open && !sizes.emplace(symbol, t.shape[k]).second && sizes[symbol] != t.shape[k])
          throw Error(Code::bad_input, symbol + " = " + std::to_string(t.shape[k]) + ", but another input gives " + std::to_string(sizes[symbol]))
              .within("input \"" + printable(p.name) + "\"");
        if (level <= integers || (level == but_state && tied)) continue;
        key.push_back(t.shape[k]);
        if (open) o.dims.emplace(symbol, t.shape[k]);
      }
      if (level != ranks && !tied && may_decide(t) && (lists || t.shape.empty())) {
        for (int64_t k = 0; k < t.count(); ++k) key.push_back(load_cell(t.dtype, t.data, k).integer);
        o.fixed_inputs[p.name] = t;
      }
    }
    const std::lock_guard lock(mutex);
    // What is kept for sizes of long ago gives way.
    if (by_size.size() > 64 && !by_size.count(key)) by_size.clear();
    std::shared_ptr<const Impl>& slot = by_size[key];
    if (!slot) {
      try {
        slot = tenon::load(opened, o, 0, packed);
      } catch (const Error&) {
        if (level == all) throw;
        auto open = std::make_shared<Impl>();
        open->per_size = true;
        slot = std::move(open);
      }
    }
    if (!slot->per_size) return slot;
    if (slot->why_open) why = slot->why_open;
  }
  if (why) throw Error(*why).within("the rank of a value is not known even when all sizes are");
  throw Error(Code::not_supported, "the rank of a value is not known even when all sizes are");
}

std::shared_ptr<const Model::Impl> Model::Impl::with_ties(const std::vector<Tie>& ties) const {
  std::vector<int64_t> key;
  for (const Tie& t : ties) key.push_back(t.output), key.push_back(t.input);
  const std::lock_guard lock(mutex);
  std::shared_ptr<const Impl>& slot = by_ties[key];
  if (slot) return slot;
  auto m = std::make_shared<Impl>();
  m->options = options;
  m->plan_options = plan_options;
  m->format = format;
  m->notes = notes;
  m->opened = opened;
  m->inputs = inputs, m->outputs = outputs;
  m->has_containers = has_containers;
  m->ties = this->ties;
  m->graph = detached(graph);
  m->graph.ties = ties;
  run_pass("append_state", m->graph, {.limits = options.limits});
  m->packed = packed;
  m->plan = make_plan(clone(m->graph), plan_options, packed.get());
  slot = std::move(m);
  return slot;
}

Graph detached(const Graph& g) {
  Graph copy = clone(g);
  copy.extents = std::make_shared<Extents>(*g.extents);
  copy.guards = std::make_shared<std::vector<Guard>>(*g.guards);
  const std::function<void(Graph&)> share = [&](Graph& of) {
    for (Node& n : of.nodes)
      for (const auto& sub : n.subgraphs) {
        sub->extents = copy.extents, sub->guards = copy.guards;
        share(*sub);
      }
  };
  share(copy);
  return copy;
}

std::string version() { return TENON_VERSION; }

std::string text(const Port& p) {
  if (p.container != Container::tensor || p.any_rank) {
    Type t;
    t.dtype = p.dtype, t.key = p.key, t.container = p.container, t.items = Items::any;
    return text(t, Extents());
  }
  std::string out(name(p.dtype));
  out += "[";
  for (size_t i = 0; i < p.shape.size(); ++i) out += (i ? ", " : "") + (p.shape[i].size >= 0 ? std::to_string(p.shape[i].size) : p.shape[i].symbol);
  return out + "]";
}

const std::vector<Port>& Model::inputs() const { return impl_->inputs; }
const std::vector<Port>& Model::outputs() const { return impl_->outputs; }
const std::vector<StateTie>& Model::ties() const { return impl_->ties; }
const LoadTimes& Model::load_times() const { return impl_->times; }

std::vector<std::string> Model::notes() const {
  const bool shown = !impl_->opened.rights || impl_->opened.rights->allows(Right::inspect);
  return shown ? impl_->notes : std::vector<std::string>();
}

void Model::require(Right right) const { impl_->require(right); }

const Origin& Model::origin() const {
  static const Origin plain;
  return impl_->opened.rights ? impl_->opened.rights->origin() : plain;
}

Inspection Model::inspect() const {
  impl_->require(Right::inspect);
  Inspection out = tenon::inspect(*impl_);
  if (impl_->opened.rights) out.sealed = impl_->opened.rights->notes();
  return out;
}

PlanReport Model::explain() const {
  impl_->require(Right::inspect);
  return tenon::explain(*impl_);
}

Graph graph_after(const Model::Impl& m, const std::string& last) {
  if (last == "passes") return clone(m.graph);
  ReadModel model = read(m);
  if (last == "read") return std::move(model.graph);
  const PassOptions passes{.limits = m.options.limits, .precision = m.options.precision, .workers = m.plan_options.workers};
  if (last == "simplified") {
    simplify_model(model.graph, passes);
    return std::move(model.graph);
  }
  const std::vector<std::string> names = Model::pass_names();
  if (std::find(names.begin(), names.end(), last) == names.end()) {
    std::string list;
    for (const std::string& n : names) list += " " + n;
    throw Error(Code::bad_usage, "no pass is called " + printable(last) + "; there are: read simplified" + list + " passes");
  }
  std::optional<Graph> wanted;
  run_passes(model.graph, passes, [&](std::string_view name, const Graph& g) {
    if (name == last) wanted = clone(g);
  });
  return std::move(*wanted);
}

ReadModel file_of(const Model::Impl& m) { return read(m, true); }

std::string Model::dump(const std::string& after, bool with_types) const {
  impl_->require(Right::inspect);
  // Elements are weights in the clear.
  const bool with_elements = !impl_->opened.rights || impl_->opened.rights->allows(Right::export_);
  return tenon::text(graph_after(*impl_, after), with_types, with_elements);
}

std::vector<std::string> Model::pass_names() {
  std::vector<std::string> out;
  for (const PassRow& p : pipeline()) out.emplace_back(p.name);
  return out;
}

}  // namespace tenon
