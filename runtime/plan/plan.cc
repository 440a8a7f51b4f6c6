#include "plan/plan.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <set>
#include <unordered_map>

#include "base/wipe.h"
#include "ir/verify.h"
#include "ops/cast.h"
#include "plan/packing.h"
#include "plan/verify_layouts.h"

namespace tenon {
namespace {

// Whether a size depends on one that data decide without a bound.
class Boundless {
 public:
  explicit Boundless(const Extents& e) : extents_(e) {}
  bool operator()(Dim d) {
    if (d.known()) return false;
    const int32_t row = d.row();
    if (const auto found = known_.find(row); found != known_.end()) return found->second;
    bool result = false;
    if (extents_.is_data(row)) {
      const Dim bound = extents_.bound(row);
      result = bound.known() ? bound.number() < 0 : (*this)(bound);
    } else {
      for (int32_t part : extents_.parts(row)) result |= part != row && (*this)(Dim::of_row(part));
    }
    return known_[row] = result;
  }

 private:
  const Extents& extents_;
  std::unordered_map<int32_t, bool> known_;
};

class Planner {
 public:
  Planner(Graph g, const PlanOptions& options, PackedWeights& packed, int planning, bool nested = false)
      : plan_(std::make_shared<Plan>()), packed_(packed), planning_(planning), nested_(nested) {
    plan_->graph = std::move(g);
    plan_->options = options;
  }

  std::shared_ptr<const Plan> run() {
    Graph& g = plan_->graph;
    separate_outputs();
    drop_shape_values();
    round_constants();
    plan_->selections = select(g, plan_->options);
    reorder_constants();
    if (verifies() && !nested_) verify(g, Stage::selected, "lowering");
    if (const std::string wrong = layout_breach(g, plan_->selections); !wrong.empty()) throw Error(Code::internal, wrong);
    share_views();
    for (size_t i = 0; i < g.nodes.size(); ++i) add_step(static_cast<NodeId>(i));
    const auto start = std::chrono::steady_clock::now();
    packing_.run(plan_->options.workers);
    plan_->summary.pack_ms += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    find_lifetimes();
    share_in_place();
    place_all();
    arrange();
    resolve_places();
    find_awaited();
    summarise();
    return plan_;
  }

 private:
  Graph& graph() { return plan_->graph; }

  // An output that is an input, a constant, a view of one, or another output gets a copy of its own.
  void separate_outputs() {
    Graph& g = graph();
    std::vector<ValueId> root(g.values.size());
    std::iota(root.begin(), root.end(), 0);
    for (const Node& n : g.nodes)
      if (!n.dead && shares_memory(g, n)) root[n.outputs[0]] = root[n.inputs[0]];
    std::vector<bool> taken(g.values.size());
    for (ValueId v : g.inputs) taken[v] = true;
    for (ValueId& v : g.outputs) {
      const ValueId r = root[v];
      if (!taken[r] && !g.is_constant(r)) {
        taken[r] = true;
        continue;
      }
      const std::string name = g.values[v].name;
      v = emit(g, ops::reorder, None{}, {v})[0];
      g.values[v].name = name;
      root.resize(g.values.size());
      root[v] = v;
      taken.resize(g.values.size());
      taken[v] = true;
    }
  }

