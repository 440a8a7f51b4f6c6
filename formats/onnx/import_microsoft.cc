// Operators of com.microsoft that fuse or quantise standard ones: each becomes what it was made of.
#include <algorithm>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "ops/concat.h"
#include "ops/conv.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/pool.h"
#include "ops/quantize.h"
#include "ops/reduce.h"
#include "ops/softmax.h"
#include "ops/squeeze.h"
#include "ops/transpose.h"

namespace tenon::onnx {
namespace {

constexpr std::string_view kDomain = "com.microsoft";

ValueId apply(const Import& n, const char* op, std::vector<ValueId> operands) { return n.emit(op, None{}, std::move(operands)); }

// The activation that a fused operator names, with its parameters; v itself where it names none.
ValueId activated(const Import& n, ValueId v, const std::string& name, const std::vector<float>& parameters, DType dtype) {
  struct Row {
    const char *name, *op;
    size_t parameters;
  };
  constexpr Row kRows[] = {
      {"Relu", "relu", 0},
      {"Tanh", "tanh", 0},
      {"Sigmoid", "sigmoid", 0},
      {"Softplus", "softplus", 0},
      {"LeakyRelu", "leaky_relu", 1},
      {"Elu", "elu", 1},
      {"ThresholdedRelu", "thresholded_relu", 1},
      {"Clip", "clip", 2},
      {"HardSigmoid", "hard_sigmoid", 2},
      {"Selu", "selu", 2},
  };
  if (name.empty()) return v;
  if (name == "HardSwish") return apply(n, "hard_swish", {v});
  for (const Row& row : kRows) {
    if (name != row.name) continue;
    expect(parameters.size() >= row.parameters, "the activation has its parameters");
    std::vector<ValueId> operands{v};
    for (size_t i = 0; i < row.parameters; ++i) operands.push_back(n.scalar(static_cast<double>(parameters[i]), dtype));
    return apply(n, row.op, operands);
  }
  n.refuse("activation " + printable(name));
}

// Inputs: x, weight, bias (optional), and what is added before the activation (optional).
Values fused_conv(const Import& n) {
  const std::vector<int64_t> kernel = n.integers("kernel_shape");
  expect(kernel.empty() || static_cast<int>(kernel.size()) == n.rank(1) - 2, "kernel_shape has one number for each spatial axis of the weight");
  const std::string activation = n.text("activation", "");
  const std::vector<float> parameters = n.reals("activation_params");
  std::vector<ValueId> in{input(n, 0), input(n, 1)};
  if (n.has(2)) in.push_back(n.in[2]);
  ValueId v = n.emit("conv", n.attributes<Conv>(), in);
  if (n.has(3)) v = apply(n, "add", {v, input(n, 3)});
  return activated(n, v, activation, parameters, n.element(0));
}

Values fused_gemm(const Import& n) {
  const float alpha = n.real("alpha", 1), beta = n.real("beta", 1);
  const Matmul a{.transpose_a = n.integer("transA", 0) != 0, .transpose_b = n.integer("transB", 0) != 0};
  const std::string activation = n.text("activation", "");
  std::vector<float> parameters;
  for (const char* name : {"activation_alpha", "activation_beta", "activation_gamma"})
    if (n.find(name)) parameters.push_back(n.real(name, 0));
  expect(n.rank(0) == 2 && n.rank(1) == 2, "the operands of FusedGemm are matrices");
  const DType dtype = n.element(0);
  const auto scaled = [&](ValueId v, float factor) { return factor == 1 ? v : apply(n, "mul", {v, n.scalar(static_cast<double>(factor), dtype)}); };
  ValueId v = scaled(n.emit("matmul", a, {input(n, 0), input(n, 1)}), alpha);
  if (n.has(2) && beta != 0) v = apply(n, "add", {v, scaled(input(n, 2), beta)});
  return activated(n, v, activation, parameters, dtype);
}

// Input x by the scale and the zero point that are inputs s and s + 1.
ValueId dequantized(const Import& n, int x, int s, int64_t axis = 0) {
  std::vector<ValueId> in{input(n, x), input(n, s)};
  if (n.has(s + 1)) in.push_back(n.in[static_cast<size_t>(s) + 1]);
  return n.emit("dequantize", Dequantize{.axis = axis}, in);
}

// v by the scale and the zero point that are inputs s and s + 1; without the latter as `dtype`.
ValueId quantized(const Import& n, ValueId v, int s, DType dtype) {
  std::vector<ValueId> in{v, input(n, s)};
  if (n.has(s + 1)) in.push_back(n.in[static_cast<size_t>(s) + 1]);
  return n.emit("quantize", Quantize{.axis = 0, .output_dtype = n.has(s + 1) ? DType::none : dtype}, in);
}

Values quantized_binary(const Import& n, const char* op) {
  return quantized(n, apply(n, op, {dequantized(n, 0, 1), dequantized(n, 3, 4)}), 6, n.element(0));
}

Values quantized_leaky_relu(const Import& n) {
  const ValueId slope = n.scalar(static_cast<double>(n.real("alpha", 0.01f)), DType::f32);
  return quantized(n, apply(n, "leaky_relu", {dequantized(n, 0, 1), slope}), 3, n.element(0));
}

Values quantized_sigmoid(const Import& n) { return quantized(n, apply(n, "sigmoid", {dequantized(n, 0, 1)}), 3, n.element(0)); }

Values quantized_softmax(const Import& n) {
  const int64_t opset = n.integer("opset", 13), rank = n.rank(0);
  int64_t axis = n.integer("axis", -1);
  if (axis < 0) axis += rank;
  if (opset < 13 && axis != rank - 1) n.refuse("QLinearSoftmax over several axes, as before opset 13");
  return quantized(n, n.emit("softmax", Softmax{axis}, {dequantized(n, 0, 1)}), 3, n.element(0));
}

void expect_channels_first(const Import& n) {
  if (n.integer("channels_last", 0) != 0) n.refuse("channels_last");
}

Values quantized_average_pool(const Import& n) {
  expect_channels_first(n);
  return quantized(n, n.emit("average_pool", n.attributes<Pool>(), {dequantized(n, 0, 1)}), 3, n.element(0));
}

Values quantized_global_average_pool(const Import& n) {
  expect_channels_first(n);
  expect(n.rank(0) >= 3, "input 0 has a batch, a channel and at least one spatial axis");
  Reduce a{.kind = Reduction::mean};
  for (int i = 2; i < n.rank(0); ++i) a.axes.push_back(i);
  return quantized(n, n.emit("reduce", a, {dequantized(n, 0, 1)}), 3, n.element(0));
}

// Scale and zero point of the result come first, then each part with its own.
Values quantized_concat(const Import& n) {
  std::vector<ValueId> parts;
  expect(n.in.size() >= 5, "QLinearConcat has a part");
  for (int i = 2; i < static_cast<int>(n.in.size()); i += 3) parts.push_back(dequantized(n, i, i + 1));
  expect(n.find("axis"), "QLinearConcat has an axis");
  return quantized(n, n.emit("concat", Concat{n.integer("axis", 0)}, parts), 0, n.element(2));
}

Values quantized_where(const Import& n) {
  return quantized(n, apply(n, "where", {input(n, 0), dequantized(n, 1, 2), dequantized(n, 4, 5)}), 7, n.element(1));
}

// alpha * ((a - za) (b - zb) + c) * sa * sb, quantised where input 7 is a scale. c is s32.
Values quantized_gemm(const Import& n) {
  const Matmul a{.transpose_a = n.integer("transA", 0) != 0, .transpose_b = n.integer("transB", 0) != 0};
  const float alpha = n.real("alpha", 1);
  expect(n.rank(0) == 2 && n.rank(3) == 2, "the operands of QGemm are matrices");
  ValueId v = n.emit("matmul", a, {dequantized(n, 0, 1), dequantized(n, 3, 4, a.transpose_b ? 0 : 1)});
  if (n.has(6)) v = apply(n, "add", {v, apply(n, "mul", {cast(n, input(n, 6), DType::f32), apply(n, "mul", {input(n, 1), input(n, 4)})})});
  if (alpha != 1) v = apply(n, "mul", {v, n.scalar(static_cast<double>(alpha), DType::f32)});
  return n.has(7) ? quantized(n, v, 7, n.element(0)) : v;
}

// The s32 product times both scales, plus a bias: input `bias`.
ValueId rescaled(const Import& n, ValueId product, ValueId scale_a, ValueId scale_b, int bias) {
  const ValueId v = apply(n, "mul", {cast(n, product, DType::f32), apply(n, "mul", {scale_a, scale_b})});
  return n.has(bias) ? apply(n, "add", {v, input(n, bias)}) : v;
}

Values dynamic_quantize_matmul(const Import& n) {
  const Values a = n.emit("dynamic_quantize", None{}, {input(n, 0)}, 3);
  std::vector<ValueId> in{a[0], input(n, 1), a[2]};
  if (n.has(3)) in.push_back(n.in[3]);
  return rescaled(n, n.emit("matmul_integer", Matmul{}, in), a[1], input(n, 2), 4);
}

Values matmul_integer_to_float(const Import& n) {
  std::vector<ValueId> in{input(n, 0), input(n, 1), n.has(4) ? n.in[4] : kNone};
  if (n.has(5)) in.push_back(n.in[5]);
  else if (in[2] == kNone) in.pop_back();
  return rescaled(n, n.emit("matmul_integer", Matmul{}, in), input(n, 2), input(n, 3), 6);
}

// Channels last on both sides. The weight is [m, spatial, c / group], of NhwcFusedConv [m, c / group, spatial].
Values conv_channels_last(const Import& n, bool fused) {
  expect(n.rank(0) == 4 && n.rank(1) == 4, "the input and the weight have four axes");
  const auto turned = [&](int i) { return n.emit("transpose", Transpose{{0, 3, 1, 2}}, {input(n, i)}); };
  const std::string activation = fused ? n.text("activation", "") : "";
  const std::vector<float> parameters = fused ? n.reals("activation_params") : std::vector<float>{};
  n.ignore("kernel_shape");
  std::vector<ValueId> in{turned(0), fused ? input(n, 1) : turned(1)};
  if (n.has(2)) in.push_back(n.in[2]);
  ValueId v = n.emit("conv", n.attributes<Conv>(), in);
  if (fused && n.has(3)) v = apply(n, "add", {v, turned(3)});
  return n.emit("transpose", Transpose{{0, 2, 3, 1}}, {activated(n, v, activation, parameters, n.element(0))});
}

// Group normalisation over NHWC (or NCHW), with what is added before it and SiLU after it.
Values group_norm(const Import& n, bool skips) {
  const bool last = n.integer("channels_last", 1) != 0;
  const int64_t activation = n.integer("activation", 0);
  expect(activation == 0 || activation == 1, "activation is 0 (none) or 1 (SiLU)");
  const GroupNorm a{.num_groups = n.integer("groups", 0), .epsilon = n.real("epsilon", 1e-5f)};
  expect(a.num_groups > 0 && n.rank(0) == 4, "GroupNorm has groups, and an input of four axes");
  ValueId x = input(n, 0);
  if (skips) {
    ValueId skip = input(n, 3);
    if (n.rank(3) == 2) skip = n.emit("unsqueeze", Unsqueeze{{1, 2}}, {skip});
    x = apply(n, "add", {x, skip});
    if (n.has(4)) x = apply(n, "add", {x, input(n, 4)});
  }
  const ValueId sum = x;
  const DType dtype = n.element(0);
  if (last) x = n.emit("transpose", Transpose{{0, 3, 1, 2}}, {x});
  x = n.emit("group_norm", a, {x, cast(n, input(n, 1), dtype), cast(n, input(n, 2), dtype)});
  if (activation == 1) x = apply(n, "swish", {x, n.scalar(1, dtype)});
  if (last) x = n.emit("transpose", Transpose{{0, 2, 3, 1}}, {x});
  return Values(std::vector<ValueId>{x, sum});
}

Values gemm_fast_gelu(const Import& n) {
  ValueId v = n.emit("matmul", Matmul{}, {input(n, 0), input(n, 1)});
  if (n.has(2)) v = apply(n, "add", {v, input(n, 2)});
  return apply(n, "gelu_tanh", {v});
}

// The left half of x + bias times GELU of the right half.
Values bias_split_gelu(const Import& n) {
  const ValueId v = apply(n, "add", {input(n, 0), input(n, 1)});
  const Dim width = n.graph().value(v).type.shape[n.rank(0) - 1];
  if (!width.known()) n.refuse("BiasSplitGelu whose width is not known");
  const auto half = [&](int64_t from, int64_t to) { return n.emit("slice", None{}, {v, n.constant({from}), n.constant({to}), n.constant({-1})}); };
  return apply(n, "mul", {half(0, width.number() / 2), apply(n, "gelu", {half(width.number() / 2, width.number())})});
}

Values bias_add(const Import& n) { return apply(n, "add", {apply(n, "add", {input(n, 0), input(n, 1)}), input(n, 2)}); }

// (a - za) (b - zb) as s32.
Values multiplied_integers(const Import& n) {
  const auto less_zero = [&](int i) {
    const ValueId v = cast(n, input(n, i), DType::s32);
    return n.has(i + 1) ? apply(n, "sub", {v, cast(n, n.in[static_cast<size_t>(i) + 1], DType::s32)}) : v;
  };
  return apply(n, "mul", {less_zero(0), less_zero(2)});
}

constexpr ImportRow kRows[] = {
    {"NhwcConv", [](const Import& n) { return conv_channels_last(n, false); }, 1, kDomain},
    {"NhwcFusedConv", [](const Import& n) { return conv_channels_last(n, true); }, 1, kDomain},
    {"GroupNorm", [](const Import& n) { return group_norm(n, false); }, 1, kDomain},
    {"SkipGroupNorm", [](const Import& n) { return group_norm(n, true); }, 1, kDomain},
    {"GemmFastGelu", gemm_fast_gelu, 1, kDomain},
    {"BiasSplitGelu", bias_split_gelu, 1, kDomain},
    {"BiasAdd", bias_add, 1, kDomain},
    {"MulInteger", multiplied_integers, 1, kDomain},
    {"FusedConv", fused_conv, 1, kDomain},
    {"FusedGemm", fused_gemm, 1, kDomain},
    {"QLinearAdd", [](const Import& n) { return quantized_binary(n, "add"); }, 1, kDomain},
    {"QLinearMul", [](const Import& n) { return quantized_binary(n, "mul"); }, 1, kDomain},
    {"QLinearLeakyRelu", quantized_leaky_relu, 1, kDomain},
    {"QLinearSigmoid", quantized_sigmoid, 1, kDomain},
    {"QLinearSoftmax", quantized_softmax, 1, kDomain},
    {"QLinearAveragePool", quantized_average_pool, 1, kDomain},
    {"QLinearGlobalAveragePool", quantized_global_average_pool, 1, kDomain},
    {"QLinearConcat", quantized_concat, 1, kDomain},
    {"QLinearWhere", quantized_where, 1, kDomain},
    {"QGemm", quantized_gemm, 1, kDomain},
    {"DynamicQuantizeMatMul", dynamic_quantize_matmul, 1, kDomain},
    {"MatMulIntegerToFloat", matmul_integer_to_float, 1, kDomain},
};

}  // namespace

extern const ImportTable kMicrosoftRows{kRows};

}  // namespace tenon::onnx
