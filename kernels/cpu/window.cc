// Ops that move a window over an image, for any number type: max_pool with indices or of other
// types than f32, average_pool of other types, lp_pool, max_unpool, columns_to_image. Plain
// operands without gaps, any number of spatial axes. Sums are double, of the few terms of
// columns_to_image float for f32.
#include <cmath>
#include <limits>

#include "kernels/cpu/box.h"
#include "kernels/cpu/element.h"
#include "ops/boxes.h"
#include "ops/pool.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kChunk = 8192;  // taps

template <class A>
const A& attributes(const Step& s) {
  return *static_cast<const A*>(s.attributes);
}

Needs plain(const Step&) { return {}; }

// ---- pools
struct Geometry {
  int axes;
  int64_t src[kMaxRank], dst[kMaxRank], taps[kMaxRank], stride[kMaxRank], dilation[kMaxRank],
      before[kMaxRank], after[kMaxRank], step[kMaxRank];
  int64_t plane = 1, results = 1, window = 1;
  // Offsets of the taps of a window that lies in src, in row-major order, where they are few.
  static constexpr int64_t kFewTaps = 64;
  int64_t offset[kFewTaps];

  explicit Geometry(const Step& s) : axes(s.src->rank - 2) {
    const Pool& a = attributes<Pool>(s);
    for (int i = axes - 1; i >= 0; --i) {
      const auto k = static_cast<size_t>(i);
      src[i] = s.src->size[2 + i], dst[i] = s.dst->size[2 + i], taps[i] = a.kernel_shape[k];
      stride[i] = a.stride(k), dilation[i] = a.dilation(k),
      before[i] = a.before(k, src[i], taps[i]), after[i] = a.after(k, src[i], taps[i]);
      step[i] = plane, plane *= src[i], results *= dst[i], window *= taps[i];
    }
    for (int64_t t = 0; window <= kFewTaps && t < window; ++t) {
      int64_t rest = t;
      offset[t] = 0;
      for (int i = axes - 1; i >= 0; --i) {
        offset[t] += rest % taps[i] * dilation[i] * step[i];
        rest /= taps[i];
      }
    }
  }
};

// Along an axis the taps of one result that fall on src: the place of the first and how many; and
// how many fall on src or on its pads.
struct Along {
  int64_t first, count, padded;
};
Along along(const Geometry& g, int i, int64_t result) {
  const int64_t origin = result * g.stride[i] - g.before[i], d = g.dilation[i];
  if (origin >= 0 && origin + (g.taps[i] - 1) * d < g.src[i]) return {origin, g.taps[i], g.taps[i]};
  const int64_t begin = origin < 0 ? ceil_div(-origin, d) : 0;
  const int64_t end = smaller(g.taps[i], origin < g.src[i] ? ceil_div(g.src[i] - origin, d) : 0);
  return {origin + begin * d, larger(int64_t{0}, end - begin),
          smaller(g.taps[i], larger(int64_t{0}, ceil_div(g.src[i] + g.after[i] - origin, d)))};
}

// The taps of one result after the other, along a row of them.
struct Taps {
  const Geometry& g;
  int last;
  Along axis[kMaxRank];
  int64_t rows = 1, padded_rows = 1;

  Taps(const Geometry& g, int64_t row) : g(g), last(g.axes - 1) {
    for (int i = last - 1; i >= 0; --i) {
      axis[i] = along(g, i, row % g.dst[i]);
      row /= g.dst[i];
      rows *= axis[i].count, padded_rows *= axis[i].padded;
    }
  }
  void move(int64_t x) { axis[last] = along(g, last, x); }
  int64_t inside() const { return rows * axis[last].count; }
  int64_t with_pads() const { return padded_rows * axis[last].padded; }

  // Calls body(offset in the plane) for the taps on src, in row-major order.
  template <class Body>
  void walk(const Body& body) const {
    if (!inside()) return;
    const int64_t n = axis[last].count, d = g.dilation[last];
    int64_t index[kMaxRank] = {}, at = 0;
    for (int i = 0; i <= last; ++i) at += axis[i].first * g.step[i];
    if (g.window <= Geometry::kFewTaps && inside() == g.window) {
      for (int64_t t = 0; t < g.window; ++t) body(at + g.offset[t]);
      return;
    }
    for (int64_t r = rows; r > 0; --r) {
      for (int64_t x = 0; x < n; ++x) body(at + x * d);
      for (int i = last - 1; i >= 0; --i) {
        at += g.dilation[i] * g.step[i];
        if (++index[i] < axis[i].count) break;
        at -= g.dilation[i] * g.step[i] * axis[i].count, index[i] = 0;
      }
    }
  }
};

