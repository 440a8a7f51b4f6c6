#include "ops/recurrent.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "ops/op.h"
#include "ops/quantize_range.h"

namespace tenon {
namespace {

enum class Network { rnn, gru, lstm };

constexpr int gates_of(Network network) { return network == Network::lstm ? 4 : network == Network::gru ? 3 : 1; }

struct Activation {
  std::string name;
  double alpha, beta;

  double operator()(double x) const {
    if (name == "Sigmoid") return 1 / (1 + std::exp(-x));
    if (name == "Tanh") return std::tanh(x);
    if (name == "Relu") return std::max(x, 0.0);
    if (name == "Affine") return alpha * x + beta;
    if (name == "LeakyRelu") return x < 0 ? alpha * x : x;
    if (name == "ThresholdedRelu") return x >= alpha ? x : 0;
    if (name == "ScaledTanh") return alpha * std::tanh(beta * x);
    if (name == "HardSigmoid") return std::clamp(alpha * x + beta, 0.0, 1.0);
    if (name == "Elu") return x < 0 ? alpha * std::expm1(x) : x;
    if (name == "Softsign") return x / (1 + std::abs(x));
    return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));  // Softplus
  }
};

// Which activations there are, how many of alpha and beta each takes, and their defaults.
struct ActivationRow {
  const char* name;
  int parameters;
  float alpha, beta;
};
constexpr ActivationRow kActivations[] = {
    {"Sigmoid", 0, 0, 0},       {"Tanh", 0, 0, 0},
    {"Relu", 0, 0, 0},          {"Softsign", 0, 0, 0},
    {"Softplus", 0, 0, 0},      {"Affine", 2, 1, 0},
    {"LeakyRelu", 1, 0.01f, 0}, {"ThresholdedRelu", 1, 1, 0},
    {"ScaledTanh", 2, 1, 1},    {"HardSigmoid", 2, 0.2f, 0.5f},
    {"Elu", 1, 1, 0},
};

const ActivationRow* activation_named(const std::string& name) {
  for (const ActivationRow& row : kActivations)
    if (name == row.name) return &row;
  return nullptr;
}

std::vector<Activation> activations(const Recurrent& a, Network network) {
  std::vector<std::string> names = a.activations;
  if (names.empty()) {
    names = network == Network::lstm  ? std::vector<std::string>{"Sigmoid", "Tanh", "Tanh"}
            : network == Network::gru ? std::vector<std::string>{"Sigmoid", "Tanh"}
                                      : std::vector<std::string>{"Tanh"};
    const std::vector<std::string> once = names;
    if (a.directions() == 2) names.insert(names.end(), once.begin(), once.end());
  }
  std::vector<Activation> out;
  size_t alpha = 0, beta = 0;
  for (const std::string& name : names) {
    const ActivationRow& row = *activation_named(name);
    const auto next = [](const std::vector<float>& list, size_t& at, bool taken, float otherwise) {
      return static_cast<double>(taken && at < list.size() ? list[at++] : otherwise);
    };
    const double first = next(a.activation_alpha, alpha, row.parameters > 0, row.alpha);
    out.push_back({name, first, next(a.activation_beta, beta, row.parameters > 1, row.beta)});
  }
  return out;
}

void expect_attributes(const Inference& n, const Recurrent& a, Network network) {
  const size_t count = static_cast<size_t>(a.directions()) * (network == Network::lstm ? 3 : network == Network::gru ? 2 : 1);
  n.expect(a.activations.empty() || a.activations.size() == count, "activations has " + std::to_string(count) + " names");
  for (const std::string& name : a.activations)
    if (!activation_named(name)) throw Error(Code::not_supported, "activation " + printable(name) + " is none of those that ONNX names");
  n.expect(std::isfinite(a.clip) && a.clip >= 0, "clip is a positive number");
  n.expect(a.hidden_size >= 0, "hidden_size is positive");
  n.expect(network == Network::lstm || !a.input_forget, "input_forget is for lstm only");
  n.expect(network == Network::gru || !a.linear_before_reset, "linear_before_reset is for gru only");
}

