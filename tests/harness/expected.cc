#include "harness/expected.h"

#include <algorithm>
#include <cmath>

#include "base/requantise.h"

namespace tenon::harness {
namespace {

double largest(const Array& a) {
  double most = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(a.cells.size()); ++i)
    if (std::isfinite(a.number(i))) most = std::max(most, std::abs(a.number(i)));
  return most;
}

const Type& type_of(const Graph& g, ValueId v) { return g.value(v).type; }

Array less_zeros(const Array& stored, const Quantisation& q) {
  Quantisation whole = q;
  std::fill(whole.scale.begin(), whole.scale.end(), 1.f);
  Array a = dequantised(stored, whole);
  a.dtype = DType::f64;  // sums of integers, exact
  return a;
}

// Rows one after the other, each rounded as f32 arithmetic rounds it.
Array run_rows(const Program& program, std::vector<const Array*> values, const std::vector<int64_t>& shape) {
  std::vector<Array> results;
  results.reserve(program.rows.size());
  for (const Scalar& r : program.rows) {
    Program one{static_cast<int>(values.size()), {r}};
    results.push_back(run_program(one, values, shape));
    round_elements(results.back());
    values.push_back(&results.back());
  }
  return std::move(results.back());
}

// A clamp alone moves the bounds of the stored integers.
struct Clamp {
  bool there = false;
  float low = -INFINITY, high = INFINITY;
};
Clamp clamp_of(const Program& p, const std::vector<const Array*>& values) {
  if (p.rows.size() != 1 || p.rows[0].operand[0] != 0) return {};
  const Scalar& r = p.rows[0];
  if (r.function == Function::relu) return {true, 0.f, INFINITY};
  if (r.function != Function::clip) return {};
  for (int i = 1; i < 3; ++i)
    if (r.operand[i] < 1 || values[static_cast<size_t>(r.operand[i])]->count() != 1) return {};
  return {true, static_cast<float>(values[static_cast<size_t>(r.operand[1])]->real(0)),
          static_cast<float>(values[static_cast<size_t>(r.operand[2])]->real(0))};
}

bool exact_rows(const Program& p) {
  return std::all_of(p.rows.begin(), p.rows.end(), [](const Scalar& r) { return info(r.function).ulp == 0; });
}

// Products of quantised sources.
Expected integer_sums(const Graph& g, const Node& node, const std::vector<Array>& stored, const std::vector<const Array*>& reals) {
  const Quantisation &src = *type_of(g, node.inputs[0]).quantisation, &weight = *type_of(g, node.inputs[1]).quantisation;
  Node product = node;
  product.inputs.resize(2);
  product.epilogue = {};
  const Array a = less_zeros(stored[0], src), b = less_zeros(stored[1], weight);
  const Array sums = evaluate(product, {&a, &b})[0];
  const Array* bias = node.own_inputs() > 2 && node.inputs[2] != kNone ? &stored[2] : nullptr;
  const Quantisation* bias_type = bias ? type_of(g, node.inputs[2]).quantisation.get() : nullptr;
  const int channel_axis = node.op == &ops::conv ? 1 : sums.rank() - 1;
  const Type& to = type_of(g, node.outputs[0]);
  const Quantisation* q = to.quantisation.get();
  const auto of = [](const auto& list, int64_t channel) { return list[list.size() == 1 ? 0 : static_cast<size_t>(channel)]; };

  std::vector<float> products;
  Array real(DType::f32, sums.shape);
  std::vector<int32_t> whole;
  for (Walk at(sums.shape); at.more(); at.next()) {
    const int64_t channel = sums.rank() ? at[static_cast<size_t>(channel_axis)] : 0;
    const float scale = product_scale(src.scale[0], of(weight.scale, channel));
    int64_t sum = static_cast<int64_t>(sums.real(at.flat()));
    if (bias && bias->is_real()) sum += bias_in_sums(bias->real(channel), 1.f, scale);
    else if (bias && bias_type)
      sum += bias_in_sums(static_cast<double>(bias->integer(channel) - of(bias_type->zero, channel)), of(bias_type->scale, channel), scale);
    else if (bias) sum += bias->integer(channel);
    whole.push_back(static_cast<int32_t>(sum));
    products.push_back(scale);
    real.real(at.flat()) = static_cast<float>(whole.back()) * scale;
  }
  Expected e;
  e.exact = true;
  e.range = largest(real);
  std::vector<const Array*> values{&real};
  values.insert(values.end(), reals.begin() + node.own_inputs(), reals.end());
  const Clamp clamp = node.epilogue.empty() ? Clamp{} : clamp_of(node.epilogue, values);
  if (q && (node.epilogue.empty() || clamp.there)) {
    const int32_t low = static_cast<int32_t>(lowest(to.dtype)), high = static_cast<int32_t>(highest(to.dtype));
    const float reciprocal = 1.f / q->scale[0];
    const int32_t from = clamp.there ? requantised(clamp.low, reciprocal, q->zero[0], low, high) : low;
    const int32_t up_to = clamp.there ? std::max(from, requantised(clamp.high, reciprocal, q->zero[0], low, high)) : high;
    Array result(to.dtype, sums.shape);
    for (size_t i = 0; i < whole.size(); ++i)
      result.cells[i].integer = requantised(static_cast<float>(whole[i]), products[i] / q->scale[0], q->zero[0], from, up_to);
    e.out.push_back(std::move(result));
    return e;
  }
  if (!node.epilogue.empty()) {
    e.exact = exact_rows(node.epilogue);
    real = run_rows(node.epilogue, values, real.shape);
    e.range = std::max(e.range, largest(real));
  }
  if (!q) {
    e.out.push_back(std::move(real));
    return e;
  }
  Array result(to.dtype, sums.shape);
  for (size_t i = 0; i < real.cells.size(); ++i)
    result.cells[i].integer = requantised(static_cast<float>(real.cells[i].real), 1.f / q->scale[0], q->zero[0],
                                          static_cast<int32_t>(lowest(to.dtype)), static_cast<int32_t>(highest(to.dtype)));
  e.out.push_back(std::move(result));
  return e;
}

}  // namespace

Expected expected(const Graph& g, const Node& node, const std::vector<Array>& stored) {
  std::vector<Array> reals(stored.size());
  std::vector<const Array*> in;
  for (size_t i = 0; i < stored.size(); ++i) {
    const ValueId v = node.inputs[i];
    if (v != kNone) reals[i] = type_of(g, v).quantisation ? dequantised(stored[i], *type_of(g, v).quantisation) : stored[i];
    in.push_back(v == kNone ? nullptr : &reals[i]);
  }
  if (node.op->linear && type_of(g, node.inputs[0]).quantisation && type_of(g, node.inputs[1]).quantisation) return integer_sums(g, node, stored, in);
  Expected e;
  if (!node.epilogue.empty()) {
    Node own = node;
    own.inputs.resize(static_cast<size_t>(node.own_inputs()));
    own.epilogue = {};
    e.range = largest(evaluate(own, {in.begin(), in.begin() + node.own_inputs()})[0]);
  }
  e.out = evaluate(node, in);
  e.range = std::max(e.range, largest(e.out[0]));
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == kNone) continue;
    const Type& t = type_of(g, node.outputs[i]);
    if (t.quantisation) e.out[i] = quantised(e.out[i], *t.quantisation, t.dtype);
  }
  return e;
}

}  // namespace tenon::harness
