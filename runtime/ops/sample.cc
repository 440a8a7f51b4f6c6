// Ops that read images between their elements.
#include "ops/sample.h"

#include <algorithm>
#include <cmath>

#include "ops/op.h"

namespace tenon {
namespace {

// An axis of an image, and where positions beyond it are read.
struct Axis {
  int64_t size;
  double low, high;  // the outermost positions of the image
  SamplePadding padding;

  Axis(int64_t size, const GridSample& a)
      : size(size), low(a.align_corners ? 0 : -0.5), high(static_cast<double>(size) - (a.align_corners ? 1 : 0.5)), padding(a.padding_mode) {}

  double reflected(double x) const {
    const double range = high - low;
    if (range <= 0) return 0;
    double beyond = std::fmod(std::abs(x - low), 2 * range);
    if (beyond > range) beyond = 2 * range - beyond;
    return low + beyond;
  }
  double moved(double x) const {
    if (!(x < low || x > high) || padding == SamplePadding::zeros) return x;
    return padding == SamplePadding::border ? std::clamp(x, 0.0, static_cast<double>(size - 1)) : reflected(x);
  }
  // The element read for index i; -1 for a zero.
  int64_t element(int64_t i) const {
    if (i >= 0 && i < size) return i;
    if (padding == SamplePadding::zeros) return -1;
    if (padding == SamplePadding::border) return std::clamp<int64_t>(i, 0, size - 1);
    return std::clamp<int64_t>(static_cast<int64_t>(reflected(static_cast<double>(i))), 0, size - 1);
  }
};

// Weights of the elements around a position, the first of which is `first`.
struct Taps {
  int64_t first = 0;
  std::vector<double> weights;
};

Taps taps_at(double x, SampleMode mode) {
  // A position that is no number, or far outside, is nowhere.
  if (!(std::abs(x) < 0x1p52)) return {INT64_MIN / 2, {}};
  if (mode == SampleMode::nearest) return {static_cast<int64_t>(std::nearbyint(x)), {1}};
  const double floor = std::floor(x), t = x - floor;
  const auto first = static_cast<int64_t>(floor);
  if (mode == SampleMode::linear) return {first, {1 - t, t}};
  constexpr double a = -0.75;
  const auto near = [](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  const auto far = [](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  return {first - 1, {far(1 + t), near(t), near(1 - t), far(2 - t)}};
}

void infer_grid_sample(Inference& n) {
  n.expect_inputs(2, 2);
  const int spatial = n.rank(0) - 2;
  n.expect(spatial >= 1, "grid_sample reads an image of a batch, channels and spatial axes");
  n.expect_rank(1, n.rank(0));
  n.equal(n.size(0, 0), n.size(1, 0), "batch of the image and of the grid");
  n.equal(n.size(1, -1), spatial, "the last axis of the grid and the spatial axes");
  Shape shape{n.size(0, 0), n.size(0, 1)};
  for (int i = 0; i < spatial; ++i) shape.push(n.size(1, 1 + i));
  n.result(n.dtype(0), shape);
}

void reference_grid_sample(Reference& n) {
  const auto& a = n.attributes<GridSample>();
  const Array &src = *n.in[0], &grid = *n.in[1];
  Array& dst = n.out[0];
  const size_t spatial = src.shape.size() - 2;
  std::vector<Axis> axes;
  int64_t image = 1;
  for (size_t i = 0; i < spatial; ++i) axes.emplace_back(src.shape[2 + i], a), image *= src.shape[2 + i];
  const std::vector<int64_t> strides = strides_of({src.shape.begin() + 2, src.shape.end()});
  const int64_t channels = src.shape[1], places = dst.count() / std::max<int64_t>(dst.shape[0] * channels, 1);
  if (image == 0 && dst.count()) throw Error(Code::bad_input, "grid_sample reads an image without elements");
  for (int64_t b = 0; b < dst.shape[0]; ++b)
    for (int64_t p = 0; p < places; ++p) {
      std::vector<Taps> taps;
      std::vector<int64_t> counts;
      for (size_t i = 0; i < spatial; ++i) {
        const double at = grid.real((b * places + p) * static_cast<int64_t>(spatial) + static_cast<int64_t>(spatial - 1 - i));
        const double size = static_cast<double>(axes[i].size);
        const double x = a.align_corners ? (at + 1) / 2 * (size - 1) : ((at + 1) * size - 1) / 2;
        taps.push_back(taps_at(axes[i].moved(a.mode == SampleMode::nearest ? std::nearbyint(x) : x), a.mode));
        counts.push_back(static_cast<int64_t>(taps.back().weights.size()));
      }
      for (int64_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (Walk at(counts); at.more(); at.next()) {
          double weight = 1;
          int64_t from = (b * channels + c) * image;
          for (size_t i = 0; i < spatial; ++i) {
            const int64_t element = axes[i].element(taps[i].first + at[i]);
            weight *= element < 0 ? 0 : taps[i].weights[static_cast<size_t>(at[i])];
            from += std::max<int64_t>(element, 0) * strides[i];
          }
          if (weight != 0) sum += weight * src.number(from);
        }
        if (dst.is_real()) dst.real((b * channels + c) * places + p) = sum;
        else dst.integer((b * channels + c) * places + p) = static_cast<int64_t>(sum);
      }
    }
}

void infer_affine_grid(Inference& n) {
  n.expect_inputs(2, 2);
  n.expect_rank(0, 3);
  n.expect_rank(1, 1);
  n.expect_integers(1);
  if (!n.size(1, 0).known()) throw Error(Code::not_supported, "the rank of an affine_grid is not known before the model runs");
  const int64_t spatial = n.size(1, 0).dim().number() - 2;
  n.expect(spatial >= 1, "the shape of affine_grid has a batch, channels and spatial sizes");
  n.equal(n.size(0, 1), spatial, "rows of the maps and spatial sizes");
  n.equal(n.size(0, 2), spatial + 1, "columns of the maps and spatial sizes and 1");
  Shape shape{n.size(0, 0)};
  for (int64_t i = 0; i < spatial; ++i) shape.push(n.known(1) ? n.extent(n.content(1)[static_cast<size_t>(2 + i)]) : n.data());
  shape.push(spatial);
  n.result(n.dtype(0), shape);
}

void reference_affine_grid(Reference& n) {
  const Array& maps = *n.in[0];
  const bool corners = n.attributes<AffineGrid>().align_corners;
  std::vector<int64_t> sizes = n.integers(1);
  const auto spatial = static_cast<int64_t>(sizes.size()) - 2;
  std::vector<int64_t> shape{maps.shape[0]};
  for (int64_t i = 0; i < spatial; ++i) {
    if (sizes[static_cast<size_t>(2 + i)] < 0) throw Error(Code::bad_input, "a size of affine_grid is negative");
    shape.push_back(sizes[static_cast<size_t>(2 + i)]);
  }
  if (maps.shape[0] != sizes[0])
    throw Error(Code::bad_input, "the batch of affine_grid and its maps: " + std::to_string(sizes[0]) + " is not " + std::to_string(maps.shape[0]));
  shape.push_back(spatial);
  n.out[0].resize(shape);
  const auto place = [&](int64_t i, int64_t size) {
    if (corners) return size == 1 ? 0.0 : -1 + 2 * static_cast<double>(i) / static_cast<double>(size - 1);
    return -1 + (2 * static_cast<double>(i) + 1) / static_cast<double>(size);
  };
  for (Walk at(shape); at.more(); at.next()) {
    const int64_t row = (at[0] * spatial + at[static_cast<size_t>(spatial + 1)]) * (spatial + 1);
    double sum = maps.real(row + spatial);
    for (int64_t k = 0; k < spatial; ++k) {
      const auto axis = static_cast<size_t>(spatial - k);  // the last spatial axis comes first
      sum += maps.real(row + k) * place(at[axis], shape[axis]);
    }
    n.out[0].real(at.flat()) = sum;
  }
}

void infer_roi_align(Inference& n) {
  const auto& a = n.attributes<RoiAlign>();
  n.expect_inputs(3, 3);
  n.expect_rank(0, 4);
  n.expect_rank(1, 2);
  n.expect_rank(2, 1);
  n.equal(n.size(1, 1), 4, "numbers of a box");
  n.equal(n.size(1, 0), n.size(2, 0), "boxes and their batch elements");
  n.expect(a.output_height > 0 && a.output_width > 0 && a.sampling_ratio >= 0, "roi_align has bins");
  n.result(n.dtype(0), {n.size(1, 0), n.size(0, 1), a.output_height, a.output_width});
}

// Bilinear terms of one position; outside by more than one element there is nothing.
struct Corner {
  int64_t at;
  double weight;
};
std::vector<Corner> corners(double y, double x, int64_t height, int64_t width) {
  if (height <= 0 || width <= 0) return {};
  if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width))) return {};
  const auto split = [](double v, int64_t size, int64_t& low, int64_t& high) {
    v = std::max(v, 0.0);
    low = static_cast<int64_t>(v);
    if (low >= size - 1) return low = high = size - 1, 0.0;
    high = low + 1;
    return v - static_cast<double>(low);
  };
  int64_t y0, y1, x0, x1;
  const double dy = split(y, height, y0, y1), dx = split(x, width, x0, x1);
  return {{y0 * width + x0, (1 - dy) * (1 - dx)}, {y0 * width + x1, (1 - dy) * dx}, {y1 * width + x0, dy * (1 - dx)}, {y1 * width + x1, dy * dx}};
}

void reference_roi_align(Reference& n) {
  const auto& a = n.attributes<RoiAlign>();
  const Array &src = *n.in[0], &boxes = *n.in[1];
  Array& dst = n.out[0];
  const int64_t channels = src.shape[1], height = src.shape[2], width = src.shape[3], bins = a.output_height * a.output_width;
  const double scale = static_cast<double>(a.spatial_scale), shift = a.coordinate_transformation_mode == RoiPixels::half_pixel ? 0.5 : 0;
  for (int64_t r = 0; r < dst.shape[0]; ++r) {
    const int64_t image = n.in[2]->integer(r);
    if (image < 0 || image >= src.shape[0])
      throw Error(Code::bad_input, "box " + std::to_string(r) + " lies in image " + std::to_string(image) + " of " + std::to_string(src.shape[0]));
    double start[2], size[2];
    for (int k : {0, 1}) {  // y, x
      start[k] = boxes.real(r * 4 + 1 - k) * scale - shift;
      size[k] = boxes.real(r * 4 + 3 - k) * scale - shift - start[k];
      if (shift == 0) size[k] = std::max(size[k], 1.0);
    }
    const double bin[2] = {size[0] / static_cast<double>(a.output_height), size[1] / static_cast<double>(a.output_width)};
    int64_t samples[2];
    for (int k : {0, 1}) {
      if (!(std::abs(bin[k]) < 0x1p20)) throw Error(Code::bad_input, "box " + std::to_string(r) + " is too large");
      samples[k] = a.sampling_ratio > 0 ? a.sampling_ratio : static_cast<int64_t>(std::ceil(bin[k]));
    }
    if (samples[0] * samples[1] > (1 << 20)) throw Error(Code::bad_input, "box " + std::to_string(r) + " is too large");
    for (int64_t b = 0; b < bins; ++b) {
      std::vector<std::vector<Corner>> all;
      for (int64_t i = 0; i < samples[0]; ++i)
        for (int64_t j = 0; j < samples[1]; ++j) {
          const auto at = [&](int k, int64_t cell, int64_t sample) {
            return start[k] + static_cast<double>(cell) * bin[k] + (static_cast<double>(sample) + 0.5) * bin[k] / static_cast<double>(samples[k]);
          };
          all.push_back(corners(at(0, b / a.output_width, i), at(1, b % a.output_width, j), height, width));
        }
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t from = (image * channels + c) * height * width;
        double sum = 0, top = 0;
        bool first = true;
        for (const auto& sample : all)
          for (const Corner& corner : sample) {
            const double term = corner.weight * src.real(from + corner.at);
            sum += term;
            top = first ? term : std::max(top, term);
            first = false;
          }
        dst.real((r * channels + c) * bins + b) =
            a.mode == RoiMode::max ? top : sum / static_cast<double>(std::max<int64_t>(samples[0] * samples[1], 1));
      }
    }
  }
}

