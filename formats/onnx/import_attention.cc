// Attention and what stands beside it, as formulas of smaller ops.
#include <cmath>

#include "formats/onnx/attention_parts.h"
#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "ops/concat.h"
#include "ops/conv.h"
#include "ops/gather.h"
#include "ops/linear_attention.h"
#include "ops/matmul.h"
#include "ops/pad.h"
#include "ops/reduce.h"
#include "ops/reshape.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "ops/squeeze.h"
#include "ops/transpose.h"

namespace tenon::onnx {
namespace {

double scale_of(const Import& n, ValueId query) {
  const double given = static_cast<double>(n.real("scale", 0));
  const Dim size = size_of(n, query, -1);
  if (n.find("scale") && given != 0) return given;
  if (!size.known()) n.refuse("attention without a scale whose head size is not known");
  return 1 / std::sqrt(static_cast<double>(size.number()));
}

ValueId padded_mask(const Import& n, ValueId mask, ValueId key) {
  if (rank_of(n, mask) == 0) throw Error(Code::bad_model, "attn_mask is a scalar, expected one axis or more, the last of keys");
  const Dim has = size_of(n, mask, -1), wants = size_of(n, key, 2);
  if (has == wants) return mask;
  const int64_t rank = rank_of(n, mask);
  const ValueId missing = n.emit("sub", None{}, {size_value(n, key, 2), size_value(n, mask, rank - 1)});
  const ValueId pads = concat(n, {n.constant(std::vector<int64_t>(static_cast<size_t>(2 * rank - 1))), missing}, 0);
  const DType dtype = n.graph().value(mask).type.expressed();
  const ValueId nothing = dtype == DType::boolean ? n.scalar(0, DType::boolean) : n.scalar(-INFINITY, dtype);
  return n.emit("pad", Pad{}, {mask, pads, nothing});
}

Values attention(const Import& n) {
  const bool flat = n.rank(0) == 3;
  const DType dtype = n.element(0);
  const Formula f{n, dtype};
  const int64_t q_heads = n.integer("q_num_heads", 0), kv_heads = n.integer("kv_num_heads", 0);
  expect(n.rank(0) == n.rank(1) && n.rank(0) == n.rank(2) && (flat || n.rank(0) == 4), "query, key and value have three axes or four");
  ValueId q = flat ? split_heads(n, input(n, 0), q_heads) : input(n, 0);
  ValueId k = flat ? split_heads(n, input(n, 1), kv_heads) : input(n, 1), v = flat ? split_heads(n, input(n, 2), kv_heads) : input(n, 2);
  expect(n.has(4) == n.has(5) && !(n.has(4) && n.has(6)), "past_key and past_value come together, and without nonpad_kv_seqlen");
  ValueId offset = kNone;  // of the first query, that broadcasts to [batch, 1, queries, 1]
  if (n.has(4)) {
    k = concat(n, {input(n, 4), k}, 2), v = concat(n, {input(n, 5), v}, 2);
    offset = size_value(n, input(n, 4), 2);
  }
  if (n.has(6)) offset = unsqueezed(n, n.emit("sub", None{}, {cast(n, input(n, 6), DType::s64), size_value(n, q, 2)}), {1, 2, 3});
  const ValueId present_key = k, present_value = v;
  const double root = std::sqrt(scale_of(n, q));
  const ValueId keys = repeat_heads(n, k, q);
  ValueId scores = product(n, {f("mul", {q, f.number(root)}), f("mul", {transposed(n, keys, {0, 1, 3, 2}), f.number(root)})});
  const ValueId raw = scores;
  if (const double cap = static_cast<double>(n.real("softcap", 0)); cap > 0)
    scores = f("mul", {f("tanh", {f("div", {scores, f.number(cap)})}), f.number(cap)});
  const ValueId capped = scores;

  Sight sight{n};
  const int64_t left = n.integer("left_window_size", -1), right = n.integer("right_window_size", -1);
  const bool causal = n.integer("is_causal", 0) != 0;
  const ValueId key_places = counted(n, size_value(n, k, 2), {1, -1});
  if (causal || left >= 0 || right >= 0) {
    ValueId place = counted(n, size_value(n, q, 2), {-1, 1});
    if (offset != kNone) place = n.emit("add", None{}, {place, offset});
    if (causal) sight.only(n.emit("less_equal", None{}, {key_places, place}));
    if (left >= 0)
      sight.only(n.emit("greater_equal", None{}, {key_places, n.emit("sub", None{}, {place, n.scalar(static_cast<double>(left), DType::s64)})}));
    if (right >= 0)
      sight.only(n.emit("less_equal", None{}, {key_places, n.emit("add", None{}, {place, n.scalar(static_cast<double>(right), DType::s64)})}));
  }
  if (n.has(6)) sight.only(n.emit("less", None{}, {key_places, unsqueezed(n, cast(n, input(n, 6), DType::s64), {1, 2, 3})}));
  if (n.has(3)) {
    const ValueId mask = padded_mask(n, input(n, 3), k);
    if (n.element(3) == DType::boolean) sight.only(mask);
    else scores = f("add", {scores, cast(n, mask, dtype)});
  }
  if (sight.allowed != kNone) scores = f("add", {scores, f("where", {sight.allowed, f.number(0), f.number(-INFINITY)})});
  const ValueId biased = scores;

  const DType precision = n.dtype("softmax_precision", dtype);
  // Causal rules alone leave every query its own place.
  const bool may_be_blind = n.has(3) || n.has(6) || left >= 0 || right >= 0;
  const ValueId wide = cast(n, scores, precision);
  const ValueId p = cast(n, may_be_blind ? guarded_softmax({n, precision}, wide) : n.emit("softmax", Softmax{}, {wide}), dtype);
  ValueId y = product(n, {p, repeat_heads(n, v, q)});
  if (flat) y = join_heads(n, y);
  const int64_t mode = n.integer("qk_matmul_output_mode", 0);
  expect(mode >= 0 && mode <= 3, "qk_matmul_output_mode is 0 to 3");
  return Values(std::vector<ValueId>{y, present_key, present_value, std::vector{raw, capped, biased, p}[static_cast<size_t>(mode)]});
}

// Scores and probabilities pass through graphs that the node brings.
Values flex_attention(const Import& n) {
  const DType dtype = n.element(0);
  const DType precision = n.dtype("softmax_precision", dtype == DType::f64 ? DType::f64 : DType::f32);
  const Formula f{n, precision};
  for (int i = 0; i < 3; ++i) expect(n.rank(i) == 4, "query, key and value have four axes");
  const ValueId q = cast(n, input(n, 0), precision);
  const ValueId keys = cast(n, repeat_heads(n, input(n, 1), q), precision);
  ValueId scores = f("mul", {product(n, {q, transposed(n, keys, {0, 1, 3, 2})}), f.number(scale_of(n, q))});
  const auto through = [&](const char* name, ValueId value) {
    if (!n.find(name)) return value;
    const std::vector<ValueId> out = n.inlined(name, {value});
    expect(out.size() == 1, std::string(name) + " has one output");
    return out[0];
  };
  scores = through("score_mod", scores);
  const ValueId p = through("prob_mod", n.emit("softmax", Softmax{}, {scores}));
  return cast(n, product(n, {p, cast(n, repeat_heads(n, input(n, 2), q), precision)}), dtype);
}

Values rotary_embedding(const Import& n) {
  const bool flat = n.rank(0) == 3;
  const int64_t heads = n.integer("num_heads", 0), dim = n.integer("rotary_embedding_dim", 0);
  const bool interleaved = n.integer("interleaved", 0) != 0;
  expect(!flat || heads > 0, "RotaryEmbedding on three axes names num_heads");
  expect(flat || n.rank(0) == 4, "the input of RotaryEmbedding has three axes or four");
  const ValueId x = flat ? reshaped(n, input(n, 0), {0, 0, heads, -1}) : transposed(n, input(n, 0), {0, 2, 1, 3});
  const auto angles = [&](int i) { return unsqueezed(n, n.has(3) ? n.emit("gather", Gather{0}, {input(n, i), input(n, 3)}) : input(n, i), {2}); };
  const ValueId y = turned(n, x, angles(1), angles(2), dim, interleaved);
  return flat ? reshaped(n, y, {0, 0, -1}) : transposed(n, y, {0, 2, 1, 3});
}

// A depthwise convolution over what came before and the input; what the next call needs of it comes out.
Values causal_conv(const Import& n) {
  const Formula f{n, n.element(0)};
  expect(n.rank(0) == 3 && n.rank(1) == 3, "the input and the weight have three axes");
  const Dim channels = n.type(1).shape[0], taps = n.type(1).shape[2];
  if (!channels.known() || !taps.known()) n.refuse("CausalConvWithState whose weight has sizes that are not known");
  const int64_t before = taps.number() - 1;
  const ValueId padded =
      n.has(3) ? concat(n, {input(n, 3), input(n, 0)}, 2) : n.emit("pad", Pad{}, {input(n, 0), n.constant({0, 0, before, 0, 0, 0})});
  std::vector<ValueId> in{padded, input(n, 1)};
  if (n.has(2)) in.push_back(input(n, 2));
  ValueId y = n.emit("conv", Conv{.group = channels.number()}, in);
  const std::string activation = n.text("activation", "none");
  expect(activation == "none" || activation == "silu" || activation == "swish", "the activation is none, silu or swish");
  if (activation != "none") y = f("swish", {y, f.number(1)});
  const ValueId length = size_value(n, padded, 2);
  const ValueId state = n.emit("slice", None{}, {padded, n.emit("sub", None{}, {length, n.constant({before})}), length, n.constant({2})});
  return Values(std::vector<ValueId>{y, state});
}

Values linear_attention(const Import& n) {
  n.ignore("chunk_size");  // how to compute, not what
  return n.emit("linear_attention", n.attributes<LinearAttention>(), n.in, 2);
}

constexpr ImportRow kRows[] = {
    {"Attention", attention, 23},
    {"RotaryEmbedding", rotary_embedding, 23},
    {"CausalConvWithState", causal_conv},
    {"LinearAttention", linear_attention},
    {"FlexAttention", flex_attention, 1, "ai.onnx.preview"},
};

}  // namespace

ValueId turned(const Import& n, ValueId x, ValueId cos, ValueId sin, int64_t dim, bool interleaved) {
  const Formula f{n, n.graph().value(x).type.expressed()};
  const ValueId part = dim ? columns(n, x, 0, dim) : x;
  ValueId a, b;
  if (interleaved) {
    const ValueId pairs = reshaped(n, part, {0, 0, 0, -1, 2});
    a = n.emit("gather", Gather{-1}, {pairs, n.scalar(0, DType::s64)}), b = n.emit("gather", Gather{-1}, {pairs, n.scalar(1, DType::s64)});
  } else {
    const Dim size = size_of(n, part, 3);
    if (!size.known()) n.refuse("a rotary embedding whose head size is not known");
    a = columns(n, part, 0, size.number() / 2), b = columns(n, part, size.number() / 2, size.number());
  }
  const ValueId real = f("sub", {f("mul", {cos, a}), f("mul", {sin, b})}), imaginary = f("add", {f("mul", {sin, a}), f("mul", {cos, b})});
  const ValueId y = interleaved ? reshaped(n, concat(n, {unsqueezed(n, real, {4}), unsqueezed(n, imaginary, {4})}, 4), {0, 0, 0, -1})
                                : concat(n, {real, imaginary}, 3);
  return dim ? concat(n, {y, columns(n, x, dim, INT64_MAX)}, 3) : y;
}

const ImportTable kAttentionRows = kRows;
}  // namespace tenon::onnx
