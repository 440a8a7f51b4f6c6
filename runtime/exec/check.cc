#include "exec/check.h"

#include <algorithm>
#include <cmath>

#include "exec/compare.h"
#include "exec/reference.h"
#include "plan/operand.h"

namespace tenon {
namespace {

// Largest error of a whole graph as a part of the range of an output. Single precision: what sums of some thousand terms, a hundred layers
// deep, were seen to differ by. Sixteen bits: the reference rounds every value to them, a plan only where the model stores one. Eight bits:
// a value at the edge of a step falls to either side, and the steps behind it carry that on.
constexpr double kAllowedSingle = 2e-3, kAllowedHalf = 5e-2, kAllowedQuantised = 2e-1;

// Whether a node of the graph or of its bodies passes the test.
bool any_node(const Graph& g, bool (*test)(const Graph&, const Node&)) {
  for (const Node& n : g.nodes) {
    if (test(g, n)) return true;
    for (const auto& body : n.subgraphs)
      if (any_node(*body, test)) return true;
  }
  return false;
}

bool rounds_to_eight_bits(const Graph&, const Node& n) {
  return n.op == &ops::quantize || n.op == &ops::dynamic_quantize || n.op == &ops::dynamic_quantize_lstm;
}

bool has_effects(const Graph&, const Node& n) { return n.op->effects; }

bool touches_halves(const Graph& g, const Node& n) {
  const auto computed_half = [&](ValueId v) { return v != kNone && !g.value(v).constant && is_half(g.value(v).type.dtype); };
  return std::any_of(n.inputs.begin(), n.inputs.end(), computed_half) || std::any_of(n.outputs.begin(), n.outputs.end(), computed_half);
}

double allowed_of_outputs(const Graph& g, Precision precision) {
  if (any_node(g, rounds_to_eight_bits)) return kAllowedQuantised;
  return precision != Precision::model || any_node(g, touches_halves) ? kAllowedHalf : kAllowedSingle;
}

// One unit in the last place of the stored type always counts as equal where values are rounded on the way.
double allowed_of_step(const Node& n, const Operand& dst, double range) {
  const auto type = static_cast<DType>(dst.dtype);
  const double unit = type == DType::f16 ? 1e-3 : type == DType::bf16 ? 8e-3 : 1.2e-7;
  const Exactness& x = n.op->exactness;
  double allowed = x.kind == Exactness::relative ? std::max(x.bound, unit) : std::max(x.bound, 1.0) * unit;
  allowed += 1e-5 * static_cast<double>(n.epilogue.rows.size());
  // One step of two rounded reals.
  if (dst.scale) allowed = std::max(allowed, static_cast<double>(dst.scale[0]) / std::max(range, 1e-30) + unit);
  return allowed;
}

double range_of(const Array& a) {
  double range = 0;
  for (const Cell& c : a.cells)
    if (std::isfinite(c.real)) range = std::max(range, std::abs(c.real));
  return range;
}

}  // namespace

void StepChecker::before(const Plan& plan, int step, const Step& s) {
  std::vector<Array> in;
  for (int i = 0; i < s.sources; ++i) {
    const ValueId v = plan.operands[plan.steps[static_cast<size_t>(step)].first_operand + i].value;
    const bool packed_alone = v != kNone && !s.src[i].data && plan.graph.is_constant(v);
    in.push_back(v == kNone ? Array{} : packed_alone ? array_of(plan.graph.values[v]) : read(plan.graph.values[v], s.src[i]));
  }
  sources_.push_back(std::move(in));
}

void StepChecker::after(const Plan& plan, int step, const Step& s, double) {
  const PlannedStep& p = plan.steps[static_cast<size_t>(step)];
  const Node& node = plan.graph.nodes[p.node];
  const std::vector<Array> sources = std::move(sources_.back());
  sources_.pop_back();
  if (!p.subplans.empty() || node.op->effects) return;
  std::vector<const Array*> in;
  for (int i = 0; i < s.sources; ++i) in.push_back(plan.operands[p.first_operand + i].value == kNone ? nullptr : &sources[static_cast<size_t>(i)]);
  std::vector<Array> all = evaluate(node, in);
  for (int k = 0; k < s.destinations; ++k) {
    const ValueId v = plan.operands[p.first_operand + p.sources + k].value;
    if (v == kNone || plan.graph.values[v].type.container != Container::tensor) continue;
    const Array got = read(s.dst[k]);
    Array& expected = all[static_cast<size_t>(k)];
    // What a quantised type cannot hold is cut off by whoever stores it.
    if (const auto& q = plan.graph.values[v].type.quantisation)
      expected = dequantised(quantised(expected, *q, static_cast<DType>(s.dst[k].dtype)), *q);
    expected.dtype = got.dtype;
    CheckReport::Row row;
    row.op = node.op->name;
    row.output = plan.graph.values[v].name;
    row.kernel = s.kernel ? s.kernel->name : "reference";
    row.allowed = got.is_real() ? allowed_of_step(node, s.dst[k], range_of(expected)) : 0;
    // Where all of the range is 0, the bound is an absolute one.
    const Difference d = compare(got, expected, {.absolute = range_of(expected) > 0 ? 0 : row.allowed, .of_range = row.allowed});
    row.largest_error = d.largest;
    row.of_range = d.of_range;
    row.ok = d.same;
    rows.push_back(std::move(row));
  }
  if (go_on_ && !go_on_()) throw CheckEnded();
}

std::vector<CheckReport::Output> check_outputs(const Graph& g, std::vector<Array> inputs, const std::vector<Array>& outputs,
                                               const std::vector<Port>& ports, Precision precision, const GoOn& go_on) {
  std::vector<CheckReport::Output> out;
  if (any_node(g, has_effects)) return out;  // random numbers: no two runs agree
  const double allowed = allowed_of_outputs(g, precision);
  const std::vector<Array> expected = run_reference(g, std::move(inputs), [&](const Graph&, ValueId, const Array&) {
    if (go_on && !go_on()) throw CheckEnded();
  });
  for (size_t i = 0; i < expected.size(); ++i) {
    const Difference d = compare(outputs[i], expected[i], {.absolute = range_of(expected[i]) > 0 ? 0 : allowed, .of_range = allowed});
    out.push_back({ports[i].name, d.reason, d.largest, d.of_range, allowed, d.same});
  }
  return out;
}

}  // namespace tenon