// Inputs from the bias on and all outputs; `hidden` is h.
void infer_rest(Inference& n, const Recurrent& a, Network network, Extent hidden) {
  const Extent directions = a.directions(), steps = n.size(0, 0), batch = n.size(0, 1);
  const int gates = gates_of(network);
  const auto expect_shape = [&](int i, std::initializer_list<Extent> sizes, const char* what) {
    if (!n.has(i)) return;
    n.expect_same_dtype(0, i);
    n.expect_rank(i, static_cast<int>(sizes.size()));
    int axis = 0;
    for (Extent size : sizes) n.equal(n.size(i, axis++), size, what);
  };
  if (a.hidden_size > 0) n.equal(hidden, a.hidden_size, "hidden_size and the last size of the recurrence");
  expect_shape(3, {directions, hidden * gates * 2}, "sizes of the bias: directions and two for each row of the weight");
  expect_shape(5, {directions, batch, hidden}, "sizes of the initial h: directions, batch and hidden size");
  if (network == Network::lstm) {
    expect_shape(6, {directions, batch, hidden}, "sizes of the initial c: directions, batch and hidden size");
    expect_shape(7, {directions, hidden * 3}, "sizes of the peepholes: directions and three times the hidden size");
  }
  if (n.has(4)) {
    n.expect(n.dtype(4) == DType::s32, "the lengths of the sequences are s32");
    n.expect_rank(4, 1);
    n.equal(n.size(4, 0), batch, "lengths of sequences and the batch");
  }
  const DType dtype = n.dtype(0);
  n.result(dtype, {steps, directions, batch, hidden});
  if (n.wanted(1)) n.result(dtype, {directions, batch, hidden});
  if (n.wanted(2) && network == Network::lstm) n.result(dtype, {directions, batch, hidden});
}

template <Network network>
void infer(Inference& n) {
  const auto& a = n.attributes<Recurrent>();
  n.expect_inputs(3, network == Network::lstm ? 8 : 6);
  expect_attributes(n, a, network);
  n.expect(is_real(n.dtype(0)), "src of a recurrent network is floating point");
  for (int i = 0; i < 3; ++i) {
    n.expect_same_dtype(0, i);
    n.expect_rank(i, 3);
  }
  const Extent hidden = n.size(2, 2);
  n.equal(n.size(1, 0), a.directions(), "directions and the first size of the weight");
  n.equal(n.size(2, 0), a.directions(), "directions and the first size of the recurrence");
  n.equal(n.size(1, 2), n.size(0, 2), "the last sizes of the weight and of src");
  n.equal(n.size(1, 1), hidden * gates_of(network), "rows of the weight and gates times the hidden size");
  n.equal(n.size(2, 1), hidden * gates_of(network), "rows of the recurrence and gates times the hidden size");
  infer_rest(n, a, network, hidden);
}

void infer_quantised(Inference& n) {
  const auto& a = n.attributes<Recurrent>();
  n.expect_inputs(3, 12);
  expect_attributes(n, a, Network::lstm);
  n.expect(n.dtype(0) == DType::f32, "src of dynamic_quantize_lstm is f32");
  for (int i = 0; i < 3; ++i) n.expect_rank(i, 3);
  const Extent hidden = n.size(2, 1);
  for (int i = 1; i < 3; ++i) {
    const int scale = i == 1 ? 8 : 10, zero = scale + 1;
    n.expect(n.dtype(i) == DType::u8 || n.dtype(i) == DType::s8, "weight and recurrence are u8 or s8");
    n.equal(n.size(i, 0), a.directions(), "directions and the first sizes of weight and recurrence");
    n.equal(n.size(i, 2), hidden * 4, "columns of weight and recurrence and four times the hidden size");
    n.expect(n.has(scale) && n.has(zero), "weight and recurrence have scales and zero points");
    n.expect(n.dtype(scale) == DType::f32 && n.dtype(zero) == n.dtype(i), "scales are f32, and zero points of the type of what they shift");
    n.expect(n.rank(scale) == 1 || n.rank(scale) == 2, "scales have a number for each direction or for each column");
    n.expect_rank(zero, n.rank(scale));
    for (int axis = 0; axis < n.rank(scale); ++axis) {
      n.equal(n.size(scale, axis), n.size(i, axis ? 2 : 0), "scales and the columns of what they scale");
      n.equal(n.size(zero, axis), n.size(scale, axis), "zero points and scales");
    }
  }
  n.equal(n.size(1, 1), n.size(0, 2), "rows of the weight and the last size of src");
  infer_rest(n, a, Network::lstm, hidden);
}

using Rows = std::vector<double>;  // [batch, some size]

// What a network needs of its weights: rows times a matrix of one direction.
using Product = std::function<Rows(int64_t direction, int64_t batch, const Rows& rows)>;

// rows [batch, k] times weight [d, columns, k] of a direction.
Rows multiply(const Array& weight, int64_t direction, int64_t batch, const Rows& rows) {
  const int64_t columns = weight.size(1), k = weight.size(2);
  Rows out(static_cast<size_t>(batch * columns));
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t i = 0; i < k; ++i) out[b * columns + c] += rows[b * k + i] * weight.real((direction * columns + c) * k + i);
  return out;
}