const char* reject_pool(const Step& s) {
  if (!is_number(*s.src)) return "src is of no number of 8 bits or more";
  if (!same_scale(*s.src, *s.dst) || s.src->dtype != s.dst->dtype)
    return "src and dst are stored in different ways";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}
const char* reject_real_pool(const Step& s) {
  if (!is_real_number(*s.src)) return "src is not floating point";
  return reject_pool(s);
}
float cost_pool(const Step& s) {
  return 100 + 2 * static_cast<float>(count(*s.dst)) * static_cast<float>(4 + Geometry(s).window);
}

// Calls body(plane, result, taps) for all results.
template <class Body>
void results(const Step& s, const Geometry& g, const Context& context, const Body& body) {
  if (!g.results) return;
  const int64_t row = g.dst[g.axes - 1], rows = g.results / row;
  parallel(context, s.src->size[0] * s.src->size[1] * rows, kChunk / (row * (g.window + 4)) + 1,
           [&](int64_t begin, int64_t end, int) {
             for (int64_t u = begin; u < end; ++u) {
               Taps taps(g, u % rows);
               for (int64_t x = 0; x < row; ++x) {
                 taps.move(x);
                 body(u / rows, u * row + x, taps);
               }
             }
           });
}

// The number that an index of max_pool has: the place of an element in src, or with the first
// spatial axis counted first.
int64_t index_of(const Geometry& g, int64_t plane, int64_t from, bool column_major) {
  if (!column_major) return plane * g.plane + from;
  int64_t index = 0, step = 1;
  for (int i = 0; i < g.axes; ++i) index += from / g.step[i] % g.src[i] * step, step *= g.src[i];
  return plane * g.plane + index;
}

void run_max(const Step& s, const Context& context) noexcept {
  const Geometry g(s);
  const bool column_major = attributes<Pool>(s).column_major;
  int64_t* indices =
      s.destinations > 1 && s.dst[1].dtype ? mutable_data<int64_t>(s.dst[1]) : nullptr;
  by_number(*s.src, [&](auto t) {
    using T = decltype(t);
    T lowest;
    if constexpr (is_real_type<T>) lowest = T(-INFINITY);
    else lowest = std::numeric_limits<T>::lowest();
    results(s, g, context, [&](int64_t plane, int64_t i, const Taps& taps) {
      const T* src = data<T>(*s.src) + plane * g.plane;
      int64_t best = -1;
      Wide<T> top{};
      taps.walk([&](int64_t at) {
        const auto v = static_cast<Wide<T>>(src[at]);
        if (best < 0 || v > top) best = at, top = v;
      });
      mutable_data<T>(*s.dst)[i] = best < 0 ? lowest : src[best];
      if (indices) indices[i] = index_of(g, plane, best, column_major);
    });
  });
}

void run_average(const Step& s, const Context& context) noexcept {
  const Geometry g(s);
  const bool include = attributes<Pool>(s).count_include_pad;
  by_real(*s.src, [&](auto t) {
    using T = decltype(t);
    results(s, g, context, [&](int64_t plane, int64_t i, const Taps& taps) {
      const T* src = data<T>(*s.src) + plane * g.plane;
      double sum = 0;
      taps.walk([&](int64_t at) { sum += static_cast<double>(static_cast<Wide<T>>(src[at])); });
      const int64_t n = include ? taps.with_pads() : taps.inside();
      mutable_data<T>(*s.dst)[i] = from_double<T>(n ? sum / static_cast<double>(n) : 0);
    });
  });
}

void run_lp(const Step& s, const Context& context) noexcept {
  const Geometry g(s);
  const int64_t p = attributes<LpPool>(s).p;
  by_real(*s.src, [&](auto t) {
    using T = decltype(t);
    results(s, g, context, [&](int64_t plane, int64_t i, const Taps& taps) {
      const T* src = data<T>(*s.src) + plane * g.plane;
      double sum = 0;
      const auto x = [&](int64_t at) {
        return std::fabs(static_cast<double>(static_cast<Wide<T>>(src[at])));
      };
      if (p == 1) taps.walk([&](int64_t at) { sum += x(at); });
      else if (p == 2) taps.walk([&](int64_t at) { sum += x(at) * x(at); });
      else taps.walk([&](int64_t at) { sum += std::pow(x(at), static_cast<double>(p)); });
      const double root = p == 1   ? sum
                          : p == 2 ? __builtin_sqrt(sum)
                                   : std::pow(sum, 1 / static_cast<double>(p));
      mutable_data<T>(*s.dst)[i] = from_double<T>(root);
    });
  });
}

