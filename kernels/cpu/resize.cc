// resize: nearest for any type of 1, 2, 4 or 8 bytes; linear and cubic, antialiased or not, for
// f32. Plain, or with axis 1, where it stays as it is, in blocks. Which elements of src an index of
// dst reads, and with what weights, depends on its axis alone: tables for all axes are made first.
// A row of dst, along the last axis, is then a row of src picked (nearest), or the rows that the
// axes before it name, joined, and then gathered by the taps of the last axis. Tolerance of linear
// and cubic: 1e-5 of the largest element.
#include "kernels/cpu/box.h"
#include "kernels/cpu/resize_axes.h"
#include "kernels/cpu/simd.h"

namespace tenon::cpu::TENON_ISA {
namespace {

// Whether axis 1 is known to stay as it is, so that it may be in blocks.
bool keeps_channels(const Step& s) {
  const Resize& a = resize_of(s);
  if (s.src->rank < 3 || crops(a)) return false;
  if (place_of(a, 1, s.src->rank) < 0) return true;
  if (a.mode == ResizeMode::nearest &&
      a.coordinate_transformation_mode == ResizeCoordinates::tf_half_pixel_for_nn &&
      a.nearest_mode != NearestMode::floor && a.nearest_mode != NearestMode::round_prefer_floor)
    return false;  // axes of one size move
  if (has(s, 2) && !s.src[2].constant) return false;
  const double scale = resize_scale(s, 1, place_of(a, 1, s.src->rank));
  return scale == 1 && (!known(s.src->size[1]) || s.src->size[1] == s.dst->size[1]);
}

const char* reject_nearest(const Step& s) {
  if (resize_of(s).mode != ResizeMode::nearest) return "the mode is not nearest";
  if (!element_bytes(*s.dst)) return "elements are not of 1, 2, 4 or 8 bytes";
  if (!same_scale(*s.src, *s.dst)) return "src and dst are stored with different scales";
  if (crops(resize_of(s)) && s.src->scale) return "a region of quantised elements is cut out";
  return resize_reject(s);
}

const char* reject_weighted(const Step& s) {
  if (resize_of(s).mode == ResizeMode::nearest) return "the mode is nearest";
  if (!is_f32(*s.src) || !is_f32(*s.dst)) return "src or dst is not f32";
  if (s.src->rank < 1) return "there is no axis";
  return resize_reject(s);
}

// A tap of an axis: an offset in src and a weight. Negative: outside.
struct Tap {
  int64_t offset;
  float weight;
};

struct Tables {
  const Tap* of[kMaxRank];  // by axis: `taps` for each index
  int64_t taps[kMaxRank];
  const int32_t* index;  // of the last axis: [tap][index], elements of the row
  const float* weight;

  // Bytes that hold all tables.
  static int64_t bytes(const Step& s) {
    int64_t n = 0;
    for (int i = 0; i < s.dst->rank; ++i)
      n += s.dst->size[i] *
           (resize_of(s).mode == ResizeMode::nearest ? 1 : ResizeAxis(s, i).most_taps());
    return n * static_cast<int64_t>(sizeof(Tap));
  }

