// Products, convolutions, pools, normalisation, recurrent cells, quantisation.
#include "formats/onnx/export.h"
#include "ops/conv.h"
#include "ops/conv_transpose.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/pool.h"
#include "ops/quantize.h"
#include "ops/recurrent.h"
#include "ops/reduce.h"
#include "ops/sample.h"

namespace tenon::onnx {
namespace {

constexpr std::string_view kKernelShape[] = {"kernel_shape"}, kSize[] = {"size"};

// The same operator under another name, with attributes of the same names.
#define SAME(op_, onnx)                                                    \
  {                                                                        \
    &ops::op_, [](const Export& n) { n.result(onnx, n.in(), n.fields()); } \
  }

bool is_integer_product(const Export& n) { return !is_real(n.type(0).expressed()) && n.type(0).quantisation; }

// Eight bits less their zero points, summed as integers.
void integer_product(const Export& n, const char* op, std::vector<AttributeView> attributes) {
  n.result(op, {n.stored(0), n.stored(1), n.zero(0), n.zero(1)}, std::move(attributes));
}

void conv(const Export& n) {
  if (is_integer_product(n)) integer_product(n, "ConvInteger", n.fields());
  else n.result("Conv", n.in(), n.fields());
}

// With the last two axes exchanged.
std::string_view turned(const Export& n, int i) {
  std::vector<int64_t> perm;
  for (int k = 0; k < n.type(i).shape.rank(); ++k) perm.push_back(k);
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return n.emit("Transpose", {n.in(i)}, {attribute("perm", perm)});
}

void matmul(const Export& n) {
  const auto& a = n.attributes<Matmul>();
  if (is_integer_product(n)) {
    if (a.transpose_a || a.transpose_b) n.refuse("transposed products of integers");
    return integer_product(n, "MatMulInteger", {});
  }
  const bool flat = n.type(0).shape.rank() == 2 && n.type(1).shape.rank() == 2;
  Names in;
  for (int i : {0, 1}) {
    const bool transposed = i == 0 ? a.transpose_a : a.transpose_b;
    const std::string_view v = transposed && !flat ? turned(n, i) : n.in(i);
    in.push_back(a.to == DType::none || n.type(i).expressed() == a.to ? v : n.cast(v, a.to));
  }
  if (!flat || (!a.transpose_a && !a.transpose_b)) return n.result("MatMul", in);
  n.result("Gemm", in, {attribute("transA", int64_t{a.transpose_a}), attribute("transB", int64_t{a.transpose_b})});
}

void rms_norm(const Export& n) {
  if (n.opset() >= 23 && !n.wants(1)) return n.result("RMSNormalization", n.in(), n.fields());
  const auto& a = n.attributes<LayerNorm>();
  const DType type = n.type(0).expressed(), wide = type == DType::f64 ? type : DType::f32;
  const int rank = n.type(0).shape.rank();
  std::vector<int64_t> axes;
  for (int64_t axis = a.axis < 0 ? a.axis + rank : a.axis; axis < rank; ++axis) axes.push_back(axis);
  const std::string_view x = type == wide ? n.in(0) : n.cast(n.in(0), wide);
  const std::string_view mean = n.emit("ReduceMean", {n.emit("Mul", {x, x}), n.constant(axes)});
  const std::string_view inverse = n.emit("Reciprocal", {n.emit("Sqrt", {n.emit("Add", {mean, n.constant(a.epsilon, wide)})})});
  const std::string_view scaled = n.emit("Mul", {x, inverse});
  const DType to = n.result_type().expressed();
  const std::string_view y = n.emit("Mul", {to == wide ? scaled : n.cast(scaled, to), n.in(1)});
  const Names out = n.out();
  n.node("Identity", {y}, {out[0]}, {});
  if (n.wants(1)) n.node("Identity", {inverse}, {out[1]}, {});
}

void group_norm(const Export& n) {
  const auto& a = n.attributes<GroupNorm>();
  const AttributeView epsilon = attribute("epsilon", a.epsilon);
  if (a.num_groups == 0) return n.result("InstanceNormalization", n.in(), {epsilon});
  if (n.opset() < 21) n.refuse("a scale of each channel came with opset 21");
  n.result("GroupNormalization", n.in(), {epsilon, attribute("num_groups", a.num_groups)});
}

const char* reduction(Reduction kind) {
  switch (kind) {
    case Reduction::sum: return "ReduceSum";
    case Reduction::mean: return "ReduceMean";
    case Reduction::max: return "ReduceMax";
    case Reduction::min: return "ReduceMin";
    case Reduction::prod: return "ReduceProd";
    case Reduction::l1: return "ReduceL1";
    case Reduction::l2: return "ReduceL2";
    case Reduction::sum_square: return "ReduceSumSquare";
    case Reduction::log_sum: return "ReduceLogSum";
    case Reduction::log_sum_exp: return "ReduceLogSumExp";
  }
  return "";
}

void reduce(const Export& n) {
  const auto& a = n.attributes<Reduce>();
  Names in{n.in(0)};
  if (n.has(1)) in.push_back(n.in(1));
  else if (!a.axes.empty()) in.push_back(n.constant(a.axes));
  n.result(reduction(a.kind), in, {attribute("keepdims", int64_t{a.keepdims}), attribute("noop_with_empty_axes", int64_t{a.noop_with_empty_axes})});
}

void cumulate(const Export& n, const char* op) {
  const auto& a = n.attributes<Cumulate>();
  n.result(op, {n.in(0), n.has(1) ? n.in(1) : n.constant(static_cast<double>(a.axis), DType::s64)},
           {attribute("exclusive", int64_t{a.exclusive}), attribute("reverse", int64_t{a.reverse})});
}

void quantize(const Export& n) {
  const auto& a = n.attributes<Quantize>();
  if (n.opset() < 21 && (a.block_size || bits(n.result_type().dtype) == 16 || bits(n.result_type().dtype) < 8)) n.refuse("these came with opset 21");
  n.result("QuantizeLinear", n.in(), n.fields());
}

void dequantize(const Export& n) {
  const auto& a = n.attributes<Dequantize>();
  if (n.opset() < 21 && (a.block_size || bits(n.type(0).dtype) == 16 || bits(n.type(0).dtype) < 8)) n.refuse("these came with opset 21");
  n.result("DequantizeLinear", n.in(), n.fields());
}

void recurrent(const Export& n, const char* op, std::string_view domain = {}) {
  std::vector<AttributeView> attributes;
  for (AttributeView& a : n.fields())
    if (a.name != "hidden_size") attributes.push_back(std::move(a));
  // The recurrence is [d, g h, h], quantised [d, h, 4 h].
  const Dim hidden = n.type(2).shape[domain.empty() ? 2 : 1];
  if (hidden.known()) attributes.push_back(attribute("hidden_size", hidden.number()));
  n.result(op, n.in(), std::move(attributes), domain);
}

const ExportRow kRows[] = {
    {&ops::pointwise, export_program},
    {&ops::conv, conv},
    {&ops::matmul, matmul},
    SAME(conv_integer, "ConvInteger"),
    SAME(matmul_integer, "MatMulInteger"),
    SAME(conv_transpose, "ConvTranspose"),
    {&ops::max_pool, [](const Export& n) { n.result("MaxPool", n.in(), n.fields(kKernelShape)); }},
    {&ops::average_pool, [](const Export& n) { n.result("AveragePool", n.in(), n.fields(kKernelShape)); }},
    {&ops::lp_pool, [](const Export& n) { n.result("LpPool", n.in(), n.fields(kKernelShape)); }},
    {&ops::reduce, reduce},
    SAME(arg_max, "ArgMax"),
    SAME(arg_min, "ArgMin"),
    {&ops::cum_sum, [](const Export& n) { cumulate(n, "CumSum"); }},
    {&ops::cum_prod,
     [](const Export& n) {
       if (n.opset() < 26) n.refuse("CumProd came with opset 26");
       cumulate(n, "CumProd");
     }},
    SAME(softmax, "Softmax"),
    SAME(log_softmax, "LogSoftmax"),
    SAME(hardmax, "Hardmax"),
    SAME(layer_norm, "LayerNormalization"),
    {&ops::rms_norm, rms_norm},
    {&ops::group_norm, group_norm},
    {&ops::lrn, [](const Export& n) { n.result("LRN", n.in(), n.fields(kSize)); }},
    {&ops::quantize, quantize},
    {&ops::dequantize, dequantize},
    {&ops::dynamic_quantize, [](const Export& n) { n.result("DynamicQuantizeLinear", n.in(), {}, {}, 3); }},
    {&ops::lstm, [](const Export& n) { recurrent(n, "LSTM"); }},
    {&ops::gru, [](const Export& n) { recurrent(n, "GRU"); }},
    {&ops::rnn, [](const Export& n) { recurrent(n, "RNN"); }},
    {&ops::dynamic_quantize_lstm, [](const Export& n) { recurrent(n, "DynamicQuantizeLSTM", "com.microsoft"); }},
    SAME(grid_sample, "GridSample"),
    SAME(affine_grid, "AffineGrid"),
    SAME(roi_align, "RoiAlign"),
    SAME(deform_conv, "DeformConv"),
    SAME(max_unpool, "MaxUnpool"),
    SAME(columns_to_image, "Col2Im"),
    SAME(non_max_suppression, "NonMaxSuppression"),
    SAME(einsum, "Einsum"),
    SAME(det, "Det"),
};

}  // namespace

const ExportTable kNnExports{kRows};

}  // namespace tenon::onnx