// ---- max_unpool
const char* reject_unpool(const Step& s) {
  if (!element_bytes(*s.dst)) return "elements are not of 1, 2, 4 or 8 bytes";
  if (s.src->scale || s.dst->scale || s.src->dtype != s.dst->dtype)
    return "an operand is quantised";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}
float cost_unpool(const Step& s) {
  return 100 + 3 * static_cast<float>(count(*s.src)) +
         static_cast<float>(count(*s.dst) * element_bytes(*s.dst)) / kBytes;
}

void fill_zero(const Operand& o, const Context& context) {
  const int64_t bytes = count(o) * element_bytes(o), piece = 65536;
  parallel(context, ceil_div(bytes, piece), 1, [&](int64_t begin, int64_t end, int) {
    std::memset(mutable_data<char>(o) + begin * piece, 0,
                static_cast<size_t>(smaller(bytes, end * piece) - begin * piece));
  });
}

void run_unpool(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<MaxUnpool>(s);
  const Operand &src = *s.src, &dst = *s.dst;
  const auto spatial = static_cast<size_t>(src.rank - 2);
  const auto entry = [](const auto& list, size_t i, int64_t absent) {
    return list.empty() ? absent : list[i];
  };
  int64_t image[kMaxRank] = {src.size[0], src.size[1]}, elements = src.size[0] * src.size[1];
  bool same = true;
  for (size_t i = 0; i < spatial; ++i) {
    image[2 + i] = (src.size[2 + i] - 1) * entry(a.strides, i, 1) - entry(a.pads, i, 0) -
                   entry(a.pads, spatial + i, 0) + a.kernel_shape[i];
    elements *= image[2 + i];
  }
  for (int k = 0; k < src.rank; ++k) same &= image[k] == dst.size[k];
  fill_zero(dst, context);
  const int64_t* indices = data<int64_t>(s.src[1]);
  by_width(element_bytes(dst), [&](auto t) {
    using T = decltype(t);
    for (int64_t i = 0, n = count(src); i < n; ++i) {
      if (indices[i] < 0 || indices[i] >= elements)
        return context.fault(context, "an index of max_unpool lies outside the image", indices[i],
                             elements);
      int64_t to = same ? indices[i] : 0, rest = indices[i];
      for (int k = src.rank - 1; !same && k >= 0; --k) {
        const int64_t at = rest % image[k];
        rest /= image[k];
        if (at >= dst.size[k])
          return context.fault(context, "the shape of max_unpool is smaller than the image",
                               dst.size[k], image[k]);
        to += at * dst.stride[k];
      }
      mutable_data<T>(dst)[to] = data<T>(src)[i];
    }
  });
}

// ---- columns_to_image: an image of a channel collects in scratch
const char* reject_columns(const Step& s) {
  if (!is_number(*s.src) || s.src->scale || s.dst->scale)
    return "src is quantised, or of no number of 8 bits or more";
  if (!is(s.src[1], DType::s64) || !is(s.src[2], DType::s64)) return "the sizes are not s64";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}
Needs needs_columns(const Step& s) {
  if (!known(*s.dst)) return {};
  return {.worker_scratch_bytes = count(*s.dst, 2, s.dst->rank) * 8};
}
float cost_columns(const Step& s) { return 100 + 2 * static_cast<float>(count(*s.src)); }

