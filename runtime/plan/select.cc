#include "plan/select.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "device/cpu.h"
#include "ops/pointwise.h"
#include "ops/squeeze.h"
#include "passes/passes.h"

namespace tenon {
namespace {

constexpr double kReorderNanosecondsPerByte = 0.25;

// Kernels by the name of their op.
std::vector<const Kernel*> kernels_of(const Op& op, Isa cap) {
  static std::map<Isa, std::map<std::string_view, std::vector<const Kernel*>>> tables = [] {
    std::map<Isa, std::map<std::string_view, std::vector<const Kernel*>>> all;
    for (Isa level : isa_levels()) {
      if (!supports(level)) continue;
      for (const Kernel* k : kernels_up_to(level)) all[level][k->op].push_back(k);
    }
    return all;
  }();
  const auto table = tables.find(cap);
  if (table == tables.end()) return {};
  const auto found = table->second.find(op.name);
  return found == table->second.end() ? std::vector<const Kernel*>{} : found->second;
}

bool is_window(const Value& v) { return v.type.layout.room.rank() > 0; }

// A value whose only element every kernel reads alike, whatever the layout of the other sources.
bool is_scalar(const Value& v) {
  const Shape& s = v.type.shape;
  return (v.constant || s.rank() == 0) && std::all_of(s.begin(), s.end(), [](Dim d) { return d == Dim(1); });
}

// True if Needs::src says the layout of source i of the op.
bool takes_source_layout(const Needs& needs, int i) { return i == 0 || needs.all_sources; }

// The layout of a view of a window; dense where the view cannot be a window of the same memory.
Layout layout_of_view(const Graph& g, const Node& n) {
  const Value &from = g.values[n.inputs[0]], &to = g.values[n.outputs[0]];
  Layout l;
  if (!is_window(from)) return l;
  const bool wider = n.op == &ops::unsqueeze;
  if (!wider && n.op != &ops::squeeze) return l;
  const std::vector<int64_t>& axes = wider ? n.attributes.as<Unsqueeze>().axes : n.attributes.as<Squeeze>().axes;
  if (axes.empty()) return l;
  const int more = std::max(from.type.shape.rank(), to.type.shape.rank());
  std::vector<bool> one(static_cast<size_t>(more));
  for (int64_t a : axes) one[static_cast<size_t>(from_front(a, more))] = true;
  for (int i = 0, k = 0; i < more; ++i) {
    if (one[static_cast<size_t>(i)] && wider) l.room.push(1);
    if (!one[static_cast<size_t>(i)]) l.room.push(from.type.layout.room[wider ? k++ : i]);
  }
  l.offset = from.type.layout.offset;
  return l.room.rank() == to.type.shape.rank() ? l : Layout{};
}

Layout layout_of(Wants wants, int16_t block) {
  Layout l;
  if (wants == Wants::blocked) l.axis = 1, l.block = block;
  return l;
}

// Sequences and optionals are for references alone.
bool touches_container(const Graph& g, const Node& n) {
  const auto contained = [&](ValueId v) { return v != kNone && g.values[v].type.container != Container::tensor; };
  return std::any_of(n.inputs.begin(), n.inputs.end(), contained) || std::any_of(n.outputs.begin(), n.outputs.end(), contained);
}

// Of a constant without elements no panels are made: such products are for references too.
bool packs_nothing(const Graph& g, const Node& n, const std::vector<const Kernel*>& kernels) {
  const auto empty = [&](ValueId v) {
    const Shape& s = g.values[v].type.shape;
    return g.values[v].constant && std::find(s.begin(), s.end(), Dim(0)) != s.end();
  };
  return std::any_of(n.inputs.begin(), n.inputs.end(), [&](ValueId v) { return v != kNone && empty(v); }) &&
         std::any_of(kernels.begin(), kernels.end(), [](const Kernel* k) { return k->pack != nullptr; });
}

class Selector {
 public:
  Selector(Graph& g, const PlanOptions& options) : graph_(g), options_(options), likely_(*g.extents, options) {
    for (ValueId v : g.outputs) wanted_.push_back(g.values[v].type.layout);
  }

  std::vector<Selection> run() {
    std::deque<Node> old = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (Node& n : old)
      if (!n.dead) place(std::move(n));
    for (size_t i = 0; i < graph_.outputs.size(); ++i) graph_.outputs[i] = in_layout(graph_.outputs[i], wanted_[i]);
    return std::move(selections_);
  }

