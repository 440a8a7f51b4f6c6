// Recurrent networks small enough to follow by hand.
#include "ops/recurrent.h"

#include "ops/arrays.h"

namespace tenon {
namespace {

// Affine activations with alpha 1 and beta 0 leave the arithmetic of gates in sight.
Recurrent linear(size_t activations, Direction direction = Direction::forward) {
  Recurrent a;
  a.direction = direction;
  a.activations.assign(activations * static_cast<size_t>(a.directions()), "Affine");
  return a;
}

TEST(Rnn, runs_both_ways) {
  // h = x + 10 h
  const Array src = reals({3, 1, 1}, {1, 2, 3}), one = reals({1, 1, 1}, {1}), ten = reals({1, 1, 1}, {10});
  std::vector<Array> out = run(ops::rnn, linear(1), {src, one, ten}, 2);
  expect_reals(out[0], {3, 1, 1, 1}, {1, 12, 123});
  expect_reals(out[1], {1, 1, 1}, {123});
  out = run(ops::rnn, linear(1, Direction::reverse), {src, one, ten}, 2);
  expect_reals(out[0], {3, 1, 1, 1}, {321, 32, 3});
  expect_reals(out[1], {1, 1, 1}, {321});
  out = run(ops::rnn, linear(1, Direction::bidirectional), {src, reals({2, 1, 1}, {1, 2}), reals({2, 1, 1}, {10, 1})}, 2);
  expect_reals(out[0], {3, 2, 1, 1}, {1, 12, 12, 10, 123, 6});
  expect_reals(out[1], {2, 1, 1}, {123, 12});
}

TEST(Rnn, stops_where_a_sequence_ends) {
  const Array src = reals({3, 2, 1}, {1, 5, 2, 6, 3, 7}), one = reals({1, 1, 1}, {1}), ten = reals({1, 1, 1}, {10});
  const Array lengths = list({3, 1}, DType::s32), initial = reals({1, 2, 1}, {0, 4});
  std::vector<Array> out = run(ops::rnn, linear(1), {src, one, ten, omitted(), lengths, initial}, 2);
  expect_reals(out[0], {3, 1, 2, 1}, {1, 45, 12, 0, 123, 0});
  expect_reals(out[1], {1, 2, 1}, {123, 45});
  out = run(ops::rnn, linear(1, Direction::reverse), {src, one, ten, omitted(), list({2, 0}, DType::s32), initial}, 2);
  expect_reals(out[0], {3, 1, 2, 1}, {21, 0, 2, 0, 0, 0});
  expect_reals(out[1], {1, 2, 1}, {21, 4});
  expect_error(Code::bad_input, "length 4 of sequence 1", [&] { run(ops::rnn, linear(1), {src, one, ten, omitted(), list({0, 4}, DType::s32)}, 2); });
}

TEST(Rnn, cuts_what_enters_the_activation) {
  Recurrent a = linear(1);
  a.clip = 2;
  expect_reals(run(ops::rnn, a, {reals({2, 1, 1}, {5, -1}), reals({1, 1, 1}, {1}), reals({1, 1, 1}, {0.5})})[0], {2, 1, 1, 1}, {2, 0});
}

TEST(Gru, resets_before_or_after_the_recurrence) {
  // Gates: z = 0.5 by bias, r = 2 by bias, h' = x + r (3 h + 1) or x + 3 (r h) + 1, h = 0.5 h' + 0.5 h.
  const Array src = reals({1, 1, 1}, {4}), weight = reals({1, 3, 1}, {0, 0, 1}), recurrence = reals({1, 3, 1}, {0, 0, 3});
  const Array bias = reals({1, 6}, {0.5, 2, 0, 0, 0, 1}), initial = reals({1, 1, 1}, {10});
  Recurrent a = linear(2);
  expect_reals(run(ops::gru, a, {src, weight, recurrence, bias, omitted(), initial})[0], {1, 1, 1, 1}, {0.5 * 65 + 5});
  a.linear_before_reset = true;
  expect_reals(run(ops::gru, a, {src, weight, recurrence, bias, omitted(), initial})[0], {1, 1, 1, 1}, {0.5 * 66 + 5});
}

TEST(Lstm, gates_peepholes_and_coupling) {
  // Gates by bias: i = 2 + c, o = 3 + c', f = 5 + c, g = 7; from c = 10: i = 12, f = 15, c' = 15 10 + 12 7 = 234, h = 237 234.
  const Array src = reals({1, 1, 1}, {1}), zero = reals({1, 4, 1}, {0, 0, 0, 0}), bias = reals({1, 8}, {2, 3, 5, 7, 0, 0, 0, 0});
  const Array h = reals({1, 1, 1}, {0}), c = reals({1, 1, 1}, {10}), peepholes = reals({1, 3}, {1, 1, 1});
  Recurrent a = linear(3);
  std::vector<Array> out = run(ops::lstm, a, {src, zero, zero, bias, omitted(), h, c, peepholes}, 3);
  expect_reals(out[0], {1, 1, 1, 1}, {237 * 234});
  expect_reals(out[1], {1, 1, 1}, {237 * 234});
  expect_reals(out[2], {1, 1, 1}, {234});
  a.input_forget = true;  // f = 1 - i = -1 without peepholes: c' = -10 + 14
  expect_reals(run(ops::lstm, a, {src, zero, zero, bias, omitted(), h, c}, 3)[2], {1, 1, 1}, {4});
  EXPECT_NEAR(run(ops::lstm, Recurrent{}, {src, zero, zero, bias, omitted(), h, c}, 3)[2].real(0),
              10 / (1 + std::exp(-5)) + std::tanh(7.) / (1 + std::exp(-2)), 1e-5);
}

TEST(Recurrent, activations_take_their_parameters_in_order) {
  Recurrent a;
  a.activations = {"HardSigmoid", "LeakyRelu"};
  a.activation_alpha = {0.5f, 0.25f};
  a.activation_beta = {0.125f};
  // z = 0.5 * 1 + 0.125, h' = leaky(-8) = -2, h = (1 - z) h'
  const Array out = run(ops::gru, a, {reals({1, 1, 1}, {1}), reals({1, 3, 1}, {1, 0, -8}), reals({1, 3, 1}, {0, 0, 0})})[0];
  expect_reals(out, {1, 1, 1, 1}, {-0.75});
}

TEST(Recurrent, refuses_what_does_not_fit) {
  const Array src = counting({2, 1, 3}), weight = counting({1, 4, 3}), recurrence = counting({1, 4, 1});
  const auto lstm = [&](Recurrent a, std::vector<Array> in) { return [=] { run(ops::lstm, a, in, 3); }; };
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{}, {3}, {2, 3}}) {
    int64_t count = 1;
    for (int64_t d : shape) count *= d;
    expect_error(Code::bad_model, "rank of input 0", lstm({}, {reals(shape, std::vector<double>(static_cast<size_t>(count))), weight, recurrence}));
  }
  Recurrent a;
  a.direction = Direction::bidirectional;
  expect_error(Code::bad_model, "directions and the first size", lstm(a, {src, weight, recurrence}));
  a = {}, a.hidden_size = 2;
  expect_error(Code::bad_model, "hidden_size", lstm(a, {src, weight, recurrence}));
  a = {}, a.activations = {"Tanh"};
  expect_error(Code::bad_model, "activations has 3 names", lstm(a, {src, weight, recurrence}));
  a.activations = {"Tanh", "Sigmoid", "Sinus"};
  expect_error(Code::not_supported, "Sinus", lstm(a, {src, weight, recurrence}));
  expect_error(Code::bad_model, "sizes of the bias", lstm({}, {src, weight, recurrence, counting({1, 4})}));
  expect_error(Code::bad_model, "input 2 is missing", lstm({}, {src, weight, omitted()}));
}

