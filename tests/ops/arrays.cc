#include "ops/arrays.h"

namespace tenon {
namespace {

std::vector<ValueId> place(Graph& g, const std::vector<Array>& inputs, bool symbols, std::vector<Array>& given) {
  std::vector<ValueId> values;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Array& a = inputs[i];
    if (a.dtype == DType::none) {
      values.push_back(kNone);
      continue;
    }
    if (i > 0 && a.dtype != DType::string && !is_complex(a.dtype)) {
      values.push_back(add_constant(g, a));
      continue;
    }
    Shape shape;
    for (int k = 0; k < a.rank(); ++k) shape.push(symbols && i == 0 ? g.extents->symbol("d" + std::to_string(k)) : Dim(a.size(k)));
    values.push_back(add_input(g, a.dtype, shape, "x" + std::to_string(i)));
    given.push_back(a);
  }
  return values;
}

// The rows of the table as numbers; rows that data decide, and what is made of them, are missing.
std::vector<std::optional<int64_t>> numbers(const Extents& e, const Array& first) {
  std::vector<std::optional<int64_t>> out;
  std::vector<int64_t> values;
  for (int32_t row = 0; row < e.rows(); ++row) {
    out.emplace_back();
    values.push_back(0);
    if (e.is_data(row)) continue;
    if (e.is_symbol(row)) {
      values.back() = first.size(std::stoi(e.symbol_name(row).substr(1)));
    } else {
      bool known = true;
      for (int32_t part : e.parts(row)) known = known && out[static_cast<size_t>(part)];
      if (!known) continue;
      values.back() = e.evaluate(row, values.data());
    }
    out.back() = values.back();
  }
  return out;
}

void expect_inferred(const Op& op, const Attributes& attributes, const std::vector<Array>& inputs, const std::vector<Array>& results) {
  Graph g;
  std::vector<Array> given;
  const std::vector<ValueId> values = place(g, inputs, true, given);
  const std::vector<ValueId> outputs = emit(g, op, attributes, values, static_cast<int>(results.size()));
  const auto rows = numbers(*g.extents, inputs[0]);
  const auto number = [&](Dim d) { return d.known() ? std::optional(d.number()) : rows[static_cast<size_t>(d.row())]; };
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Type& t = g.values[static_cast<size_t>(outputs[i])].type;
    EXPECT_EQ(t.dtype, results[i].dtype);
    ASSERT_EQ(t.shape.rank(), results[i].rank());
    for (int k = 0; k < t.shape.rank(); ++k)
      EXPECT_EQ(number(t.shape[k]).value_or(results[i].size(k)), results[i].size(k))
          << "axis " << k << " of output " << i << ": " << g.extents->text(t.shape[k]);
  }
  for (const Guard& guard : *g.guards) {
    const auto a = number(guard.a), b = number(guard.b);
    if (!a || !b) continue;
    EXPECT_TRUE(guard.kind == Guard::at_least ? *a >= *b : *a == *b || (guard.kind == Guard::broadcast && (*a == 1 || *b == 1))) << guard.sentence;
  }
}

}  // namespace

std::vector<Array> run(const Op& op, Attributes attributes, const std::vector<Array>& inputs, int outputs) {
  Graph g;
  std::vector<Array> given;
  const std::vector<ValueId> values = place(g, inputs, false, given);
  g.outputs = emit(g, op, attributes, values, outputs);
  std::vector<Array> results = run_reference(g, given);
  for (size_t i = 0; i < results.size(); ++i) {
    const Type& t = g.values[static_cast<size_t>(g.outputs[i])].type;
    EXPECT_EQ(t.dtype, results[i].dtype);
    EXPECT_EQ(t.shape.rank(), results[i].rank());
  }
  expect_inferred(op, attributes, inputs, results);
  return results;
}

std::vector<Array> once(const Op& op, Attributes attributes, const std::vector<Array>& inputs) {
  Node n;
  n.op = &op;
  n.attributes = std::move(attributes);
  n.outputs = {0};
  std::vector<const Array*> in;
  for (const Array& a : inputs) {
    n.inputs.push_back(static_cast<ValueId>(in.size()));
    in.push_back(a.dtype == DType::none ? nullptr : &a);
  }
  return evaluate(n, in);
}

std::vector<std::string> contents(Graph& g, ValueId v) {
  const std::vector<Dim>* content = g.content(v);
  if (!content) return {"unknown"};
  std::vector<std::string> out;
  for (Dim d : *content) out.push_back(g.extents->text(d));
  return out;
}

}  // namespace tenon
