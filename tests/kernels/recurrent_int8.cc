#include "harness/problem.h"
#include "ops/recurrent.h"

namespace tenon {
namespace {

Problem network(Random& r, int64_t hidden) {
  const int64_t steps = r.in(1, 5), batch = r.in(1, 6), inputs = r.in(1, 40);
  Recurrent a;
  a.direction = r.pick({Direction::forward, Direction::reverse, Direction::bidirectional});
  const int64_t d = a.directions();
  const auto whole = [&](DType t, const std::vector<int64_t>& shape) {
    return constant(of(t, shape, static_cast<double>(lowest(t)), static_cast<double>(highest(t))));
  };
  const DType w = r.pick({DType::u8, DType::s8}), h = r.pick({DType::u8, DType::s8});
  const auto numbers = [&] { return r.chance(0.5) ? std::vector<int64_t>{d} : std::vector<int64_t>{d, 4 * hidden}; };
  const std::vector<int64_t> of_w = numbers(), of_h = numbers();
  Problem p{"dynamic_quantize_lstm", a, {f32({steps, batch, inputs}), whole(w, {d, inputs, 4 * hidden}), whole(h, {d, hidden, 4 * hidden})}};
  p.sources.push_back(r.chance(0.7) ? constant(f32({d, 8 * hidden})) : omitted_source());
  p.sources.push_back(omitted_source());
  for (int i = 0; i < 2; ++i) p.sources.push_back(r.chance(0.6) ? f32({d, batch, hidden}) : omitted_source());
  p.sources.push_back(r.chance(0.3) ? constant(f32({d, 3 * hidden})) : omitted_source());
  p.sources.push_back(constant(f32(of_w, 0.001, 0.003))), p.sources.push_back(whole(w, of_w));
  p.sources.push_back(constant(f32(of_h, 0.001, 0.003))), p.sources.push_back(whole(h, of_h));
  p.outputs = 3;
  return p;
}

TEST(RecurrentInt8Kernels, agree) {
  sweep([](int64_t n, Random& r) {
    if (n > 0) check(network(r, n));
  });
  expect_every_kernel("recurrent_int8");
}

}  // namespace
}  // namespace tenon
