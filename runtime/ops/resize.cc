#include "ops/resize.h"

#include <algorithm>

#include "ops/index.h"

namespace tenon {
namespace {

constexpr double kMostElements = 0x1p40;

std::vector<int> axes_of(const Resize& a, int rank) {
  std::vector<int> axes;
  for (int64_t axis : a.axes) axes.push_back(static_cast<int>(from_front(axis, rank)));
  for (int i = 0; a.axes.empty() && i < rank; ++i) axes.push_back(i);
  return axes;
}

// The factor as a fraction of small numbers that reads back as the same float; denominator 0 where there is none.
struct Fraction {
  int64_t above, below;
};

Fraction fraction_of(float scale) {
  for (int64_t below = 1; below <= 4096; ++below) {
    const double above = std::nearbyint(static_cast<double>(scale) * static_cast<double>(below));
    if (above >= 1 && above < 0x1p31 && static_cast<float>(above / static_cast<double>(below)) == scale) return {static_cast<int64_t>(above), below};
  }
  return {0, 0};
}

double checked_size(double size, float scale) {
  if (!(size <= kMostElements)) throw Error(Code::limit, "resize by " + std::to_string(scale) + " gives more than 2^40 elements along an axis");
  return size;
}

// The size of the result; no value where only numbers tell it.
std::optional<Extent> scaled(Extent size, float scale) {
  if (!(scale > 0) || std::isinf(scale)) throw Error(Code::bad_model, "resize by " + std::to_string(scale) + "; a scale is above 0");
  if (const Fraction f = fraction_of(scale); f.below) return size * f.above / f.below;
  if (!size.known()) return std::nullopt;
  return Extent(static_cast<int64_t>(checked_size(std::floor(static_cast<float>(size.dim().number()) * scale), scale)));
}

// The one factor that keeps the aspect ratio, for sizes asked of all axes.
double common_scale(AspectRatio policy, const std::vector<int64_t>& sizes, const std::vector<int64_t>& asked) {
  double scale = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const double s = static_cast<double>(asked[i]) / static_cast<double>(sizes[i]);
    scale = i == 0 ? s : policy == AspectRatio::not_larger ? std::min(scale, s) : std::max(scale, s);
  }
  return scale;
}

int64_t rounded_size(double size) { return static_cast<int64_t>(checked_size(std::floor(size + 0.5), 1)); }

void infer_sizes(Inference& n, const Resize& a, const std::vector<int>& axes, Shape& shape) {
  std::vector<int64_t> sizes, asked;
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim& size = shape[axes[i]];
    if (n.known(3) && size.known() && n.content(3)[i].known()) sizes.push_back(size.number()), asked.push_back(n.content(3)[i].number());
    if (n.known(3)) n.expect(!n.content(3)[i].known() || n.content(3)[i].number() >= 0, "the sizes of resize are 0 or more");
    if (n.known(3) && a.keep_aspect_ratio_policy == AspectRatio::stretch) size = n.content(3)[i];
  }
  if (n.known(3) && a.keep_aspect_ratio_policy == AspectRatio::stretch) return;
  const bool numbers = sizes.size() == axes.size() && std::none_of(sizes.begin(), sizes.end(), [](int64_t s) { return s == 0; });
  const double scale = numbers ? common_scale(a.keep_aspect_ratio_policy, sizes, asked) : 0;
  for (size_t i = 0; i < axes.size(); ++i) shape[axes[i]] = numbers ? Dim(rounded_size(scale * static_cast<double>(sizes[i]))) : n.data().dim();
}

