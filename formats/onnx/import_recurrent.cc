// LSTM, GRU and RNN. The ops have layout 0, sequence first; layout 1 becomes transposes around them.
#include <algorithm>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "ops/recurrent.h"
#include "ops/transpose.h"

namespace tenon::onnx {
namespace {

// Turns batch and sequence, or batch and directions.
Transpose swapped() { return {{1, 0, 2}}; }

// Exporters write the default activations too; without them there is one spelling.
void drop_defaults(Recurrent& a, const std::vector<std::string>& defaults) {
  if (a.activations.size() % defaults.size() != 0 || !a.activation_alpha.empty() || !a.activation_beta.empty()) return;
  for (size_t i = 0; i < a.activations.size(); ++i)
    if (a.activations[i] != defaults[i % defaults.size()]) return;
  if (a.activations.size() == defaults.size() * static_cast<size_t>(a.directions())) a.activations.clear();
}

Recurrent attributes(const Import& n, const std::vector<std::string>& defaults) {
  Recurrent a = n.attributes<Recurrent>();
  n.ignore("output_sequence");  // of opset 1; that the output is named says the same
  // RNN lists its default for two directions, whatever the direction.
  if (a.directions() == 1 && a.activations.size() == 2 * defaults.size()) a.activations.resize(defaults.size());
  drop_defaults(a, defaults);
  return a;
}

Values recurrent(const Import& n, const char* op, const std::vector<std::string>& defaults) {
  const Recurrent a = attributes(n, defaults);
  const int64_t layout = n.opset >= 14 ? n.integer("layout", 0) : 0;
  expect(layout == 0 || layout == 1, "the layout is 0 or 1");
  std::vector<ValueId> in = n.in;
  if (layout == 0) return n.emit(op, a, in, n.outputs());
  for (int i : {0, 5, 6})
    if (n.has(i)) in[static_cast<size_t>(i)] = n.emit("transpose", swapped(), {in[static_cast<size_t>(i)]});
  Values out = n.emit(op, a, in, n.outputs());
  for (size_t i = 0; i < out.size(); ++i)
    if (n.wants(static_cast<int>(i))) out[i] = n.emit("transpose", i == 0 ? Transpose{{2, 0, 1, 3}} : swapped(), {out[i]});
  return out;
}

Values lstm(const Import& n) { return recurrent(n, "lstm", {"Sigmoid", "Tanh", "Tanh"}); }
Values gru(const Import& n) { return recurrent(n, "gru", {"Sigmoid", "Tanh"}); }
Values rnn(const Import& n) { return recurrent(n, "rnn", {"Tanh"}); }
Values dynamic_quantize_lstm(const Import& n) {
  return n.emit("dynamic_quantize_lstm", attributes(n, {"Sigmoid", "Tanh", "Tanh"}), n.in, n.outputs());
}

constexpr ImportRow kRows[] = {
    {"LSTM", lstm},
    {"GRU", gru},
    {"RNN", rnn},
    {"DynamicQuantizeLSTM", dynamic_quantize_lstm, 1, "com.microsoft"},
};

}  // namespace

extern const ImportTable kRecurrentRows{kRows};

}  // namespace tenon::onnx