 private:
  void place(Node n) {
    if (shares_memory(graph_, n)) {
      if (const Layout l = layout_of_view(graph_, n); l.room.rank()) graph_.values[n.outputs[0]].type.layout = l;
      else n.inputs[0] = in_layout(n.inputs[0], {});
      for (size_t i = 1; i < n.inputs.size(); ++i)
        if (n.inputs[i] != kNone) n.inputs[i] = in_layout(n.inputs[i], {});
      push(std::move(n), {});
      return;
    }
    if (!n.subgraphs.empty() || n.op == &ops::reorder) {
      for (size_t i = 0; i < n.inputs.size(); ++i)
        if (n.inputs[i] != kNone) n.inputs[i] = in_layout(n.inputs[i], inside(n, i));
      Selection s = n.subgraphs.empty() ? choose(n) : Selection{};
      push(std::move(n), std::move(s));
      return;
    }
    // A scalar function alone is a program of one row.
    const bool strings =
        std::any_of(n.inputs.begin(), n.inputs.end(), [&](ValueId v) { return v != kNone && graph_.values[v].type.dtype == DType::string; });
    if (n.op->function != kNoFunction && n.epilogue.empty() && !strings) {
      Program p{static_cast<int>(n.inputs.size()), {{static_cast<Function>(n.op->function), {}}}};
      for (int i = 0; i < 3; ++i) p.rows[0].operand[i] = static_cast<int16_t>(i < p.operands ? i : -1);
      n.op = &ops::pointwise;
      n.attributes = Pointwise{std::move(p)};
    }
    Selection best = choose(n);
    if (best.kernels.empty()) {
      push(std::move(n), {});
      return;
    }
    const Layout source = source_layout(n, best.needs), result = result_layout(source, best.needs);
    for (int i = 0; i < static_cast<int>(n.inputs.size()); ++i)
      if (const auto wanted = read_layout(n, i, best.needs, best.gaps, source, result)) n.inputs[i] = in_layout(n.inputs[i], *wanted);
    if (Value& out = graph_.values[n.outputs[0]]; !is_window(out)) out.type.layout = result;
    push(std::move(n), std::move(best));
  }

  void push(Node n, Selection s) {
    const NodeId id = static_cast<NodeId>(graph_.nodes.size());
    for (ValueId v : n.outputs)
      if (v != kNone) graph_.values[v].producer = id;
    graph_.nodes.push_back(std::move(n));
    selections_.push_back(std::move(s));
  }

  // The layout in which the subgraphs of an if expect input i.
  Layout inside(const Node& n, size_t i) const {
    if (n.op != &ops::if_ || i == 0) return {};
    const Graph& branch = *n.subgraphs[0];
    return branch.values[branch.inputs[i - 1]].type.layout;
  }

  // The layout in which a kernel must find input i, given those of its sources and of its result; no value where it takes the input
  // as it is.
  std::optional<Layout> read_layout(const Node& n, int i, const Needs& needs, bool gaps, const Layout& source, const Layout& result) const {
    if (n.inputs[i] == kNone) return {};
    const Value& v = graph_.values[n.inputs[i]];
    Layout wanted;
    if (i >= n.own_inputs()) {
      const auto reads = reads_of(v.type, graph_.values[n.outputs[0]].type, *n.op);
      if (reads && *reads != Reads::like_dst && !is_window(v)) return {};
      if (!reads || *reads == Reads::like_dst) wanted = result;
    } else if (takes_source_layout(needs, i)) {
      if (needs.src == Wants::any && is_scalar(v)) return {};
      wanted = source;
    }
    if (is_window(v) && gaps && wanted.block == 1) return {};
    return wanted;
  }

  // Kernels that take any layout run in that of the largest source that it applies to.
  Layout source_layout(const Node& n, const Needs& needs) const {
    if (needs.src != Wants::any) return layout_of(needs.src, needs.block);
    Layout chosen;
    double most = -1;
    const Shape& result = graph_.values[n.outputs[0]].type.shape;
    for (int i = 0; i < n.own_inputs(); ++i) {
      if (n.inputs[i] == kNone || !takes_source_layout(needs, i)) continue;
      const Value& v = graph_.values[n.inputs[i]];
      if (is_scalar(v)) continue;
      // An operand that broadcasts along the channels, or has other axes, has no blocks.
      const Shape& s = v.type.shape;
      if (s.rank() != result.rank() || s.rank() < 2 || s[1] != result[1]) return {};
      const double size = likely_bytes(v.type, likely_);
      if (size > most && !v.constant) most = size, chosen = v.type.layout;
    }
    if (chosen.room.rank()) return {};
    return chosen;
  }

