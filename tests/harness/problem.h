// Problems for kernels. A test writes sources and attributes, never buffers: `check` draws the elements, gets the memory, runs the
// reference and every kernel that accepts the problem, on every ISA level present, and compares.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ops/op.h"

namespace tenon {

// Numbers that a seed repeats.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  int64_t in(int64_t low, int64_t high);  // both included
  double real(double low, double high);
  bool chance(double p) { return real(0, 1) < p; }
  template <class T>
  T pick(std::initializer_list<T> of) {
    return of.begin()[in(0, static_cast<int64_t>(of.size()) - 1)];
  }

 private:
  uint64_t state_;
};

// An operand of a problem.
struct Source {
  Type type;  // dtype none: omitted
  bool constant = false;
  double low = -2, high = 2;   // of reals as drawn; integers are drawn from [low, high] within their type, quantised ones from all of it
  std::vector<double> values;  // instead of what is drawn
};
Source of(DType dtype, const std::vector<int64_t>& shape, double low, double high);
Source f32(const std::vector<int64_t>& shape, double low = -2, double high = 2);
// Quantised, with one scale or one for each index of `axis`.
Source u8(const std::vector<int64_t>& shape, float scale, int32_t zero = 0);
Source s8(const std::vector<int64_t>& shape, float scale, int32_t zero = 0);
Source quantised(DType dtype, const std::vector<int64_t>& shape, std::vector<float> scales, std::vector<int32_t> zeros, int axis);
Source integers(const std::vector<int64_t>& values);  // a constant s64[n]
Source scalar(float value);                           // a constant f32[]
Source constant(Source s);
Source omitted_source();

// A program over the result of an op: a row reads value 0 (the result), those of `sources`, and earlier rows.
struct After {
  std::vector<Scalar> rows;
  std::vector<Source> sources;
};
Scalar row(Function f, int a, int b = -1, int c = -1);

struct Problem {
  std::string_view op;
  Attributes attributes;
  std::vector<Source> sources;
  Type stored = {};  // dtype and quantisation of the result; dtype none: as inferred
  After after = {};
  int outputs = 1;
  std::optional<Exactness> exactness = {};  // instead of the op's
  int16_t src_block = 0, dst_block = 0;     // of axis 1, instead of what a kernel wants; 0: as it wants
};

void check(const Problem& problem);
inline void check(std::string_view op, Attributes attributes, std::vector<Source> sources, Type stored = {}) {
  check(Problem{op, std::move(attributes), std::move(sources), std::move(stored)});
}

// Says that the test asks no kernel on purpose: without this, a test whose problems no kernel took fails.
void reference_only();
// Every kernel of the family, on every level present, has run in this test.
void expect_every_kernel(std::string_view family);

// Problems by size: 0 to twice the widest vector and one more, sizes around the tiles, primes, then drawn ones until the time is up. The body may
// take a Random for all else that it draws. A failure tells the seed that repeats it.
void sweep(const std::function<void(int64_t, Random&)>& body);
inline void sweep(const std::function<void(int64_t)>& body) {
  sweep([&](int64_t n, Random&) { body(n); });
}
// Problems that are drawn altogether, at least `least` of them, until the time is up.
void sweep(int least, const std::function<void(Random&)>& body);

}  // namespace tenon
