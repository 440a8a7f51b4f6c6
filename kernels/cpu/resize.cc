// resize: nearest for any type of 1, 2, 4 or 8 bytes, linear for f32; plain or with axis 1, which stays as it is, in blocks.
// Which elements of src an index of dst reads depends on its axis alone: tables for all axes are made first. A row of dst, along the
// last axis, is then a row of src picked (nearest), or up to two rows for each axis before it, joined, and then two neighbours (linear).
// Tolerance of linear: 1e-5 of the largest element.
#include "ops/resize.h"
#include "kernels/cpu/box.h"
#include "kernels/cpu/simd.h"

namespace tenon::cpu::TENON_ISA {
namespace {

const Resize& attributes(const Step& s) { return *static_cast<const Resize*>(s.attributes); }

// The place of an axis among those that are resampled; -1: it is none.
int place_of(const Resize& a, int axis, int rank) {
  if (a.axes.empty()) return axis;
  for (size_t i = 0; i < a.axes.size(); ++i)
    if (from_front(a.axes[i], rank) == axis) return static_cast<int>(i);
  return -1;
}

// The factor of an axis; 0 where it is not known yet.
double scale_of(const Step& s, int axis) {
  const Resize& a = attributes(s);
  const int i = place_of(a, axis, s.src->rank);
  if (i < 0) return 1;
  if (!a.scales.empty()) return static_cast<double>(a.scales[static_cast<size_t>(i)]);
  if (has(s, 2)) return s.src[2].data ? static_cast<double>(data(s.src[2])[i]) : 0;
  const int64_t from = s.src->size[axis], to = s.dst->size[axis];
  return known(from) && known(to) ? static_cast<double>(to) / static_cast<double>(from) : 0;
}

const char* reject_shared(const Step& s) {
  const Resize& a = attributes(s);
  const Operand &src = s.src[0], &dst = *s.dst;
  if (s.epilogue.count) return "there is an epilogue";
  if (src.dtype != dst.dtype) return "src and dst are stored in different types";
  if (src.rank < 3 || !src.dense || !dst.dense) return "src has fewer than three axes, or there are gaps";
  if (a.coordinate_transformation_mode == ResizeCoordinates::tf_crop_and_resize) return "a region is cut out";
  if (a.keep_aspect_ratio_policy != AspectRatio::stretch) return "sizes keep the aspect ratio";
  if (has(s, 2) && !is_f32(s.src[2])) return "the scales are not f32";
  if (has(s, 2) && !s.src[2].constant) return "the scales are not known before the run";
  if (scale_of(s, 1) != 1 || (known(src.size[1]) && src.size[1] != dst.size[1])) return "axis 1 changes";
  return nullptr;
}

const char* reject_nearest(const Step& s) {
  const Resize& a = attributes(s);
  if (a.mode != ResizeMode::nearest) return "the mode is not nearest";
  if (a.coordinate_transformation_mode == ResizeCoordinates::tf_half_pixel_for_nn && a.nearest_mode != NearestMode::floor &&
      a.nearest_mode != NearestMode::round_prefer_floor)
    return "axes of one size move";
  const Operand &src = s.src[0], &dst = *s.dst;
  if (!element_bytes(dst)) return "elements are not of 1, 2, 4 or 8 bytes";
  if (src.per_axis || dst.per_axis || !src.scale != !dst.scale || (src.scale && (src.scale[0] != dst.scale[0] || src.zero[0] != dst.zero[0])))
    return "src and dst are stored with different scales";
  return reject_shared(s);
}

const char* reject_linear(const Step& s) {
  const Resize& a = attributes(s);
  if (a.mode != ResizeMode::linear) return "the mode is not linear";
  if (a.antialias || a.exclude_outside) return "weights are antialiased or made whole again";
  if (!is_f32(*s.src) || !is_f32(*s.dst)) return "src or dst is not f32";
  return reject_shared(s);
}

// Where an index of an axis reads: two elements as offsets in src, the second with `weight` (nearest: the first alone).
struct Tap {
  int64_t first, second;
  float weight;
};

int64_t table_count(const Operand& dst) {
  int64_t n = 0;
  for (int i = 0; i < dst.rank; ++i) n += dst.size[i];
  return n;
}

struct Tables {
  const Tap* of[kMaxRank];  // by axis

