// Ops of vision that put elements into places: boxes, crops, blocks, unpooling.
#include "ops/boxes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/op.h"

namespace tenon {
namespace {

void infer_suppression(Inference& n) {
  n.expect_inputs(2, 5);
  n.expect_rank(0, 3);
  n.expect_rank(1, 3);
  n.equal(n.size(0, 0), n.size(1, 0), "batch of the boxes and of the scores");
  n.equal(n.size(0, 1), n.size(1, 2), "boxes and scores");
  n.equal(n.size(0, 2), 4, "numbers of a box");
  for (int i : {2, 3, 4}) {
    if (!n.has(i)) continue;
    n.equal(n.count(n.shape(i)), 1, "elements of input " + std::to_string(i) + " of non_max_suppression");
    n.expect(i == 2 ? n.dtype(i) == DType::s64 : is_real(n.dtype(i)), "the limits of non_max_suppression are one s64 and two floats");
  }
  n.result(DType::s64, {n.data(n.size(1, 0) * n.size(1, 1) * n.size(1, 2)), 3});
}

struct Box {
  double y0, x0, y1, x1;
  double area() const { return (y1 - y0) * (x1 - x0); }
};

Box box_at(const Array& boxes, int64_t i, bool centred) {
  const double a = boxes.real(i * 4), b = boxes.real(i * 4 + 1), c = boxes.real(i * 4 + 2), d = boxes.real(i * 4 + 3);
  if (centred) return {b - d / 2, a - c / 2, b + d / 2, a + c / 2};
  return {std::min(a, c), std::min(b, d), std::max(a, c), std::max(b, d)};
}

double overlap(const Box& a, const Box& b) {
  const double common = std::max(0.0, std::min(a.y1, b.y1) - std::max(a.y0, b.y0)) * std::max(0.0, std::min(a.x1, b.x1) - std::max(a.x0, b.x0));
  const double all = a.area() + b.area() - common;
  return all > 0 ? common / all : 0;
}

void reference_suppression(Reference& n) {
  const bool centred = n.attributes<NonMaxSuppression>().center_point_box;
  const Array &boxes = *n.in[0], &scores = *n.in[1];
  const int64_t most = n.has(2) ? n.in[2]->integer(0) : 0, classes = scores.shape[1], count = scores.shape[2];
  const double limit = n.has(3) ? n.in[3]->real(0) : 0, least = n.has(4) ? n.in[4]->real(0) : -INFINITY;
  std::vector<int64_t> found;
  for (int64_t row = 0; row < scores.shape[0] * classes; ++row) {
    std::vector<int64_t> order;
    for (int64_t i = 0; i < count; ++i)
      if (scores.real(row * count + i) > least) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) { return scores.real(row * count + i) > scores.real(row * count + j); });
    std::vector<Box> kept;
    for (int64_t i : order) {
      if (static_cast<int64_t>(kept.size()) >= most) break;
      const Box box = box_at(boxes, row / classes * count + i, centred);
      if (std::any_of(kept.begin(), kept.end(), [&](const Box& k) { return overlap(k, box) > limit; })) continue;
      kept.push_back(box);
      found.insert(found.end(), {row / classes, row % classes, i});
    }
  }
  n.out[0].resize({static_cast<int64_t>(found.size()) / 3, 3});
  for (size_t i = 0; i < found.size(); ++i) n.out[0].integer(static_cast<int64_t>(i)) = found[i];
}

std::vector<int> axes_of(const CenterCropPad& a, int rank) {
  std::vector<int> axes;
  for (int64_t axis : a.axes) axes.push_back(static_cast<int>(from_front(axis, rank)));
  for (int i = 0; a.axes.empty() && i < rank; ++i) axes.push_back(i);
  return axes;
}

void infer_crop(Inference& n) {
  n.expect_inputs(2, 2);
  n.expect_rank(1, 1);
  n.expect(is_integer(n.dtype(1)), "the sizes of center_crop_pad are integers");
  const auto& a = n.attributes<CenterCropPad>();
  n.axes(a.axes, n.rank(0));
  const std::vector<int> axes = axes_of(a, n.rank(0));
  n.equal(n.size(1, 0), static_cast<int64_t>(axes.size()), "sizes and axes of center_crop_pad");
  Shape shape = n.shape(0);
  for (size_t i = 0; i < axes.size(); ++i) shape[axes[i]] = n.known(1) ? n.content(1)[i] : n.data().dim();
  n.result(n.dtype(0), shape);
}

void reference_crop(Reference& n) {
  const Array& src = *n.in[0];
  const std::vector<int64_t> sizes = n.integers(1);
  const std::vector<int> axes = axes_of(n.attributes<CenterCropPad>(), src.rank());
  std::vector<int64_t> shape = src.shape, shift(shape.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    if (sizes[i] < 0) throw Error(Code::bad_input, "a size of center_crop_pad is " + std::to_string(sizes[i]));
    shape[axis] = sizes[i];
    shift[axis] = sizes[i] < src.shape[axis] ? (src.shape[axis] - sizes[i]) / 2 : -((sizes[i] - src.shape[axis]) / 2);
  }
  n.out[0].resize(shape);
  const std::vector<int64_t> strides = strides_of(src.shape);
  for (Walk at(shape); at.more(); at.next()) {
    int64_t from = 0;
    for (size_t i = 0; i < shape.size() && from >= 0; ++i) {
      const int64_t index = at[i] + shift[i];
      from = index < 0 || index >= src.shape[i] ? -1 : from + index * strides[i];
    }
    if (from >= 0) n.out[0].move(at.flat(), src, from);
  }
}

