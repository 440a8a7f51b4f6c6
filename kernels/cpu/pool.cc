// max_pool and average_pool, f32. Blocked: a pixel is a vector of channels, windows are walked tap
// by tap over the taps that fall on the source; wide ones along each row of src first, and then
// across the rows. Plain: the same over one channel at a time, rows of dst in vectors where the
// window moves by one. Padded: a maximum of windows that move by one along rows, over a copy of a
// channel with its pads, in which no window has an edge.
#include "ops/pool.h"
#include "kernels/cpu/operand.h"
#include "kernels/cpu/simd.h"

namespace tenon::cpu::TENON_ISA {
namespace {

// A window over up to three spatial axes; missing ones are in front and have one element.
struct Geometry {
  int64_t src[3] = {1, 1, 1}, dst[3] = {1, 1, 1}, taps[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, before[3] = {}, after[3] = {};
};

Geometry geometry(const Step& s) {
  const Pool& a = *static_cast<const Pool*>(s.attributes);
  const Operand &src = *s.src, &dst = *s.dst;
  Geometry g;
  const int spatial = src.rank - 2, skip = 3 - spatial;
  for (int i = 0; i < spatial; ++i) {
    const size_t k = static_cast<size_t>(i);
    const int at = skip + i;
    g.src[at] = src.size[2 + i], g.dst[at] = dst.size[2 + i], g.taps[at] = a.kernel_shape[k];
    g.stride[at] = a.stride(k), g.dilation[at] = a.dilation(k);
    g.before[at] = a.before(k, g.src[at], g.taps[at]), g.after[at] = a.after(k, g.src[at], g.taps[at]);
  }
  return g;
}

// The taps of output i along an axis that fall on the source, and how many fall on source or pads.
struct Taps {
  int64_t first, count, origin, padded;
};
Taps taps(const Geometry& g, int axis, int64_t i) {
  const int64_t origin = i * g.stride[axis] - g.before[axis], d = g.dilation[axis];
  if (origin >= 0 && origin + (g.taps[axis] - 1) * d < g.src[axis]) return {0, g.taps[axis], origin, g.taps[axis]};
  const int64_t first = origin < 0 ? ceil_div(-origin, d) : 0;
  const int64_t end = smaller(g.taps[axis], origin < g.src[axis] ? ceil_div(g.src[axis] - origin, d) : 0);
  const int64_t within = smaller(g.taps[axis], larger(int64_t{0}, ceil_div(g.src[axis] + g.after[axis] - origin, d)));
  return {first, larger(int64_t{0}, end - first), origin, within};
}

template <bool average>
V nothing() {
  return V(average ? 0.f : -INFINITY);
}

// `sum` with `count` taps that lie `step` apart.
template <bool average, class Read>
TENON_INLINE inline V joined(V sum, const float* at, int64_t count, int64_t step, Read read) {
  for (; count > 0; --count, at += step) {
    const V v = read(at);
    sum = average ? sum + v : most(sum, v);
  }
  return sum;
}

constexpr auto whole = [](const float* at) TENON_INLINE { return load(at); };

template <bool average, class Read>
TENON_INLINE inline V window(const float* src, const int64_t* step, const Geometry& g, const Taps* t, float scale, Read read) {
  V sum = nothing<average>();
  for (int64_t z = t[0].first; z < t[0].first + t[0].count; ++z)
    for (int64_t y = t[1].first; y < t[1].first + t[1].count; ++y) {
      const float* at = src + (t[0].origin + z * g.dilation[0]) * step[0] + (t[1].origin + y * g.dilation[1]) * step[1];
      at += (t[2].origin + t[2].first * g.dilation[2]) * step[2];
      sum = joined<average>(sum, at, t[2].count, g.dilation[2] * step[2], read);
    }
  return average ? sum * V(scale) : sum;
}

float scale_of(const Taps* t, bool include_pads) {
  int64_t n = 1;
  for (int i = 0; i < 3; ++i) n *= include_pads ? t[i].padded : t[i].count;
  return 1.f / static_cast<float>(larger(int64_t{1}, n));
}

const char* reject(const Step& s) {
  if (!is_f32(*s.src) || !is_f32(*s.dst)) return "src or dst is not f32";
  if (s.destinations > 1 && s.dst[1].dtype) return "the indices are wanted";
  if (s.src->rank > 5) return "more than three spatial axes";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

// Bands of rows of dst, of each the rows of src that it meets, pooled along themselves, in scratch.
struct Bands {
  static constexpr int64_t kBytes = 256 << 10;
  bool wide;                    // whether that saves work
  int64_t count = 1, rows = 0;  // of src, in the largest band

  Bands(const Geometry& g, int64_t planes) : wide(g.taps[0] == 1 && g.stride[0] == 1 && g.taps[1] * g.taps[2] > 2 * (g.taps[1] + g.taps[2])) {
    const int64_t reach = (g.taps[1] - 1) * g.dilation[1], row_bytes = larger(int64_t{1}, g.dst[2] * kLanes * 4);
    const int64_t most = larger(int64_t{1}, (kBytes / row_bytes - reach) / g.stride[1]);
    count = larger(ceil_div(g.dst[1], most), smaller(ceil_div(8, larger(int64_t{1}, planes)), ceil_div(g.dst[1], reach + 1)));
    rows = smaller((ceil_div(g.dst[1], larger(int64_t{1}, count)) - 1) * g.stride[1] + reach + 1, g.src[1]);
  }
};
int64_t planes_of(const Step& s) { return s.src->size[0] * ceil_div(s.src->size[1], kLanes); }

Needs needs_blocked(const Step& s) {
  Needs n{.src = Wants::blocked, .dst = Wants::blocked, .block = static_cast<int16_t>(kLanes)};
  if (!known(*s.src) || !known(*s.dst)) return n;
  const Geometry g = geometry(s);
  if (const Bands b(g, planes_of(s) * g.dst[0]); b.wide) n.worker_scratch_bytes = b.rows * g.dst[2] * kLanes * 4;
  return n;
}
Needs needs_plain(const Step&) { return {}; }

float work(const Step& s) {
  const Geometry g = geometry(s);
  return static_cast<float>(count(*s.dst) * g.taps[0] * g.taps[1] * g.taps[2]);
}
float cost_blocked(const Step& s) {
  const Geometry g = geometry(s);
  const float along = static_cast<float>(g.taps[1] + g.taps[2]), all = static_cast<float>(g.taps[1] * g.taps[2]);
  return 60 + work(s) * (Bands(g, planes_of(s) * g.dst[0]).wide ? 1.5f * along / all : 1.f) / kLanes;
}
float cost_plain(const Step& s) {
  const Geometry g = geometry(s);
  return 60 + work(s) / (g.stride[2] == 1 ? kLanes / 2 : 1);
}

template <bool average>
void run_wide(const Step& s, const Context& context, const Geometry& g, const Bands& b) {
  const bool include = static_cast<const Pool*>(s.attributes)->count_include_pad;
  const int64_t row = g.src[2] * kLanes, pooled = g.dst[2] * kLanes;
  parallel(context, planes_of(s) * g.dst[0] * b.count, 1, [&](int64_t begin, int64_t end, int worker) {
    float* rows = reinterpret_cast<float*>(context.worker_scratch + worker * context.worker_stride);
    for (int64_t u = begin; u < end; ++u) {
      const Range band = piece(g.dst[1], b.count, u % b.count);
      if (band.begin == band.end) continue;
      const int64_t first = larger(int64_t{0}, taps(g, 1, band.begin).origin);
      const int64_t last = smaller(g.src[1], taps(g, 1, band.end - 1).origin + (g.taps[1] - 1) * g.dilation[1] + 1);
      const float* src = data(*s.src) + u / b.count * g.src[1] * row;
      float* dst = mutable_data(*s.dst) + u / b.count * g.dst[1] * pooled;
      Taps t[3] = {{0, 1, 0, 1}, {}, {}};
      for (int64_t y = first; y < last; ++y)
        for (int64_t x = 0; x < g.dst[2]; ++x) {
          const Taps along = taps(g, 2, x);
          const float* at = src + y * row + (along.origin + along.first * g.dilation[2]) * kLanes;
          store(rows + (y - first) * pooled + x * kLanes, joined<average>(nothing<average>(), at, along.count, g.dilation[2] * kLanes, whole));
        }
      for (int64_t y = band.begin; y < band.end; ++y) {
        t[1] = taps(g, 1, y);
        const float* at = rows + (t[1].origin + t[1].first * g.dilation[1] - first) * pooled;
        for (int64_t x = 0; x < g.dst[2]; ++x) {
          V sum = joined<average>(nothing<average>(), at + x * kLanes, t[1].count, g.dilation[1] * pooled, whole);
          if constexpr (average) t[2] = taps(g, 2, x), sum *= V(scale_of(t, include));
          store(dst + y * pooled + x * kLanes, sum);
        }
      }
    }
  });
}

template <bool average>
void run_blocked(const Step& s, const Context& context) noexcept {
  const Geometry g = geometry(s);
  const int64_t planes = planes_of(s);
  if (const Bands b(g, planes * g.dst[0]); b.wide) return run_wide<average>(s, context, g, b);
  const bool include = static_cast<const Pool*>(s.attributes)->count_include_pad;
  const int64_t step[3] = {g.src[1] * g.src[2] * kLanes, g.src[2] * kLanes, kLanes};
  const int64_t plane = g.src[0] * step[0], rows = g.dst[0] * g.dst[1];
  parallel(context, planes * rows, larger(int64_t{1}, int64_t{2048} / larger(int64_t{1}, g.dst[2] * g.taps[0] * g.taps[1] * g.taps[2])),
           [&](int64_t begin, int64_t end, int) {
             for (int64_t u = begin; u < end; ++u) {
               const float* src = data(*s.src) + u / rows * plane;
               float* dst = mutable_data(*s.dst) + u * g.dst[2] * kLanes;
               Taps t[3] = {taps(g, 0, u % rows / g.dst[1]), taps(g, 1, u % g.dst[1]), {}};
               for (int64_t x = 0; x < g.dst[2]; ++x) {
                 t[2] = taps(g, 2, x);
                 const float scale = average ? scale_of(t, include) : 1.f;
                 store(dst + x * kLanes, window<average>(src, step, g, t, scale, whole));
               }
             }
           });
}

template <bool average>
void run_plain(const Step& s, const Context& context) noexcept {
  const Geometry g = geometry(s);
  const bool include = static_cast<const Pool*>(s.attributes)->count_include_pad;
  const int64_t planes = s.src->size[0] * s.src->size[1], rows = g.dst[0] * g.dst[1];
  const int64_t step[3] = {g.src[1] * g.src[2], g.src[2], 1}, plane = g.src[0] * step[0];
  parallel(context, planes * rows, larger(int64_t{1}, int64_t{4096} / larger(int64_t{1}, g.dst[2] * g.taps[0] * g.taps[1] * g.taps[2])),
           [&](int64_t begin, int64_t end, int) {
             for (int64_t u = begin; u < end; ++u) {
               const float* src = data(*s.src) + u / rows * plane;
               float* dst = mutable_data(*s.dst) + u * g.dst[2];
               Taps t[3] = {taps(g, 0, u % rows / g.dst[1]), taps(g, 1, u % g.dst[1]), {}};
               for (int64_t x = 0; x < g.dst[2];) {
                 t[2] = taps(g, 2, x);
                 // Neighbouring windows with all their taps on the source are one vector when the window moves by one.
                 const int64_t reach = g.src[2] - (g.taps[2] - 1) * g.dilation[2] + g.before[2] - x;
                 const int64_t lanes = g.stride[2] == 1 && t[2].count == g.taps[2] ? smaller(kLanes, smaller(reach, g.dst[2] - x)) : 1;
                 const float scale = average ? scale_of(t, include) : 1.f;
                 store(dst + x, window<average>(src, step, g, t, scale, [=](const float* at) TENON_INLINE { return load(at, lanes); }), lanes);
                 x += lanes;
               }
             }
           });
}

// ---- padded: vectors of windows over a channel and its pads
struct Padded {
  static constexpr int kVectors = 4;  // of a row of dst that are done together
  int64_t size[3];

  explicit Padded(const Geometry& g) {
    for (int i = 0; i < 3; ++i)
      size[i] =
          larger(int64_t{0}, (g.dst[i] - 1) * g.stride[i] + (g.taps[i] - 1) * g.dilation[i] + 1);
  }
  int64_t floats() const { return size[0] * size[1] * size[2] + kVectors * kLanes; }
};

const char* reject_padded(const Step& s) {
  const Pool& a = *static_cast<const Pool*>(s.attributes);
  if (const char* why = reject(s)) return why;
  if (a.stride(a.kernel_shape.size() - 1) != 1) return "windows do not move by one along rows";
  return nullptr;
}

Needs needs_padded(const Step& s) {
  if (!known(*s.src) || !known(*s.dst)) return {};
  return {.worker_scratch_bytes = Padded(geometry(s)).floats() * 4};
}

float cost_padded(const Step& s) {
  const float copied = static_cast<float>(s.src->size[0] * s.src->size[1]) *
                       static_cast<float>(Padded(geometry(s)).floats());
  return 80 + work(s) * 0.8f / kLanes + copied * 0.1f;
}

void pad_plane(const float* src, const Geometry& g, const Padded& p, float* to) {
  for (int64_t z = -g.before[0]; z < p.size[0] - g.before[0]; ++z)
    for (int64_t y = -g.before[1]; y < p.size[1] - g.before[1]; ++y, to += p.size[2]) {
      const bool within = z >= 0 && z < g.src[0] && y >= 0 && y < g.src[1];
      const int64_t begin = within ? smaller(g.before[2], p.size[2]) : p.size[2],
                    end = larger(begin, smaller(p.size[2], g.before[2] + g.src[2]));
      for (int64_t x = 0; x < begin; ++x) to[x] = -INFINITY;
      if (end > begin)
        std::memcpy(to + begin, src + (z * g.src[1] + y) * g.src[2],
                    static_cast<size_t>(end - begin) * sizeof(float));
      for (int64_t x = end; x < p.size[2]; ++x) to[x] = -INFINITY;
    }
}

template <int N>
TENON_INLINE inline void greatest_of(const float* at, const Geometry& g, const Padded& p,
                                     float* dst, int64_t n) {
  V top[N];
  for (V& v : top) v = V(-INFINITY);
  for (int64_t z = 0; z < g.taps[0]; ++z)
    for (int64_t y = 0; y < g.taps[1]; ++y) {
      const float* row = at + (z * g.dilation[0] * p.size[1] + y * g.dilation[1]) * p.size[2];
      for (int64_t x = 0; x < g.taps[2]; ++x, row += g.dilation[2])
        unroll<N>([&](auto i) TENON_INLINE { top[i] = most(top[i], load(row + i * kLanes)); });
    }
  unroll<N>([&](auto i) TENON_INLINE {
    if (i * kLanes < n) store(dst + i * kLanes, top[i], smaller(kLanes, n - i * kLanes));
  });
}

void run_padded(const Step& s, const Context& context) noexcept {
  const Geometry g = geometry(s);
  const Padded p(g);
  const int64_t planes = s.src->size[0] * s.src->size[1], plane = g.src[0] * g.src[1] * g.src[2],
                rows = g.dst[0] * g.dst[1], wide = g.dst[2];
  if (count(*s.dst) == 0) return;
  parallel(
      context, planes, 16384 / (p.floats() + 1) + 1, [&](int64_t begin, int64_t end, int worker) {
        float* padded =
            reinterpret_cast<float*>(context.worker_scratch + worker * context.worker_stride);
        for (int i = 0; i < Padded::kVectors * kLanes; ++i) padded[p.floats() - 1 - i] = 0;
        for (int64_t u = begin; u < end; ++u) {
          pad_plane(data(*s.src) + u * plane, g, p, padded);
          for (int64_t r = 0; r < rows; ++r) {
            const float* row =
                padded +
                (r / g.dst[1] * g.stride[0] * p.size[1] + r % g.dst[1] * g.stride[1]) * p.size[2];
            float* dst = mutable_data(*s.dst) + (u * rows + r) * wide;
            for (int64_t x = 0; x < wide; x += Padded::kVectors * kLanes) {
              const int64_t n = smaller(wide - x, Padded::kVectors * kLanes);
              if (n > 2 * kLanes) greatest_of<Padded::kVectors>(row + x, g, p, dst + x, n);
              else greatest_of<2>(row + x, g, p, dst + x, n);
            }
          }
        }
      });
}

#define TENON_POOL(op_, name_, needs_, cost_, run_)                                                                                         \
  {                                                                                                                                         \
    .name = name_ "_" TENON_ISA_NAME, .op = op_, .isa = TENON_ISA_LEVEL, .reject = reject, .needs = needs_, .cost = cost_, .pack = nullptr, \
    .run = run_                                                                                                                             \
  }
const Kernel kKernels[] = {
    TENON_POOL("max_pool", "max_pool_f32_plain", needs_plain, cost_plain, run_plain<false>),
    TENON_POOL("max_pool", "max_pool_f32_blocked", needs_blocked, cost_blocked, run_blocked<false>),
    {.name = "max_pool_f32_padded_" TENON_ISA_NAME,
     .op = "max_pool",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_padded,
     .needs = needs_padded,
     .cost = cost_padded,
     .pack = nullptr,
     .run = run_padded},
    TENON_POOL("average_pool", "average_pool_f32_plain", needs_plain, cost_plain, run_plain<true>),
    TENON_POOL("average_pool", "average_pool_f32_blocked", needs_blocked, cost_blocked,
               run_blocked<true>),
};
}  // namespace
extern const KernelTable pool_table{kKernels, 5};
}  // namespace tenon::cpu::TENON_ISA