void infer_deform_conv(Inference& n) {
  const auto& a = n.attributes<DeformConv>();
  n.expect_inputs(3, 5);
  if (n.rank(0) != 4) throw Error(Code::not_supported, "deform_conv of other than two spatial axes");
  for (int i : {1, 2, 4})
    if (n.has(i)) n.expect_rank(i, 4);
  for (const auto& list : {a.dilations, a.strides})
    n.expect(list.empty() || (list.size() == 2 && list[0] > 0 && list[1] > 0), "strides and dilations of deform_conv have two positive numbers");
  n.expect(a.pads.empty() || a.pads.size() == 4, "the pads of deform_conv have four numbers");
  n.expect(a.group > 0 && a.offset_group > 0, "the groups of deform_conv are positive");
  n.equal(n.size(0, 1), n.size(1, 1) * a.group, "channels of input 0 and of the weight");
  const Extent taps = n.size(1, 2) * n.size(1, 3);
  n.equal(n.size(2, 0), n.size(0, 0), "batches of the offsets and of input 0");
  n.equal(n.size(2, 1), taps * (2 * a.offset_group), "channels of the offsets and twice the taps");
  if (n.has(4)) {
    n.equal(n.size(4, 0), n.size(0, 0), "batches of the mask and of input 0");
    n.equal(n.size(4, 1), taps * a.offset_group, "channels of the mask and the taps");
  }
  if (n.has(3)) n.equal(n.count(n.shape(3)), n.size(1, 0), "elements of the bias and channels of the weight");
  Shape shape{n.size(0, 0), n.size(1, 0)};
  for (size_t s : {0, 1}) {
    const int axis = static_cast<int>(s) + 2;
    const Extent reach = (n.size(1, axis) - 1) * a.dilation(s) + 1;
    const int64_t pads = a.pads.empty() ? 0 : a.pads[s] + a.pads[2 + s];
    shape.push((n.size(0, axis) + pads - reach) / a.stride(s) + 1);
    n.equal(n.extent(shape[axis]), n.size(2, axis), "sizes of the result and of the offsets");
    if (n.has(4)) n.equal(n.extent(shape[axis]), n.size(4, axis), "sizes of the result and of the mask");
  }
  n.result(n.dtype(0), shape);
}