  static Layout result_layout(const Layout& source, const Needs& needs) {
    return needs.dst == Wants::any ? source : layout_of(needs.dst, needs.block);
  }

  double reorder_cost(const Node& n, const Needs& needs, bool gaps) const {
    const Layout source = source_layout(n, needs), result = result_layout(source, needs);
    double cost = 0;
    for (int i = 0; i < static_cast<int>(n.inputs.size()); ++i) {
      const auto wanted = read_layout(n, i, needs, gaps, source, result);
      if (!wanted) continue;
      const Value& v = graph_.values[n.inputs[i]];
      if (v.type.layout != *wanted && !v.constant) cost += likely_bytes(v.type, likely_) * kReorderNanosecondsPerByte;
    }
    return cost;
  }

  Selection choose(const Node& n) {
    const std::vector<const Kernel*> kernels = kernels_of(*n.op, options_.isa);
    if (touches_container(graph_, n) || packs_nothing(graph_, n, kernels)) return {};
    const auto window = [&](ValueId v) { return v != kNone && is_window(graph_.values[v]); };
    const bool into_window = std::any_of(n.outputs.begin(), n.outputs.end(), window);
    ModelStep unknown(graph_, n, nullptr), likely(graph_, n, &likely_);
    std::optional<ModelStep> copied;
    if (std::any_of(n.inputs.begin(), n.inputs.end(), window)) copied.emplace(graph_, n, nullptr, true);
    std::vector<Candidate> accepted;
    for (const Kernel* k : kernels) {
      const bool gaps = !k->reject(unknown.step);
      if (!gaps && (!copied || k->reject(copied->step))) continue;
      Candidate c{k, nullptr, 0, k->needs(gaps ? unknown.step : copied->step), gaps};
      if (into_window && c.needs.block != 1) continue;
      c.cost = k->cost(likely.step) + static_cast<float>(reorder_cost(n, c.needs, gaps));
      accepted.push_back(c);
    }
    // Later levels are preferred where costs are equal.
    const auto best = std::min_element(accepted.rbegin(), accepted.rend(), [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; });
    if (best == accepted.rend()) return {};
    Selection s{{best->kernel}, best->needs, best->cost, best->gaps};
    const auto same = [](const char* a, const char* b) { return a == b || (a && b && !std::strcmp(a, b)); };
    for (const Candidate& c : accepted)
      if (c.kernel != best->kernel && c.needs.src == s.needs.src && c.needs.dst == s.needs.dst && c.needs.block == s.needs.block && c.needs.all_sources == s.needs.all_sources &&
          c.gaps == best->gaps && same(c.needs.packing, s.needs.packing) && c.kernel->isa == best->kernel->isa) {
        s.kernels.push_back(c.kernel);
        s.needs.in_place &= c.needs.in_place;
      }
    return s;
  }

  // v itself, or a reordered copy, made once for each layout.
  ValueId in_layout(ValueId v, const Layout& wanted) {
    if (graph_.values[v].type.layout == wanted) return v;
    if (is_window(graph_.values[v]) && wanted.block > 1) v = in_layout(v, {});
    if (graph_.values[v].type.shape.rank() < 2 && !is_window(graph_.values[v]) && !wanted.room.rank()) return v;
    const auto key = std::make_pair(v, wanted.block);
    if (const auto found = reordered_.find(key); found != reordered_.end()) return found->second;
    Node n;
    n.op = &ops::reorder;
    n.inputs = {v};
    Value copy = graph_.values[v];
    copy.type.layout = wanted;
    copy.constant.reset();
    copy.content.reset();
    n.outputs = {graph_.add_value(std::move(copy))};
    const ValueId out = n.outputs[0];
    if (graph_.values[v].producer != kNone) n.name = graph_.nodes[graph_.values[v].producer].name;
    Selection s = choose(n);
    push(std::move(n), std::move(s));
    reordered_[key] = out;
    return out;
  }