  // What computes nothing but extents takes no step: the frame writes its results when the extents change.
  void drop_shape_values() {
    Graph& g = graph();
    for (Node& n : g.nodes) {
      bool known = !n.outputs.empty();
      for (ValueId v : n.outputs)
        if (v != kNone)
          known = known && g.values[v].content && !g.is_output(v) && (is_integer(g.values[v].type.dtype) || g.values[v].type.dtype == DType::boolean);
      n.dead |= known;
    }
    // What only they read is not needed either, unless it decides a size that someone needs.
    std::vector<int> uses = g.uses();
    std::vector<bool> needed(static_cast<size_t>(g.extents->rows()));
    for (ValueId v : g.outputs) need_sizes(v, needed);
    for (size_t i = g.nodes.size(); i-- > 0;) {
      Node& n = g.nodes[i];
      const auto read = [&](ValueId v) { return v != kNone && (uses[v] || decides(g.values[v].type, needed)); };
      if (!n.dead && (n.op->effects || std::any_of(n.outputs.begin(), n.outputs.end(), read))) {
        for (ValueId v : n.inputs) need_sizes(v, needed);
        for (ValueId v : n.outputs) need_sizes(v, needed);
        for (const auto& sub : n.subgraphs)
          for (ValueId v : sub->inputs) need_content(sub->values[v], needed);
      }
      if (n.dead || n.op->effects || std::any_of(n.outputs.begin(), n.outputs.end(), read)) continue;
      n.dead = true;
      for (ValueId v : n.inputs)
        if (v != kNone) --uses[v];
    }
    compact(g);
  }

  // Marks the sizes that are part of those of v, and of its elements where they are sizes.
  void need_sizes(ValueId v, std::vector<bool>& needed) const {
    if (v == kNone) return;
    for (Dim d : plan_->graph.values[v].type.shape) need(d, needed);
    need_content(plan_->graph.values[v], needed);
  }
  void need_content(const Value& v, std::vector<bool>& needed) const {
    if (v.content)
      for (Dim d : *v.content) need(d, needed);
  }
  void need(Dim d, std::vector<bool>& needed) const {
    if (d.known() || needed[static_cast<size_t>(d.row())]) return;
    needed[static_cast<size_t>(d.row())] = true;
    for (int32_t part : plan_->graph.extents->parts(d.row())) need(Dim::of_row(part), needed);
  }
  bool decides(const Type& t, const std::vector<bool>& needed) const {
    return t.container == Container::tensor && std::any_of(t.shape.begin(), t.shape.end(), [&](Dim d) {
             return !d.known() && plan_->graph.extents->is_data(d.row()) && needed[static_cast<size_t>(d.row())];
           });
  }

  // The elements of a constant for the life of the plan: where they lie, or a copy, made once.
  const void* constant_data(ValueId v) {
    const Constant& c = *graph().values[v].constant;
    if (const void* data = c.view()) return data;
    const void*& kept = copies_[{c.source.get(), c.offset}];
    if (kept) return kept;
    Buffer copy(std::max<int64_t>(c.bytes, 1));
    c.source->read(c.offset, c.bytes, copy.data());
    plan_->owned.push_back(std::move(copy));
    return kept = plan_->owned.back().data();
  }

  // A cast of a constant to sixteen bits is done where its packing reads it.
  void round_constants() {
    Graph& g = graph();
    for (Node& n : g.nodes) {
      if (n.op != &ops::cast || !is_half(n.attributes.as<Cast>().to) || !g.is_constant(n.inputs[0]) || g.is_output(n.outputs[0])) continue;
      const Value& from = g.values[n.inputs[0]];
      if (from.type.dtype != DType::f32 || from.type.quantisation) continue;
      Value& to = g.values[n.outputs[0]];
      const Constant& c = *from.constant;
      to.constant = Constant{packed_.rounded(c, to.type.dtype), 0, c.bytes / 2, nullptr};
      to.producer = kNone;
      plan_->rounded[n.outputs[0]] = n.attributes.as<Cast>().error;
      n.dead = true;
    }
    compact(g);
  }