void infer(Inference& n) {
  const auto& a = n.attributes<Resize>();
  n.expect_inputs(1, 4);
  n.axes(a.axes, n.rank(0));
  n.expect(a.mode == ResizeMode::nearest || is_real(n.dtype(0)) || is_integer(n.dtype(0)), "resize interpolates numbers");
  n.expect(a.mode != ResizeMode::nearest || !a.antialias, "antialias of resize goes with linear and cubic");
  const std::vector<int> axes = axes_of(a, n.rank(0));
  const int64_t count = static_cast<int64_t>(axes.size());
  n.expect(n.has(2) + n.has(3) + !a.scales.empty() == 1 || count == 0, "resize has either scales or sizes");
  n.expect(a.scales.empty() || static_cast<int64_t>(a.scales.size()) == count, "resize has one scale for each axis");
  for (int i : {2, 3}) {
    if (!n.has(i)) continue;
    n.expect(i == 2 ? is_real(n.dtype(2)) : n.dtype(3) == DType::s64, "the scales of resize are floating point and the sizes s64");
    n.expect_rank(i, 1);
    n.equal(n.size(i, 0), count, i == 2 ? "scales and axes of resize" : "sizes and axes of resize");
  }
  if (a.coordinate_transformation_mode == ResizeCoordinates::tf_crop_and_resize) {
    n.expect(n.has(1), "tf_crop_and_resize has a region of interest");
    n.expect(is_real(n.dtype(1)), "the region of interest of resize is floating point");
    n.equal(n.count(n.shape(1)), 2 * count, "numbers of the region of interest and twice the axes of resize");
  }
  Shape shape = n.shape(0);
  if (n.has(3)) {
    infer_sizes(n, a, axes, shape);
    return n.result(n.dtype(0), shape);
  }
  std::optional<std::vector<double>> scales(std::vector<double>(a.scales.begin(), a.scales.end()));
  if (n.has(2)) scales = n.reals(2);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto size = scales ? scaled(n.extent(shape[axes[i]]), static_cast<float>((*scales)[i])) : std::nullopt;
    shape[axes[i]] = size ? *size : n.data();
  }
  n.result(n.dtype(0), shape);
}

// What happens along one axis.
struct AxisPlan {
  size_t axis;
  int64_t size, result;
  double scale, start, end;

  bool stays() const { return scale == 1 && size == result && start == 0 && end == 1; }
};

std::vector<AxisPlan> plan_axes(const Reference& n) {
  const auto& a = n.attributes<Resize>();
  const Array& src = *n.in[0];
  const std::vector<int> axes = axes_of(a, src.rank());
  const bool crops = a.coordinate_transformation_mode == ResizeCoordinates::tf_crop_and_resize;
  std::vector<AxisPlan> out;
  std::vector<int64_t> sizes, asked = n.has(3) ? numbers(n, 3) : std::vector<int64_t>{};
  for (int axis : axes) sizes.push_back(src.shape[static_cast<size_t>(axis)]);
  for (size_t i = 0; i < axes.size(); ++i) {
    AxisPlan p{static_cast<size_t>(axes[i]), sizes[i], 0, 1, 0, 1};
    if (n.has(3)) {
      const bool stretch = a.keep_aspect_ratio_policy == AspectRatio::stretch;
      p.scale = stretch ? static_cast<double>(asked[i]) / static_cast<double>(p.size) : common_scale(a.keep_aspect_ratio_policy, sizes, asked);
      p.result = stretch ? asked[i] : rounded_size(p.scale * static_cast<double>(p.size));
    } else {
      p.scale = n.has(2) ? n.in[2]->real(static_cast<int64_t>(i)) : static_cast<double>(a.scales[i]);
      p.result = scaled(p.size, static_cast<float>(p.scale)).value_or(0).dim().number();
    }
    if (crops) p.start = n.in[1]->real(static_cast<int64_t>(i)), p.end = n.in[1]->real(static_cast<int64_t>(axes.size() + i));
    if (p.size == 0 && p.result != 0) throw Error(Code::bad_input, "resize has nothing to read along axis " + std::to_string(p.axis));
    out.push_back(p);
  }
  return out;
}

// Of tf_crop_and_resize, whose places outside src give the extrapolation value.
bool outside(const Resize& a, double place, int64_t size) {
  return a.coordinate_transformation_mode == ResizeCoordinates::tf_crop_and_resize && !(place >= 0 && place <= static_cast<double>(size - 1));
}

void fill(Array& dst, int64_t i, double value) {
  if (dst.is_real()) dst.real(i) = value;
  else if (dst.dtype != DType::string) dst.integer(i) = cell_of(dst.dtype, value).integer;
}

void pick_nearest(Reference& n, const std::vector<AxisPlan>& axes) {
  const auto& a = n.attributes<Resize>();
  const Array& src = *n.in[0];
  const std::vector<int64_t> strides = strides_of(src.shape);
  std::vector<std::vector<int64_t>> from(strides.size());  // offsets by axis and index; -1: outside
  for (size_t k = 0; k < strides.size(); ++k)
    for (int64_t i = 0; i < src.shape[k]; ++i) from[k].push_back(i * strides[k]);
  for (const AxisPlan& p : axes) {
    from[p.axis].clear();
    for (int64_t i = 0; i < p.result; ++i) {
      const double place = a.source(i, p.size, p.result, p.scale, p.start, p.end);
      from[p.axis].push_back(outside(a, place, p.size) ? -1 : a.nearest(place, p.size) * strides[p.axis]);
    }
  }
  for (Walk at(n.out[0].shape); at.more(); at.next()) {
    int64_t offset = 0;
    for (size_t k = 0; k < from.size() && offset >= 0; ++k) {
      const int64_t step = from[k][static_cast<size_t>(at[k])];
      offset = step < 0 ? -1 : offset + step;
    }
    if (offset >= 0) n.out[0].move(at.flat(), src, offset);
    else fill(n.out[0], at.flat(), a.extrapolation_value);
  }
}