  Tables(const Step& s, Tap* memory) {
    const Resize& a = attributes(s);
    const Operand &src = s.src[0], &dst = *s.dst;
    for (int axis = 0; axis < dst.rank; ++axis) {
      const int64_t n = src.size[axis], stride = src.stride[axis];
      const double scale = scale_of(s, axis);
      const bool stays = axis == 1 || place_of(a, axis, dst.rank) < 0 || (a.mode == ResizeMode::linear && scale == 1 && n == dst.size[axis]);
      of[axis] = memory;
      for (int64_t i = 0; i < dst.size[axis]; ++i, ++memory) {
        if (stays) {
          *memory = {i * stride, i * stride, 0};
          continue;
        }
        const double place = a.source(i, n, dst.size[axis], scale);
        if (a.mode == ResizeMode::nearest) {
          *memory = {a.nearest(place, n) * stride, 0, 0};
          continue;
        }
        const double base = std::ceil(place) - 1, last = static_cast<double>(n - 1);
        const auto cut = [&](double x) { return static_cast<int64_t>(x < 0 ? 0 : x > last ? last : x) * stride; };
        *memory = {cut(base), cut(base + 1), static_cast<float>(place - base)};
      }
    }
  }
};

// The axes before the last; axis 1 of blocked operands counts blocks.
int64_t rows_of(const Operand& o) {
  int64_t n = 1;
  for (int i = 0; i + 1 < o.rank; ++i) n *= i == o.block_axis ? ceil_div(o.size[i], o.block) : o.size[i];
  return n;
}

Needs needs(const Step& s) {
  Needs n{.src = Wants::any, .dst = Wants::any};
  if (!known(s.src[0]) || !known(*s.dst)) return n;
  n.scratch_bytes = table_count(*s.dst) * static_cast<int64_t>(sizeof(Tap));
  if (attributes(s).mode == ResizeMode::linear) n.worker_scratch_bytes = last(s.src->size, s.src->rank) * 16 * 4;  // a row of the widest blocks
  return n;
}

float cost(const Step& s) {
  const float bytes = static_cast<float>(count(*s.dst) * element_bytes(*s.dst));
  return 200 + static_cast<float>(table_count(*s.dst)) * 10 + bytes * (attributes(s).mode == ResizeMode::linear ? 4 : 2) / kBytes;
}

// Whether there is something to do; a fault where there is nothing to read.
bool ready(const Step& s, const Context& context) {
  if (count(*s.dst) == 0) return false;
  if (count(s.src[0]) > 0) return true;
  context.fault(context, "resize has elements to read", 0, count(*s.dst));
  return false;
}

// Calls body(row of dst, taps of the axes before the last) for rows [begin, end) of dst.
template <class Body>
void rows(const Step& s, const Tables& tables, int64_t begin, int64_t end, const Body& body) {
  const Operand& dst = *s.dst;
  for (int64_t row = begin; row < end; ++row) {
    Tap taps[kMaxRank];
    int64_t rest = row, to = 0;
    for (int axis = dst.rank - 2; axis >= 0; --axis) {
      const bool blocked = axis == dst.block_axis;
      const int64_t n = blocked ? ceil_div(dst.size[axis], dst.block) : dst.size[axis], at = rest % n;
      rest /= n;
      to += at * dst.stride[axis];
      taps[axis] = blocked ? Tap{at * s.src->stride[axis], at * s.src->stride[axis], 0} : tables.of[axis][at];
    }
    body(to, taps);
  }
}

template <class T>
void pick_row(const T* from, const Tap* taps, int64_t n, int64_t unit, T* to) {
  if (unit == 1)
    for (int64_t i = 0; i < n; ++i) to[i] = from[taps[i].first];
  else
    for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * unit, from + taps[i].first, static_cast<size_t>(unit) * sizeof(T));
}

template <class T>
void pick(const Step& s, const Context& context) {
  const Operand& dst = *s.dst;
  const Tables tables(s, reinterpret_cast<Tap*>(context.scratch));
  const int64_t n = last(dst.size, dst.rank), unit = dst.block;
  parallel(context, rows_of(dst), 8192 / (n * unit + 1) + 1, [&](int64_t begin, int64_t end, int) {
    rows(s, tables, begin, end, [&](int64_t to, const Tap* taps) {
      int64_t from = 0;
      for (int axis = 0; axis + 1 < dst.rank; ++axis) from += taps[axis].first;
      pick_row(data<T>(s.src[0]) + from, tables.of[dst.rank - 1], n, unit, mutable_data<T>(dst) + to);
    });
  });
}

void run_nearest(const Step& s, const Context& context) noexcept {
  if (!ready(s, context)) return;
  switch (element_bytes(*s.dst)) {
    case 1: return pick<uint8_t>(s, context);
    case 2: return pick<uint16_t>(s, context);
    case 4: return pick<uint32_t>(s, context);
    default: return pick<uint64_t>(s, context);
  }
}

// to = the rows of src that the taps of axes [axis, rank - 1) join, n elements each, times `weight`; `fresh`: nothing is in `to` yet.
void join_rows(const Operand& src, const Tap* taps, int axis, int64_t from, float weight, int64_t n, float* to, bool& fresh) {
  if (weight == 0) return;
  if (axis + 1 < src.rank) {
    const Tap& t = taps[axis];
    if (t.first == t.second) return join_rows(src, taps, axis + 1, from + t.first, weight, n, to, fresh);
    join_rows(src, taps, axis + 1, from + t.first, weight * (1 - t.weight), n, to, fresh);
    return join_rows(src, taps, axis + 1, from + t.second, weight * t.weight, n, to, fresh);
  }
  const V by(weight);
  const float* row = data(src) + from;
  vectors(n, [&](int64_t i, int64_t lanes) TENON_INLINE {
    const V v = load(row + i, lanes) * by;
    store(to + i, fresh ? v : load(to + i, lanes) + v, lanes);
  });
  fresh = false;
}

void run_linear(const Step& s, const Context& context) noexcept {
  const Operand &src = s.src[0], &dst = *s.dst;
  if (!ready(s, context)) return;
  const Tables tables(s, reinterpret_cast<Tap*>(context.scratch));
  const int64_t n = last(dst.size, dst.rank), unit = dst.block, wide = last(src.size, src.rank) * unit;
  const Tap* across = tables.of[dst.rank - 1];
  parallel(context, rows_of(dst), 4096 / (n * unit + 1) + 1, [&](int64_t begin, int64_t end, int worker) {
    float* joined = reinterpret_cast<float*>(context.worker_scratch + worker * context.worker_stride);
    rows(s, tables, begin, end, [&](int64_t to, const Tap* taps) {
      bool fresh = true;
      join_rows(src, taps, 0, 0, 1, wide, joined, fresh);
      float* row = mutable_data(dst) + to;
      for (int64_t i = 0; i < n; ++i) {
        const Tap& t = across[i];
        if (unit == 1) {
          row[i] = joined[t.first] + t.weight * (joined[t.second] - joined[t.first]);
          continue;
        }
        const V weight(t.weight);
        vectors(unit, [&](int64_t k, int64_t lanes) TENON_INLINE {
          const V a = load(joined + t.first + k, lanes), b = load(joined + t.second + k, lanes);
          store(row + i * unit + k, fma(weight, b - a, a), lanes);
        });
      }
    });
  });
}

const Kernel kKernels[] = {
    {.name = "resize_any_nearest_" TENON_ISA_NAME,
     .op = "resize",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_nearest,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run_nearest},
    {.name = "resize_f32_linear_" TENON_ISA_NAME,
     .op = "resize",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_linear,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run_linear},
};

}  // namespace
extern const KernelTable resize_table{kKernels, 2};
}  // namespace tenon::cpu::TENON_ISA