  // A reorder of a constant is done here, once.
  void reorder_constants() {
    Graph& g = graph();
    std::vector<Selection> kept;
    Lent lent;
    for (size_t i = 0; i < g.nodes.size(); ++i) {
      Node& n = g.nodes[i];
      if (n.op != &ops::reorder || !g.is_constant(n.inputs[0]) || g.is_output(n.outputs[0])) {
        kept.push_back(std::move(plan_->selections[i]));
        continue;
      }
      Value& to = g.values[n.outputs[0]];
      Operand src = operand(g.values[n.inputs[0]].type, geometry(g.values[n.inputs[0]].type, *g.extents), true);
      Operand dst = operand(to.type, geometry(to.type, *g.extents), true);
      const Constant& c = *g.values[n.inputs[0]].constant;
      src.data = const_cast<void*>(lent.data(c));
      Buffer memory(bytes(dst));
      std::memset(memory.data(), 0, static_cast<size_t>(memory.bytes()));
      dst.data = memory.data();
      src.scale = nullptr, dst.scale = nullptr;
      write(read(src), dst);
      to.constant = Constant{make_memory_source(memory.data(), memory.bytes()), 0, memory.bytes(), nullptr};
      to.producer = kNone;
      n.dead = true;
    }
    plan_->selections = std::move(kept);
    compact(g);
  }

  void share_views() {
    root_.resize(graph().values.size());
    std::iota(root_.begin(), root_.end(), 0);
    for (const Node& n : graph().nodes)
      if (shares_memory(graph(), n)) root_[n.outputs[0]] = root_[n.inputs[0]];
  }

  PlannedOperand planned(ValueId v) {
    PlannedOperand o{v, {}, {}, {}, 0};
    if (v == kNone) return o;
    const Value& value = graph().values[v];
    o.geometry = geometry(value.type, *graph().extents);
    o.model = operand(value.type, o.geometry, value.constant.has_value());
    return o;
  }

  void add_step(NodeId id) {
    Graph& g = graph();
    const Node& n = g.nodes[id];
    if (shares_memory(g, n)) return;
    PlannedStep s{};
    s.node = id;
    s.kernels = plan_->selections[id].kernels;
    s.needs = plan_->selections[id].needs;
    s.first_operand = static_cast<int32_t>(plan_->operands.size());
    s.sources = static_cast<int32_t>(n.inputs.size());
    s.destinations = static_cast<int32_t>(n.outputs.size());
    for (ValueId v : n.inputs) plan_->operands.push_back(planned(v));
    for (ValueId v : n.outputs) plan_->operands.push_back(planned(v));
    for (ValueId v : n.outputs)
      if (v != kNone)
        for (Dim d : g.values[v].type.shape)
          if (!d.known() && g.extents->is_data(d.row())) s.sized_by_data = true;
    plan_->has_data_sizes |= s.sized_by_data;
    for (const auto& sub : n.subgraphs) s.subplans.push_back(Planner(clone(*sub), plan_->options, packed_, planning_, true).run());
    if (!s.kernels.empty()) pack(n, s);
    plan_->steps.push_back(std::move(s));
  }

  void pack(const Node& n, PlannedStep& s) {
    auto model = std::make_unique<ModelStep>(graph(), n, nullptr);
    s.reads = model->reads;
    if (!s.needs.packing) return;
    const std::string key = packing_key(n, s);
    std::shared_ptr<Packed> packed = packed_.find(key);
    if (!packed) {
      for (size_t i = 0; i < n.inputs.size(); ++i)
        if (i != kPackedSource && graph().is_constant(n.inputs[i])) model->step.src[i].data = const_cast<void*>(constant_data(n.inputs[i]));
      packed = packed_.add(key, std::max<int64_t>(s.needs.packed_bytes, 1));
      for (ValueId v : n.inputs)
        if (graph().is_constant(v)) packed->sources.push_back(graph().values[v].constant->source);
      model->step.kernel = s.kernels[0];
      const bool constant = n.inputs.size() > kPackedSource && graph().is_constant(n.inputs[kPackedSource]);
      const Constant* c = constant ? &*graph().values[n.inputs[kPackedSource]].constant : nullptr;
      packing_.add(std::move(model), kPackedSource, c, packed->memory.data(), s.needs.pack_grain);
    }
    if (packed->planning != planning_) plan_->summary.packed_bytes += packed->memory.bytes();
    packed->planning = planning_;
    s.packed = packed->memory.data();
    plan_->packed.push_back(std::move(packed));
  }

