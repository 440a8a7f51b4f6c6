// Ops that read images between their elements, f32, plain operands without gaps: grid_sample,
// roi_align, deform_conv, affine_grid. Places do not depend on the channel. For a block of results
// a table of taps is made first, each an offset in the plane of a channel and a weight; every
// channel is then gathered by it, vectors of results at a time. Places are computed in double,
// since the weight of a tap is what is left of a large coordinate. A tap outside the image has
// weight 0, and what it would read does not count, were it NaN. deform_conv gathers the columns of
// a block, which the register tile multiplies by the weight. Tolerance 1e-5 of the largest element.
#include <cmath>

#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/tile.h"
#include "ops/sample.h"

namespace tenon::cpu::TENON_ISA {
namespace {

template <class A>
const A& attributes(const Step& s) {
  return *static_cast<const A*>(s.attributes);
}

Needs plain(const Step&) { return {}; }

const char* reject_f32(const Step& s) {
  if (!is_f32(*s.src) || !is_f32(*s.dst)) return "src or dst is not f32";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

constexpr const char* kLargeImage = "a plane of the image has less than 2^31 elements";

// dst[i] = the sum over taps of weight[t][i] * src[offset[t][i]], added to what is there where
// `added`. Rows are `row` elements long.
void gather_taps(const float* src, const int32_t* offset, const float* weight, int64_t taps,
                 int64_t row, int64_t n, float* dst, bool added) {
  vectors(n, [&](int64_t i, int64_t lanes) TENON_INLINE {
    V sum = added ? load(dst + i, lanes) : V(0.f);
    for (int64_t t = 0; t < taps; ++t) {
      const V w = load(weight + t * row + i);
      sum = fma(where(w == V(0.f), V(0.f), gather(src, load(offset + t * row + i))), w, sum);
    }
    store(dst + i, sum, lanes);
  });
}

// ---- grid_sample
constexpr int64_t kBlock = 64;  // results that share a table
constexpr int kAxes = 3, kMostTaps = 64;

// Along one axis: the elements that each result of a block reads, and their weights.
struct AxisTaps {
  alignas(64) int32_t element[4][kBlock];
  alignas(64) float weight[4][kBlock];
};

struct SampledAxis {
  int64_t size;
  double low, high;  // the outermost positions of the image
  const GridSample& a;

  SampledAxis(int64_t size, const GridSample& a)
      : size(size),
        low(a.align_corners ? 0 : -0.5),
        high(static_cast<double>(size) - (a.align_corners ? 1 : 0.5)),
        a(a) {}

  // Positions beyond the image, as the padding moves them.
  void move(double* x) const {
    const double last = static_cast<double>(size - 1), range = high - low, twice = 2 * range;
    if (a.padding_mode == SamplePadding::border) {
      for (int64_t i = 0; i < kBlock; ++i)
        x[i] = x[i] < low || x[i] > high ? (x[i] < 0 ? 0 : last) : x[i];
    } else if (a.padding_mode == SamplePadding::reflection && range <= 0) {
      for (int64_t i = 0; i < kBlock; ++i) x[i] = x[i] < low || x[i] > high ? 0 : x[i];
    } else if (a.padding_mode == SamplePadding::reflection) {
      for (int64_t i = 0; i < kBlock; ++i) {
        double beyond = std::fabs(x[i] - low);
        beyond -= twice * std::floor(beyond / twice);
        beyond = beyond > range ? twice - beyond : beyond;
        x[i] = x[i] < low || x[i] > high ? low + beyond : x[i];
      }
    }
  }
  // The element read for index i; -1 for none.
  int32_t element(int64_t i) const {
    if (i >= 0 && i < size) return static_cast<int32_t>(i);
    if (a.padding_mode == SamplePadding::zeros) return -1;
    if (a.padding_mode == SamplePadding::border) return static_cast<int32_t>(i < 0 ? 0 : size - 1);
    const int64_t period = a.align_corners ? 2 * (size - 1) : 2 * size;
    if (period == 0) return 0;
    const int64_t at = ((i % period) + period) % period;
    return static_cast<int32_t>(at < size ? at : period - at - (a.align_corners ? 0 : 1));
  }

  int taps() const {
    return a.mode == SampleMode::nearest ? 1 : a.mode == SampleMode::linear ? 2 : 4;
  }

  // `at`: the coordinates of the grid.
  void fill(const double* at, AxisTaps& to) const {
    const double n = static_cast<double>(size);
    double x[kBlock], fraction[kBlock];
    int32_t first[kBlock];
    if (a.align_corners)
      for (int64_t i = 0; i < kBlock; ++i) x[i] = (at[i] + 1) / 2 * (n - 1);
    else
      for (int64_t i = 0; i < kBlock; ++i) x[i] = ((at[i] + 1) * n - 1) / 2;
    if (a.mode == SampleMode::nearest)
      for (int64_t i = 0; i < kBlock; ++i) x[i] = std::nearbyint(x[i]);
    move(x);
    // What is no number, or far outside, is nowhere.
    bool nowhere[kBlock];
    for (int64_t i = 0; i < kBlock; ++i) nowhere[i] = !(std::fabs(x[i]) < 0x1p30);
    for (int64_t i = 0; i < kBlock; ++i) x[i] = nowhere[i] ? 0 : x[i];
    for (int64_t i = 0; i < kBlock; ++i) {
      const double floor = a.mode == SampleMode::nearest ? std::nearbyint(x[i]) : std::floor(x[i]);
      fraction[i] = x[i] - floor, first[i] = static_cast<int32_t>(floor);
    }
    const int taps = this->taps();
    for (int64_t i = 0; i < kBlock; ++i) {
      const double t = fraction[i];
      if (taps == 1) {
        to.weight[0][i] = 1;
      } else if (taps == 2) {
        to.weight[0][i] = static_cast<float>(1 - t), to.weight[1][i] = static_cast<float>(t);
      } else {
        constexpr double c = -0.75;
        const auto near = [](double d) {
          return static_cast<float>(((c + 2) * d - (c + 3)) * d * d + 1);
        };
        const auto far = [](double d) {
          return static_cast<float>(((c * d - 5 * c) * d + 8 * c) * d - 4 * c);
        };
        to.weight[0][i] = far(1 + t), to.weight[1][i] = near(t), to.weight[2][i] = near(1 - t),
        to.weight[3][i] = far(2 - t);
      }
    }
    for (int k = 0; k < taps; ++k) {
      const int32_t shift = k - (taps == 4), end = static_cast<int32_t>(size);
      for (int64_t i = 0; i < kBlock; ++i) {
        const int32_t own = first[i] + shift;
        const bool inside = own >= 0 && own < end && !nowhere[i];
        to.element[k][i] = inside ? own : 0;
        if (inside) continue;
        const int32_t other = nowhere[i] ? -1 : element(own);
        to.element[k][i] = other < 0 ? 0 : other;
        if (other < 0) to.weight[k][i] = 0;
      }
    }
  }
};

const char* reject_grid(const Step& s) {
  if (!is_f32(s.src[1])) return "the grid is not f32";
  if (s.src->rank > 2 + kAxes) return "there are more than three spatial axes";
  return reject_f32(s);
}

// Taps of one result.
int64_t taps_of(const Step& s) {
  const SampleMode mode = attributes<GridSample>(s).mode;
  int64_t taps = 1;
  for (int i = 2; i < s.src->rank; ++i)
    taps *= mode == SampleMode::nearest ? 1 : mode == SampleMode::linear ? 2 : 4;
  return taps;
}
float cost_grid(const Step& s) {
  const float places = static_cast<float>(count(*s.dst, 2, s.dst->rank) * s.dst->size[0]),
              taps = static_cast<float>(taps_of(s));
  return 100 + places * (8 + 2 * taps) + places * static_cast<float>(s.dst->size[1]) * taps;
}

void run_grid(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<GridSample>(s);
  const Operand &src = *s.src, &dst = *s.dst;
  const int spatial = src.rank - 2;
  const int64_t image = count(src, 2, src.rank), places = count(dst, 2, dst.rank),
                channels = dst.size[1], taps = taps_of(s);
  if (!count(dst)) return;
  if (!image) return context.fault(context, "grid_sample reads an image that has elements", 0, 1);
  if (image > INT32_MAX) return context.fault(context, kLargeImage, image, INT32_MAX);
  const int64_t blocks = ceil_div(places, kBlock);
  parallel(context, dst.size[0] * blocks, 4096 / (kBlock * (8 + taps * (2 + channels))) + 1,
           [&](int64_t begin, int64_t end, int) {
             alignas(64) int32_t offset[kMostTaps * kBlock];
             alignas(64) float weight[kMostTaps * kBlock];
             AxisTaps axis[kAxes];
             for (int64_t u = begin; u < end; ++u) {
               const int64_t batch = u / blocks, first = u % blocks * kBlock,
                             n = smaller(kBlock, places - first);
               const float* grid = data(s.src[1]) + (batch * places + first) * spatial;
               for (int k = 0; k < spatial; ++k) {
                 double at[kBlock] = {};
                 for (int64_t i = 0; i < n; ++i)
                   at[i] = static_cast<double>(grid[i * spatial + spatial - 1 - k]);
                 SampledAxis(src.size[2 + k], a).fill(at, axis[k]);
               }
               for (int64_t t = 0; t < taps; ++t) {
                 int64_t rest = t;
                 int32_t step = 1;
                 for (int k = spatial - 1; k >= 0; --k) {
                   const int64_t each = a.mode == SampleMode::nearest  ? 1
                                        : a.mode == SampleMode::linear ? 2
                                                                       : 4,
                                 own = rest % each;
                   rest /= each;
                   const bool fresh = k == spatial - 1;
                   for (int64_t i = 0; i < kBlock; ++i) {
                     offset[t * kBlock + i] =
                         (fresh ? 0 : offset[t * kBlock + i]) + axis[k].element[own][i] * step;
                     weight[t * kBlock + i] =
                         (fresh ? 1.f : weight[t * kBlock + i]) * axis[k].weight[own][i];
                   }
                   step *= static_cast<int32_t>(src.size[2 + k]);
                 }
               }
               for (int64_t c = 0; c < channels; ++c)
                 gather_taps(data(src) + (batch * channels + c) * image, offset, weight, taps,
                             kBlock, n, mutable_data(dst) + (batch * channels + c) * places + first,
                             false);
             }
           });
}

// ---- affine_grid: every place of the image under the map of its batch element
void run_affine(const Step& s, const Context& context) noexcept {
  const Operand &maps = *s.src, &dst = *s.dst;
  const bool corners = attributes<AffineGrid>(s).align_corners;
  const int spatial = dst.rank - 2;
  if (maps.size[0] != dst.size[0])
    return context.fault(context, "there is a map for each batch element", maps.size[0],
                         dst.size[0]);
  if (s.src[1].data && data<int64_t>(s.src[1])[0] != maps.size[0])
    return context.fault(context, "there is a map for each batch element",
                         data<int64_t>(s.src[1])[0], maps.size[0]);
  // Index i of an axis lies at first + i * step.
  double first[kMaxRank], step[kMaxRank];
  for (int k = 0; k < spatial; ++k) {
    const double n = static_cast<double>(dst.size[1 + k]);
    first[k] = corners ? (dst.size[1 + k] == 1 ? 0 : -1) : -1 + 1 / n;
    step[k] = corners ? (dst.size[1 + k] == 1 ? 0 : 2 / (n - 1)) : 2 / n;
  }
  if (!count(dst)) return;
  const int last = spatial - 1;
  const int64_t row = dst.size[spatial], rows = count(dst, 1, spatial);
  parallel(context, dst.size[0] * rows, 1024 / row + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t u = begin; u < end; ++u)
      for (int r = 0; r < spatial; ++r) {
        // The last spatial axis comes first in a map.
        const float* map = data(maps) + (u / rows * spatial + r) * (spatial + 1);
        double base = static_cast<double>(map[spatial]) + static_cast<double>(map[0]) * first[last];
        int64_t rest = u % rows;
        for (int k = last - 1; k >= 0; --k) {
          base += static_cast<double>(map[last - k]) *
                  (first[k] + static_cast<double>(rest % dst.size[1 + k]) * step[k]);
          rest /= dst.size[1 + k];
        }
        const double slope = static_cast<double>(map[0]) * step[last];
        float* to = mutable_data(dst) + u * row * spatial + r;
        for (int64_t i = 0; i < row; ++i)
          to[i * spatial] = static_cast<float>(base + slope * static_cast<double>(i));
      }
  });
}

const char* reject_affine(const Step& s) {
  if (!is(s.src[1], DType::s64)) return "the shape is not s64";
  return reject_f32(s);
}
float cost_places(const Step& s) { return 100 + 3 * static_cast<float>(count(*s.dst)); }

// ---- roi_align
constexpr int64_t kSamples = 16;  // of a bin, whose corners share a table

// The four elements around a position, and their weights; outside by more than one element there
// are none.
struct Corner {
  int32_t at[4];
  float weight[4];
};
Corner corner(double y, double x, int64_t height, int64_t width) {
  Corner c{};
  if (height <= 0 || width <= 0) return c;
  if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width)))
    return c;
  const auto split = [](double v, int64_t size, int64_t& low, int64_t& high) {
    v = v < 0 ? 0 : v;
    low = static_cast<int64_t>(v);
    if (low >= size - 1) return low = high = size - 1, 0.0;
    high = low + 1;
    return v - static_cast<double>(low);
  };
  int64_t y0, y1, x0, x1;
  const double dy = split(y, height, y0, y1), dx = split(x, width, x0, x1);
  const int64_t at[4] = {y0 * width + x0, y0 * width + x1, y1 * width + x0, y1 * width + x1};
  const double weight[4] = {(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx};
  for (int k = 0; k < 4; ++k)
    c.at[k] = static_cast<int32_t>(at[k]), c.weight[k] = static_cast<float>(weight[k]);
  return c;
}

