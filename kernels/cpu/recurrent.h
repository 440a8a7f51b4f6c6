// Recurrent networks, what the kernels of all types share: h' and c' of one step from what src and h give to the gates.
//
// Gate g of hidden element i is column g * wide + i of every product, where `wide` is the hidden size rounded up to whole vectors. What src
// gives is computed for all steps at once; then directions, and parts of the batch, run on their own.
// Tolerance as the op says; activations are those of simd.h.
#pragma once

#include <cstring>

#include "kernels/cpu/operand.h"
#include "kernels/cpu/tile_size.h"
#include "ops/recurrent.h"

namespace tenon::cpu::TENON_ISA {
namespace {

enum class Network : uint8_t { lstm, gru, rnn };

struct RecurrentShape {
  const Recurrent& a;
  Network network;
  int64_t steps, batch, inputs, hidden, directions, gates;
  int64_t wide, columns;

  // `hidden_axis` of the recurrence.
  RecurrentShape(const Step& s, Network network, int hidden_axis) : a(*static_cast<const Recurrent*>(s.attributes)), network(network) {
    const auto size = [](int64_t n) { return known(n) ? n : 1; };
    steps = size(s.src[0].size[0]), batch = size(s.src[0].size[1]), inputs = size(s.src[0].size[2]);
    hidden = s.src[2].size[hidden_axis], directions = s.src[2].size[0],
    gates = network == Network::lstm  ? 4
            : network == Network::gru ? 3
                                      : 1;
    wide = round_up(hidden, kLanes), columns = gates * wide;
  }

  int64_t vectors() const { return columns / kLanes; }
  int64_t rows() const { return steps * batch; }
  // Vectors of columns that are multiplied together: gru gives its last gate another h.
  int groups() const { return network == Network::gru ? 2 : 1; }
  Range group(int i) const {
    return groups() == 1 ? Range{0, vectors()} : i == 0 ? Range{0, vectors() / 3 * 2} : Range{vectors() / 3 * 2, vectors()};
  }
  // Where column `c` lies among the rows of ONNX's weights; -1: nowhere.
  int64_t weight_row(int64_t c) const { return c % wide < hidden ? c / wide * hidden + c % wide : -1; }
  float clip() const { return a.clip > 0 ? a.clip : INFINITY; }

  // Of a worker: h, c and the reset h of `rows` rows, and what h gives.
  int64_t state_floats(int64_t rows) const { return rows * (3 * wide + columns); }
};

// Calls body(vectors) for the panels of a range of vectors, or for those of cut `cut` of `cuts`.
template <class Body>
void panels(Range vectors, const Body& body, int64_t cuts = 1, int64_t cut = 0) {
  const int64_t n = vectors.end - vectors.begin, count = ceil_div(n, kTileVectors);
  const Range mine = piece(count, cuts, cut);
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const Range own = piece(n, count, i);
    body(Range{vectors.begin + own.begin, vectors.begin + own.end});
  }
}

// ---- activations of gates
inline constexpr size_t kMostActivations = 3;
inline size_t activations_of(Network network) {
  return network == Network::lstm ? 3 : network == Network::gru ? 2 : 1;
}
inline const char* usual_activation(Network network, size_t i) {
  return network != Network::rnn && i == 0 ? "Sigmoid" : "Tanh";
}

inline bool has_default_activations(const Recurrent& a, Network network) {
  for (size_t i = 0; i < a.activations.size(); ++i)
    if (a.activations[i] != usual_activation(network, i % activations_of(network))) return false;
  return true;
}

// Sigmoid and tanh, by their place in the list of the op.
template <Network network>
struct UsualActivations {
  TENON_INLINE V operator()(int i, V x) const {
    return network != Network::rnn && i == 0 ? sigmoid(x) : tanh(x);
  }
};

enum class Activation : uint8_t {
  sigmoid,
  tanh,
  relu,
  softsign,
  softplus,
  affine,
  leaky_relu,
  thresholded_relu,
  scaled_tanh,
  hard_sigmoid,
  elu
};
struct ActivationRow {
  const char* name;
  int parameters;  // of alpha and beta, how many it takes
  float alpha, beta;
};
inline constexpr ActivationRow kActivations[] = {
    {"Sigmoid", 0, 0, 0},       {"Tanh", 0, 0, 0},
    {"Relu", 0, 0, 0},          {"Softsign", 0, 0, 0},
    {"Softplus", 0, 0, 0},      {"Affine", 2, 1, 0},
    {"LeakyRelu", 1, 0.01f, 0}, {"ThresholdedRelu", 1, 1, 0},
    {"ScaledTanh", 2, 1, 1},    {"HardSigmoid", 2, 0.2f, 0.5f},
    {"Elu", 1, 1, 0},
};

// Those that the op names, for one direction.
struct NamedActivations {
  Activation kind[kMostActivations];
  float alpha[kMostActivations], beta[kMostActivations];

