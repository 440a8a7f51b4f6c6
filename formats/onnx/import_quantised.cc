// Quantised operators. QLinear operators become their floating-point twin between dequantize and quantize, which the passes fold into
// the types of its operands.
#include <algorithm>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "formats/onnx/model.h"
#include "ops/conv.h"
#include "ops/matmul.h"
#include "ops/quantize.h"

namespace tenon::onnx {
namespace {

// Exporters write 0 for "not given", which is no element type.
DType type_attribute(const Import& n, const char* name) { return n.integer(name, 0) == 0 ? DType::none : n.dtype(name, DType::none); }

Values quantize(const Import& n) {
  Quantize a;
  a.axis = n.opset < 13 ? 0 : n.integer("axis", 1);
  if (n.opset < 13) expect(n.rank(1) == 0 || n.type(1).shape == Shape{1}, "the scale is one number before opset 13");
  if (n.opset >= 19) a.saturate = n.integer("saturate", 1) != 0;
  if (n.opset >= 21) a.block_size = n.integer("block_size", 0), a.output_dtype = type_attribute(n, "output_dtype");
  if (n.opset >= 23) a.precision = type_attribute(n, "precision");
  return n.emit("quantize", a, n.in);
}

Values dequantize(const Import& n) {
  Dequantize a;
  a.axis = n.opset < 13 ? 0 : n.integer("axis", 1);
  if (n.opset < 13) expect(n.rank(1) == 0 || n.type(1).shape == Shape{1}, "the scale is one number before opset 13");
  if (n.opset >= 21) a.block_size = n.integer("block_size", 0);
  if (n.opset >= 23) a.output_dtype = type_attribute(n, "output_dtype");
  return n.emit("dequantize", a, n.in);
}

// Those of com.microsoft: as opset 13, and types of 4 and 16 bits.
Values quantize_microsoft(const Import& n) { return n.emit("quantize", Quantize{.axis = n.integer("axis", 1)}, n.in); }
Values dequantize_microsoft(const Import& n) { return n.emit("dequantize", Dequantize{.axis = n.integer("axis", 1)}, n.in); }

// Inputs i, i + 1 and i + 2: a tensor, its scale and its zero point.
ValueId dequantized(const Import& n, int i, int64_t axis) {
  std::vector<ValueId> in{input(n, i), input(n, i + 1)};
  if (n.has(i + 2)) in.push_back(n.in[static_cast<size_t>(i + 2)]);
  return n.emit("dequantize", Dequantize{.axis = axis}, in);
}

// v by the scale and the zero point that are inputs i and i + 1.
ValueId quantized(const Import& n, ValueId v, int i) { return n.emit("quantize", Quantize{.axis = 0}, {v, input(n, i), input(n, i + 1)}); }

Values conv_integer(const Import& n) {
  const std::vector<int64_t> kernel = n.integers("kernel_shape");
  expect(kernel.empty() || static_cast<int>(kernel.size()) == n.rank(1) - 2, "kernel_shape has one number for each spatial axis of the weight");
  return n.emit("conv_integer", n.attributes<Conv>(), n.in);
}

Values matmul_integer(const Import& n) { return n.emit("matmul_integer", Matmul{}, n.in); }

// Inputs: x, its scale and zero point; the weight, its; scale and zero point of y; the bias in s32, of scale x_scale * w_scale.
// That of com.microsoft may have its channels last.
Values qlinear_conv(const Import& n) {
  if (n.node.domain == "com.microsoft" && n.integer("channels_last", 0) != 0) n.refuse("channels_last of QLinearConv");
  const std::vector<int64_t> kernel = n.integers("kernel_shape");
  expect(kernel.empty() || static_cast<int>(kernel.size()) == n.rank(3) - 2, "kernel_shape has one number for each spatial axis of the weight");
  std::vector<ValueId> in{dequantized(n, 0, 1), dequantized(n, 3, 0)};
  if (n.has(8)) {
    const ValueId scale = n.emit("mul", None{}, {input(n, 1), input(n, 4)});
    in.push_back(n.emit("dequantize", Dequantize{.axis = 0}, {input(n, 8), scale}));
  }
  return quantized(n, n.emit("conv", n.attributes<Conv>(), in), 6);
}

// A list of scales runs along the rows of a and along the columns of b.
Values qlinear_matmul(const Import& n) {
  const auto operand = [&](int i, bool left) {
    if (n.rank(i + 1) <= 1) return dequantized(n, i, n.rank(i) > 1 && left ? -2 : -1);
    // (x - zero) * scale with scales that broadcast.
    const ValueId x = cast(n, input(n, i), DType::f32), zero = cast(n, input(n, i + 2), DType::f32);
    return n.emit("mul", None{}, {n.emit("sub", None{}, {x, zero}), cast(n, input(n, i + 1), DType::f32)});
  };
  const ValueId product = n.emit("matmul", Matmul{}, {operand(0, true), operand(3, false)});
  if (n.rank(6) <= 1) return quantized(n, product, 6);
  n.refuse("an output scale of QLinearMatMul for each row");
}

constexpr ImportRow kRows[] = {
    {"QuantizeLinear", quantize, 10},
    {"DequantizeLinear", dequantize, 10},
    {"QuantizeLinear", quantize_microsoft, 1, "com.microsoft"},
    {"DequantizeLinear", dequantize_microsoft, 1, "com.microsoft"},
    {"DynamicQuantizeLinear", [](const Import& n) -> Values { return n.emit("dynamic_quantize", None{}, n.in, 3); }, 11},
    {"ConvInteger", conv_integer, 10},
    {"MatMulInteger", matmul_integer, 10},
    {"QLinearConv", qlinear_conv, 10},
    {"QLinearConv", qlinear_conv, 1, "com.microsoft"},
    {"QLinearMatMul", qlinear_matmul, 10},
};

}  // namespace

extern const ImportTable kQuantisedRows{kRows};

}  // namespace tenon::onnx