  // Equal keys: the same elements, meant in the same way, in the same layout. What attributes say, such as groups, is part of a layout.
  std::string packing_key(const Node& n, const PlannedStep& s) {
    std::string key = s.needs.packing + text(n.attributes, n.op->attributes());
    const auto add = [&](const void* p, size_t bytes) { key.append(static_cast<const char*>(p), bytes); };
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (!graph().is_constant(n.inputs[i])) continue;
      const Value& v = graph().values[n.inputs[i]];
      key += "," + std::to_string(i) + ":" + std::to_string(reinterpret_cast<uintptr_t>(v.constant->source.get())) + "+" +
             std::to_string(v.constant->offset) + std::string(name(v.type.dtype));
      for (Dim d : v.type.shape) key += " " + std::to_string(d.number());
      if (!v.type.quantisation) continue;
      const Quantisation& q = *v.type.quantisation;
      key += "q" + std::to_string(q.axis);
      add(q.scale.data(), q.scale.size() * sizeof q.scale[0]), add(q.zero.data(), q.zero.size() * sizeof q.zero[0]);
    }
    return key;
  }

  // Whether somebody reads a constant beside the steps that have packed it.
  std::vector<bool> read_as_stored() {
    std::vector<bool> read(graph().values.size());
    for (const PlannedStep& s : plan_->steps)
      for (int k = 0; k < s.sources; ++k) {
        const ValueId v = plan_->operands[s.first_operand + k].value;
        if (v != kNone) read[root_[v]] = read[root_[v]] || k != kPackedSource || !s.packed;
      }
    for (ValueId v : graph().outputs) read[root_[v]] = true;
    return read;
  }

  // First and last step that touches each root.
  void find_lifetimes() {
    const size_t n = graph().values.size();
    root_.resize(n);
    first_.assign(n, INT32_MAX);
    last_.assign(n, -1);
    for (size_t i = 0; i < plan_->steps.size(); ++i) {
      const PlannedStep& s = plan_->steps[i];
      for (int k = 0; k < s.sources + s.destinations; ++k) {
        const ValueId v = plan_->operands[s.first_operand + k].value;
        if (v == kNone) continue;
        first_[root_[v]] = std::min(first_[root_[v]], static_cast<int32_t>(i));
        last_[root_[v]] = std::max(last_[root_[v]], static_cast<int32_t>(i));
      }
    }
    fixed_.assign(n, false);
    for (ValueId v : graph().inputs) fixed_[v] = true;
    for (ValueId v : graph().outputs) fixed_[root_[v]] = true;
    for (size_t v = 0; v < n; ++v) fixed_[v] = fixed_[v] || graph().values[v].producer == kNone;
  }

  // A step whose kernel allows it writes over its first source when nobody reads that later.
  void share_in_place() {
    for (size_t i = 0; i < plan_->steps.size(); ++i) {
      const PlannedStep& s = plan_->steps[i];
      if (!s.needs.in_place || s.kernels.empty() || s.destinations != 1) continue;
      const PlannedOperand &src = plan_->operands[s.first_operand], &dst = plan_->operands[s.first_operand + s.sources];
      if (src.value == kNone) continue;
      const ValueId from = root_[src.value], to = root_[dst.value];
      if (from == to || fixed_[from] || fixed_[to] || last_[from] != static_cast<int32_t>(i) || src.geometry.elements != dst.geometry.elements ||
          bits(static_cast<DType>(src.model.dtype)) != bits(static_cast<DType>(dst.model.dtype)) || src.value != from)
        continue;
      for (ValueId& r : root_)
        if (r == to) r = from;
      last_[from] = std::max(last_[from], last_[to]);
    }
  }

