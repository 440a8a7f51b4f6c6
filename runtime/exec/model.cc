#include <algorithm>
#include <chrono>

#include "device/cpu.h"
#include "exec/model.h"
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
  Port p{name, v.type.dtype, {}, v.type.container};
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
  o.fixed_inputs = m.options.fixed_inputs;
  o.blobs = m.opened.blobs;
  return read_model(m.opened.bytes, m.opened.folder, o);
}

void stage(const Options& o, const char* name) {
  if (o.progress) o.progress(name);
}

}  // namespace

std::shared_ptr<const Model::Impl> load(OpenedModel opened, const Options& options, double read_ms) {
  auto m = std::make_shared<Model::Impl>();
  m->options = options;
  m->options.sealed = {};
  m->opened = std::move(opened);
  m->times.read = read_ms;
  Stopwatch watch;
  const Isa best = best_isa();
  m->plan_options.isa = options.reference ? Isa::reference : options.isa.empty() ? best : std::min(best, isa_named(options.isa));
  m->plan_options.workers = options.threads > 0 ? options.threads : processors();
  m->plan_options.hints = options.likely_dims;
  Pool::pin_workers(options.pin_threads);
  stage(options, "build");
  ReadModel model;
  try {
    model = read(*m);
  } catch (const NeedsSizes&) {
    model = read(*m, true);
    m->per_size = true;
  }
  m->format = model.format;
  m->times.build = watch.lap();
  // Callers use the names of the file, whatever passes make of the values.
  std::vector<std::string> names;
  for (ValueId v : model.graph.outputs) names.push_back(model.graph.values[v].name);
  stage(options, "passes");
  if (!options.reference && !m->per_size) run_passes(model.graph, {.limits = options.limits});
  m->times.passes = watch.lap();
  stage(options, "plan");
  for (ValueId v : model.graph.inputs) m->inputs.push_back(port(model.graph, v, model.graph.values[v].name));
  for (size_t i = 0; i < names.size(); ++i) m->outputs.push_back(port(model.graph, model.graph.outputs[i], names[i]));
  for (const Port& p : m->outputs) m->has_containers |= p.container != Container::tensor;
  m->graph = std::move(model.graph);
  guess_hints(m->graph, m->plan_options);
  if (!options.reference && !m->per_size) m->plan = make_plan(clone(m->graph), m->plan_options);
  m->times.pack = m->plan ? m->plan->summary.pack_ms : 0;
  m->times.plan = watch.lap() - m->times.pack;
  const LoadTimes& t = m->times;
  m->times.total = t.read + t.build + t.passes + t.plan + t.pack;
  return m;
}

std::shared_ptr<const Model::Impl> Model::Impl::for_inputs(const std::vector<Tensor>& given) const {
  const std::lock_guard lock(mutex);
  if (!lists_decide)
    if (auto found = for_sizes(given)) return found;
  lists_decide = true;
  if (auto found = for_sizes(given)) return found;
  throw Error(Code::not_supported, "the rank of a value is not known even when all sizes are");
}

std::shared_ptr<const Model::Impl> Model::Impl::for_sizes(const std::vector<Tensor>& given) const {
  constexpr int64_t kMostElements = 16;
  std::vector<int64_t> key;
  Options o = options;
  o.progress = nullptr;
  for (size_t i = 0; i < given.size(); ++i) {
    const Tensor& t = given[i];
    const Port& p = inputs[i];
    if (t.container != p.container || t.dtype != p.dtype || (t.container == Container::tensor && t.shape.size() != p.shape.size()))
      throw Error(Code::bad_input, "given " + tenon::text(t)).within("input \"" + printable(p.name) + "\" is " + tenon::text(p));
    if (t.container != Container::tensor) continue;
    for (size_t k = 0; k < t.shape.size(); ++k) {
      key.push_back(t.shape[k]);
      if (p.shape[k].size < 0 && !o.dims.emplace(p.shape[k].symbol, t.shape[k]).second && o.dims[p.shape[k].symbol] != t.shape[k])
        throw Error(Code::bad_input, p.shape[k].symbol + " = " + std::to_string(t.shape[k]) + ", but another input gives " + std::to_string(o.dims[p.shape[k].symbol]))
            .within("input \"" + printable(p.name) + "\"");
    }
    const bool decides = t.shape.empty() || (lists_decide && t.shape.size() == 1 && t.shape[0] <= kMostElements);
    if (decides && (is_integer(t.dtype) || t.dtype == DType::boolean)) {
      for (int64_t k = 0; k < t.count(); ++k) key.push_back(load_cell(t.dtype, t.data, k).integer);
      o.fixed_inputs[p.name] = t;
    }
  }
  if (const auto found = by_size.find(key); found != by_size.end()) return found->second;
  std::shared_ptr<const Impl> model = tenon::load(opened, o, 0);
  if (model->per_size) return nullptr;
  if (by_size.size() > 64) by_size.clear();  // what is kept for sizes of long ago gives way
  return by_size[key] = std::move(model);
}

std::string version() { return TENON_VERSION; }

std::string text(const Port& p) {
  if (p.container != Container::tensor) {
    const std::string item(name(p.dtype));
    return p.container == Container::sequence ? "sequence(" + item + ")" : p.container == Container::optional ? "optional(" + item + ")" : "optional(sequence(" + item + "))";
  }
  std::string out(name(p.dtype));
  out += "[";
  for (size_t i = 0; i < p.shape.size(); ++i) out += (i ? ", " : "") + (p.shape[i].size >= 0 ? std::to_string(p.shape[i].size) : p.shape[i].symbol);
  return out + "]";
}

const std::vector<Port>& Model::inputs() const { return impl_->inputs; }
const std::vector<Port>& Model::outputs() const { return impl_->outputs; }
const LoadTimes& Model::load_times() const { return impl_->times; }

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
  const std::vector<std::string> names = Model::pass_names();
  if (std::find(names.begin(), names.end(), last) == names.end()) {
    std::string list;
    for (const std::string& n : names) list += " " + n;
    throw Error(Code::bad_usage, "no pass is called " + printable(last) + "; there are: read" + list + " passes");
  }
  std::optional<Graph> wanted;
  run_passes(model.graph, {.limits = m.options.limits}, [&](std::string_view name, const Graph& g) {
    if (name == last) wanted = clone(g);
  });
  return std::move(*wanted);
}

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
