#include "ops/quantize.h"

#include <algorithm>
#include <cmath>

#include "ops/op.h"
#include "ops/quantize_range.h"

namespace tenon {
namespace {

bool is_stored(DType t) { return t == DType::s32 || (is_integer(t) && bits(t) <= 16) || (is_real(t) && bits(t) <= 8 && t != DType::f8e8m0); }
bool is_scale(DType t) { return t == DType::f32 || t == DType::f16 || t == DType::bf16 || t == DType::f8e8m0; }

// The shapes of scale (input 1) and zero (input 2).
void expect_granularity(Inference& n, int64_t axis, int64_t block) {
  n.expect(block >= 0, "block_size is not negative");
  const int rank = n.rank(1);
  if (n.has(2)) {
    n.expect(n.rank(2) == rank || (n.count(n.shape(2)).dim() == Dim(1) && n.count(n.shape(1)).dim() == Dim(1)),
             "scale and zero point have one shape");
    for (int i = 0; i < rank && n.rank(2) == rank; ++i) n.equal(n.size(1, i), n.size(2, i), "sizes of scale and of zero point");
  }
  if (n.count(n.shape(1)).dim() == Dim(1) && rank <= 1) return;
  const int at = n.axis(axis, n.rank(0));
  if (block == 0) {
    n.expect_rank(1, 1);
    return n.equal(n.size(1, 0), n.size(0, at), "elements of scale and the size of its axis");
  }
  n.expect_rank(1, n.rank(0));
  for (int i = 0; i < rank; ++i)
    n.equal(n.size(1, i), i == at ? (n.size(0, i) + block - 1) / block : n.size(0, i), "blocks of scale and of input 0 on axis " + std::to_string(i));
}

// Where the scale of each element lies.
class Granularity {
 public:
  Granularity(const Array& src, const Array& scale, int64_t axis, int64_t block) : strides_(src.shape.size()), block_(block) {
    if (scale.count() == 1 && scale.rank() <= 1) return;
    axis_ = static_cast<size_t>(from_front(axis, src.rank()));
    if (block == 0) strides_[axis_] = 1;
    else strides_ = strides_of(scale.shape);
  }
  int64_t offset(const Walk& at) const {
    int64_t offset = 0;
    for (size_t i = 0; i < strides_.size(); ++i) offset += (block_ && i == axis_ ? at[i] / block_ : at[i]) * strides_[i];
    return offset;
  }

