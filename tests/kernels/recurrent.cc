#include "ops/recurrent.h"

#include "harness/problem.h"

namespace tenon {
namespace {

Problem network(Random& r, std::string_view op, int64_t hidden) {
  const bool lstm = op == "lstm";
  const int64_t gates = lstm          ? 4
                        : op == "gru" ? 3
                                      : 1,
                steps = r.in(0, 7), batch = r.in(1, 11), inputs = r.in(1, 40);
  Recurrent a;
  a.direction = r.pick({Direction::forward, Direction::reverse, Direction::bidirectional});
  a.clip = r.chance(0.3) ? 0.5f : 0;
  a.input_forget = lstm && r.chance(0.3), a.linear_before_reset = op == "gru" && r.chance(0.5);
  const int64_t d = a.directions();
  if (r.chance(0.3)) {
    // A gate above one would let errors grow from step to step.
    const int64_t each = lstm ? 3 : op == "gru" ? 2 : 1;
    for (int64_t i = 0; i < d * each; ++i)
      if (each > 1 && i % each == 0) a.activations.push_back(r.pick({"Sigmoid", "HardSigmoid"}));
      else
        a.activations.push_back(
            r.pick({"Sigmoid", "Tanh", "Relu", "Softsign", "Softplus", "Affine", "LeakyRelu",
                    "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu"}));
    for (int64_t i = r.in(0, 3); i > 0; --i)
      a.activation_alpha.push_back(0.5f), a.activation_beta.push_back(0.25f);
    if (!a.clip) a.clip = 2;
  }
  Problem p{
      op,
      a,
      {f32({steps, batch, inputs}), constant(f32({d, gates * hidden, inputs}, -0.5, 0.5)), constant(f32({d, gates * hidden, hidden}, -0.5, 0.5))}};
  p.sources.push_back(r.chance(0.7) ? constant(f32({d, 2 * gates * hidden})) : omitted_source());
  p.sources.push_back(r.chance(0.3) ? of(DType::s32, {batch}, 0, static_cast<double>(steps)) : omitted_source());
  p.sources.push_back(r.chance(0.6) ? f32({d, batch, hidden}) : omitted_source());
  p.outputs = lstm ? 3 : 2;
  const bool fresh = r.chance(0.4);  // weights that come while running
  for (int i : {1, 2, 3}) p.sources[static_cast<size_t>(i)].constant &= !fresh;
  if (!lstm) return p;
  p.sources.push_back(r.chance(0.6) ? f32({d, batch, hidden}) : omitted_source());
  p.sources.push_back(r.chance(0.3) ? constant(f32({d, 3 * hidden})) : omitted_source());
  return p;
}

TEST(RecurrentKernels, agree) {
  sweep([](int64_t n, Random& r) {
    if (n == 0) return;
    check(network(r, "lstm", n));
    check(network(r, "gru", n));
    check(network(r, "rnn", n));
  });
  expect_every_kernel("recurrent");
}

}  // namespace
}  // namespace tenon
