// Convolutions, pools, norms, softmax, matrix products.
#include <algorithm>
#include <cmath>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "ops/conv_transpose.h"
#include "ops/einsum.h"
#include "ops/einsum_terms.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/pool.h"
#include "ops/reduce.h"
#include "ops/reshape.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "ops/squeeze.h"
#include "ops/transpose.h"

namespace tenon::onnx {
namespace {

// The attribute kernel_shape says again what the shape of the weight (input 1) says.
void expect_kernel_shape(const Import& n) {
  const std::vector<int64_t> kernel = n.integers("kernel_shape");
  if (kernel.empty()) return;
  const Shape& weight = n.type(1).shape;
  expect(static_cast<int>(kernel.size()) == weight.rank() - 2, "kernel_shape has one number for each spatial axis of the weight");
  for (size_t i = 0; i < kernel.size(); ++i) {
    const Dim d = weight[static_cast<int>(i) + 2];
    expect(!d.known() || d.number() == kernel[i], "kernel_shape agrees with the weight");
  }
}

Values conv(const Import& n) {
  expect_kernel_shape(n);
  return n.emit("conv", n.attributes<Conv>(), n.in);
}

Values conv_transpose(const Import& n) {
  expect_kernel_shape(n);
  ConvTranspose a = n.attributes<ConvTranspose>();
  // Some exporters put the batch and the channels in front.
  if (static_cast<int>(a.output_shape.size()) == n.rank(0) && a.output_shape.size() > 2)
    a.output_shape.erase(a.output_shape.begin(), a.output_shape.begin() + 2);
  return n.emit("conv_transpose", a, n.in);
}

Values lp_pool(const Import& n) {
  LpPool a;
  static_cast<Pool&>(a) = n.attributes<Pool>();
  a.p = n.opset < 2 ? static_cast<int64_t>(n.real("p", 2)) : n.integer("p", 2);
  return n.emit("lp_pool", a, n.in);
}

std::vector<int64_t> spatial_axes(const Import& n) {
  expect(n.rank(0) >= 3, "input 0 has a batch, a channel and at least one spatial axis");
  std::vector<int64_t> axes;
  for (int i = 2; i < n.rank(0); ++i) axes.push_back(i);
  return axes;
}

ValueId reduce(const Import& n, Reduction kind, ValueId v, std::vector<int64_t> axes, bool keepdims = true) {
  return n.emit("reduce", Reduce{.kind = kind, .axes = std::move(axes), .keepdims = keepdims}, {v});
}

template <Reduction kind>
Values global_pool(const Import& n) {
  return reduce(n, kind, input(n, 0), spatial_axes(n));
}

Values global_lp_pool(const Import& n) {
  const double p = n.opset < 2 ? static_cast<double>(n.real("p", 2)) : static_cast<double>(n.integer("p", 2));
  expect(p > 0, "p of a pool is positive");
  if (p == 1 || p == 2) return reduce(n, p == 1 ? Reduction::l1 : Reduction::l2, input(n, 0), spatial_axes(n));
  const DType dtype = n.element(0);
  const ValueId powers = n.emit("pow", None{}, {n.emit("abs", None{}, {input(n, 0)}), n.scalar(p, dtype)});
  return n.emit("pow", None{}, {reduce(n, Reduction::sum, powers, spatial_axes(n)), n.scalar(1 / p, dtype)});
}

// A list of one value a channel, so shaped that it broadcasts along axis 1 of input 0.
std::vector<int64_t> channel_shape(const Import& n, int64_t channels) {
  std::vector<int64_t> shape{channels};
  for (int i = 2; i < n.rank(0); ++i) shape.push_back(1);
  return shape;
}

ValueId along_channels(const Import& n, ValueId v) {
  std::vector<int64_t> added;
  for (int i = 2; i < n.rank(0); ++i) added.push_back(i - 1);
  return added.empty() ? v : n.emit("unsqueeze", Unsqueeze{added}, {v});
}

// y = (x - mean) / sqrt(variance + epsilon) * scale + bias from values that broadcast to x.
ValueId normalised(const Import& n, ValueId x, ValueId scale, ValueId bias, ValueId mean, ValueId variance, double epsilon) {
  const DType dtype = n.element(0);
  const ValueId deviation = n.emit("sqrt", None{}, {n.emit("add", None{}, {cast(n, variance, dtype), n.scalar(epsilon, dtype)})});
  const ValueId factor = n.emit("div", None{}, {cast(n, scale, dtype), deviation});
  const ValueId shift = n.emit("sub", None{}, {cast(n, bias, dtype), n.emit("mul", None{}, {cast(n, mean, dtype), factor})});
  return n.emit("add", None{}, {n.emit("mul", None{}, {x, factor}), shift});
}

Values train_batch_norm(const Import& n, double epsilon) {
  const double momentum = static_cast<double>(n.real("momentum", 0.9f));
  std::vector<int64_t> axes;
  for (int i = 0; i < n.rank(0); ++i)
    if (i != 1) axes.push_back(i);
  const ValueId x = input(n, 0);
  const ValueId mean = reduce(n, Reduction::mean, x, axes), distance = n.emit("sub", None{}, {x, mean});
  const ValueId variance = reduce(n, Reduction::mean, n.emit("mul", None{}, {distance, distance}), axes);
  const ValueId y = normalised(n, x, along_channels(n, input(n, 1)), along_channels(n, input(n, 2)), mean, variance, epsilon);
  const auto running = [&](int i, ValueId current) {
    const DType dtype = n.element(i);
    const ValueId flat = cast(n, n.emit("reshape", Reshape{}, {current, n.constant({-1})}), dtype);
    return n.emit("add", None{},
                  {n.emit("mul", None{}, {input(n, i), n.scalar(momentum, dtype)}), n.emit("mul", None{}, {flat, n.scalar(1 - momentum, dtype)})});
  };
  return Values(std::vector<ValueId>{y, running(3, mean), running(4, variance)});
}

// A multiplication and an addition by constants, which fold into a convolution in front of them.
Values batch_norm(const Import& n) {
  const double epsilon = static_cast<double>(n.real("epsilon", 1e-5f));
  const bool spatial = n.opset >= 9 || n.integer("spatial", 1) != 0;
  if (n.opset < 6) n.ignore("consumed_inputs");
  if (n.opset < 7) n.ignore("is_test");
  expect(n.rank(0) >= 1, "input 0 has a batch axis");
  for (int i = 1; i < 5; ++i) {
    if (!spatial) continue;
    expect(n.rank(i) == 1, "scale, bias, mean and variance have one number a channel");
    const Dim own = n.type(i).shape[0], channels = n.rank(0) > 1 ? n.type(0).shape[1] : Dim(1);
    expect(own == channels || !own.known() || !channels.known(), "scale, bias, mean and variance have one number a channel");
  }
  if (n.opset >= 14 && n.integer("training_mode", 0) != 0) {
    expect(n.rank(0) >= 2, "input 0 has a batch and a channel axis");
    return train_batch_norm(n, epsilon);
  }
  n.ignore("momentum");
  if (n.wants(1) || n.outputs() > 1) n.refuse("BatchNormalization that trains, as its outputs beyond the first say, before opset 14");
  const auto scale = constant_input(n, 1), bias = constant_input(n, 2), mean = constant_input(n, 3), variance = constant_input(n, 4);
  if (!scale || !bias || !mean || !variance) {
    const auto placed = [&](int i) { return spatial ? along_channels(n, input(n, i)) : input(n, i); };
    return normalised(n, input(n, 0), placed(1), placed(2), placed(3), placed(4), epsilon);
  }
  expect(bias->shape == scale->shape && mean->shape == scale->shape && variance->shape == scale->shape,
         "scale, bias, mean and variance have one shape");
  std::vector<double> factor, shift;
  for (int64_t i = 0; i < scale->count(); ++i) {
    factor.push_back(scale->number(i) / std::sqrt(variance->number(i) + epsilon));
    shift.push_back(bias->number(i) - mean->number(i) * factor.back());
  }
  const std::vector<int64_t> shape = spatial ? channel_shape(n, scale->count()) : scale->shape;
  const DType dtype = n.element(0);
  const ValueId scaled = n.emit("mul", None{}, {input(n, 0), add_constant(n, shape, factor, dtype)});
  return n.emit("add", None{}, {scaled, add_constant(n, shape, shift, dtype)});
}

Values instance_norm(const Import& n) {
  if (n.opset < 6) n.ignore("consumed_inputs");
  expect(n.rank(0) >= 3, "input 0 has a batch, a channel and at least one spatial axis");
  return n.emit("group_norm", GroupNorm{.epsilon = n.real("epsilon", 1e-5f)}, n.in);
}

Values group_norm(const Import& n) {
  GroupNorm a = n.attributes<GroupNorm>();
  n.ignore("stash_type");
  expect(a.num_groups >= 1, "num_groups is at least 1");
  if (n.opset >= 21) return n.emit("group_norm", a, n.in);
  // Until opset 21 scale and bias have one number a group.
  expect(n.rank(0) >= 2 && n.rank(1) == 1 && n.rank(2) == 1, "input 0 has channels, scale and bias are lists");
  const Dim channels = n.type(0).shape[1];
  if (!channels.known()) n.refuse("GroupNormalization of an unknown number of channels, before opset 21");
  expect(channels.number() % a.num_groups == 0, "channels of input 0 are a multiple of num_groups");
  const auto repeated = [&](int i) {
    const ValueId column = n.emit("unsqueeze", Unsqueeze{{1}}, {input(n, i)});
    const ValueId table = n.emit("expand", None{}, {column, n.constant({a.num_groups, channels.number() / a.num_groups})});
    return n.emit("reshape", Reshape{}, {table, n.constant({-1})});
  };
  return n.emit("group_norm", a, {input(n, 0), repeated(1), repeated(2)});
}

Values layer_norm(const Import& n) {
  const LayerNorm a = n.attributes<LayerNorm>();
  n.ignore("stash_type");
  return n.emit("layer_norm", a, n.in, n.outputs());
}

Values rms_norm(const Import& n) {
  const LayerNorm a = n.attributes<LayerNorm>();
  n.ignore("stash_type");
  return n.emit("rms_norm", a, n.in, n.outputs());
}

// The norm of input + skip + bias; output 3 is that sum.
Values skip_norm(const Import& n, bool simplified) {
  const LayerNorm a{.axis = -1, .epsilon = n.real("epsilon", 1e-12f)};
  const int last = simplified ? 3 : 4;
  ValueId sum = n.emit("add", None{}, {input(n, 0), input(n, 1)});
  if (n.has(last)) sum = n.emit("add", None{}, {sum, input(n, last)});
  expect(n.graph().values[static_cast<size_t>(sum)].type.shape.rank() == n.rank(0), "skip and bias broadcast to input 0");
  std::vector<ValueId> in{sum, input(n, 2)};
  if (!simplified && n.has(3)) in.push_back(input(n, 3));
  Values out(std::vector<ValueId>(4, kNone));
  if (simplified) {
    if (n.wants(1)) n.refuse("the mean that SkipSimplifiedLayerNormalization gives as output 1");
    const Values y = n.emit("rms_norm", a, in, n.wants(2) ? 2 : 1);
    out[0] = y[0], out[2] = y.size() > 1 ? y[1] : kNone;
  } else {
    const Values y = n.emit("layer_norm", a, in, n.wants(2) ? 3 : n.wants(1) ? 2 : 1);
    for (size_t i = 0; i < y.size(); ++i) out[i] = y[i];
  }
  out[3] = sum;
  out.resize(static_cast<size_t>(std::min(n.outputs(), 4)));
  return out;
}

// Zero where the norm is zero: there every element is.
Values lp_norm(const Import& n) {
  const int64_t p = n.integer("p", 2), axis = n.integer("axis", -1);
  expect(p == 1 || p == 2, "p of LpNormalization is 1 or 2");
  const ValueId norm = reduce(n, p == 1 ? Reduction::l1 : Reduction::l2, input(n, 0), {axis});
  const DType dtype = n.element(0);
  const double least = dtype == DType::f16 ? 0x1p-24 : 0x1p-126;
  return n.emit("div", None{}, {input(n, 0), n.emit("max", None{}, {norm, n.scalar(least, dtype)})});
}

Values mean_variance_norm(const Import& n) {
  std::vector<int64_t> axes = n.integers("axes");
  if (!n.find("axes")) axes = {0, 2, 3};
  const DType dtype = n.element(0);
  const ValueId x = input(n, 0), distance = n.emit("sub", None{}, {x, reduce(n, Reduction::mean, x, axes)});
  const ValueId variance = reduce(n, Reduction::mean, n.emit("mul", None{}, {distance, distance}), axes);
  return n.emit("div", None{}, {distance, n.emit("add", None{}, {n.emit("sqrt", None{}, {variance}), n.scalar(1e-9, dtype)})});
}

// Until opset 13 softmax and its like ran over all axes from `axis` on, taken as one.
Values softmax(const Import& n, const char* op) {
  const int rank = n.rank(0);
  int64_t axis = n.integer("axis", n.opset < 13 ? 1 : -1);
  if (n.opset >= 13) return n.emit(op, Softmax{axis}, n.in);
  if (axis < 0) axis += rank;
  expect(axis >= 0 && axis <= rank, "the axis is one of input 0");
  int64_t last = axis;  // of the axes with more than one element
  for (int i = static_cast<int>(axis); i < rank; ++i)
    if (n.type(0).shape[i] != Dim(1)) last = i;
  const bool single = std::all_of(n.type(0).shape.begin() + axis, n.type(0).shape.begin() + last, [](Dim d) { return d == Dim(1); });
  if (single && last < rank) return n.emit(op, Softmax{last}, n.in);
  std::vector<int64_t> flat(static_cast<size_t>(axis), 0);
  flat.push_back(-1);
  const ValueId rows = n.emit("reshape", Reshape{}, {input(n, 0), n.constant(flat)});
  return n.emit("reshape", Reshape{}, {n.emit(op, Softmax{-1}, {rows}), n.emit("shape", ShapeOf{}, {input(n, 0)})});
}

ValueId scaled(const Import& n, ValueId v, float factor, DType dtype) {
  if (factor == 1) return v;
  if (!is_real(dtype) && std::trunc(factor) != factor) n.refuse("a product of integers times a fraction");
  return n.emit("mul", None{}, {v, n.scalar(static_cast<double>(factor), dtype)});
}

Values matmul(const Import& n) { return n.emit("matmul", Matmul{}, n.in); }

Values gemm(const Import& n) {
  const float alpha = n.real("alpha", 1), beta = n.real("beta", 1);
  const Matmul a{.transpose_a = n.integer("transA", 0) != 0, .transpose_b = n.integer("transB", 0) != 0};
  if (n.opset < 7) n.ignore("broadcast");
  expect(n.rank(0) == 2 && n.rank(1) == 2, "the operands of Gemm are matrices");
  const DType dtype = n.element(0);
  const ValueId product = scaled(n, n.emit("matmul", a, {input(n, 0), input(n, 1)}), alpha, dtype);
  if (!n.has(2) || beta == 0) return product;
  const Shape result = n.graph().values[static_cast<size_t>(product)].type.shape, &added = n.type(2).shape;
  expect(added.rank() <= 2, "input 2 of Gemm broadcasts to the product");
  for (int i = 0; i < added.rank(); ++i) {
    const Dim own = added[i], whole = result[2 - added.rank() + i];
    expect(own == Dim(1) || own == whole || !own.known() || !whole.known(), "input 2 of Gemm broadcasts to the product");
  }
  return n.emit("add", None{}, {product, scaled(n, input(n, 2), beta, dtype)});
}

// alpha * a * b of com.microsoft. transBatch moves axis 0 behind the other leading axes, before trans turns the matrices.
Values fused_matmul(const Import& n) {
  // Axis 0 goes behind the other leading axes.
  const auto batch_last = [&](int i, const char* name) {
    const int rank = n.rank(i);
    if (!n.integer(name, 0) || rank < 3) return input(n, i);
    std::vector<int64_t> perm;
    for (int64_t k = 1; k < rank - 1; ++k) perm.push_back(k);
    perm.push_back(0), perm.push_back(rank - 1);
    return n.emit("transpose", Transpose{perm}, {input(n, i)});
  };
  const float alpha = n.real("alpha", 1);
  // A vector has no transpose.
  const Matmul a{.transpose_a = n.integer("transA", 0) != 0 && n.rank(0) > 1, .transpose_b = n.integer("transB", 0) != 0 && n.rank(1) > 1};
  return scaled(n, n.emit("matmul", a, {batch_last(0, "transBatchA"), batch_last(1, "transBatchB")}), alpha, n.element(0));
}

// A value whose axes carry the labels of an equation.
struct Labelled {
  ValueId v;
  std::vector<int> labels;