void reference_deform_conv(Reference& n) {
  const auto& a = n.attributes<DeformConv>();
  const Array &src = *n.in[0], &weight = *n.in[1], &offset = *n.in[2];
  Array& dst = n.out[0];
  const int64_t channels = src.shape[1], height = src.shape[2], width = src.shape[3], own = weight.shape[1], kh = weight.shape[2],
                kw = weight.shape[3];
  const int64_t outputs = dst.shape[1], h = dst.shape[2], w = dst.shape[3], taps = kh * kw;
  if (outputs % a.group || channels % a.offset_group) throw Error(Code::bad_input, "the groups of deform_conv do not divide the channels");
  const auto at = [&](int64_t base, double y, double x) {
    if (!(std::abs(y) < 0x1p40 && std::abs(x) < 0x1p40)) return 0.0;
    const auto y0 = static_cast<int64_t>(std::floor(y)), x0 = static_cast<int64_t>(std::floor(x));
    double sum = 0;
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t yy = y0 + i / 2, xx = x0 + i % 2;
      if (yy < 0 || xx < 0 || yy >= height || xx >= width) continue;
      sum += src.real(base + yy * width + xx) * (1 - std::abs(y - static_cast<double>(yy))) * (1 - std::abs(x - static_cast<double>(xx)));
    }
    return sum;
  };
  for (Walk o(dst.shape); o.more(); o.next()) {
    double sum = n.has(3) ? n.in[3]->real(o[1]) : 0;
    for (int64_t c = 0; c < own; ++c) {
      const int64_t channel = o[1] / (outputs / a.group) * own + c, group = channel / (channels / a.offset_group);
      for (int64_t t = 0; t < taps; ++t) {
        const auto moved = [&](int64_t part) {
          return offset.real((((o[0] * a.offset_group + group) * taps + t) * 2 + part) * h * w + o[2] * w + o[3]);
        };
        const double y = static_cast<double>(o[2] * a.stride(0) - (a.pads.empty() ? 0 : a.pads[0]) + t / kw * a.dilation(0)) + moved(0);
        const double x = static_cast<double>(o[3] * a.stride(1) - (a.pads.empty() ? 0 : a.pads[1]) + t % kw * a.dilation(1)) + moved(1);
        const double mask = n.has(4) ? n.in[4]->real(((o[0] * a.offset_group + group) * taps + t) * h * w + o[2] * w + o[3]) : 1;
        sum += weight.real((o[1] * own + c) * taps + t) * mask * at((o[0] * channels + channel) * height * width, y, x);
      }
    }
    dst.real(o.flat()) = sum;
  }
}

}  // namespace
const Op ops::grid_sample{.name = "grid_sample",
                          .attributes = Attributes::make<GridSample>,
                          .infer = infer_grid_sample,
                          .reference = reference_grid_sample,
                          .exactness = {Exactness::relative, 1e-5}};
const Op ops::affine_grid{.name = "affine_grid",
                          .attributes = Attributes::make<AffineGrid>,
                          .infer = infer_affine_grid,
                          .reference = reference_affine_grid,
                          .exactness = {Exactness::relative, 1e-6}};
const Op ops::roi_align{.name = "roi_align",
                        .attributes = Attributes::make<RoiAlign>,
                        .infer = infer_roi_align,
                        .reference = reference_roi_align,
                        .exactness = {Exactness::relative, 1e-5}};
const Op ops::deform_conv{.name = "deform_conv",
                          .attributes = Attributes::make<DeformConv>,
                          .infer = infer_deform_conv,
                          .reference = reference_deform_conv,
                          .exactness = {Exactness::relative, 1e-5}};
}  // namespace tenon