// The elements that make element i of an axis, and their weights.
struct Taps {
  std::vector<int64_t> index;
  std::vector<double> weight;  // empty: the extrapolation value
};

Taps taps_of(const Resize& a, const AxisPlan& p, int64_t i) {
  const double place = a.source(i, p.size, p.result, p.scale, p.start, p.end);
  Taps t;
  if (outside(a, place, p.size)) return t;
  // The filter widens where src is made smaller.
  const double narrow = a.antialias ? std::min(p.scale, 1.0) : 1.0, support = a.mode == ResizeMode::cubic ? 2 : 1;
  const double base = std::ceil(place) - 1;
  const int64_t first = static_cast<int64_t>(std::floor(-support / narrow)) + 1;
  double sum = 0;
  for (int64_t k = first; k <= 1 - first; ++k) {
    const double at = base + static_cast<double>(k), last = static_cast<double>(p.size - 1);
    const bool counts = !a.exclude_outside || (at >= 0 && at <= last);
    t.index.push_back(static_cast<int64_t>(std::clamp(at, 0.0, last)));
    t.weight.push_back(counts ? a.weight((at - place) * narrow) : 0);
    sum += t.weight.back();
  }
  if ((a.antialias || a.exclude_outside) && sum != 0)
    for (double& w : t.weight) w /= sum;
  return t;
}

std::vector<double> resample(const Resize& a, const std::vector<double>& src, std::vector<int64_t>& shape, const AxisPlan& p) {
  std::vector<int64_t> to = shape;
  to[p.axis] = p.result;
  const int64_t inner = strides_of(shape)[p.axis];
  std::vector<Taps> taps;
  for (int64_t i = 0; i < p.result; ++i) taps.push_back(taps_of(a, p, i));
  std::vector<double> dst(static_cast<size_t>(Array(DType::f64, to).count()));
  for (Walk at(to); at.more(); at.next()) {
    const Taps& t = taps[static_cast<size_t>(at[p.axis])];
    const int64_t first = at.flat() / (inner * p.result) * inner * p.size + at.flat() % inner;
    double sum = t.weight.empty() ? a.extrapolation_value : 0;
    for (size_t k = 0; k < t.weight.size(); ++k) sum += t.weight[k] * src[static_cast<size_t>(first + t.index[k] * inner)];
    dst[static_cast<size_t>(at.flat())] = sum;
  }
  shape = to;
  return dst;
}

int64_t nearest_number(double v, DType type) {
  const int64_t low = lowest(type), high = type == DType::u64 ? INT64_MAX : highest(type);
  v = std::nearbyint(v);
  return v <= static_cast<double>(low) ? low : v >= static_cast<double>(high) ? high : static_cast<int64_t>(v);
}

void reference(Reference& n) {
  const auto& a = n.attributes<Resize>();
  const Array& src = *n.in[0];
  Array& dst = n.out[0];
  const std::vector<AxisPlan> axes = plan_axes(n);
  std::vector<int64_t> shape = src.shape;
  for (const AxisPlan& p : axes) shape[p.axis] = p.result;
  if (dst.shape != shape) dst.resize(shape);
  if (!dst.count()) return;
  if (a.mode == ResizeMode::nearest) return pick_nearest(n, axes);
  std::vector<double> values;
  for (int64_t i = 0; i < src.count(); ++i) values.push_back(src.number(i));
  shape = src.shape;
  for (const AxisPlan& p : axes)
    if (!p.stays()) values = resample(a, values, shape, p);
  for (int64_t i = 0; i < dst.count(); ++i) {
    const double v = values[static_cast<size_t>(i)];
    if (dst.is_real()) dst.real(i) = v;
    else dst.integer(i) = nearest_number(v, dst.dtype);
  }
}

}  // namespace
const Op ops::resize{.name = "resize",
                     .attributes = Attributes::make<Resize>,
                     .infer = infer,
                     .reference = reference,
                     .exactness = {Exactness::relative, 1e-5},
                     .takes = kStrings};
}  // namespace tenon