  void place_all() {
    Graph& g = graph();
    places_.resize(g.values.size());
    for (size_t i = 0; i < g.inputs.size(); ++i) places_[g.inputs[i]] = {Place::input, static_cast<int32_t>(i)};
    for (size_t i = 0; i < g.outputs.size(); ++i) places_[root_[g.outputs[i]]] = {Place::output, static_cast<int32_t>(i)};
    const std::vector<bool> read = read_as_stored();
    Boundless boundless(*g.extents);
    for (PlannedOperand& o : plan_->operands) {
      if (o.value == kNone) continue;
      const ValueId r = root_[o.value];
      if (places_[r].kind == Place::none && g.is_constant(r)) {
        places_[r] = {Place::constant, static_cast<int32_t>(plan_->constants.size())};
        plan_->constants.push_back(read[r] ? constant_data(r) : g.values[r].constant->view());
        if (read[r]) plan_->summary.constant_bytes += g.values[r].constant->bytes;
      }
      if (places_[r].kind == Place::none && g.values[r].producer == kNone && g.values[r].content) {
        places_[r] = {Place::content, static_cast<int32_t>(plan_->contents.size())};
        plan_->contents.push_back({g.values[r].type.dtype, *g.values[r].content});
      }
      if (places_[r].kind == Place::none) {
        BufferPlan b;
        b.bytes = byte_count(r);
        b.first = first_[r], b.last = last_[r];
        b.late = boundless(b.bytes) || g.values[r].type.container != Container::tensor || g.values[r].type.dtype == DType::string;
        places_[r] = {b.late ? Place::late : Place::arena, static_cast<int32_t>(plan_->buffers.size())};
        plan_->buffers.push_back(b);
      }
    }
  }

  Dim byte_count(ValueId v) {
    Extents& e = *graph().extents;
    const Type& t = graph().values[v].type;
    const Dim bit_count = e.mul(geometry(t, e).elements, bits(t.dtype));
    return e.floor_div(e.add(bit_count, 7), 8);
  }

