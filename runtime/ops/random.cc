#include "ops/random.h"

#include <atomic>
#include <cmath>
#include <numbers>

#include "ops/op.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  const auto& a = n.attributes<Random>();
  n.expect_inputs(1, 1);
  n.expect_rank(0, 1);
  n.expect(n.dtype(0) == DType::s64, "the shape of random is s64");
  n.expect(is_real(a.dtype), "random numbers are floating-point numbers");
  if (!n.size(0, 0).known()) throw Error(Code::not_supported, "the rank of the result of random is not known before the model runs");
  Shape shape;
  for (int64_t i = 0; i < n.size(0, 0).dim().number(); ++i) shape.push(n.known(0) ? n.content(0)[static_cast<size_t>(i)] : n.data().dim());
  n.result(a.dtype, shape);
}

// splitmix64.
uint64_t scrambled(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

void reference(Reference& n) {
  const auto& a = n.attributes<Random>();
  static std::atomic<uint64_t> runs{1};
  Array& dst = n.out[0];
  dst.resize(n.integers(0));
  uint64_t state = scrambled(a.seeded ? static_cast<uint64_t>(a.seed) : runs.fetch_add(1) * 0xD1342543DE82EF95u);
  const auto next = [&] { return static_cast<double>(scrambled(state += 0x9E3779B97F4A7C15u) >> 11) * 0x1p-53; };
  const double first = static_cast<double>(a.first), second = static_cast<double>(a.second);
  for (int64_t i = 0; i < dst.count(); ++i) {
    if (a.distribution == Distribution::uniform) {
      dst.real(i) = first + (second - first) * next();
      continue;
    }
    const double radius = std::sqrt(-2 * std::log(1 - next()));
    dst.real(i) = first + second * radius * std::cos(2 * std::numbers::pi * next());
  }
}

}  // namespace
const Op ops::random{.name = "random", .attributes = Attributes::make<Random>, .infer = infer, .reference = reference, .effects = true};
}  // namespace tenon