// Where the bins of a box lie, and how many samples each has, rows first.
struct Bins {
  double start[2], bin[2];
  int64_t samples[2];

  Bins(const RoiAlign& a, const float* box) {
    const double scale = static_cast<double>(a.spatial_scale),
                 shift = a.coordinate_transformation_mode == RoiPixels::half_pixel ? 0.5 : 0;
    for (int k : {0, 1}) {
      start[k] = static_cast<double>(box[1 - k]) * scale - shift;
      double size = static_cast<double>(box[3 - k]) * scale - shift - start[k];
      if (shift == 0) size = size < 1 ? 1 : size;
      bin[k] = size / static_cast<double>(k == 0 ? a.output_height : a.output_width);
      samples[k] = a.sampling_ratio;
      if (a.sampling_ratio == 0 && !is_large(k))
        samples[k] = larger(int64_t{0}, static_cast<int64_t>(std::ceil(bin[k])));
    }
  }
  bool is_large(int k) const { return !(std::fabs(bin[k]) < 0x1p20); }
  double place(int k, int64_t cell, int64_t sample) const {
    return start[k] + static_cast<double>(cell) * bin[k] +
           (static_cast<double>(sample) + 0.5) * bin[k] / static_cast<double>(samples[k]);
  }
};

const char* reject_roi(const Step& s) {
  if (!is_f32(s.src[1])) return "the boxes are not f32";
  if (!is(s.src[2], DType::s64) && !is(s.src[2], DType::s32))
    return "the batch elements are neither s64 nor s32";
  return reject_f32(s);
}
float cost_roi(const Step& s) {
  const int64_t samples = larger(attributes<RoiAlign>(s).sampling_ratio, int64_t{2});
  return 100 + static_cast<float>(count(*s.dst)) * 4 * static_cast<float>(samples * samples);
}