  bool has(int label) const { return std::find(labels.begin(), labels.end(), label) != labels.end(); }
};

// The same elements with the axes in another order.
ValueId arranged(const Import& n, const Labelled& x, const std::vector<int>& labels) {
  if (x.labels == labels) return x.v;
  std::vector<int64_t> perm;
  for (int label : labels) perm.push_back(std::find(x.labels.begin(), x.labels.end(), label) - x.labels.begin());
  return n.emit("transpose", Transpose{perm}, {x.v});
}

ValueId unsqueezed(const Import& n, ValueId v, int64_t axis, int64_t count) {
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < count; ++i) axes.push_back(axis + i);
  return count ? n.emit("unsqueeze", Unsqueeze{axes}, {v}) : v;
}

// The labels of two sources by where they stand.
struct Contraction {
  std::vector<int> batch;          // in both and in the result
  std::vector<int> rows, columns;  // in one and in the result
  std::vector<int> summed;         // in both alone
};

Contraction contraction(const Labelled& a, const Labelled& b, const std::vector<int>& result) {
  Contraction c;
  const auto kept = [&](int label) { return std::find(result.begin(), result.end(), label) != result.end(); };
  for (int label : a.labels) (b.has(label) ? (kept(label) ? c.batch : c.summed) : c.rows).push_back(label);
  for (int label : b.labels)
    if (!a.has(label)) c.columns.push_back(label);
  return c;
}

// Sums over the axes whose labels stand nowhere else.
Labelled without_own_sums(const Import& n, Labelled x, const Labelled& other, const std::vector<int>& result) {
  std::vector<int64_t> axes;
  std::vector<int> kept;
  for (size_t i = 0; i < x.labels.size(); ++i) {
    const bool used = other.has(x.labels[i]) || std::find(result.begin(), result.end(), x.labels[i]) != result.end();
    if (used) kept.push_back(x.labels[i]);
    else axes.push_back(static_cast<int64_t>(i));
  }
  if (!axes.empty()) x.v = reduce(n, Reduction::sum, x.v, axes, false);
  return {x.v, kept};
}

std::vector<int> joined(std::initializer_list<std::vector<int>> parts) {
  std::vector<int> out;
  for (const std::vector<int>& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

// a [batch, rows, k] times b [batch, k, columns] with at most one column: further rows are leading axes over which b broadcasts.
ValueId product(const Import& n, const Labelled& a, const Labelled& b, const Contraction& c, const std::vector<int>& result) {
  const int64_t leading = static_cast<int64_t>(c.batch.size());
  const bool turned = b.labels == joined({c.batch, c.columns, c.summed});
  ValueId left = arranged(n, a, joined({c.batch, c.rows, c.summed}));
  ValueId right = turned ? b.v : arranged(n, b, joined({c.batch, c.summed, c.columns}));
  if (c.rows.empty()) left = unsqueezed(n, left, leading, 1);
  if (c.columns.empty()) right = unsqueezed(n, right, turned ? leading : leading + 1, 1);
  if (leading > 0 && c.rows.size() > 1) right = unsqueezed(n, right, leading, static_cast<int64_t>(c.rows.size()) - 1);
  ValueId v = n.emit("matmul", Matmul{.transpose_b = turned}, {left, right});
  std::vector<int64_t> dropped;
  if (c.rows.empty()) dropped.push_back(leading);
  if (c.columns.empty()) dropped.push_back(leading + std::max<int64_t>(1, static_cast<int64_t>(c.rows.size())));
  if (!dropped.empty()) v = n.emit("squeeze", Squeeze{dropped}, {v});
  return arranged(n, {v, joined({c.batch, c.rows, c.columns})}, result);
}

// Two sources that share one summed label are a matrix product; what else there is stays einsum.
Values einsum(const Import& n) {
  const std::string equation = n.text("equation", "");
  std::vector<int> ranks;
  for (size_t i = 0; i < n.in.size(); ++i) ranks.push_back(n.rank(static_cast<int>(i)));
  const EinsumTerms terms = parse_einsum(equation, ranks);
  const auto general = [&] { return n.emit("einsum", Einsum{equation}, n.in); };
  if (terms.sources.size() != 2) return general();
  Labelled a{n.in[0], terms.sources[0]}, b{n.in[1], terms.sources[1]};
  for (const Labelled* x : {&a, &b})
    for (int label : x->labels)
      if (std::count(x->labels.begin(), x->labels.end(), label) > 1) return general();
  const auto summed = [&](int label) {
    return std::find(terms.result.begin(), terms.result.end(), label) == terms.result.end() && a.has(label) && b.has(label);
  };
  const auto dots = [&](int label) { return label < 0 && summed(label); };
  if (std::count_if(a.labels.begin(), a.labels.end(), summed) != 1 || std::any_of(a.labels.begin(), a.labels.end(), dots)) return general();
  a = without_own_sums(n, a, b, terms.result), b = without_own_sums(n, b, a, terms.result);
  Contraction c = contraction(a, b, terms.result);
  if (c.columns.size() > 1) {
    std::swap(a, b);
    c = contraction(a, b, terms.result);
  }
  if (c.columns.size() > 1 || c.batch.size() + std::max<size_t>(c.rows.size(), 1) + 1 > Shape::kMaxRank) return general();
  return product(n, a, b, c, terms.result);
}

#define SOFTMAX(onnx, op)                                          \
  {                                                                \
    onnx, [](const Import& n) -> Values { return softmax(n, op); } \
  }

constexpr ImportRow kRows[] = {
    {"Conv", conv},
    {"ConvTranspose", conv_transpose},
    TENON_AS("MaxPool", "max_pool", Pool),
    TENON_AS("AveragePool", "average_pool", Pool),
    {"LpPool", lp_pool},
    {"GlobalAveragePool", global_pool<Reduction::mean>},
    {"GlobalMaxPool", global_pool<Reduction::max>},
    {"GlobalLpPool", global_lp_pool},
    {"BatchNormalization", batch_norm},
    {"InstanceNormalization", instance_norm},
    {"GroupNormalization", group_norm, 18},
    {"LayerNormalization", layer_norm},  // from opset 17; exporters write it from 8 on
    {"RMSNormalization", rms_norm, 23},
    {"SimplifiedLayerNormalization", rms_norm},
    {"SimplifiedLayerNormalization", rms_norm, 1, "com.microsoft"},
    {"SkipLayerNormalization", [](const Import& n) -> Values { return skip_norm(n, false); }, 1, "com.microsoft"},
    {"SkipSimplifiedLayerNormalization", [](const Import& n) -> Values { return skip_norm(n, true); }, 1, "com.microsoft"},
    TENON_AS("LRN", "lrn", Lrn),
    {"LpNormalization", lp_norm},
    {"MeanVarianceNormalization", mean_variance_norm, 9},
    SOFTMAX("Softmax", "softmax"),
    SOFTMAX("LogSoftmax", "log_softmax"),
    SOFTMAX("Hardmax", "hardmax"),
    {"MatMul", matmul},
    {"Gemm", gemm},
    {"Einsum", einsum, 12},
    {"FusedMatMul", fused_matmul, 1, "com.microsoft"},
    {"TransposeMatMul", fused_matmul, 1, "com.microsoft"},
};

}  // namespace

extern const ImportTable kNnRows{kRows};

}  // namespace tenon::onnx