  Tables(const Step& s, char* memory, bool weighted) {
    const Operand &src = *s.src, &dst = *s.dst;
    Tap* to = reinterpret_cast<Tap*>(memory);
    for (int axis = 0; axis < dst.rank - weighted; ++axis) {
      const ResizeAxis own(s, axis);
      const bool stays = axis == src.block_axis || !own.named;
      of[axis] = to, taps[axis] = weighted && !stays ? own.taps() : 1;
      for (int64_t i = 0; i < dst.size[axis]; ++i, to += taps[axis]) {
        if (stays) {
          *to = {i * src.stride[axis], 1};
        } else if (weighted) {
          if (!own.fill(i, [&](int64_t k, int64_t element, double w) {
                to[k] = {element * src.stride[axis], static_cast<float>(w)};
              }))
            *to = {-1, 0};
        } else {
          const double at = own.place(i);
          *to = {own.outside(at) ? -1 : resize_of(s).nearest(at, own.size) * src.stride[axis], 1};
        }
      }
    }
    if (!weighted) return;
    const int last = dst.rank - 1;
    const ResizeAxis own(s, last);
    const int64_t n = dst.size[last], rows = taps[last] = own.taps();
    of[last] = nullptr;
    int32_t* indices = reinterpret_cast<int32_t*>(to);
    float* weights = reinterpret_cast<float*>(indices + rows * n);
    for (int64_t i = 0; i < n; ++i) {
      if (own.fill(i, [&](int64_t k, int64_t element, double w) {
            indices[k * n + i] = static_cast<int32_t>(element),
                            weights[k * n + i] = static_cast<float>(w);
          }))
        continue;
      for (int64_t k = 0; k < rows; ++k) indices[k * n + i] = 0, weights[k * n + i] = 0;
      indices[i] = -1;
    }
    index = indices, weight = weights;
  }
};

// The axes before the last; axis 1 of blocked operands counts blocks.
int64_t rows_of(const Operand& o) {
  int64_t n = 1;
  for (int i = 0; i + 1 < o.rank; ++i)
    n *= i == o.block_axis ? ceil_div(o.size[i], o.block) : o.size[i];
  return n;
}

Needs needs(const Step& s) {
  const Wants layout = keeps_channels(s) ? Wants::any : Wants::plain;
  Needs n{.src = layout, .dst = layout};
  if (!known(*s.src) || !known(*s.dst)) return n;
  n.scratch_bytes = Tables::bytes(s);
  // A row of src, of the widest block.
  if (resize_of(s).mode != ResizeMode::nearest)
    n.worker_scratch_bytes = last(s.src->size, s.src->rank) * 16 * 4;
  return n;
}

float cost(const Step& s) {
  const float bytes = static_cast<float>(count(*s.dst) * element_bytes(*s.dst));
  if (resize_of(s).mode == ResizeMode::nearest) return 100 + bytes * 2 / kBytes;
  float taps = 0;
  for (int i = 0; i < s.dst->rank; ++i) taps += static_cast<float>(ResizeAxis(s, i).most_taps());
  return 200 + bytes / 4 * taps / 4;
}

// Calls body(row of dst, taps of the axes before the last) for rows [begin, end) of dst.
template <class Body>
void rows(const Step& s, const Tables& tables, int64_t begin, int64_t end, const Body& body) {
  const Operand& dst = *s.dst;
  for (int64_t row = begin; row < end; ++row) {
    Tap block;
    const Tap* taps[kMaxRank];
    int64_t rest = row, to = 0;
    for (int axis = dst.rank - 2; axis >= 0; --axis) {
      const bool blocked = axis == dst.block_axis;
      const int64_t n = blocked ? ceil_div(dst.size[axis], dst.block) : dst.size[axis],
                    at = rest % n;
      rest /= n;
      to += at * dst.stride[axis];
      if (blocked) block = {at * s.src->stride[axis], 1}, taps[axis] = &block;
      else taps[axis] = tables.of[axis] + at * tables.taps[axis];
    }
    body(to, taps);
  }
}

template <class T>
void pick_row(const T* from, const Tap* taps, int64_t n, int64_t unit, T outside, T* to) {
  if (unit == 1)
    for (int64_t i = 0; i < n; ++i) to[i] = taps[i].offset < 0 ? outside : from[taps[i].offset];
  else
    for (int64_t i = 0; i < n; ++i)
      std::memcpy(to + i * unit, from + taps[i].offset, static_cast<size_t>(unit) * sizeof(T));
}

template <class T>
void pick(const Step& s, const Context& context) {
  const Operand &src = *s.src, &dst = *s.dst;
  const Tables tables(s, context.scratch, false);
  T outside{};
  if (crops(resize_of(s)))
    by_number(dst, [&](auto t) {
      using U = decltype(t);
      if constexpr (sizeof(U) == sizeof outside) {
        U value;
        if constexpr (is_real_type<U>) value = static_cast<U>(resize_of(s).extrapolation_value);
        else value = static_cast<U>(static_cast<int64_t>(resize_of(s).extrapolation_value));
        std::memcpy(&outside, &value, sizeof outside);
      }
    });
  if (dst.rank == 0) {
    *mutable_data<T>(dst) = *data<T>(src);
    return;
  }
  const int64_t n = last(dst.size, dst.rank), unit = dst.block;
  parallel(context, rows_of(dst), 8192 / (n * unit + 1) + 1, [&](int64_t begin, int64_t end, int) {
    rows(s, tables, begin, end, [&](int64_t to, const Tap* const* taps) {
      int64_t from = 0;
      bool beyond = false;
      for (int axis = 0; axis + 1 < dst.rank; ++axis)
        from += taps[axis]->offset, beyond |= taps[axis]->offset < 0;
      T* row = mutable_data<T>(dst) + to;
      if (beyond)
        for (int64_t i = 0; i < n; ++i) row[i] = outside;
      else pick_row(data<T>(src) + from, tables.of[dst.rank - 1], n, unit, outside, row);
    });
  });
}

void run_nearest(const Step& s, const Context& context) noexcept {
  if (!resize_ready(s, context)) return;
  by_width(element_bytes(*s.dst), [&](auto t) { pick<decltype(t)>(s, context); });
}

// to = the rows of src that the taps of axes [axis, rank - 1) join, n elements each, times
// `weight`; `fresh`: nothing is in `to` yet.
void join_rows(const Operand& src, const Tables& tables, const Tap* const* taps, int axis,
               int64_t from, float weight, int64_t n, float* to, bool& fresh) {
  if (axis + 1 < src.rank) {
    const int64_t each = axis == src.block_axis ? 1 : tables.taps[axis];
    for (int64_t k = 0; k < each; ++k)
      if (taps[axis][k].weight != 0)
        join_rows(src, tables, taps, axis + 1, from + taps[axis][k].offset,
                  weight * taps[axis][k].weight, n, to, fresh);
    return;
  }
  const V by(weight);
  const float* row = data(src) + from;
  vectors(n, [&](int64_t i, int64_t lanes) TENON_INLINE {
    const V v = load(row + i, lanes);
    store(to + i, fresh ? v * by : fma(v, by, load(to + i, lanes)), lanes);
  });
  fresh = false;
}

// The row of dst that the taps of the last axis take from a joined row.
void gather_row(const Tables& tables, int64_t taps, const float* joined, int64_t n, int64_t unit,
                float* row) {
  if (unit == 1) {
    vectors(n, [&](int64_t i, int64_t lanes) TENON_INLINE {
      V sum(0.f);
      for (int64_t k = 0; k < taps; ++k) {
        const I at = most(load(tables.index + k * n + i, lanes), I(0));
        sum = fma(gather(joined, at), load(tables.weight + k * n + i, lanes), sum);
      }
      store(row + i, sum, lanes);
    });
    return;
  }
  for (int64_t i = 0; i < n; ++i)
    vectors(unit, [&](int64_t lane, int64_t lanes) TENON_INLINE {
      V sum(0.f);
      for (int64_t k = 0; k < taps; ++k)
        sum = fma(load(joined + tables.index[k * n + i] * unit + lane, lanes),
                  V(tables.weight[k * n + i]), sum);
      store(row + i * unit + lane, sum, lanes);
    });
}

void run_weighted(const Step& s, const Context& context) noexcept {
  const Operand &src = *s.src, &dst = *s.dst;
  if (!resize_ready(s, context)) return;
  const int last_axis = dst.rank - 1;
  const Tables tables(s, context.scratch, true);
  const int64_t n = dst.size[last_axis], unit = dst.block, wide = src.size[last_axis] * unit,
                taps = tables.taps[last_axis];
  const bool stays = ResizeAxis(s, last_axis).stays();
  const float outside = resize_of(s).extrapolation_value;
  parallel(context, rows_of(dst), 4096 / (n * unit + 1) + 1,
           [&](int64_t begin, int64_t end, int worker) {
             float* joined =
                 reinterpret_cast<float*>(context.worker_scratch + worker * context.worker_stride);
             rows(s, tables, begin, end, [&](int64_t to, const Tap* const* own) {
               float* row = mutable_data(dst) + to;
               bool beyond = false, fresh = true;
               for (int axis = 0; axis < last_axis; ++axis) beyond |= own[axis]->offset < 0;
               if (beyond) {
                 for (int64_t i = 0; i < n; ++i) row[i] = outside;
                 return;
               }
               float* joint = stays ? row : joined;
               join_rows(src, tables, own, 0, 0, 1, wide, joint, fresh);
               if (fresh)
                 for (int64_t i = 0; i < wide; ++i) joint[i] = 0;
               if (!stays) gather_row(tables, taps, joined, n, unit, row);
               if (crops(resize_of(s)))
                 for (int64_t i = 0; i < n; ++i)
                   if (tables.index[i] < 0) row[i] = outside;
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
    {.name = "resize_f32_weighted_" TENON_ISA_NAME,
     .op = "resize",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_weighted,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run_weighted},
};

}  // namespace
extern const KernelTable resize_table{kKernels, 2};
}  // namespace tenon::cpu::TENON_ISA