void run_roi(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<RoiAlign>(s);
  const Operand &src = *s.src, &dst = *s.dst;
  const int64_t channels = src.size[1], height = src.size[2], width = src.size[3],
                plane = height * width;
  const int64_t bins = a.output_height * a.output_width, pieces = ceil_div(bins, kLanes);
  if (plane > INT32_MAX) return context.fault(context, kLargeImage, plane, INT32_MAX);
  parallel(
      context, dst.size[0] * pieces, 2048 / (channels * kLanes * 8 + 1) + 1,
      [&](int64_t begin, int64_t end, int) {
        alignas(64) int32_t offset[4 * kSamples * kLanes];
        alignas(64) float weight[4 * kSamples * kLanes];
        for (int64_t u = begin; u < end; ++u) {
          const int64_t r = u / pieces, first = u % pieces * kLanes,
                        n = smaller(kLanes, bins - first);
          const int64_t image =
              is(s.src[2], DType::s64) ? data<int64_t>(s.src[2])[r] : data<int32_t>(s.src[2])[r];
          if (image < 0 || image >= src.size[0])
            return context.fault(context, "a box of roi_align lies in an image that there is",
                                 image, src.size[0]);
          const Bins b(a, data(s.src[1]) + r * 4);
          const int64_t samples = b.samples[0] * b.samples[1];
          if (b.is_large(0) || b.is_large(1) || samples > 1 << 20)
            return context.fault(context, "a box of roi_align has less than 2^20 samples a bin", r,
                                 1 << 20);
          const float scale = 1.f / static_cast<float>(larger(samples, int64_t{1}));
          const auto result = [&](int64_t c) {
            return mutable_data(dst) + (r * channels + c) * bins + first;
          };
          const auto channel = [&](int64_t c) {
            return data(src) + (image * channels + c) * plane;
          };
          for (int64_t done = 0; done < larger(samples, int64_t{1}); done += kSamples) {
            const int64_t now = smaller(kSamples, samples - done);
            for (int64_t i = 0; i < kLanes; ++i)
              for (int64_t k = 0; k < now; ++k) {
                const int64_t cell = first + smaller(i, n - 1), sample = done + k;
                const Corner c =
                    corner(b.place(0, cell / a.output_width, sample / b.samples[1]),
                           b.place(1, cell % a.output_width, sample % b.samples[1]), height, width);
                for (int64_t t = 0; t < 4; ++t) {
                  offset[(k * 4 + t) * kLanes + i] = c.at[t];
                  weight[(k * 4 + t) * kLanes + i] =
                      a.mode == RoiMode::avg ? c.weight[t] * scale : c.weight[t];
                }
              }
            if (a.mode == RoiMode::avg) {
              for (int64_t c = 0; c < channels; ++c)
                gather_taps(channel(c), offset, weight, now * 4, kLanes, n, result(c), done > 0);
              continue;
            }
            // The largest term. All corners of a sample have weight 0 only where it lies outside.
            for (int64_t c = 0; c < channels; ++c)
              for (int64_t i = 0; i < n; ++i) {
                const auto at = [&](int64_t t) { return t * kLanes + i; };
                float& top = result(c)[i];
                if (done == 0) top = -INFINITY;
                for (int64_t k = 0; k < now; ++k) {
                  const int64_t t = k * 4;
                  if (weight[at(t)] == 0 && weight[at(t + 1)] == 0 && weight[at(t + 2)] == 0 &&
                      weight[at(t + 3)] == 0)
                    continue;
                  for (int64_t j = t; j < t + 4; ++j)
                    top = larger(weight[at(j)] * channel(c)[offset[at(j)]], top);
                }
                if (done + kSamples >= samples && top == -INFINITY) top = 0;
              }
          }
        }
      });
}