  NamedActivations(const Recurrent& a, Network network, int64_t direction) {
    const size_t each = activations_of(network), first = static_cast<size_t>(direction) * each;
    size_t alphas = 0, betas = 0;
    for (size_t i = 0; i < first + each; ++i) {
      const char* name =
          a.activations.empty() ? usual_activation(network, i % each) : a.activations[i].c_str();
      size_t row = 0;
      while (std::strcmp(kActivations[row].name, name) != 0) ++row;
      const ActivationRow& r = kActivations[row];
      const float own_alpha = r.parameters > 0 && alphas < a.activation_alpha.size()
                                  ? a.activation_alpha[alphas++]
                                  : r.alpha;
      const float own_beta = r.parameters > 1 && betas < a.activation_beta.size()
                                 ? a.activation_beta[betas++]
                                 : r.beta;
      if (i >= first)
        kind[i - first] = static_cast<Activation>(row), alpha[i - first] = own_alpha,
                 beta[i - first] = own_beta;
    }
  }

  V operator()(int i, V x) const {
    const V zero(0.f), one(1.f), a(alpha[i]), b(beta[i]);
    switch (kind[i]) {
      case Activation::sigmoid: return sigmoid(x);
      case Activation::tanh: return tanh(x);
      case Activation::relu: return most(x, zero);
      case Activation::softsign: return quotient(x, one + abs(x));
      case Activation::softplus: return most(x, zero) + log1p(exp(-abs(x)));
      case Activation::affine: return a * x + b;
      case Activation::leaky_relu: return where(x < zero, a * x, x);
      case Activation::thresholded_relu: return where(x >= a, x, zero);
      case Activation::scaled_tanh: return a * tanh(b * x);
      case Activation::hard_sigmoid: return most(least(a * x + b, one), zero);
      case Activation::elu: return where(x < zero, a * expm1(x), x);
    }
    return x;
  }
};

// `packed`: the weights are constant, and packed when the plan is made.
inline const char* recurrent_reject(const Step& s, bool packed) {
  if (!is_f32(s.src[0])) return "src is not f32";
  for (int i : {1, 2, 3, 7})
    if (packed && has(s, i) && !s.src[i].constant)
      return "weights, bias or peepholes are not constant";
  for (int i : {1, 2})
    for (int axis = 0; packed && axis < 3; ++axis)
      if (!known(s.src[i].size[axis])) return "the sizes of the weights are not known";
  for (int i = 0; i < s.destinations; ++i)
    if (s.dst[i].dtype && !is_f32(s.dst[i])) return "a result is not f32";
  return s.epilogue.count ? "there is an epilogue" : reject_gaps(s);
}

// The bias that goes with what src gives, all of it that no gate multiplies; then the bias of gru's last gate that goes with h; then
// peepholes, zero where there are none. All of one direction, in columns.
inline int64_t constant_floats(const RecurrentShape& p) { return p.columns + p.wide + (p.network == Network::lstm ? 3 * p.wide : 0); }
inline void pack_constants(const Step& s, const RecurrentShape& p, int64_t direction, float* to) {
  const int64_t rows = p.gates * p.hidden;
  const auto bias = [&](int64_t row, int which) { return has(s, 3) && row >= 0 ? data(s.src[3])[(direction * 2 + which) * rows + row] : 0.f; };
  const auto apart = [&](int64_t c) { return p.network == Network::gru && p.a.linear_before_reset && c >= 2 * p.wide; };
  for (int64_t c = 0; c < p.columns; ++c) to[c] = bias(p.weight_row(c), 0) + (apart(c) ? 0.f : bias(p.weight_row(c), 1));
  to += p.columns;
  for (int64_t i = 0; i < p.wide; ++i) to[i] = apart(2 * p.wide + i) ? bias(p.weight_row(2 * p.wide + i), 1) : 0.f;
  to += p.wide;
  for (int64_t c = 0; c < 3 * p.wide && p.network == Network::lstm; ++c)
    to[c] = has(s, 7) && p.weight_row(c) >= 0 ? data(s.src[7])[direction * 3 * p.hidden + p.weight_row(c)] : 0.f;
}

struct Constants {
  const float *bias, *last_bias, *peepholes;
  Constants(const RecurrentShape& p, const float* at) : bias(at), last_bias(at + p.columns), peepholes(at + p.columns + p.wide) {}
};

// One row of a step: x and y are what src and h give to the gates.
template <class Activations>
void lstm_cell(const RecurrentShape& p, const Activations& act, const float* x, const float* y,
               const float* peepholes, float* c, float* h) {
  const V top(p.clip()), bottom(-p.clip());
  for (int64_t i = 0; i < p.wide; i += kLanes) {
    const auto gate = [&](int64_t g) TENON_INLINE { return load(x + g * p.wide + i) + load(y + g * p.wide + i); };
    const auto cut = [&](V v) TENON_INLINE { return most(least(v, top), bottom); };
    const auto seen = [&](int64_t which, V cell) TENON_INLINE { return load(peepholes + which * p.wide + i) * cell; };
    const V old = load(c + i);
    const V in = act(0, cut(gate(0) + seen(0, old)));
    const V forget = p.a.input_forget ? V(1.f) - in : act(0, cut(gate(2) + seen(2, old)));
    const V cell = forget * old + in * act(1, cut(gate(3)));
    store(c + i, cell);
    store(h + i, act(0, cut(gate(1) + seen(1, cell))) * act(2, cell));
  }
}

// The reset gate times h.
template <class Activations>
void gru_reset(const RecurrentShape& p, const Activations& act, const float* x, const float* y,
               const float* h, float* reset) {
  const V top(p.clip()), bottom(-p.clip());
  for (int64_t i = 0; i < p.wide; i += kLanes) {
    const V gate = load(x + p.wide + i) + load(y + p.wide + i);
    store(reset + i, act(0, most(least(gate, top), bottom)) * load(h + i));
  }
}

template <class Activations>
void gru_cell(const RecurrentShape& p, const Activations& act, const float* x, const float* y,
              float* h) {
  const V top(p.clip()), bottom(-p.clip());
  for (int64_t i = 0; i < p.wide; i += kLanes) {
    const auto cut = [&](V v) TENON_INLINE { return most(least(v, top), bottom); };
    const auto gate = [&](int64_t g) TENON_INLINE {
      return act(0, cut(load(x + g * p.wide + i) + load(y + g * p.wide + i)));
    };
    const V update = gate(0), last = load(y + 2 * p.wide + i);
    const V fresh =
        act(1, cut(load(x + 2 * p.wide + i) + (p.a.linear_before_reset ? gate(1) * last : last)));
    store(h + i, fresh + update * (load(h + i) - fresh));
  }
}

template <class Activations>
void rnn_cell(const RecurrentShape& p, const Activations& act, const float* x, const float* y,
              float* h) {
  const V top(p.clip()), bottom(-p.clip());
  for (int64_t i = 0; i < p.wide; i += kLanes)
    store(h + i, act(0, most(least(load(x + i) + load(y + i), top), bottom)));
}

// Runs one direction over rows [rows) of the batch, of which there is one where sequences have lengths. `from_x` is what src gives to
// this direction, [steps][batch][columns]; product(group, h, to) stores what rows of h give to the columns of a group.
template <class Activations, class Product>
void recur(const Step& s, const RecurrentShape& p, const Activations& act, const Context& context,
           int64_t direction, Range rows, const float* from_x, const Constants& constants,
           float* scratch, const Product& product) {
  const int64_t n = rows.end - rows.begin;
  float *h = scratch, *c = h + n * p.wide, *reset = c + n * p.wide, *from_h = reset + n * p.wide;
  const bool backwards = p.a.direction == Direction::reverse || direction == 1;
  const auto whole = [&](int64_t outer, int64_t row) { return (outer * p.batch + row) * p.hidden; };
  for (int64_t i = 0; i < 2 * n * p.wide; ++i) scratch[i] = 0;
  for (int64_t r = 0; r < n; ++r)
    for (int64_t i = 0; i < p.hidden; ++i) {
      if (has(s, 5)) h[r * p.wide + i] = data(s.src[5])[whole(direction, rows.begin + r) + i];
      if (p.network == Network::lstm && has(s, 6)) c[r * p.wide + i] = data(s.src[6])[whole(direction, rows.begin + r) + i];
    }
  int64_t steps = p.steps;
  if (has(s, 4)) {
    steps = data<int32_t>(s.src[4])[rows.begin];
    if (steps < 0 || steps > p.steps) context.fault(context, "the length of a sequence is from 0 to the number of steps", steps, p.steps), steps = 0;
  }
  const auto result = [&](int i) { return i < s.destinations && s.dst[i].dtype ? mutable_data(s.dst[i]) : nullptr; };
  const auto put = [&](const float* from, float* to) {
    vectors(p.hidden, [&](int64_t i, int64_t lanes) TENON_INLINE { store(to + i, load(from + i, lanes), lanes); });
  };
  for (int64_t t = 0; t < steps; ++t) {
    const int64_t at = backwards ? steps - 1 - t : t;
    const auto x = [&](int64_t r) { return from_x + (at * p.batch + rows.begin + r) * p.columns; };
    product(0, h, from_h);
    if (p.network == Network::lstm) {
      for (int64_t r = 0; r < n; ++r)
        lstm_cell(p, act, x(r), from_h + r * p.columns, constants.peepholes, c + r * p.wide,
                  h + r * p.wide);
    } else if (p.network == Network::rnn) {
      for (int64_t r = 0; r < n; ++r)
        rnn_cell(p, act, x(r), from_h + r * p.columns, h + r * p.wide);
    } else {
      if (!p.a.linear_before_reset)
        for (int64_t r = 0; r < n; ++r)
          gru_reset(p, act, x(r), from_h + r * p.columns, h + r * p.wide, reset + r * p.wide);
      product(1, p.a.linear_before_reset ? h : reset, from_h);
      for (int64_t r = 0; r < n; ++r)
        gru_cell(p, act, x(r), from_h + r * p.columns, h + r * p.wide);
    }
    for (int64_t r = 0; r < n && result(0); ++r) put(h + r * p.wide, result(0) + whole(at * p.directions + direction, rows.begin + r));
  }
  for (int64_t t = steps; t < p.steps && result(0); ++t)
    for (int64_t i = 0; i < p.hidden; ++i) result(0)[whole(t * p.directions + direction, rows.begin) + i] = 0;
  for (int64_t r = 0; r < n; ++r) {
    if (result(1)) put(h + r * p.wide, result(1) + whole(direction, rows.begin + r));
    if (result(2) && p.network == Network::lstm) put(c + r * p.wide, result(2) + whole(direction, rows.begin + r));
  }
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
