#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tenon {

enum class Direction { forward, reverse, bidirectional };
inline constexpr const char* kDirectionNames[] = {"forward", "reverse", "bidirectional"};

// lstm, gru, rnn over src [t, n, i], d directions, hidden size h and g gates (4, 3, 1), after ONNX 22 with layout 0.
// Sources, of one type but for 4: src, weight [d, g h, i], recurrence [d, g h, h], bias [d, 2 g h], lengths s32 [n], initial h [d, n, h],
// of lstm also initial c [d, n, h] and peepholes [d, 3 h]; those from the bias on are optional.
// Destinations, each optional: all h [t, d, n, h], zero beyond a sequence's length; the last h [d, n, h]; of lstm the last c [d, n, h].
// Order of the gates: lstm input, output, forget, cell; gru update, reset, hidden. Of the peepholes: input, output, forget.
// dynamic_quantize_lstm: src f32, weight [d, i, 4 h] and recurrence [d, h, 4 h] 8-bit, and after the peepholes the scale (f32) and zero
// point of weight, then of recurrence, each [d] or [d, 4 h]. src is quantised once as dynamic_quantize does, h [n, h] at every step.
struct Recurrent {
  // Empty: sigmoid, tanh, tanh of lstm; sigmoid, tanh of gru; tanh of rnn. For both directions, or for one after the other.
  std::vector<std::string> activations;
  // Parameters of the activations that have them, in their order; the defaults where the list ends.
  std::vector<float> activation_alpha, activation_beta;
  float clip = 0;  // what enters the activation of a gate (the cell of lstm is none) is cut to [-clip, clip]; 0: it is not cut
  Direction direction = Direction::forward;
  int64_t hidden_size = 0;           // 0: as the recurrence says
  bool input_forget = false;         // lstm: the forget gate is 1 less the input gate
  bool linear_before_reset = false;  // gru: the reset gate multiplies what the recurrence gives, not what it is given

  bool operator==(const Recurrent&) const = default;
  void fields(auto& f) {
    f("activations", activations), f("activation_alpha", activation_alpha), f("activation_beta", activation_beta), f("clip", clip),
        f("direction", direction, kDirectionNames), f("hidden_size", hidden_size), f("input_forget", input_forget),
        f("linear_before_reset", linear_before_reset);
  }
  int directions() const { return direction == Direction::bidirectional ? 2 : 1; }
};

}  // namespace tenon