// ---- deform_conv
constexpr int64_t kResults = kTileVectors * kLanes;  // a block

struct Deformed {
  const DeformConv& a;
  int64_t batch, channels, height, width, outputs, own, taps, group_outputs, offset_channels;
  int64_t h, w, results, blocks;

  explicit Deformed(const Step& s) : a(attributes<DeformConv>(s)) {
    const Operand &src = s.src[0], &weight = s.src[1], &dst = *s.dst;
    batch = src.size[0], channels = src.size[1], height = src.size[2], width = src.size[3];
    outputs = weight.size[0], own = weight.size[1], taps = weight.size[2] * weight.size[3];
    group_outputs = outputs / a.group, offset_channels = channels / a.offset_group;
    h = dst.size[2], w = dst.size[3], results = h * w, blocks = ceil_div(results, kResults);
  }
};

const char* reject_deform(const Step& s) {
  for (int i = 1; i < s.sources; ++i)
    if (has(s, i) && !is_f32(s.src[i])) return "a source is not f32";
  return reject_f32(s);
}

Needs needs_deform(const Step& s) {
  if (!known(s.src[0]) || !known(s.src[1])) return {};
  const Deformed d(s);
  return {.worker_scratch_bytes = (d.channels * d.taps * kResults) * 4};
}

