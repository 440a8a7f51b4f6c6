#include "ops/norm.h"

#include <algorithm>
#include <cmath>

#include "ops/op.h"

namespace tenon {
namespace {

// Checks that input i broadcasts to src without changing its shape.
void expect_broadcasts(Inference& n, int i) {
  n.expect(n.rank(i) <= n.rank(0), "the scale and bias of a norm broadcast to src");
  const Shape shape = n.broadcast(n.shape(0), n.shape(i));
  for (int k = 0; k < n.rank(0); ++k) n.equal(n.extent(shape[k]), n.size(0, k), "sizes of src and of scale or bias broadcast to it");
}

// The shape of a mean over the axes from `axis` on.
Shape statistics(const Inference& n, int axis) {
  Shape shape = n.shape(0);
  for (int i = axis; i < shape.rank(); ++i) shape[i] = 1;
  return shape;
}

DType statistics_dtype(DType src) { return src == DType::f64 ? DType::f64 : DType::f32; }

void infer_layer(Inference& n) {
  n.expect_inputs(2, 3);
  n.expect(is_real(n.dtype(0)), "src of layer_norm is floating point");
  const int axis = n.axis(n.attributes<LayerNorm>().axis, n.rank(0));
  for (int i = 1; i < n.inputs(); ++i) {
    if (!n.has(i)) continue;
    n.expect_same_dtype(0, i);
    expect_broadcasts(n, i);
  }
  n.result(n.dtype(0), n.shape(0));
  for (int i = 1; i < 3; ++i)
    if (n.wanted(i)) n.result(statistics_dtype(n.dtype(0)), statistics(n, axis));
}

void infer_rms(Inference& n) {
  n.expect_inputs(2, 2);
  n.expect(is_real(n.dtype(0)) && is_real(n.dtype(1)), "src and scale of rms_norm are floating point");
  const int axis = n.axis(n.attributes<LayerNorm>().axis, n.rank(0));
  expect_broadcasts(n, 1);
  n.result(n.dtype(1), n.shape(0));
  if (n.wanted(1)) n.result(statistics_dtype(n.dtype(0)), statistics(n, axis));
}

void infer_group(Inference& n) {
  const auto& a = n.attributes<GroupNorm>();
  n.expect_inputs(3, 3);
  n.expect(n.rank(0) >= 2, "src of group_norm has a batch and a channel axis");
  n.expect(is_real(n.dtype(0)), "src of group_norm is floating point");
  n.expect(a.num_groups >= 0, "num_groups is not negative");
  if (a.num_groups > 0) n.equal(n.size(0, 1) % a.num_groups, 0, "channels of src are a multiple of num_groups");
  for (int i = 1; i < 3; ++i) {
    n.expect_same_dtype(0, i);
    n.expect_rank(i, 1);
    n.equal(n.size(i, 0), n.size(0, 1), "elements of scale and bias, and channels of src");
  }
  n.result(n.dtype(0), n.shape(0));
}

void infer_lrn(Inference& n) {
  n.expect_inputs(1, 1);
  n.expect(n.rank(0) >= 2, "src of lrn has a batch and a channel axis");
  n.expect(is_real(n.dtype(0)), "src of lrn is floating point");
  const int64_t size = n.attributes<Lrn>().size;
  n.expect(size >= 1 && size <= INT32_MAX, "the size of lrn is at least 1 and below 2^31");
  n.result(n.dtype(0), n.shape(0));
}

struct Statistics {
  double mean, inverse;
};

// Of `count` elements from `first` on.
Statistics statistics(const Array& src, int64_t first, int64_t count, double epsilon) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < count; ++i) sum += src.real(first + i);
  const double mean = sum / static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) squares += (src.real(first + i) - mean) * (src.real(first + i) - mean);
  return {mean, 1 / std::sqrt(squares / static_cast<double>(count) + epsilon)};
}

int64_t elements_from(const Array& src, int64_t axis) {
  int64_t count = 1;
  for (size_t i = static_cast<size_t>(from_front(axis, src.rank())); i < src.shape.size(); ++i) count *= src.shape[i];
  return count;
}