TEST(DynamicQuantizeLstm, quantises_src_once_and_the_state_at_each_step) {
  // Input 255 has scale 1 and zero 0. Gates: i = x wi, o = 1 and f = 0 by bias, g = 1 by bias: c = h = 2 * 255, then 510 again.
  Recurrent a = linear(3);
  const Array src = reals({2, 1, 1}, {255, 255}), weight = integers({1, 1, 4}, {5, 3, 3, 3}, DType::u8),
              recurrence = integers({1, 1, 4}, {0, 0, 0, 1}, DType::s8);
  const Array scale = reals({1}, {1}), zero = list({3}, DType::u8), signed_zero = list({0}, DType::s8);
  const Array bias = reals({1, 8}, {0, 1, 0, 1, 0, 0, 0, 0});
  const std::vector<Array> in{src, weight, recurrence, bias, omitted(), omitted(), omitted(), omitted(), scale, zero, scale, signed_zero};
  const std::vector<Array> out = run(ops::dynamic_quantize_lstm, a, in, 3);
  // Second step: g = 1 + 510 (a multiple of its scale 2), i = 510.
  expect_reals(out[0], {2, 1, 1, 1}, {510, 510 * 511});
  std::vector<Array> wrong = in;
  wrong[8] = omitted();
  expect_error(Code::bad_model, "have scales and zero points", [&] { run(ops::dynamic_quantize_lstm, a, wrong, 3); });
}

}  // namespace
}  // namespace tenon