  Graph& graph_;
  const PlanOptions& options_;
  mutable Likely likely_;
  std::vector<Layout> wanted_;  // of the outputs
  std::vector<Selection> selections_;
  std::map<std::pair<ValueId, int16_t>, ValueId> reordered_;
};

}  // namespace

bool shares_memory(const Graph& g, const Node& n) {
  if (!n.op->view) return false;
  // Elements that are stored in another way do not lie in the same memory.
  if (g.values[n.inputs[0]].type.dtype != g.values[n.outputs[0]].type.dtype) return false;
  const Shape &from = g.values[n.inputs[0]].type.shape, &to = g.values[n.outputs[0]].type.shape;
  return std::all_of(to.begin(), to.end(),
                     [&](Dim d) { return d.known() || !g.extents->is_data(d.row()) || std::find(from.begin(), from.end(), d) != from.end(); });
}

const std::vector<int64_t>& Likely::values() {
  for (int32_t row = static_cast<int32_t>(values_.size()); row < extents_.rows(); ++row) {
    int64_t value = options_.hint;
    if (extents_.is_symbol(row)) {
      if (const auto hint = options_.hints.find(extents_.symbol_name(row)); hint != options_.hints.end()) value = hint->second;
    } else if (extents_.is_data(row)) {
      const Dim bound = extents_.bound(row);
      if (!bound.known()) value = values_[bound.row()];
      else if (bound.number() >= 0) value = bound.number();
    } else {
      // A likely value need not be possible: a quotient by zero, say.
      try {
        value = std::max<int64_t>(extents_.evaluate(row, values_.data()), 0);
      } catch (const Error&) {}
    }
    values_.push_back(value);
  }
  return values_;
}

double likely_bytes(const Type& t, Likely& likely) {
  double n = bits(t.dtype) / 8.0;
  for (Dim d : t.shape) n *= static_cast<double>(likely(d));
  return n;
}

ModelStep::ModelStep(Graph& g, const Node& node, Likely* likely, bool dense) {
  const auto add = [&](ValueId v, bool copied) {
    if (v == kNone) {
      operands.push_back(Operand{});
      return;
    }
    const Value& value = g.values[v];
    Type type = value.type;
    if (copied && is_window(value)) type.layout = {};
    Geometry geo = geometry(type, *g.extents);
    if (likely)
      for (int i = 0; i < geo.size.rank(); ++i) geo.size[i] = (*likely)(geo.size[i]), geo.stride[i] = (*likely)(geo.stride[i]);
    operands.push_back(operand(type, geo, value.constant.has_value()));
    // Constant contents are facts of planning as types are: a clip by 0 and 6, pads, axes.
    if (value.constant && !value.constant->strings) operands.back().data = const_cast<void*>(value.constant->view());
  };
  for (ValueId v : node.inputs) add(v, dense);
  for (ValueId v : node.outputs) add(v, false);
  step = {};
  step.src = operands.data();
  step.dst = operands.data() + node.inputs.size();
  step.sources = static_cast<int32_t>(node.inputs.size());
  step.destinations = static_cast<int32_t>(node.outputs.size());
  step.attributes = node.attributes.data();
  if (!node.epilogue.empty()) {
    for (size_t i = static_cast<size_t>(node.own_inputs()); i < node.inputs.size(); ++i)
      reads.push_back(reads_of(g.values[node.inputs[i]].type, g.values[node.outputs[0]].type, *node.op).value_or(Reads::like_dst));
    step.epilogue = {node.epilogue.rows.data(), reads.data(), static_cast<int16_t>(node.epilogue.rows.size()),
                     static_cast<int16_t>(node.epilogue.operands), static_cast<int16_t>(node.own_inputs())};
  }
}

std::vector<Candidate> candidates(Graph& g, const Node& node, const PlanOptions& options, Likely& values) {
  const std::vector<const Kernel*> kernels = kernels_of(*node.op, options.isa);
  if (touches_container(g, node) || packs_nothing(g, node, kernels)) return {};
  ModelStep unknown(g, node, nullptr), likely(g, node, &values);
  std::vector<Candidate> out;
  for (const Kernel* k : kernels) {
    Candidate c{k, k->reject(unknown.step)};
    if (!c.rejection) c.cost = k->cost(likely.step), c.needs = k->needs(unknown.step);
    out.push_back(c);
  }
  return out;
}

std::vector<Selection> select(Graph& g, const PlanOptions& options) {
  // What no kernel computes as one is computed in parts.
  Likely likely(*g.extents, options);
  decompose(g, [&](Graph& graph, const Node& n) {
    const std::vector<Candidate> all = candidates(graph, n, options, likely);
    return std::any_of(all.begin(), all.end(), [](const Candidate& c) { return !c.rejection; });
  });
  return Selector(g, options).run();
}

}  // namespace tenon
