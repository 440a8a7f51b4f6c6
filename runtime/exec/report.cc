#include <algorithm>

#include "exec/model.h"
#include "ir/text.h"
#include "plan/frame.h"
#include "plan/work.h"

namespace tenon {
namespace {

void inspect_graph(const Graph& g, const std::vector<int64_t>& values, Inspection& out, double& macs) {
  std::vector<bool> counted(g.values.size());
  for (const Node& n : g.nodes) {
    ++out.nodes;
    ++out.ops[std::string(n.op->name)];
    for (ValueId v : n.inputs) {
      if (v == kNone || counted[v] || !g.is_constant(v)) continue;
      counted[v] = true;
      int64_t count = 1;
      for (Dim d : g.values[v].type.shape) count *= d.number();
      out.parameters += count;
      out.parameter_bytes += storage_bytes(g.values[v].type.dtype, count);
    }
    double inner = 0;
    for (const auto& sub : n.subgraphs) {
      double one = 0;
      inspect_graph(*sub, values, out, one);
      inner = std::max(inner, one);
    }
    macs += inner + multiply_adds(g, n, values);
  }
}

bool has_branches(const Plan& plan) {
  return std::any_of(plan.steps.begin(), plan.steps.end(), [](const PlannedStep& p) { return !p.subplans.empty(); });
}

// What a session takes at the likely sizes; -1 where inputs of zeros do not fit the model.
int64_t working_bytes(const std::shared_ptr<const Plan>& plan, int64_t limit) {
  Graph g = detached(plan->graph);
  Likely likely(*g.extents, plan->options);
  std::vector<OwnedTensor> inputs;
  try {
    Frame frame(plan, limit);
    for (size_t i = 0; i < g.inputs.size(); ++i) {
      const Type& t = g.value(g.inputs[i]).type;
      if (t.container != Container::tensor || t.dtype == DType::string) return -1;
      std::vector<int64_t> shape;
      for (Dim d : t.shape) shape.push_back(likely(d));
      inputs.emplace_back(t.dtype, shape);
      frame.set_input(static_cast<int>(i), inputs.back().view());
    }
    frame.bind();
    return frame.arena_bytes();
  } catch (const Error&) { return -1; }
}

void explain_plan(const Plan& plan, PlanReport& out) {
  Graph g = detached(plan.graph);
  Likely likely(*g.extents, plan.options);
  for (const PlannedStep& p : plan.steps) {
    const Node& n = g.nodes[p.node];
    StepReport r;
    r.node = n.name;
    r.op = n.op->name;
    r.output = g.values[n.outputs[0]].name;
    r.kernel = !p.subplans.empty() ? "branches" : p.kernels.empty() ? "reference" : p.kernels[0]->name;
    r.text = text(g, n);
    r.packed_bytes = p.needs.packed_bytes;
    for (ValueId v : n.inputs) {
      if (v == kNone) continue;
      r.bytes_read += static_cast<int64_t>(likely_bytes(g.values[v].type, likely));
      if (const auto found = plan.rounded.find(v); found != plan.rounded.end()) r.rounding_error = std::max(r.rounding_error, found->second);
    }
    for (ValueId v : n.outputs)
      if (v != kNone) r.bytes_written += static_cast<int64_t>(likely_bytes(g.values[v].type, likely));
    for (const Candidate& c : candidates(g, n, plan.options, likely)) {
      if (!p.kernels.empty() && c.kernel == p.kernels[0]) r.expected_ns = c.cost;
      else r.others.push_back({c.kernel->name, c.rejection ? c.rejection : "", c.cost});
    }
    out.steps.push_back(std::move(r));
    for (const auto& sub : p.subplans) explain_plan(*sub, out);
  }
}

}  // namespace

Inspection inspect(const Model::Impl& m) {
  Inspection out;
  out.format = m.format;
  out.notes = m.notes;
  double macs = 0;
  PlanOptions options = m.plan_options;
  inspect_graph(m.graph, Likely(*m.graph.extents, options).values(), out, macs);
  out.multiply_adds = static_cast<int64_t>(macs);
  out.open = m.per_size;
  if (m.plan) {
    out.weight_bytes = m.plan->summary.packed_bytes + m.plan->summary.constant_bytes;
    out.rounded_weights = m.plan->summary.rounded_weights;
    out.rounding_error = m.plan->summary.rounding_error;
    if (!has_branches(*m.plan)) out.working_bytes = working_bytes(m.plan, m.options.memory_limit);
  }
  return out;
}

PlanReport explain(const Model::Impl& m) {
  if (!m.plan) throw Error(Code::bad_usage, "a model loaded for the reference has no plan to explain");
  PlanReport out;
  explain_plan(*m.plan, out);
  out.by_reference = m.plan->summary.by_reference;
  out.reorders = m.plan->summary.reorders;
  out.packed_bytes = m.plan->summary.packed_bytes;
  out.constant_bytes = m.plan->summary.constant_bytes;
  out.rounded_weights = m.plan->summary.rounded_weights;
  out.rounding_error = m.plan->summary.rounding_error;
  return out;
}

}  // namespace tenon