  // Greedy by likely size: large buffers first, each in the lowest gap that is free while it lives. What is kept of the offsets is who
  // lies above whom, so that they can be computed again for other sizes.
  void arrange() {
    std::vector<BufferPlan>& buffers = plan_->buffers;
    Likely likely(*graph().extents, plan_->options);
    const std::vector<int64_t>& values = likely.values();
    const size_t n = buffers.size();
    std::vector<int64_t> size(n), offset(n);
    for (size_t i = 0; i < n; ++i) size[i] = (buffers[i].bytes.known() ? buffers[i].bytes.number() : values[buffers[i].bytes.row()]) / 64 * 64 + 64;
    std::vector<int32_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return size[a] > size[b]; });
    std::vector<int32_t> placed;
    for (int32_t b : order) {
      if (buffers[b].late) continue;
      std::vector<int32_t> alive;
      for (int32_t p : placed)
        if (buffers[p].first <= buffers[b].last && buffers[b].first <= buffers[p].last) alive.push_back(p);
      std::sort(alive.begin(), alive.end(), [&](int32_t x, int32_t y) { return offset[x] < offset[y]; });
      int64_t at = 0;
      for (int32_t p : alive) {
        if (offset[p] >= at + size[b]) break;
        at = std::max(at, offset[p] + size[p]);
      }
      offset[b] = at;
      placed.push_back(b);
    }
    // Every pair that lives together is ordered by its offsets; an order that others imply is left out.
    std::sort(placed.begin(), placed.end(), [&](int32_t x, int32_t y) { return offset[x] != offset[y] ? offset[x] < offset[y] : x < y; });
    for (size_t i = 0; i < placed.size(); ++i) {
      const int32_t b = placed[i];
      std::vector<bool> implied(n);
      for (size_t j = i; j-- > 0;) {
        const int32_t below = placed[j];
        const bool together = buffers[below].first <= buffers[b].last && buffers[b].first <= buffers[below].last;
        if (together && !implied[below]) buffers[b].above.push_back(below);
        if (together || implied[below])
          for (int32_t lower : buffers[below].above) implied[lower] = true;
      }
    }
    order_ = placed;
    std::vector<int32_t> renumbered(n, -1);
    // Buffers are kept in an order in which offsets can be computed one after the other.
    std::vector<BufferPlan> sorted;
    for (int32_t b : placed) renumbered[b] = static_cast<int32_t>(sorted.size()), sorted.push_back(buffers[b]);
    for (size_t b = 0; b < n; ++b)
      if (renumbered[b] < 0) renumbered[b] = static_cast<int32_t>(sorted.size()), sorted.push_back(buffers[b]);
    for (BufferPlan& b : sorted)
      for (int32_t& a : b.above) a = renumbered[a];
    for (Place& p : places_)
      if (p.kind == Place::arena || p.kind == Place::late) p.index = renumbered[p.index];
    buffers = std::move(sorted);
  }

  void resolve_places() {
    Graph& g = graph();
    for (PlannedOperand& o : plan_->operands)
      if (o.value != kNone) o.place = places_[root_[o.value]];
    for (ValueId v : g.inputs) plan_->inputs.push_back(planned(v)), plan_->inputs.back().place = places_[v];
    for (ValueId v : g.outputs) plan_->outputs.push_back(planned(v)), plan_->outputs.back().place = places_[root_[v]];
  }

  // The run-time sizes of what each step reads, and those among the elements of shape values.
  void find_awaited() {
    const Extents& e = *graph().extents;
    for (PlannedStep& s : plan_->steps) {
      std::set<int32_t> rows;
      for (int k = 0; k < s.sources; ++k) {
        const PlannedOperand& o = plan_->operands[s.first_operand + k];
        if (o.value == kNone || graph().values[o.value].type.container != Container::tensor) continue;
        for (Dim d : o.geometry.size) e.add_atoms(d, rows);
        if (o.place.kind == Place::content)
          for (Dim d : plan_->contents[o.place.index].elements) e.add_atoms(d, rows);
      }
      for (int32_t row : rows)
        if (e.is_data(row)) s.awaits.push_back(row);
    }
  }

  void summarise() {
    PlanSummary& all = plan_->summary;
    for (const PlannedStep& s : plan_->steps) {
      ++all.steps;
      all.reorders += graph().nodes[s.node].op == &ops::reorder;
      all.by_reference += s.kernels.empty() && s.subplans.empty();
      for (const auto& sub : s.subplans) {
        const PlanSummary& inner = sub->summary;
        all.steps += inner.steps, all.by_reference += inner.by_reference, all.reorders += inner.reorders;
        all.pack_ms += inner.pack_ms, all.packed_bytes += inner.packed_bytes, all.constant_bytes += inner.constant_bytes;
        all.rounded_weights += inner.rounded_weights, all.rounding_error = std::max(all.rounding_error, inner.rounding_error);
      }
    }
    for (const auto& [value, error] : plan_->rounded) ++all.rounded_weights, all.rounding_error = std::max(all.rounding_error, error);
  }

  std::shared_ptr<Plan> plan_;
  std::vector<ValueId> root_;  // of values that share memory, the one that stands for them
  std::vector<int32_t> first_, last_, order_;
  std::vector<bool> fixed_;
  std::vector<Place> places_;
  PackedWeights& packed_;
  int planning_;
  bool nested_;  // plans a subgraph, whose sizes come from outside too
  // What a step with packed weights packs. It reads them from there and nowhere else.
  static constexpr int kPackedSource = 1;
  std::map<std::pair<const WeightSource*, int64_t>, const void*> copies_;  // of constants that cannot be used where they lie
  Packing packing_;
};

}  // namespace

Plan::~Plan() {
  for (Buffer& b : owned) wipe_memory(b.data(), static_cast<size_t>(b.bytes()));
}

std::shared_ptr<const Plan> make_plan(Graph g, const PlanOptions& options, PackedWeights* packed) {
  PackedWeights own;
  PackedWeights& all = packed ? *packed : own;
  const auto [lock, planning] = all.begin();
  return Planner(std::move(g), options, all, planning).run();
}

}  // namespace tenon