void layer_reference(Reference& n) {
  const auto& a = n.attributes<LayerNorm>();
  const Array& src = *n.in[0];
  const int64_t count = elements_from(src, a.axis);
  const std::vector<int64_t> scale = broadcast_strides(n.in[1]->shape, src.shape);
  const std::vector<int64_t> bias = n.has(2) ? broadcast_strides(n.in[2]->shape, src.shape) : std::vector<int64_t>(src.shape.size());
  std::vector<Statistics> rows;
  for (int64_t first = 0; count > 0 && first < src.count(); first += count) rows.push_back(statistics(src, first, count, a.epsilon));
  for (Walk at(src.shape); at.more(); at.next()) {
    const Statistics& row = rows[static_cast<size_t>(at.flat() / count)];
    const double x = (src.real(at.flat()) - row.mean) * row.inverse * n.in[1]->real(at.offset(scale));
    n.out[0].real(at.flat()) = n.has(2) ? x + n.in[2]->real(at.offset(bias)) : x;
  }
  for (size_t r = 0; r < rows.size(); ++r) {
    if (n.out.size() > 1) n.out[1].cells[r].real = rows[r].mean;
    if (n.out.size() > 2) n.out[2].cells[r].real = rows[r].inverse;
  }
}

void rms_reference(Reference& n) {
  const auto& a = n.attributes<LayerNorm>();
  const Array& src = *n.in[0];
  const int64_t count = elements_from(src, a.axis);
  const std::vector<int64_t> scale = broadcast_strides(n.in[1]->shape, src.shape);
  std::vector<double> rows;
  for (int64_t first = 0; count > 0 && first < src.count(); first += count) {
    double squares = 0;
    for (int64_t i = first; i < first + count; ++i) squares += src.real(i) * src.real(i);
    rows.push_back(1 / std::sqrt(squares / static_cast<double>(count) + static_cast<double>(a.epsilon)));
  }
  for (Walk at(src.shape); at.more(); at.next())
    n.out[0].real(at.flat()) = src.real(at.flat()) * rows[static_cast<size_t>(at.flat() / count)] * n.in[1]->real(at.offset(scale));
  if (n.out.size() > 1)
    for (size_t r = 0; r < rows.size(); ++r) n.out[1].cells[r].real = rows[r];
}

void group_reference(Reference& n) {
  const auto& a = n.attributes<GroupNorm>();
  const Array& src = *n.in[0];
  const int64_t channels = src.size(1), in_group = a.num_groups ? channels / a.num_groups : 1, plane = elements_from(src, 2);
  const int64_t count = in_group * plane;
  for (int64_t first = 0; count > 0 && first < src.count(); first += count) {
    const Statistics row = statistics(src, first, count, a.epsilon);
    for (int64_t i = first; i < first + count; ++i) {
      const int64_t c = i / plane % channels;
      n.out[0].real(i) = (src.real(i) - row.mean) * row.inverse * n.in[1]->real(c) + n.in[2]->real(c);
    }
  }
}

void lrn_reference(Reference& n) {
  const auto& a = n.attributes<Lrn>();
  const Array& src = *n.in[0];
  const int64_t channels = src.size(1), plane = elements_from(src, 2);
  for (Walk at(src.shape); at.more(); at.next()) {
    const int64_t c = at[1], begin = std::max<int64_t>(0, c - (a.size - 1) / 2), end = std::min(channels - 1, c + a.size / 2);
    double squares = 0;
    for (int64_t k = begin; k <= end; ++k) {
      const double x = src.real(at.flat() + (k - c) * plane);
      squares += x * x;
    }
    const double base = static_cast<double>(a.bias) + static_cast<double>(a.alpha) / static_cast<double>(a.size) * squares;
    n.out[0].real(at.flat()) = src.real(at.flat()) / std::pow(base, static_cast<double>(a.beta));
  }
}

}  // namespace
const Op ops::layer_norm{.name = "layer_norm",
                         .attributes = Attributes::make<LayerNorm>,
                         .infer = infer_layer,
                         .reference = layer_reference,
                         .exactness = {Exactness::relative, 1e-5}};
const Op ops::rms_norm{.name = "rms_norm",
                       .attributes = Attributes::make<LayerNorm>,
                       .infer = infer_rms,
                       .reference = rms_reference,
                       .exactness = {Exactness::relative, 1e-5}};
const Op ops::group_norm{.name = "group_norm",
                         .attributes = Attributes::make<GroupNorm>,
                         .infer = infer_group,
                         .reference = group_reference,
                         .exactness = {Exactness::relative, 1e-5}};
const Op ops::lrn{
    .name = "lrn", .attributes = Attributes::make<Lrn>, .infer = infer_lrn, .reference = lrn_reference, .exactness = {Exactness::relative, 1e-5}};
}  // namespace tenon