void infer_columns(Inference& n) {
  const auto& a = n.attributes<ColumnsToImage>();
  n.expect_inputs(3, 3);
  n.expect_rank(0, 3);
  for (int i : {1, 2}) {
    n.expect_rank(i, 1);
    n.expect_integers(i);
  }
  if (!n.size(1, 0).known()) throw Error(Code::not_supported, "the rank of the image is not known before the model runs");
  const int64_t spatial = n.size(1, 0).dim().number();
  const auto count = static_cast<size_t>(spatial);
  n.equal(n.size(2, 0), spatial, "sizes of the block and of the image");
  for (const auto& list : {a.dilations, a.strides})
    n.expect(list.empty() || (list.size() == count && std::all_of(list.begin(), list.end(), [](int64_t v) { return v > 0; })),
             "strides and dilations are positive, one for each axis");
  n.expect(a.pads.empty() || a.pads.size() == 2 * count, "there are two pads for each axis");
  Extent taps = n.known(2) ? Extent(1) : Extent(-1);
  for (size_t i = 0; n.known(2) && i < count; ++i) taps = taps * n.extent(n.content(2)[i]);
  if (taps.known() && n.known(2)) n.expect(taps.dim().number() > 0, "the block has elements");
  Shape shape{n.size(0, 0), n.known(2) ? n.size(0, 1) / taps : n.data()};
  for (size_t i = 0; i < count; ++i) shape.push(n.known(1) ? n.content(1)[i] : n.data().dim());
  n.result(n.dtype(0), shape);
}

void reference_columns(Reference& n) {
  const auto& a = n.attributes<ColumnsToImage>();
  const Array& src = *n.in[0];
  const std::vector<int64_t> image = n.integers(1), block = n.integers(2);
  std::vector<int64_t> places, shape{src.shape[0], 0};
  int64_t taps = 1, standing = 1;
  for (size_t i = 0; i < image.size(); ++i) {
    if (image[i] < 0 || block[i] <= 0) throw Error(Code::bad_input, "the image and the block have sizes");
    const int64_t pads = a.pads.empty() ? 0 : a.pads[i] + a.pads[image.size() + i];
    places.push_back(std::max<int64_t>((image[i] + pads - a.extent(i, block[i])) / a.stride(i) + 1, 0));
    taps *= block[i], standing *= places.back();
    shape.push_back(image[i]);
  }
  if (src.shape[1] % taps || standing != src.shape[2])
    throw Error(Code::bad_input, "columns of " + std::to_string(src.shape[1]) + " by " + std::to_string(src.shape[2]) +
                                     " elements, where the block has " + std::to_string(taps) + " elements in " + std::to_string(standing) +
                                     " places");
  shape[1] = src.shape[1] / taps;
  Array& dst = n.out[0];
  dst.resize(shape);
  const std::vector<int64_t> strides = strides_of(shape);
  for (int64_t plane = 0; plane < src.shape[0] * src.shape[1]; ++plane) {
    int64_t tap = plane % src.shape[1] % taps;
    std::vector<int64_t> inside(block.size());
    for (size_t i = block.size(); i-- > 0; tap /= block[i]) inside[i] = tap % block[i];
    for (Walk at(places); at.more(); at.next()) {
      int64_t to = plane / src.shape[1] * strides[0] + plane % src.shape[1] / taps * strides[1];
      bool within = true;
      for (size_t i = 0; i < image.size(); ++i) {
        const int64_t index = at[i] * a.stride(i) - (a.pads.empty() ? 0 : a.pads[i]) + inside[i] * a.dilation(i);
        within &= index >= 0 && index < image[i];
        to += index * strides[2 + i];
      }
      if (!within) continue;
      if (dst.is_real()) dst.real(to) += src.real(plane * standing + at.flat());
      else dst.integer(to) += src.integer(plane * standing + at.flat());
    }
  }
}

int64_t entry(const std::vector<int64_t>& list, size_t i, int64_t absent) { return list.empty() ? absent : list[i]; }