float cost_deform(const Step& s) {
  const Deformed d(s);
  const float results = static_cast<float>(d.batch * d.results);
  return 200 + results * static_cast<float>(d.channels * d.taps) * 4 +
         results * static_cast<float>(d.outputs) * static_cast<float>(d.own * d.taps) /
             kMultiplyAdds;
}

// The columns of a block of results: [channel][tap][result].
void gather_columns(const Step& s, const Deformed& d, int64_t image, int64_t first, int64_t n,
                    float* columns) {
  const Operand& weight = s.src[1];
  const float* mask = has(s, 4) ? data(s.src[4]) : nullptr;
  const int64_t kw = weight.size[3], plane = d.height * d.width;
  const int64_t top = d.a.pads.empty() ? 0 : d.a.pads[0], left = d.a.pads.empty() ? 0 : d.a.pads[1];
  alignas(64) int32_t at[4 * kResults];
  alignas(64) float part[4 * kResults];
  for (int64_t g = 0; g < d.a.offset_group; ++g)
    for (int64_t t = 0; t < d.taps; ++t) {
      const int64_t tap = (image * d.a.offset_group + g) * d.taps + t;
      const float* moved = data(s.src[2]) + tap * 2 * d.results + first;
      for (int64_t i = 0; i < kResults; ++i) {
        for (int64_t k = 0; k < 4; ++k) at[k * kResults + i] = 0, part[k * kResults + i] = 0;
        if (i >= n) continue;
        const int64_t row = (first + i) / d.w, column = (first + i) % d.w;
        const double y = static_cast<double>(row * d.a.stride(0) - top + t / kw * d.a.dilation(0)) +
                         static_cast<double>(moved[i]);
        const double x =
            static_cast<double>(column * d.a.stride(1) - left + t % kw * d.a.dilation(1)) +
            static_cast<double>(moved[d.results + i]);
        if (!(y > -1 && x > -1 && y < static_cast<double>(d.height) &&
              x < static_cast<double>(d.width)))
          continue;
        const int64_t y0 = static_cast<int64_t>(y + 1) - 1,
                      x0 = static_cast<int64_t>(x + 1) - 1;  // floor: both are above -1
        const double dy = y - static_cast<double>(y0), dx = x - static_cast<double>(x0),
                     by = mask ? static_cast<double>(mask[tap * d.results + first + i]) : 1;
        for (int64_t k = 0; k < 4; ++k) {
          const int64_t yy = y0 + k / 2, xx = x0 + k % 2;
          if (yy < 0 || xx < 0 || yy >= d.height || xx >= d.width) continue;
          at[k * kResults + i] = static_cast<int32_t>(yy * d.width + xx);
          part[k * kResults + i] =
              static_cast<float>((k / 2 ? dy : 1 - dy) * (k % 2 ? dx : 1 - dx) * by);
        }
      }
      for (int64_t c = g * d.offset_channels; c < (g + 1) * d.offset_channels; ++c)
        gather_taps(data(s.src[0]) + (image * d.channels + c) * plane, at, part, 4, kResults,
                    kResults, columns + (c * d.taps + t) * kResults, false);
    }
}