// rows [batch, k], quantised by a range, times the 8-bit weight [d, k, columns] of a direction.
Rows multiply_quantised(const Array& weight, const Array& scale, const Array& zero, const QuantisedRange& range, int64_t direction, int64_t batch,
                        const Rows& rows) {
  const int64_t k = weight.size(1), columns = weight.size(2);
  Rows out(static_cast<size_t>(batch * columns));
  for (int64_t b = 0; b < batch; ++b) {
    std::vector<int64_t> codes;
    for (int64_t i = 0; i < k; ++i)
      codes.push_back(quantised(rounded(DType::f32, rows[b * k + i] / range.scale), range.zero, DType::u8) - range.zero);
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t at = scale.rank() == 1 ? direction : direction * columns + c;
      int64_t sum = 0;
      for (int64_t i = 0; i < k; ++i) sum += codes[i] * (weight.integer((direction * k + i) * columns + c) - zero.integer(at));
      out[b * columns + c] = static_cast<double>(sum) * range.scale * scale.real(at);
    }
  }
  return out;
}

// One direction while it runs.
class Run {
 public:
  Run(Reference& n, Network network, int64_t direction, int64_t hidden, const Product& input, const Product& recurrence)
      : n_(n), a_(n.attributes<Recurrent>()), network_(network), direction_(direction), hidden_(hidden), input_(input), recurrence_(recurrence) {
    std::vector<Activation> all = activations(a_, network);
    const int64_t each = static_cast<int64_t>(all.size()) / a_.directions();
    activations_.assign(all.begin() + direction * each, all.begin() + (direction + 1) * each);
  }

  void run() {
    const Array& src = *n_.in[0];
    const int64_t steps = src.size(0), batch = src.size(1);
    h_ = initial(5, batch), c_ = initial(6, batch);
    const bool backwards = a_.direction == Direction::reverse || direction_ == 1;
    for (int64_t t = 0; t < steps; ++t) {
      Rows x(static_cast<size_t>(batch * src.size(2)));
      for (int64_t b = 0; b < batch; ++b)
        for (int64_t i = 0; t < length(b) && i < src.size(2); ++i)
          x[b * src.size(2) + i] = src.real((position(backwards, b, t) * batch + b) * src.size(2) + i);
      step(x, t, batch);
      for (int64_t b = 0; b < batch; ++b)
        for (int64_t i = 0; t < length(b) && i < hidden_; ++i)
          n_.out[0].real(((position(backwards, b, t) * a_.directions() + direction_) * batch + b) * hidden_ + i) = h_[b * hidden_ + i];
    }
    for (size_t i = 0; i < h_.size(); ++i) {
      const int64_t to = direction_ * batch * hidden_ + static_cast<int64_t>(i);
      if (n_.out.size() > 1) n_.out[1].real(to) = h_[i];
      if (n_.out.size() > 2) n_.out[2].real(to) = c_[i];
    }
  }

 private:
  int64_t length(int64_t b) const {
    const int64_t steps = n_.in[0]->size(0), length = n_.has(4) ? n_.in[4]->integer(b) : steps;
    if (length < 0 || length > steps)
      throw Error(Code::bad_input,
                  "length " + std::to_string(length) + " of sequence " + std::to_string(b) + " is outside 0 .. " + std::to_string(steps));
    return length;
  }
  int64_t position(bool backwards, int64_t b, int64_t t) const { return backwards ? length(b) - 1 - t : t; }

  Rows initial(int input, int64_t batch) const {
    Rows out(static_cast<size_t>(batch * hidden_));
    if (network_ != Network::lstm && input == 6) return out;
    for (size_t i = 0; n_.has(input) && i < out.size(); ++i)
      out[i] = n_.in[static_cast<size_t>(input)]->real(direction_ * batch * hidden_ + static_cast<int64_t>(i));
    return out;
  }
  // The bias of a column: that of the weight (0) or that of the recurrence (1).
  double bias(int which, int64_t column) const {
    const int64_t columns = gates_of(network_) * hidden_;
    return n_.has(3) ? n_.in[3]->real((direction_ * 2 + which) * columns + column) : 0;
  }
  double peephole(int64_t column) const { return n_.has(7) ? n_.in[7]->real(direction_ * 3 * hidden_ + column) : 0; }
  // Activation `which` of a gate, whose input is cut.
  double activate(int which, double x) const {
    if (a_.clip > 0) x = std::clamp(x, -static_cast<double>(a_.clip), static_cast<double>(a_.clip));
    return activations_[static_cast<size_t>(which)](x);
  }