void infer_unpool(Inference& n) {
  const auto& a = n.attributes<MaxUnpool>();
  n.expect_inputs(2, 3);
  n.expect(n.dtype(1) == DType::s64, "the indices of max_unpool are s64");
  n.expect_rank(1, n.rank(0));
  const auto spatial = static_cast<size_t>(std::max(n.rank(0) - 2, 0));
  n.expect(spatial >= 1 && a.kernel_shape.size() == spatial && (a.strides.empty() || a.strides.size() == spatial) &&
               (a.pads.empty() || a.pads.size() == 2 * spatial),
           "the attributes of max_unpool have a number for each spatial axis");
  for (int i = 0; i < n.rank(0); ++i) n.equal(n.size(0, i), n.size(1, i), "sizes of src and of its indices");
  Shape shape{n.size(0, 0), n.size(0, 1)};
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t pads = entry(a.pads, i, 0) + entry(a.pads, spatial + i, 0);
    shape.push((n.size(0, static_cast<int>(2 + i)) - 1) * entry(a.strides, i, 1) - pads + a.kernel_shape[i]);
  }
  if (n.has(2)) {
    n.expect_rank(2, 1);
    n.expect_integers(2);
    n.equal(n.size(2, 0), n.rank(0), "sizes of the shape and axes of max_unpool");
    for (int i = 0; i < n.rank(0); ++i) shape[i] = n.known(2) ? n.content(2)[static_cast<size_t>(i)] : n.data().dim();
  }
  n.result(n.dtype(0), shape);
}

void reference_unpool(Reference& n) {
  const auto& a = n.attributes<MaxUnpool>();
  const Array& src = *n.in[0];
  Array& dst = n.out[0];
  const size_t spatial = src.shape.size() - 2;
  std::vector<int64_t> image{src.shape[0], src.shape[1]};
  for (size_t i = 0; i < spatial; ++i)
    image.push_back((src.shape[2 + i] - 1) * entry(a.strides, i, 1) - entry(a.pads, i, 0) - entry(a.pads, spatial + i, 0) + a.kernel_shape[i]);
  if (n.has(2)) dst.resize(n.integers(2));
  const int64_t count = element_count(image.data(), static_cast<int>(image.size()));
  const std::vector<int64_t> own = strides_of(image), strides = strides_of(dst.shape);
  for (int64_t i = 0; i < src.count(); ++i) {
    const int64_t index = n.in[1]->integer(i);
    if (index < 0 || index >= count)
      throw Error(Code::bad_input,
                  "index " + std::to_string(index) + " of max_unpool lies outside an image of " + std::to_string(count) + " elements");
    int64_t to = 0;
    for (size_t k = 0; k < image.size(); ++k) {
      const int64_t at = index / own[k] % image[k];
      if (at >= dst.shape[k]) throw Error(Code::bad_input, "the shape of max_unpool is smaller than the image on axis " + std::to_string(k));
      to += at * strides[k];
    }
    dst.move(to, src, i);
  }
}

// The determinants of the matrices in the last two axes.
void infer_det(Inference& n) {
  n.expect_inputs(1, 1);
  n.expect(n.rank(0) >= 2 && is_real(n.dtype(0)), "det is of matrices of floating-point numbers");
  n.equal(n.size(0, -1), n.size(0, -2), "rows and columns of det");
  Shape shape;
  for (int i = 0; i + 2 < n.rank(0); ++i) shape.push(n.size(0, i));
  n.result(n.dtype(0), shape);
}

void reference_det(Reference& n) {
  const Array& src = *n.in[0];
  const int64_t size = src.size(-1);
  for (int64_t m = 0; m < n.out[0].count(); ++m) {
    std::vector<double> a;
    for (int64_t i = 0; i < size * size; ++i) a.push_back(src.real(m * size * size + i));
    const auto at = [&](int64_t r, int64_t c) -> double& { return a[static_cast<size_t>(r * size + c)]; };
    double det = 1;
    for (int64_t c = 0; c < size && det != 0; ++c) {
      int64_t pivot = c;
      for (int64_t r = c + 1; r < size; ++r)
        if (std::abs(at(r, c)) > std::abs(at(pivot, c))) pivot = r;
      if (pivot != c) {
        det = -det;
        for (int64_t k = 0; k < size; ++k) std::swap(at(pivot, k), at(c, k));
      }
      det *= at(c, c);
      for (int64_t r = c + 1; r < size && at(c, c) != 0; ++r) {
        const double factor = at(r, c) / at(c, c);
        for (int64_t k = c; k < size; ++k) at(r, k) -= factor * at(c, k);
      }
    }
    n.out[0].real(m) = det;
  }
}

}  // namespace
const Op ops::non_max_suppression{
    .name = "non_max_suppression", .attributes = Attributes::make<NonMaxSuppression>, .infer = infer_suppression, .reference = reference_suppression};
const Op ops::center_crop_pad{.name = "center_crop_pad",
                              .attributes = Attributes::make<CenterCropPad>,
                              .infer = infer_crop,
                              .reference = reference_crop,
                              .takes = kStrings | kComplex};
const Op ops::columns_to_image{.name = "columns_to_image",
                               .attributes = Attributes::make<ColumnsToImage>,
                               .infer = infer_columns,
                               .reference = reference_columns,
                               .exactness = {Exactness::relative, 1e-6}};
const Op ops::max_unpool{.name = "max_unpool", .attributes = Attributes::make<MaxUnpool>, .infer = infer_unpool, .reference = reference_unpool};
const Op ops::det{.name = "det", .infer = infer_det, .reference = reference_det, .exactness = {Exactness::relative, 1e-5}};
}  // namespace tenon