void run_deform(const Step& s, const Context& context) noexcept {
  const Deformed d(s);
  if (d.outputs % d.a.group || d.channels % d.a.offset_group)
    return context.fault(context, "the groups of deform_conv divide the channels", d.outputs,
                         d.a.group);
  if (d.height * d.width > INT32_MAX)
    return context.fault(context, kLargeImage, d.height * d.width, INT32_MAX);
  if (!count(*s.dst)) return;
  const int64_t k = d.own * d.taps;
  parallel(context, d.batch * d.blocks, 1, [&](int64_t begin, int64_t end, int worker) {
    float* columns =
        reinterpret_cast<float*>(context.worker_scratch + worker * context.worker_stride);
    for (int64_t u = begin; u < end; ++u) {
      const int64_t image = u / d.blocks, first = u % d.blocks * kResults,
                    n = smaller(kResults, d.results - first);
      gather_columns(s, d, image, first, n, columns);
      const int64_t wide = ceil_div(n, kLanes);
      Tile t{};
      t.first = t.last = true, t.bias_by_row = true;
      t.a_row = k, t.a_k = 1, t.k = t.k_last = k, t.b_k = kResults, t.c_row = d.results,
      t.c_vector = kLanes, t.lanes = n - (wide - 1) * kLanes;
      for (int64_t g = 0; g < d.a.group; ++g) {
        const int64_t tiles = ceil_div(d.group_outputs, tile_rows(static_cast<int>(wide)));
        for (int64_t i = 0; i < tiles; ++i) {
          const Range rows = piece(d.group_outputs, tiles, i);
          const int64_t o = g * d.group_outputs + rows.begin;
          t.a = data(s.src[1]) + o * k, t.b = columns + g * k * kResults,
          t.bias = has(s, 3) ? data(s.src[3]) + o : nullptr;
          t.c = mutable_data(*s.dst) + (image * d.outputs + o) * d.results + first;
          kTiles.of[wide - 1][rows.end - rows.begin - 1](t);
        }
      }
    }
  });
}

#define TENON_SAMPLE(op_, name_, reject_, needs_, cost_, run_)                              \
  {                                                                                         \
    .name = name_ "_" TENON_ISA_NAME, .op = op_, .isa = TENON_ISA_LEVEL, .reject = reject_, \
    .needs = needs_, .cost = cost_, .pack = nullptr, .run = run_                            \
  }

const Kernel kKernels[] = {
    TENON_SAMPLE("grid_sample", "grid_sample_f32_taps", reject_grid, plain, cost_grid, run_grid),
    TENON_SAMPLE("affine_grid", "affine_grid_f32_places", reject_affine, plain, cost_places,
                 run_affine),
    TENON_SAMPLE("roi_align", "roi_align_f32_taps", reject_roi, plain, cost_roi, run_roi),
    TENON_SAMPLE("deform_conv", "deform_conv_f32_columns", reject_deform, needs_deform, cost_deform,
                 run_deform),
};

}  // namespace
extern const KernelTable sample_table{kKernels, sizeof kKernels / sizeof *kKernels};
}  // namespace tenon::cpu::TENON_ISA
