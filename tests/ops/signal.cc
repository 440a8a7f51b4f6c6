// dft, mel_weights, linear_attention, random.
#include "ops/signal.h"

#include "ops/arrays.h"
#include "ops/linear_attention.h"
#include "ops/random.h"

namespace tenon {
namespace {

TEST(Dft, there_and_back) {
  const Array signal = reals({1, 4, 1}, {1, 2, 3, 4});
  expect_reals(run(ops::dft, Dft{}, {signal})[0], {1, 4, 2}, {10, 0, -2, 2, -2, 0, -2, -2});
  const Array half = run(ops::dft, Dft{.onesided = true}, {signal})[0];
  expect_reals(half, {1, 3, 2}, {10, 0, -2, 2, -2, 0});
  expect_reals(run(ops::dft, Dft{.inverse = true, .onesided = true}, {half})[0], {1, 4, 1}, {1, 2, 3, 4});
  expect_reals(run(ops::dft, Dft{.axis = 0, .inverse = true}, {reals({2, 2}, {3, 1, 1, -1})})[0], {2, 2}, {2, 0, 1, 1});
  expect_reals(run(ops::dft, Dft{}, {signal, integers({}, {2})})[0], {1, 2, 2}, {3, 0, -1, 0});
  expect_reals(run(ops::dft, Dft{}, {reals({1, 1}, {5}), integers({}, {2})})[0], {2, 2}, {5, 0, 5, 0});
  expect_error(Code::bad_model, "not the last", [&] { run(ops::dft, Dft{.axis = -1}, {signal}); });
}

TEST(MelWeights, are_triangles) {
  const Array m = once(ops::mel_weights, None{}, {list({2}), list({16}), list({8000}), reals({1}, {0}), reals({1}, {4000})})[0];
  EXPECT_EQ(m.shape, (std::vector<int64_t>{9, 2}));
  for (int64_t band : {0, 1}) {
    double top = 0;
    for (int64_t i = 0; i < 9; ++i) top = std::max(top, m.real(i * 2 + band));
    EXPECT_EQ(top, 1);
  }
}

TEST(LinearAttention, remembers_what_it_was_told) {
  LinearAttention a;
  a.q_num_heads = 1, a.kv_num_heads = 1, a.scale = 1, a.update_rule = UpdateRule::linear;
  const Array q = reals({1, 2, 1}, {1, 1}), k = reals({1, 2, 1}, {2, 3}), v = reals({1, 2, 1}, {5, 7});
  const std::vector<Array> out = run(ops::linear_attention, a, {q, k, v}, 2);
  expect_reals(out[0], {1, 2, 1}, {10, 31});
  expect_reals(out[1], {1, 1, 1, 1}, {31});
  a.update_rule = UpdateRule::gated_delta;
  const Array decay = reals({1, 2, 1}, {0, std::log(0.5)}), beta = reals({1, 2, 1}, {1, 0.5});
  // S1 = 2 * 5 = 10; S2 = 5 + 3 * 0.5 * (7 - 3 * 5) = -7
  expect_reals(run(ops::linear_attention, a, {q, k, v, omitted(), decay, beta}, 2)[0], {1, 2, 1}, {10, -7}, 1e-5);
  expect_error(Code::bad_model, "decay is given", [&] { run(ops::linear_attention, a, {q, k, v}, 2); });
}

TEST(Random, repeats_with_a_seed_alone) {
  const auto draw = [](Random a) { return numbers_of(once(ops::random, a, {list({1000})})[0]); };
  const Random seeded{.seeded = true, .seed = 7};
  EXPECT_EQ(draw(seeded), draw(seeded));
  EXPECT_NE(draw({}), draw({}));
  double sum = 0, squares = 0;
  for (double x : draw({.distribution = Distribution::normal, .first = 3, .second = 2, .seeded = true, .seed = 1}))
    sum += x, squares += (x - 3) * (x - 3);
  EXPECT_NEAR(sum / 1000, 3, 0.3);
  EXPECT_NEAR(squares / 1000, 4, 0.8);
  for (double x : draw({.first = -1, .second = 1, .seeded = true})) EXPECT_TRUE(x >= -1 && x < 1);
}

}  // namespace
}  // namespace tenon