 private:
  std::vector<int64_t> strides_;
  int64_t block_;
  size_t axis_ = 0;
};

void infer_quantize(Inference& n) {
  const auto& a = n.attributes<Quantize>();
  n.expect_inputs(2, 3);
  n.expect(is_real(n.dtype(0)) || n.dtype(0) == DType::s32, "src of quantize is floating point or s32");
  n.expect(is_scale(n.dtype(1)) || n.dtype(1) == DType::s32, "the scale of quantize is f32, f16, bf16, f8e8m0 or s32");
  DType dtype = a.output_dtype;
  if (n.has(2)) {
    n.expect(dtype == DType::none || dtype == n.dtype(2), "output_dtype is the type of the zero point");
    dtype = n.dtype(2);
  }
  if (dtype == DType::none) dtype = DType::u8;
  n.expect(is_stored(dtype) && dtype != DType::s32, "quantize stores integers of at most 16 bits or floating point of at most 8");
  n.expect(a.precision == DType::none || (is_real(a.precision) && bits(a.precision) >= 16), "the precision of quantize is a floating-point type");
  expect_granularity(n, a.axis, a.block_size);
  n.result(dtype, n.shape(0));
}

void quantize_reference(Reference& n) {
  const auto& a = n.attributes<Quantize>();
  const Array &src = *n.in[0], &scale = *n.in[1];
  Array& dst = n.out[0];
  DType precision = a.precision != DType::none ? a.precision : scale.dtype;
  if (precision == DType::f8e8m0 || precision == DType::s32) precision = DType::f32;
  const Granularity granularity(src, scale, a.axis, a.block_size);
  for (Walk at(src.shape); at.more(); at.next()) {
    const int64_t g = granularity.offset(at);
    const double quotient = rounded(precision, rounded(precision, src.number(at.flat())) / scale.number(g));
    const double zero = n.has(2) ? n.in[2]->number(g) : 0;
    if (!dst.is_real()) {
      dst.integer(at.flat()) = quantised(quotient, static_cast<int64_t>(zero), dst.dtype);
      continue;
    }
    alignas(8) char memory[8] = {};
    store_cell(dst.dtype, memory, 0, Cell{.real = quotient + zero}, a.saturate);
    dst.cells[static_cast<size_t>(at.flat())] = load_cell(dst.dtype, memory, 0);
  }
}

void infer_dequantize(Inference& n) {
  const auto& a = n.attributes<Dequantize>();
  n.expect_inputs(2, 3);
  n.expect(is_stored(n.dtype(0)), "src of dequantize holds integers of at most 16 bits, s32 or floating point of at most 8 bits");
  n.expect(is_scale(n.dtype(1)), "the scale of dequantize is f32, f16, bf16 or f8e8m0");
  if (n.has(2)) n.expect_same_dtype(0, 2);
  const DType dtype = a.output_dtype != DType::none ? a.output_dtype : n.dtype(1);
  n.expect(is_scale(dtype) && dtype != DType::f8e8m0, "the result of dequantize is f32, f16 or bf16");
  expect_granularity(n, a.axis, a.block_size);
  n.result(dtype, n.shape(0));
}

void dequantize_reference(Reference& n) {
  const auto& a = n.attributes<Dequantize>();
  const Array &src = *n.in[0], &scale = *n.in[1];
  const Granularity granularity(src, scale, a.axis, a.block_size);
  for (Walk at(src.shape); at.more(); at.next()) {
    const int64_t g = granularity.offset(at);
    const double zero = n.has(2) ? n.in[2]->number(g) : 0;
    n.out[0].real(at.flat()) = rounded(DType::f32, rounded(DType::f32, src.number(at.flat()) - zero) * scale.real(g));
  }
}

void infer_dynamic(Inference& n) {
  n.expect_inputs(1, 1);
  n.expect(n.dtype(0) == DType::f32, "src of dynamic_quantize is f32");
  n.result(DType::u8, n.shape(0));
  n.result(DType::f32, {});
  n.result(DType::u8, {});
}

void dynamic_reference(Reference& n) {
  const Array& src = *n.in[0];
  std::vector<double> elements;
  for (const Cell& c : src.cells) elements.push_back(c.real);
  const QuantisedRange range = range_of(elements);
  for (size_t i = 0; i < elements.size(); ++i)
    n.out[0].cells[i].integer = quantised(rounded(DType::f32, elements[i] / range.scale), range.zero, DType::u8);
  n.out[1].real(0) = range.scale;
  n.out[2].integer(0) = range.zero;
}

}  // namespace

int64_t quantised(double quotient, int64_t zero, DType dtype) {
  const double low = static_cast<double>(lowest(dtype) - zero), high = static_cast<double>(highest(dtype) - zero);
  if (!(quotient > low)) return lowest(dtype);
  return static_cast<int64_t>(std::nearbyint(std::min(quotient, high))) + zero;
}

QuantisedRange range_of(const std::vector<double>& elements) {
  double low = 0, high = 0;
  for (double x : elements) low = std::min(low, x), high = std::max(high, x);
  const double scale = rounded(DType::f32, rounded(DType::f32, high - low) / 255);
  if (scale == 0) return {1, 0};
  const double zero = rounded(DType::f32, -low / scale);  // NaN where the range is infinite
  return {scale, zero > 0 ? static_cast<int64_t>(std::nearbyint(std::min(zero, 255.0))) : 0};
}

const Op ops::quantize{.name = "quantize", .attributes = Attributes::make<Quantize>, .infer = infer_quantize, .reference = quantize_reference};
const Op ops::dequantize{
    .name = "dequantize", .attributes = Attributes::make<Dequantize>, .infer = infer_dequantize, .reference = dequantize_reference};
const Op ops::dynamic_quantize{.name = "dynamic_quantize", .infer = infer_dynamic, .reference = dynamic_reference};
}  // namespace tenon