void run_columns(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<ColumnsToImage>(s);
  const Operand &src = *s.src, &dst = *s.dst;
  const int axes = dst.rank - 2;
  const int64_t *block = data<int64_t>(s.src[2]), *image = dst.size + 2;
  int64_t places[kMaxRank], before[kMaxRank], taps = 1, standing = 1;
  for (int i = 0; i < axes; ++i) {
    const auto k = static_cast<size_t>(i);
    if (block[i] <= 0)
      return context.fault(context, "the block of columns_to_image has elements", block[i], 1);
    before[i] = a.pads.empty() ? 0 : a.pads[k];
    const int64_t pads = a.pads.empty() ? 0 : a.pads[k] + a.pads[static_cast<size_t>(axes) + k];
    places[i] = larger((image[i] + pads - a.extent(k, block[i])) / a.stride(k) + 1, int64_t{0});
    taps *= block[i], standing *= places[i];
  }
  if (standing != src.size[2])
    return context.fault(context, "the columns are as many as the places of the block", src.size[2],
                         standing);
  if (src.size[1] % taps)
    return context.fault(context, "the channels of the columns are a multiple of the block",
                         src.size[1], taps);
  const int64_t channels = src.size[1] / taps, plane = count(dst, 2, dst.rank);
  by_number(src, [&](auto t) {
    using T = decltype(t);
    using Sum = std::conditional_t<std::is_same_v<T, float>, float,
                                   std::conditional_t<is_real_type<T>, double, uint64_t>>;
    parallel(context, src.size[0] * channels, kChunk / (taps * standing + 1) + 1,
             [&](int64_t begin, int64_t end, int worker) {
               Sum* sums =
                   reinterpret_cast<Sum*>(context.worker_scratch + worker * context.worker_stride);
               for (int64_t c = begin; c < end; ++c) {
                 for (int64_t i = 0; i < plane; ++i) sums[i] = 0;
                 for (int64_t tap = 0; tap < taps; ++tap) {
                   int64_t inside[kMaxRank], rest = tap;
                   for (int i = axes - 1; i >= 0; --i)
                     inside[i] = rest % block[i] * a.dilation(static_cast<size_t>(i)) - before[i],
                     rest /= block[i];
                   const T* from = data<T>(src) + (c * taps + tap) * standing;
                   const int last = axes - 1;
                   const int64_t stride = a.stride(static_cast<size_t>(last)), row = places[last];
                   for (int64_t r = 0; row && r < standing / row; ++r, from += row) {
                     int64_t to = 0, left = r, step = image[last];
                     bool within = true;
                     for (int i = last - 1; i >= 0; --i) {
                       const int64_t at =
                           left % places[i] * a.stride(static_cast<size_t>(i)) + inside[i];
                       left /= places[i];
                       within &= at >= 0 && at < image[i];
                       to += at * step, step *= image[i];
                     }
                     if (!within) continue;
                     const int64_t first = inside[last] < 0 ? ceil_div(-inside[last], stride) : 0;
                     const int64_t end = smaller(row, ceil_div(image[last] - inside[last], stride));
                     Sum* at = sums + to + first * stride + inside[last];
                     const auto add = [&](auto step) {
                       for (int64_t x = 0; x < end - first; ++x)
                         at[x * step] += static_cast<Sum>(static_cast<Wide<T>>(from[first + x]));
                     };
                     if (stride == 1) add(std::integral_constant<int64_t, 1>());
                     else add(stride);
                   }
                 }
                 T* out = mutable_data<T>(dst) + c * plane;
                 for (int64_t i = 0; i < plane; ++i) {
                   if constexpr (is_real_type<T>) out[i] = from_double<T>(sums[i]);
                   else out[i] = static_cast<T>(sums[i]);
                 }
               }
             });
  });
}

#define TENON_WINDOW(op_, name_, reject_, needs_, cost_, run_)                              \
  {                                                                                         \
    .name = name_ "_" TENON_ISA_NAME, .op = op_, .isa = TENON_ISA_LEVEL, .reject = reject_, \
    .needs = needs_, .cost = cost_, .pack = nullptr, .run = run_                            \
  }

const Kernel kKernels[] = {
    TENON_WINDOW("max_pool", "max_pool_any_windows", reject_pool, plain, cost_pool, run_max),
    TENON_WINDOW("average_pool", "average_pool_real_windows", reject_real_pool, plain, cost_pool,
                 run_average),
    TENON_WINDOW("lp_pool", "lp_pool_real_windows", reject_real_pool, plain, cost_pool, run_lp),
    TENON_WINDOW("max_unpool", "max_unpool_any_places", reject_unpool, plain, cost_unpool,
                 run_unpool),
    TENON_WINDOW("columns_to_image", "columns_to_image_any_taps", reject_columns, needs_columns,
                 cost_columns, run_columns),
};

}  // namespace
extern const KernelTable window_table{kKernels, sizeof kKernels / sizeof *kKernels};
}  // namespace tenon::cpu::TENON_ISA