  void step(const Rows& x, int64_t t, int64_t batch) {
    const int64_t columns = gates_of(network_) * hidden_;
    const Rows from_x = input_(direction_, batch, x), from_h = recurrence_(direction_, batch, h_);
    // What enters gate g of element i of row b, without what depends on other gates.
    const auto gate = [&](int g, int64_t b, int64_t i) {
      const int64_t c = g * hidden_ + i;
      return from_x[b * columns + c] + from_h[b * columns + c] + bias(0, c) + bias(1, c);
    };
    const Rows reset_h = network_ == Network::gru ? reset(gate, batch, t) : Rows{};
    const Rows from_reset = network_ == Network::gru && !a_.linear_before_reset ? recurrence_(direction_, batch, reset_h) : from_h;
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t i = 0; t < length(b) && i < hidden_; ++i) {
        double &h = h_[b * hidden_ + i], &c = c_[b * hidden_ + i];
        if (network_ == Network::rnn) {
          h = activate(0, gate(0, b, i));
        } else if (network_ == Network::lstm) {
          const double in = activate(0, gate(0, b, i) + peephole(i) * c);
          const double forget = a_.input_forget ? 1 - in : activate(0, gate(2, b, i) + peephole(2 * hidden_ + i) * c);
          c = forget * c + in * activate(1, gate(3, b, i));
          h = activate(0, gate(1, b, i) + peephole(hidden_ + i) * c) * activations_[2](c);
        } else {
          const double update = activate(0, gate(0, b, i));
          const int64_t column = 2 * hidden_ + i;
          const double linear = a_.linear_before_reset ? activate(0, gate(1, b, i)) * (from_h[b * columns + column] + bias(1, column))
                                                       : from_reset[b * columns + column] + bias(1, column);
          h = (1 - update) * activate(1, from_x[b * columns + column] + bias(0, column) + linear) + update * h;
        }
      }
  }

  // The reset gate times h.
  template <class Gate>
  Rows reset(const Gate& gate, int64_t batch, int64_t t) const {
    Rows out(h_.size());
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t i = 0; t < length(b) && i < hidden_; ++i) out[b * hidden_ + i] = activate(0, gate(1, b, i)) * h_[b * hidden_ + i];
    return out;
  }

  Reference& n_;
  const Recurrent& a_;
  Network network_;
  int64_t direction_, hidden_;
  const Product &input_, &recurrence_;
  std::vector<Activation> activations_;
  Rows h_, c_;  // [batch, hidden]
};

template <Network network>
void reference(Reference& n) {
  const Product input = [&](int64_t d, int64_t batch, const Rows& rows) { return multiply(*n.in[1], d, batch, rows); };
  const Product recurrence = [&](int64_t d, int64_t batch, const Rows& rows) { return multiply(*n.in[2], d, batch, rows); };
  for (int64_t d = 0; d < n.attributes<Recurrent>().directions(); ++d) Run(n, network, d, n.in[2]->size(2), input, recurrence).run();
}

void quantised_reference(Reference& n) {
  Rows elements;
  for (const Cell& c : n.in[0]->cells) elements.push_back(c.real);
  const QuantisedRange range = range_of(elements);
  const Product input = [&](int64_t d, int64_t batch, const Rows& rows) {
    return multiply_quantised(*n.in[1], *n.in[8], *n.in[9], range, d, batch, rows);
  };
  const Product recurrence = [&](int64_t d, int64_t batch, const Rows& rows) {
    return multiply_quantised(*n.in[2], *n.in[10], *n.in[11], range_of(rows), d, batch, rows);
  };
  for (int64_t d = 0; d < n.attributes<Recurrent>().directions(); ++d) Run(n, Network::lstm, d, n.in[2]->size(1), input, recurrence).run();
}

constexpr Exactness kExactness{Exactness::relative, 5e-5};

}  // namespace
const Op ops::lstm{.name = "lstm",
                   .attributes = Attributes::make<Recurrent>,
                   .infer = infer<Network::lstm>,
                   .reference = reference<Network::lstm>,
                   .exactness = kExactness};
const Op ops::gru{.name = "gru",
                  .attributes = Attributes::make<Recurrent>,
                  .infer = infer<Network::gru>,
                  .reference = reference<Network::gru>,
                  .exactness = kExactness};
const Op ops::rnn{.name = "rnn",
                  .attributes = Attributes::make<Recurrent>,
                  .infer = infer<Network::rnn>,
                  .reference = reference<Network::rnn>,
                  .exactness = kExactness};
// A state that lies where rounding turns, moved by the last bit of f32, changes its code by one.
const Op ops::dynamic_quantize_lstm{.name = "dynamic_quantize_lstm",
                                    .attributes = Attributes::make<Recurrent>,
                                    .infer = infer_quantised,
                                    .reference = quantised_reference,
                                    .exactness = {Exactness::relative, 5e-3}};
}  // namespace tenon
