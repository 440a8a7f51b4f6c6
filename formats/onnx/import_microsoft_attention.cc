// Attention as com.microsoft spells it: projections inside or outside, caches separate, joined or shared, masks of several forms. All of
// them become attend(). The operators are those of ContribOperators.md of ONNX Runtime.
#include <limits>

#include "formats/onnx/attention_parts.h"
#include "formats/onnx/import_tables.h"
#include "ops/norm.h"
#include "ops/pad.h"
#include "ops/quantize.h"
#include "ops/scatter.h"

namespace tenon::onnx {
namespace {

constexpr std::string_view kDomain = "com.microsoft";

// scores = scale q k^T, capped, plus what is added to them, where they are allowed; result = softmax(scores) v.
struct Attention {
  DType dtype;
  ValueId q, k, v;  // [batch, heads, length, size]
  double scale = 1, softcap = 0;
  std::vector<ValueId> added = {};  // each broadcasts to the scores
  Sight sight;
  ValueId sink = kNone;  // [heads]: the logit of a key that has no value
};

struct Attended {
  ValueId raw, scores, probabilities, y;  // raw: before masks
};

Attended attend(const Import& n, const Attention& a) {
  const Formula f{n, a.dtype};
  const ValueId keys = repeat_heads(n, a.k, a.q), values = repeat_heads(n, a.v, a.q);
  const ValueId q = a.scale == 1 ? a.q : f("mul", {a.q, f.number(a.scale)});
  Attended out{};
  ValueId scores = product(n, {q, transposed(n, keys, {0, 1, 3, 2})});
  if (a.softcap > 0) scores = f("mul", {f("tanh", {f("div", {scores, f.number(a.softcap)})}), f.number(a.softcap)});
  for (ValueId each : a.added) scores = f("add", {scores, each});
  out.raw = scores;
  if (a.sight.allowed != kNone) scores = f("add", {scores, f("where", {a.sight.allowed, f.number(0), f.number(-INFINITY)})});
  out.scores = scores;
  if (a.sink == kNone) {
    out.probabilities = n.emit("softmax", Softmax{}, {scores});
  } else {
    const ValueId rows = n.emit("shape", ShapeOf{0, 3}, {scores});
    const ValueId column = n.emit("expand", None{}, {reshaped(n, a.sink, {1, -1, 1, 1}), concat(n, {rows, n.constant({1})}, 0)});
    const ValueId p = n.emit("softmax", Softmax{}, {concat(n, {scores, column}, 3)});
    out.probabilities = n.emit("slice", None{}, {p, n.constant({0}), size_value(n, scores, 3), n.constant({3})});
  }
  out.y = join_heads(n, product(n, {out.probabilities, values}));
  return out;
}

double scale_of(const Import& n, ValueId q) {
  const double given = static_cast<double>(n.real("scale", 0));
  if (given != 0) return given;
  const Dim size = size_of(n, q, 3);
  if (!size.known()) n.refuse("attention without a scale whose head size is not known");
  return 1 / std::sqrt(static_cast<double>(size.number()));
}

int64_t heads_of(const Import& n, const char* name = "num_heads") {
  const int64_t heads = n.integer(name, 0);
  expect(heads > 0, std::string(name) + " is 1 or more");
  return heads;
}

// Where the new rows stand among all keys: as many before them as there are keys more than queries. s64[1]
ValueId keys_before(const Import& n, ValueId q, ValueId k) { return n.emit("sub", None{}, {size_value(n, k, 2), size_value(n, q, 2)}); }

// Key j is seen by query i where j <= before + i; `before` broadcasts to [batch, 1, queries, 1].
void see_the_past(const Import& n, Sight& sight, ValueId q, ValueId k, ValueId before) {
  const ValueId queries = counted(n, size_value(n, q, 2), {-1, 1}), keys = counted(n, size_value(n, k, 2), {1, -1});
  sight.only(n.emit("less_equal", None{}, {keys, n.emit("add", None{}, {queries, before})}));
}

// Elements [from, to) of a list; both are s64[1].
ValueId part(const Import& n, ValueId list, ValueId from, ValueId to) { return n.emit("slice", None{}, {list, from, to}); }

// 0 where the mask of input i keeps a key, else mask_filter_value; kNone for masks that keep everything. Masks: the number of keys of each
// sample; ends and then starts; one flag a key; one a query and key; a table of more rows and columns than there are.
ValueId padding(const Import& n, int i, const Attention& a, bool starts_follow) {
  const Formula f{n, a.dtype};
  const float filter = n.real("mask_filter_value", -10000.f);
  if (!n.has(i)) return kNone;
  const ValueId mask = cast(n, input(n, i), DType::s64);
  const ValueId nought = n.scalar(0, DType::s64);
  ValueId keep = kNone;
  switch (n.rank(i)) {
    case 1: {
      const ValueId batch = size_value(n, a.q, 0), keys = counted(n, size_value(n, a.k, 2), {1, 1, 1, -1});
      const Dim size = n.type(i).shape[0], samples = size_of(n, a.q, 0);
      const auto column = [&](ValueId list) { return reshaped(n, list, {-1, 1, 1, 1}); };
      keep = n.emit("less", None{}, {keys, column(part(n, mask, n.constant({0}), batch))});
      const Extents& e = *n.graph().extents;
      const bool twice = size.known() && samples.known() ? size.number() == 2 * samples.number() : e.text(size) == "2*" + e.text(samples);
      if (starts_follow && twice) {
        const ValueId starts = part(n, mask, batch, n.emit("add", None{}, {batch, batch}));
        keep = n.emit("logical_and", None{}, {keep, n.emit("greater_equal", None{}, {keys, column(starts)})});
      }
      break;
    }
    case 2:
      if (n.type(i).shape[1] == Dim(1) && !(size_of(n, a.k, 2) == Dim(1))) return kNone;
      keep = n.emit("logical_not", None{}, {n.emit("equal", None{}, {unsqueezed(n, mask, {1, 2}), nought})});
      break;
    case 3: keep = n.emit("logical_not", None{}, {n.emit("equal", None{}, {unsqueezed(n, mask, {1}), nought})}); break;
    case 4: {
      const ValueId before = keys_before(n, a.q, a.k), total = size_value(n, a.k, 2);
      const ValueId table =
          n.emit("slice", None{}, {mask, concat(n, {before, n.constant({0})}, 0), concat(n, {total, total}, 0), n.constant({2, 3})});
      keep = n.emit("logical_not", None{}, {n.emit("equal", None{}, {table, nought})});
      break;
    }
    default: n.refuse("a mask of " + std::to_string(n.rank(i)) + " axes");
  }
  return f("where", {keep, f.number(0), f.number(static_cast<double>(filter))});
}

// The score of keys that no query may see, as outputs of scores show it.
ValueId shown(const Import& n, const Attended& all, const Sight& sight, DType dtype, double hidden) {
  return sight.allowed == kNone ? all.raw : n.emit("where", None{}, {sight.allowed, all.raw, n.scalar(hidden, dtype)});
}

// Rows of past and new ones in order; of a cache with room (`before` says how many rows it holds) the new ones written behind those.
ValueId cached(const Import& n, ValueId past, ValueId rows, ValueId before) {
  if (past == kNone) return rows;
  if (before == kNone) return concat(n, {past, rows}, 2);
  return n.emit("tensor_scatter", TensorScatter{.axis = 2}, {past, rows, n.emit("expand", None{}, {before, size_value(n, rows, 0)})});
}

// The first rows of a cache.
ValueId first_rows(const Import& n, ValueId cache, ValueId count) {
  return n.emit("slice", None{}, {cache, n.constant({0}), count, n.constant({2})});
}

// One of the parts along an axis, which goes.
ValueId picked(const Import& n, ValueId v, int64_t axis, int64_t index) {
  return n.emit("gather", Gather{axis}, {v, n.scalar(static_cast<double>(index), DType::s64)});
}

struct Heads {
  ValueId q = kNone, k = kNone, v = kNone;  // [batch, heads, length, size]
};

Values multi_head(const Import& n) {
  if (n.has(9)) n.refuse("cache_indirection, which beam search writes; export the model without the search");
  const int64_t heads = heads_of(n);
  const DType dtype = n.element(0);
  const auto bias_of = [&](ValueId v, int64_t from, Dim width) {
    if (!n.has(3)) return v;
    if (!width.known()) n.refuse("a bias of widths that are not known");
    const ValueId bias = part(n, input(n, 3), n.constant({from}), n.constant({from + width.number()}));
    return n.emit("add", None{}, {v, bias});
  };
  Heads h;
  if (n.rank(0) == 5) {  // [batch, length, heads, 3, size]
    expect(!n.has(1) && !n.has(2), "a packed query comes without key and value");
    const auto part_of = [&](int64_t i) { return reshaped(n, picked(n, input(n, 0), 3, i), {0, 0, -1}); };
    const Dim width = n.graph().value(part_of(0)).type.shape[2];
    const int64_t d = width.known() ? width.number() : 0;
    h.q = split_heads(n, bias_of(part_of(0), 0, width), heads);
    h.k = split_heads(n, bias_of(part_of(1), d, width), heads);
    h.v = split_heads(n, bias_of(part_of(2), 2 * d, width), heads);
  } else {
    expect(n.rank(0) == 3 && n.has(1), "the query has three axes and comes with a key, or it has five");
    const Dim width = size_of(n, input(n, 0), 2);
    h.q = split_heads(n, bias_of(input(n, 0), 0, width), heads);
    if (n.rank(1) == 4) {  // a cache of cross attention, used as it is
      h.k = input(n, 1), h.v = input(n, 2);
    } else if (n.rank(1) == 5) {  // [batch, length, heads, 2, size]
      h.k = transposed(n, picked(n, input(n, 1), 3, 0), {0, 2, 1, 3}), h.v = transposed(n, picked(n, input(n, 1), 3, 1), {0, 2, 1, 3});
    } else {
      const int64_t d = width.known() ? width.number() : 0;
      h.k = split_heads(n, bias_of(input(n, 1), d, width), heads);
      h.v = split_heads(n, bias_of(input(n, 2), 2 * d, size_of(n, input(n, 2), 2)), heads);
    }
  }
  expect(n.has(6) == n.has(7), "past_key and past_value come together");
  const ValueId before = n.has(8) ? reshaped(n, cast(n, input(n, 8), DType::s64), {1}) : kNone;
  const ValueId key = cached(n, n.has(6) ? n.in[6] : kNone, h.k, before), value = cached(n, n.has(7) ? n.in[7] : kNone, h.v, before);
  Attention a{.dtype = dtype, .q = h.q, .k = key, .v = value, .sight = {n}};
  if (before != kNone) {
    const ValueId total = n.emit("add", None{}, {before, size_value(n, h.q, 2)});
    a.k = first_rows(n, key, total), a.v = first_rows(n, value, total);
  }
  a.scale = scale_of(n, h.q);
  if (n.has(5)) a.added.push_back(input(n, 5));
  if (const ValueId pad = padding(n, 4, a, false); pad != kNone) a.added.push_back(pad);
  if (n.integer("unidirectional", 0)) see_the_past(n, a.sight, a.q, a.k, before != kNone ? before : keys_before(n, a.q, a.k));
  const Attended all = attend(n, a);
  return Values(std::vector<ValueId>{all.y, key, value, shown(n, all, a.sight, dtype, std::numeric_limits<float>::lowest())});
}

// The projection is inside: `projected` is [batch, length, 2 D + Dv].
Values projected_attention(const Import& n, ValueId projected, int mask, int past, int added) {
  if (n.integer("do_rotary", 0)) n.refuse("do_rotary; export the rotary embedding as operators");
  if (n.integer("past_present_share_buffer", 0)) n.refuse("past_present_share_buffer; export the model with separate caches");
  n.ignore("rotary_embedding_dim");
  const int64_t heads = heads_of(n);
  std::vector<int64_t> widths = n.integers("qkv_hidden_sizes");
  const Dim all_widths = size_of(n, projected, 2);
  if (widths.empty()) {
    if (!all_widths.known()) n.refuse("a projection whose width is not known");
    widths.assign(3, all_widths.number() / 3);
  }
  expect(widths.size() == 3 && widths[0] > 0 && widths[0] == widths[1] && widths[2] > 0, "qkv_hidden_sizes are three, the first two equal");
  expect(!all_widths.known() || all_widths.number() == widths[0] + widths[1] + widths[2], "the projection is as wide as query, key and value");
  Attention a{.dtype = n.graph().value(projected).type.expressed(), .q = kNone, .k = kNone, .v = kNone, .sight = {n}};
  a.q = split_heads(n, columns(n, projected, 0, widths[0]), heads);
  a.k = split_heads(n, columns(n, projected, widths[0], 2 * widths[0]), heads);
  a.v = split_heads(n, columns(n, projected, 2 * widths[0], 2 * widths[0] + widths[2]), heads);
  if (n.has(past)) {
    a.k = concat(n, {picked(n, input(n, past), 0, 0), a.k}, 2);
    a.v = concat(n, {picked(n, input(n, past), 0, 1), a.v}, 2);
  }
  a.scale = scale_of(n, a.q);
  if (added >= 0 && n.has(added)) a.added.push_back(input(n, added));
  if (const ValueId pad = padding(n, mask, a, true); pad != kNone) a.added.push_back(pad);
  if (n.integer("unidirectional", 0)) see_the_past(n, a.sight, a.q, a.k, keys_before(n, a.q, a.k));
  const Attended all = attend(n, a);
  if (!n.wants(1)) return Values(std::vector<ValueId>{all.y});
  return Values(std::vector<ValueId>{all.y, concat(n, {unsqueezed(n, a.k, {0}), unsqueezed(n, a.v, {0})}, 0)});
}

Values attention(const Import& n) {
  if (n.has(6)) n.refuse("past_sequence_length; export the model with separate caches");
  ValueId v = product(n, {input(n, 0), input(n, 1)});
  if (n.has(2)) v = n.emit("add", None{}, {v, input(n, 2)});
  return projected_attention(n, v, 3, 4, 5);
}

// Input i by the scale and the zero point that are inputs s and z.
ValueId dequantized(const Import& n, int i, int s, int z, int64_t axis) {
  std::vector<ValueId> in{input(n, i), input(n, s)};
  const bool is_list = n.rank(s) > 0 && !(n.type(s).shape[0] == Dim(1));
  if (!is_list) in[1] = reshaped(n, in[1], {});
  if (n.has(z)) in.push_back(is_list ? n.in[static_cast<size_t>(z)] : reshaped(n, n.in[static_cast<size_t>(z)], {}));
  return n.emit("dequantize", Dequantize{.axis = axis}, in);
}

Values quantized_attention(const Import& n) {
  ValueId v = product(n, {dequantized(n, 0, 3, 6, 0), dequantized(n, 1, 4, 7, 1)});
  if (n.has(2)) v = n.emit("add", None{}, {v, input(n, 2)});
  return projected_attention(n, v, 5, 8, -1);
}

// One query a sample; the order of the inputs is another.
Values decoder_masked(const Import& n) {
  if (n.has(9)) n.refuse("cache_indirection, which beam search writes; export the model without the search");
  n.ignore("output_qk");
  const int64_t heads = heads_of(n);
  const DType dtype = n.element(0);
  const bool shares = n.integer("past_present_share_buffer", 0) != 0;
  const Dim width = size_of(n, input(n, 0), 2);
  if (!width.known()) n.refuse("a query whose width is not known");
  ValueId query = input(n, 0);
  Heads h;
  if (!n.has(1)) {
    expect(width.number() % 3 == 0, "a packed query holds query, key and value of one width");
    const int64_t d = width.number() / 3;
    if (n.has(10)) query = n.emit("add", None{}, {query, input(n, 10)});
    h.q = split_heads(n, columns(n, query, 0, d), heads), h.k = split_heads(n, columns(n, query, d, 2 * d), heads);
    h.v = split_heads(n, columns(n, query, 2 * d, 3 * d), heads);
  } else {
    const int64_t d = width.number();
    const auto biased = [&](ValueId v, int64_t from, int64_t to) {
      return n.has(10) ? n.emit("add", None{}, {v, part(n, input(n, 10), n.constant({from}), n.constant({to}))}) : v;
    };
    h.q = split_heads(n, biased(query, 0, d), heads);
    if (n.rank(1) == 4) h.k = input(n, 1), h.v = input(n, 2);
    else h.k = split_heads(n, biased(input(n, 1), d, 2 * d), heads), h.v = split_heads(n, biased(input(n, 2), 2 * d, INT64_MAX), heads);
  }
  expect(n.has(5) == n.has(6), "past_key and past_value come together");
  expect(!shares || n.has(7), "a shared buffer comes with past_sequence_length");
  const ValueId before = shares && n.has(5) ? reshaped(n, cast(n, input(n, 7), DType::s64), {1}) : kNone;
  const ValueId key = cached(n, n.has(5) ? n.in[5] : kNone, h.k, before), value = cached(n, n.has(6) ? n.in[6] : kNone, h.v, before);
  Attention a{.dtype = dtype, .q = h.q, .k = key, .v = value, .sight = {n}};
  if (before != kNone) {
    const ValueId total = n.emit("add", None{}, {before, size_value(n, h.q, 2)});
    a.k = first_rows(n, key, total), a.v = first_rows(n, value, total);
  }
  a.scale = scale_of(n, h.q);
  if (n.has(4)) a.added.push_back(input(n, 4));
  if (const ValueId pad = padding(n, 3, a, false); pad != kNone) a.added.push_back(pad);
  const Attended all = attend(n, a);
  return Values(std::vector<ValueId>{all.y, key, value, all.raw});
}

// RMS norm of each head.
ValueId normed(const Import& n, ValueId v, int weight, float epsilon) {
  return n.emit("rms_norm", LayerNorm{.axis = -1, .epsilon = epsilon}, {v, input(n, weight)});
}

// The quantised cache: how its rows are stored and read. Scales broadcast to [batch, heads, rows, size].
struct CacheCode {
  const Import& n;
  DType dtype;
  ValueId scale = kNone;  // kNone: rows are stored as they are
  ValueId stored(ValueId rows) const {
    if (scale == kNone) return rows;
    const Formula f{n, dtype};
    const ValueId steps = f("round_within", {f("div", {rows, scale}), f.number(-128), f.number(127)});
    return cast(n, steps, DType::s8);
  }
  ValueId read(ValueId rows) const { return scale == kNone ? rows : n.emit("mul", None{}, {cast(n, rows, dtype), scale}); }
};

CacheCode cache_code(const Import& n, const char* kind, int scale, DType dtype) {
  const std::string type = n.text(kind, "NONE");
  CacheCode code{n, dtype};
  if (type == "NONE") return code;
  if (type != "PER_TENSOR" && type != "PER_CHANNEL") n.refuse(std::string(kind) + " " + printable(type));
  if (n.integer("kv_cache_bit_width", 8) != 8) n.refuse("a cache of " + std::to_string(n.integer("kv_cache_bit_width", 8)) + " bits; 8 is supported");
  code.scale = cast(n, type == "PER_TENSOR" ? reshaped(n, input(n, scale), {}) : input(n, scale), dtype);
  return code;
}

Values grouped_query(const Import& n) {
  if (n.has(16)) n.refuse("query_seqlens");
  if (n.integer("sliding_window_cache", 0)) n.refuse("sliding_window_cache, a cache that is compacted");
  const int64_t heads = heads_of(n), kv_heads = heads_of(n, "kv_num_heads");
  expect(heads % kv_heads == 0, "num_heads is a multiple of kv_num_heads");
  const bool rotates = n.integer("do_rotary", 0) != 0, interleaved = n.integer("rotary_interleaved", 0) != 0;
  const bool causal = n.integer("causal", 1) != 0;
  const int64_t window = n.integer("local_window_size", -1), shows = n.integer("qk_output", 0);
  const float softcap = n.real("softcap", 0), epsilon = n.real("qk_norm_epsilon", 1e-6f);
  const float q_epsilon = n.real("q_norm_epsilon", epsilon), k_epsilon = n.real("k_norm_epsilon", epsilon);
  expect(causal || window == -1, "local_window_size goes with causal attention");
  expect(window == -1 || window >= 1, "local_window_size is 1 or more, or -1");
  const DType dtype = n.element(0);
  const Formula whole{n, DType::s64};

  // [batch, length, heads, size]
  const auto in_heads = [&](ValueId v, int64_t count) { return reshaped(n, v, {0, 0, count, -1}); };
  ValueId q, k, v;
  if (n.has(1)) {
    q = in_heads(input(n, 0), heads), k = in_heads(input(n, 1), kv_heads), v = in_heads(input(n, 2), kv_heads);
  } else {
    const Dim width = size_of(n, input(n, 0), 2);
    if (!width.known()) n.refuse("a packed query whose width is not known");
    expect(width.number() % (heads + 2 * kv_heads) == 0, "a packed query holds all heads of one size");
    const int64_t size = width.number() / (heads + 2 * kv_heads);
    q = in_heads(columns(n, input(n, 0), 0, heads * size), heads);
    k = in_heads(columns(n, input(n, 0), heads * size, (heads + kv_heads) * size), kv_heads);
    v = in_heads(columns(n, input(n, 0), (heads + kv_heads) * size, width.number()), kv_heads);
  }
  expect(n.has(14) == n.has(15), "q_norm_weight and k_norm_weight come together");
  if (n.has(14)) q = normed(n, q, 14, q_epsilon), k = normed(n, k, 15, k_epsilon);

  // Rows of each sample before the new ones: none in a prompt, whose rows are all there are.
  // The total as the size of a value, so that shapes can name it.
  const ValueId length = size_value(n, q, 1);
  const ValueId total = size_value(n, counted(n, cast(n, input(n, 6), DType::s64), {-1}), 0);
  const ValueId totals = whole("add", {reshaped(n, cast(n, input(n, 5), DType::s64), {-1}), whole.number(1)});
  const ValueId is_prompt = whole("equal", {total, length});
  const ValueId before = whole("where", {is_prompt, whole.number(0), whole("sub", {totals, length})});  // [batch]
  const ValueId places = whole("add", {reshaped(n, before, {-1, 1}), counted(n, length, {1, -1})});     // [batch, length]
  if (rotates) {
    ValueId at = places;
    if (n.has(9)) {
      const ValueId given = cast(n, input(n, 9), DType::s64);
      const ValueId first = reshaped(n, n.emit("slice", None{}, {given, n.constant({0, 0}), n.constant({1, 1})}), {1, 1});
      at = whole("where", {is_prompt, whole("add", {first, counted(n, length, {1, -1})}), given});
    }
    const Dim half = n.type(7).shape.rank() == 2 ? n.type(7).shape[1] : Dim(-1), size = size_of(n, q, 3);
    if (!half.known() || half.number() <= 0 || !size.known()) n.refuse("rotary tables or heads whose sizes are not known");
    expect(2 * half.number() <= size.number(), "the rotary tables turn at most all channels of a head");
    const int64_t dim = 2 * half.number() == size.number() ? 0 : 2 * half.number();
    const auto angles = [&](int i) { return unsqueezed(n, n.emit("gather", Gather{0}, {input(n, i), at}), {2}); };
    const ValueId cos = angles(7), sin = angles(8);
    q = turned(n, q, cos, sin, dim, interleaved), k = turned(n, k, cos, sin, dim, interleaved);
  }
  const auto heads_first = [&](ValueId x) { return transposed(n, x, {0, 2, 1, 3}); };
  const CacheCode key_code = cache_code(n, "k_quant_type", 12, dtype), value_code = cache_code(n, "v_quant_type", 13, dtype);
  // A cache has as many rows as it came with, or more where that is too few.
  const auto present = [&](int past, ValueId rows, const CacheCode& code) {
    const ValueId stored = code.stored(heads_first(rows));
    if (!n.has(past)) return stored;
    const ValueId own = size_value(n, input(n, past), 2), spare = whole("sub", {whole("max", {own, total}), own});
    const ValueId pads = concat(n, {n.constant(std::vector<int64_t>(6)), spare, n.constant({0})}, 0);
    return n.emit("tensor_scatter", TensorScatter{.axis = 2}, {n.emit("pad", Pad{}, {input(n, past), pads}), stored, before});
  };
  expect(n.has(3) == n.has(4), "past_key and past_value come together");
  const ValueId key = present(3, k, key_code), value = present(4, v, value_code);
  Attention a{.dtype = dtype, .q = heads_first(q), .k = kNone, .v = kNone, .softcap = static_cast<double>(softcap), .sight = {n}};
  a.k = n.has(3) ? key_code.read(first_rows(n, key, total)) : heads_first(k);
  a.v = n.has(4) ? value_code.read(first_rows(n, value, total)) : heads_first(v);
  a.scale = scale_of(n, a.q);
  if (n.has(10)) a.added.push_back(input(n, 10));
  const ValueId keys = counted(n, size_value(n, a.k, 2), {1, 1, 1, -1}), queries = unsqueezed(n, places, {1, 3});
  if (causal) a.sight.only(whole("less_equal", {keys, queries}));
  else a.sight.only(whole("less", {keys, reshaped(n, totals, {-1, 1, 1, 1})}));
  if (window > 0) a.sight.only(whole("less", {whole("sub", {queries, keys}), whole.number(static_cast<double>(window))}));
  if (n.has(11)) a.sink = cast(n, input(n, 11), dtype);
  else if (n.integer("smooth_softmax", -1) == 1) a.sink = n.emit("expand", None{}, {n.scalar(0, dtype), n.constant({heads})});
  const Attended all = attend(n, a);
  Values out(std::vector<ValueId>{all.y, key, value});
  if (n.wants(3)) {
    if (shows != 1 && shows != 2) n.refuse("output_qk without qk_output 1 or 2");
    out.push_back(shows == 1 ? shown(n, all, a.sight, dtype, 0) : all.probabilities);
  }
  return out;
}

// The standard operator has its inputs in another order, and no scale, which does nothing here.
Values rotary_embedding(const Import& n) {
  n.ignore("scale"), n.ignore("is_packed_batching");
  const int64_t heads = n.integer("num_heads", 0), dim = n.integer("rotary_embedding_dim", 0);
  const bool interleaved = n.integer("interleaved", 0) != 0;
  expect(n.rank(0) == 3 || n.rank(0) == 4, "the input of RotaryEmbedding has three axes or four");
  expect(dim == 0 || heads > 0, "rotary_embedding_dim comes with num_heads");
  const Dim half = n.type(2).shape.rank() == 2 ? n.type(2).shape[1] : Dim(-1);
  if (!half.known() || half.number() <= 0) n.refuse("rotary tables whose width is not known");
  const bool flat = n.rank(0) == 3;
  const std::vector<int64_t> split = heads > 0 ? std::vector<int64_t>{0, 0, heads, -1} : std::vector<int64_t>{0, 0, -1, 2 * half.number()};
  const ValueId x = flat ? reshaped(n, input(n, 0), split) : transposed(n, input(n, 0), {0, 2, 1, 3});
  ValueId places = cast(n, input(n, 1), DType::s64);
  if (n.rank(1) == 1) places = n.emit("add", None{}, {reshaped(n, places, {1, 1}), counted(n, size_value(n, x, 1), {1, -1})});
  const auto angles = [&](int i) { return unsqueezed(n, n.emit("gather", Gather{0}, {input(n, i), places}), {2}); };
  const ValueId y = turned(n, x, angles(2), angles(3), dim, interleaved);
  return flat ? reshaped(n, y, {0, 0, -1}) : transposed(n, y, {0, 2, 1, 3});
}

// The sum of three embeddings, normed. Tables, scale and shift may be stored in eight bits: then `at` gives them as real numbers.
Values embeddings(const Import& n, ValueId (*at)(const Import&, int)) {
  const auto rows = [&](int table, ValueId indices) { return n.emit("gather", Gather{0}, {at(n, table), indices}); };
  ValueId sum = rows(2, input(n, 0));
  if (n.has(8)) sum = n.emit("add", None{}, {sum, rows(3, input(n, 8))});
  else sum = n.emit("add", None{}, {sum, part(n, at(n, 3), n.constant({0}), size_value(n, input(n, 0), 1))});
  if (n.has(1) && n.has(4)) sum = n.emit("add", None{}, {sum, rows(4, input(n, 1))});
  const LayerNorm a{.axis = -1, .epsilon = n.real("epsilon", 1e-12f)};
  n.ignore("mask_index_type");
  const ValueId y = n.emit("layer_norm", a, {sum, at(n, 5), at(n, 6)});
  if (!n.wants(1)) return Values(std::vector<ValueId>{y});
  ValueId kept;
  if (n.has(7)) {
    const ValueId flags = cast(n, cast(n, input(n, 7), DType::boolean), DType::s32);
    kept = n.emit("reduce", Reduce{.kind = Reduction::sum, .axes = {1}, .keepdims = false}, {flags});
  } else {
    kept = n.emit("expand", None{}, {n.scalar(0, DType::s32), size_value(n, input(n, 0), 0)});
  }
  return Values(std::vector<ValueId>{y, kept, sum});
}

Values embed_layer_norm(const Import& n) { return embeddings(n, input); }

// The scales of the five tables are inputs 8 to 12, their zero points 13 to 17.
Values quantized_embed_layer_norm(const Import& n) {
  return embeddings(n, [](const Import& of, int table) {
    const int i = table - 2;
    return dequantized(of, table, 8 + i, 13 + i, 0);
  });
}

constexpr ImportRow kRows[] = {
    {"MultiHeadAttention", multi_head, 1, kDomain},
    {"Attention", attention, 1, kDomain},
    {"QAttention", quantized_attention, 1, kDomain},
    {"DecoderMaskedMultiHeadAttention", decoder_masked, 1, kDomain},
    {"GroupQueryAttention", grouped_query, 1, kDomain},
    {"RotaryEmbedding", rotary_embedding, 1, kDomain},
    {"EmbedLayerNormalization", embed_layer_norm, 1, kDomain},
    {"QEmbedLayerNormalization", quantized_embed_layer_norm, 1, kDomain},
};

}  // namespace

const ImportTable kMicrosoftAttentionRows{kRows};

}  // namespace tenon::onnx
