#include "harness/pass.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "exec/reference.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pipeline.h"

namespace tenon {
namespace {

// Values for all rows of the table: symbols get 2, 3, 4 and again.
std::vector<int64_t> small_sizes(const Extents& e) {
  std::vector<int64_t> values(static_cast<size_t>(e.rows()));
  int64_t next = 0;
  for (int32_t row = 0; row < e.rows(); ++row) {
    if (e.is_symbol(row)) values[static_cast<size_t>(row)] = 2 + next++ % 3;
    else if (!e.is_data(row)) values[static_cast<size_t>(row)] = e.evaluate(row, values.data());
  }
  return values;
}

Array random_array(const Type& t, const std::vector<int64_t>& sizes, std::mt19937& random) {
  std::vector<int64_t> shape;
  for (Dim d : t.shape) shape.push_back(d.known() ? d.number() : sizes[static_cast<size_t>(d.row())]);
  Array a(t.dtype, shape);
  for (Cell& c : a.cells) {
    if (is_real(t.dtype) || is_complex(t.dtype)) c.real = std::uniform_real_distribution<>(-2, 2)(random);
    else if (t.dtype == DType::boolean) c.integer = static_cast<int64_t>(random() % 2);
    else c.integer = static_cast<int64_t>(random() % 4);
  }
  for (std::string& s : a.strings) s = std::string(1, static_cast<char>('a' + random() % 4));
  round_elements(a);
  return a;
}

// The same inputs for every graph whose inputs have the same types.
std::vector<Array> run_on_random(const Graph& g) {
  std::mt19937 random(7);
  const std::vector<int64_t> sizes = small_sizes(*g.extents);
  std::vector<Array> inputs;
  for (ValueId v : g.inputs) inputs.push_back(random_array(g.value(v).type, sizes, random));
  return run_reference(g, std::move(inputs));
}

void expect_equal(const Array& a, const Array& b, double tolerance, size_t output) {
  ASSERT_EQ(a.dtype, b.dtype) << "output " << output;
  ASSERT_EQ(a.shape, b.shape) << "output " << output;
  EXPECT_EQ(a.strings, b.strings) << "output " << output;
  double range = 1e-30;
  for (const Cell& c : a.cells)
    if (a.is_real() && std::isfinite(c.real)) range = std::max(range, std::abs(c.real));
  for (size_t i = 0; i < a.cells.size(); ++i) {
    if (!a.is_real()) {
      ASSERT_EQ(a.cells[i].integer, b.cells[i].integer) << "element " << i << " of output " << output;
      continue;
    }
    const double x = a.cells[i].real, y = b.cells[i].real;
    if ((std::isnan(x) && std::isnan(y)) || x == y) continue;
    ASSERT_LE(std::abs(x - y), tolerance * range) << "element " << i << " of output " << output << ": " << x << " before, " << y << " after";
  }
}

void expect_same_meaning(const Graph& before, const Graph& after, double tolerance) {
  const std::vector<Array> a = run_on_random(before), b = run_on_random(after);
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) expect_equal(a[i], b[i], tolerance, i);
}

template <class Run>
void expect_becomes(std::string_view before, std::string_view after, double tolerance, Run run) {
  try {
    const Graph original = parse_graph(before), expected = parse_graph(after);
    Graph g = parse_graph(before);
    run(g);
    EXPECT_EQ(breach(g), "");
    EXPECT_EQ(canonical_text(g), canonical_text(expected));
    expect_same_meaning(original, g, tolerance);
    expect_same_meaning(original, expected, tolerance);
  } catch (const Error& e) { ADD_FAILURE() << e.what(); }
}

}  // namespace

void expect_pass(std::string_view pass, std::string_view before, std::string_view after, double tolerance) {
  expect_becomes(before, after, tolerance, [&](Graph& g) { run_pass(pass, g, {.verify = true}); });
}

void expect_pipeline(std::string_view before, std::string_view after, double tolerance) {
  expect_becomes(before, after, tolerance, [](Graph& g) { run_passes(g, {.verify = true}); });
}

void expect_unchanged(std::string_view pass, std::string_view graph) { expect_pass(pass, graph, graph); }

}  // namespace tenon
