// resize, linear and cubic, of all numbers but f32: axis by axis in double, as the reference does,
// so that integers round alike. Plain operands without gaps; what lies between two axes is kept in
// scratch.
#include "kernels/cpu/resize_axes.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kChunk = 4096;  // elements

const char* reject(const Step& s) {
  if (resize_of(s).mode == ResizeMode::nearest) return "the mode is nearest";
  if (!is_number(*s.src) || s.src->scale || s.dst->scale)
    return "src is quantised, or of no number of 8 bits or more";
  return resize_reject(s);
}

// The axis that is resampled as number i, in the order in which the op names them.
int axis_at(const Resize& a, int i, int rank) {
  return a.axes.empty() ? i : static_cast<int>(from_front(a.axes[static_cast<size_t>(i)], rank));
}
int axes_of(const Resize& a, int rank) {
  return a.axes.empty() ? rank : static_cast<int>(a.axes.size());
}

// Elements of the largest array between two axes, and of the largest table.
struct Room {
  int64_t elements, taps = 1;
  explicit Room(const Step& s) : elements(count(*s.src)) {
    const Resize& a = resize_of(s);
    const int rank = s.src->rank;
    int64_t size[kMaxRank];
    for (int i = 0; i < rank; ++i) size[i] = s.src->size[i];
    for (int i = 0; i < axes_of(a, rank); ++i) {
      const int axis = axis_at(a, i, rank);
      size[axis] = s.dst->size[axis];
      int64_t all = 1;
      for (int k = 0; k < rank; ++k) all *= size[k];
      elements = larger(elements, all),
      taps = larger(taps, size[axis] * (ResizeAxis(s, axis).most_taps() + 1));
    }
  }
};

Needs needs(const Step& s) {
  if (!known(*s.src) || !known(*s.dst)) return {};
  const Room room(s);
  return {.scratch_bytes = (room.elements * 2 + room.taps * 2) * 8};
}
float cost(const Step& s) { return 300 + 30 * static_cast<float>(count(*s.dst) + count(*s.src)); }

struct Place {
  int64_t element;  // in the first tap: -1 where the place is outside
  double weight;
};

void resample(const ResizeAxis& axis, const double* src, int64_t outer, int64_t inner, Place* table,
              double* dst, const Context& context) {
  const int64_t taps = axis.taps();
  for (int64_t i = 0; i < axis.result; ++i)
    if (!axis.fill(i, [&](int64_t k, int64_t element, double w) {
          table[i * taps + k] = {element, w};
        }))
      table[i * taps].element = -1;
  parallel(context, outer * axis.result, kChunk / (inner * taps + 1) + 1,
           [&](int64_t begin, int64_t end, int) {
             for (int64_t u = begin; u < end; ++u) {
               const Place* places = table + u % axis.result * taps;
               const double* from = src + u / axis.result * axis.size * inner;
               double* to = dst + u * inner;
               const bool outside = places[0].element < 0;
               for (int64_t i = 0; i < inner; ++i)
                 to[i] = outside ? static_cast<double>(axis.a.extrapolation_value) : 0;
               for (int64_t k = 0; k < taps && !outside; ++k)
                 for (int64_t i = 0; i < inner; ++i)
                   to[i] += places[k].weight * from[places[k].element * inner + i];
             }
           });
}

// Integers are rounded to even and cut to their range, of u64 to that of s64.
template <class T>
T stored(double v) {
  if constexpr (is_real_type<T>) return from_double<T>(v);
  else {
    const double low = static_cast<double>(std::numeric_limits<T>::lowest());
    const double high =
        sizeof(T) == 8 ? 0x1p63 : static_cast<double>(std::numeric_limits<T>::max());
    v = std::nearbyint(v);
    if (v <= low) return std::numeric_limits<T>::lowest();
    if (v >= high)
      return sizeof(T) == 8 ? static_cast<T>(INT64_MAX) : std::numeric_limits<T>::max();
    return v == v ? static_cast<T>(v) : T(0);
  }
}

void run(const Step& s, const Context& context) noexcept {
  if (!resize_ready(s, context)) return;
  const Resize& a = resize_of(s);
  const Operand &src = *s.src, &dst = *s.dst;
  const int rank = src.rank;
  const Room room(s);
  double *from = reinterpret_cast<double*>(context.scratch), *to = from + room.elements;
  Place* table = reinterpret_cast<Place*>(to + room.elements);
  int64_t size[kMaxRank];
  for (int i = 0; i < rank; ++i) size[i] = src.size[i];
  by_number(src, [&](auto t) {
    using T = decltype(t);
    parallel(context, count(src), kChunk, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i)
        from[i] = static_cast<double>(static_cast<Wide<T>>(data<T>(src)[i]));
    });
  });
  for (int i = 0; i < axes_of(a, rank); ++i) {
    const int axis = axis_at(a, i, rank);
    const ResizeAxis own(s, axis);
    if (own.stays()) continue;
    int64_t outer = 1, inner = 1;
    for (int k = 0; k < rank; ++k)
      if (k != axis) (k < axis ? outer : inner) *= size[k];
    resample(own, from, outer, inner, table, to, context);
    size[axis] = own.result;
    double* const done = to;
    to = from, from = done;
  }
  by_number(dst, [&](auto t) {
    using T = decltype(t);
    parallel(context, count(dst), kChunk, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) mutable_data<T>(dst)[i] = stored<T>(from[i]);
    });
  });
}

const Kernel kKernels[] = {
    {.name = "resize_any_axes_" TENON_ISA_NAME,
     .op = "resize",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run},
};

}  // namespace
extern const KernelTable resample_table{kKernels, 1};
}  // namespace tenon::cpu::TENON_ISA
