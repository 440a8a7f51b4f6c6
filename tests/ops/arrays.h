// Arrays written by hand, and single ops run on them by their references.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "exec/reference.h"
#include "ops/op.h"

namespace tenon {

inline Array reals(std::vector<int64_t> shape, const std::vector<double>& values, DType type = DType::f32) {
  Array a(type, std::move(shape));
  EXPECT_EQ(static_cast<size_t>(a.count()), values.size());
  for (size_t i = 0; i < values.size(); ++i) a.cells[i].real = rounded(type, values[i]);
  return a;
}

inline Array integers(std::vector<int64_t> shape, const std::vector<int64_t>& values, DType type = DType::s64) {
  Array a(type, std::move(shape));
  EXPECT_EQ(static_cast<size_t>(a.count()), values.size());
  for (size_t i = 0; i < values.size(); ++i) a.cells[i].integer = values[i];
  return a;
}

inline Array list(const std::vector<int64_t>& values, DType type = DType::s64) {
  return integers({static_cast<int64_t>(values.size())}, values, type);
}

inline Array strings(std::vector<int64_t> shape, std::vector<std::string> values) {
  Array a(DType::string, std::move(shape));
  a.strings = std::move(values);
  return a;
}

inline Array omitted() { return {}; }

// 0, 1, 2 ...
inline Array counting(std::vector<int64_t> shape, DType type = DType::f32) {
  Array a(type, std::move(shape));
  for (size_t i = 0; i < a.cells.size(); ++i) {
    if (a.is_real()) a.cells[i].real = static_cast<double>(i);
    else a.cells[i].integer = static_cast<int64_t>(i);
  }
  return a;
}

inline std::vector<double> numbers_of(const Array& a) {
  std::vector<double> out;
  for (size_t i = 0; i < a.cells.size(); ++i) out.push_back(a.number(static_cast<int64_t>(i)));
  return out;
}

inline ValueId add_constant(Graph& g, const Array& a) {
  std::vector<uint64_t> storage(static_cast<size_t>(storage_bytes(a.dtype, a.count()) + 7) / 8 + 1);
  store(a, a.dtype, storage.data());
  Type t;
  t.dtype = a.dtype;
  for (int64_t d : a.shape) t.shape.push(d);
  return g.add_constant("", t, storage.data());
}

inline ValueId add_input(Graph& g, DType type, Shape shape, const std::string& name) {
  Type t;
  t.dtype = type;
  t.shape = shape;
  return g.add_input(name, t);
}

// Runs one op, whose inputs but the first (and strings) are constants. The sizes that it infers from symbols in place of the sizes of its
// first input must be those of the results, unless data decide them.
std::vector<Array> run(const Op& op, Attributes attributes, const std::vector<Array>& inputs, int outputs = 1);

// The same for an op whose inputs are sequences or optionals, or whose first input holds sizes: nothing is inferred from symbols.
std::vector<Array> once(const Op& op, Attributes attributes, const std::vector<Array>& inputs);

// The elements of a value as extents, as printed; {"unknown"} where they are not.
std::vector<std::string> contents(Graph& g, ValueId v);

// The shape of a value, as printed.
inline std::string shape_text(const Graph& g, ValueId v) { return text(g.values[static_cast<size_t>(v)].type.shape, *g.extents); }

inline void expect_reals(const Array& a, const std::vector<int64_t>& shape, const std::vector<double>& values, double tolerance = 1e-6) {
  EXPECT_EQ(a.shape, shape);
  ASSERT_EQ(a.cells.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const double got = a.number(static_cast<int64_t>(i));
    EXPECT_TRUE(got == values[i] || std::fabs(got - values[i]) <= tolerance) << "element " << i << " is " << got << ", expected " << values[i];
  }
}

inline void expect_integers(const Array& a, const std::vector<int64_t>& shape, const std::vector<int64_t>& values) {
  EXPECT_EQ(a.shape, shape);
  ASSERT_EQ(a.cells.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(a.integer(static_cast<int64_t>(i)), values[i]) << "element " << i;
}

// `body` throws an Error of this code whose text holds `words`.
template <class Body>
void expect_error(Code code, const std::string& words, const Body& body) {
  try {
    body();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
  }
}

}  // namespace tenon
