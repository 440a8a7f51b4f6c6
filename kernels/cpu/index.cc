// Ops that move elements to or from places that integers name: gather_elements, gather_nd,
// scatter_elements, scatter_nd, tensor_scatter, reverse_sequence, one_hot. Plain operands without
// gaps; moves are of elements of 1, 2, 4 or 8 bytes, scatters that reduce of any number. Scatters
// write in place where src dies, so that an update of a cache moves the update alone. Updates of
// one element are applied in the order of the indices whatever the number of workers: units of work
// never share an element of dst. Every index is checked.
#include "kernels/cpu/box.h"
#include "kernels/cpu/element.h"
#include "ops/gather.h"
#include "ops/one_hot.h"
#include "ops/reverse_sequence.h"
#include "ops/scatter.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kChunk = 16384;  // elements
constexpr int64_t kBlock = 256;    // indices read at once

template <class A>
const A& attributes(const Step& s) {
  return *static_cast<const A*>(s.attributes);
}

Needs plain(const Step&) { return {}; }
Needs in_place(const Step&) { return {.in_place = true}; }

const char* reject_moved(const Step& s, const Operand& from) {
  if (!element_bytes(*s.dst)) return "elements are not of 1, 2, 4 or 8 bytes";
  if (from.dtype != s.dst->dtype) return "elements are stored in different types";
  if (!same_scale(from, *s.dst)) return "elements are stored with different scales";
  if (s.epilogue.count) return "a copy has no epilogue";
  return reject_gaps(s);
}

const char* reject_indices(const Operand& indices) {
  return is_index(indices) ? nullptr : "indices are neither s64 nor s32";
}

// Reads `n` indices from `first` on into an axis of `size` elements; false where one is outside.
bool read_indices(const Operand& o, int64_t first, int64_t n, int64_t size, const char* what,
                  int64_t* to, const Context& context) {
  const auto read = [&](const auto* from) {
    bool outside = false;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t index = from[first + i];
      outside |= (index < -size) | (index >= size);
      to[i] = from_front(index, size);
    }
    for (int64_t i = 0; outside && i < n; ++i)
      if (const int64_t index = from[first + i]; index < -size || index >= size)
        return context.fault(context, what, index, size), false;
    return true;
  };
  return is(o, DType::s64) ? read(data<int64_t>(o)) : read(data<int32_t>(o));
}

void copy(const Operand& from, const Operand& to, const Context& context) {
  if (from.data == to.data) return;
  Box b;
  b.add(count(to), 1, 1);
  copy_box(b, from, 0, to, 0, context);
}

float moved_cost(const Operand& indices, const Step& s, bool whole) {
  const float bytes = whole ? static_cast<float>(count(*s.dst) * element_bytes(*s.dst)) : 0.f;
  return 60 + 2 * static_cast<float>(count(indices)) + 2 * bytes / kBytes;
}

// ---- gather_elements and scatter_elements: rows of the indices along their last axis
struct Rows {
  const Operand &indices, &data;  // data: what has the axis that is indexed
  int axis, last;

  Rows(const Operand& indices, const Operand& data, int64_t axis)
      : indices(indices),
        data(data),
        axis(static_cast<int>(from_front(axis, data.rank))),
        last(data.rank - 1) {}

  int64_t row() const { return indices.size[last]; }
  int64_t step() const { return data.stride[axis]; }
  // The offset in data of row `r`, the indexed axis left out.
  int64_t base(int64_t r) const {
    int64_t offset = 0;
    for (int k = last - 1; k >= 0; --k) {
      if (k != axis) offset += r % indices.size[k] * data.stride[k];
      r /= indices.size[k];
    }
    return offset;
  }
  // Whether the indices are no longer than data beside the axis.
  bool fits(const Context& context) const {
    for (int k = 0; k <= last; ++k)
      if (k != axis && indices.size[k] > data.size[k])
        return context.fault(context,
                             "the indices have more elements along an axis than what they index",
                             indices.size[k], data.size[k]),
               false;
    return true;
  }
  // Calls body(element of the indices, offset in data) for columns [begin, end) of row r; false
  // where an index is outside.
  template <class Body>
  bool walk(int64_t r, int64_t begin, int64_t end, const char* what, const Context& context,
            const Body& body) const {
    const int64_t from = base(r), own = axis == last ? 0 : 1;
    for (int64_t j = begin; j < end; j += kBlock) {
      int64_t index[kBlock];
      const int64_t n = smaller(kBlock, end - j);
      if (!read_indices(indices, r * row() + j, n, data.size[axis], what, index, context))
        return false;
      const int64_t at = r * row() + j, shift = from + own * j, each = step();
      if (axis == last)
        for (int64_t i = 0; i < n; ++i) body(at + i, shift + index[i]);
      else
        for (int64_t i = 0; i < n; ++i) body(at + i, shift + index[i] * each + i);
    }
    return true;
  }
};

const char* reject_gather(const Step& s) {
  if (const char* why = reject_indices(s.src[1])) return why;
  return reject_moved(s, *s.src);
}
float cost_gather(const Step& s) { return moved_cost(s.src[1], s, false); }

void run_gather_elements(const Step& s, const Context& context) noexcept {
  const Rows rows(s.src[1], *s.src, attributes<Gather>(s).axis);
  const int64_t all = count(s.src[1]);
  if (!all || !rows.fits(context)) return;
  const int64_t pieces = ceil_div(rows.row(), kChunk), each = ceil_div(rows.row(), pieces);
  by_width(element_bytes(*s.dst), [&](auto t) {
    using T = decltype(t);
    const T* src = data<T>(*s.src);
    T* dst = mutable_data<T>(*s.dst);
    parallel(context, all / rows.row() * pieces, kChunk / each + 1,
             [&](int64_t begin, int64_t end, int) {
               for (int64_t u = begin; u < end; ++u) {
                 const int64_t first = u % pieces * each;
                 if (!rows.walk(u / pieces, first, smaller(first + each, rows.row()),
                                "an index of gather_elements is outside its axis", context,
                                [&](int64_t i, int64_t from) { dst[i] = src[from]; }))
                   return;
               }
             });
  });
}

template <class T>
T reduced(ScatterReduction reduction, T a, T b) {
  using W = Wide<T>;
  const W x = static_cast<W>(a), y = static_cast<W>(b);
  switch (reduction) {
    case ScatterReduction::add:
      if constexpr (is_real_type<T>) return static_cast<T>(x + y);
      else return static_cast<T>(static_cast<uint64_t>(x) + static_cast<uint64_t>(y));
    case ScatterReduction::mul:
      if constexpr (is_real_type<T>) return static_cast<T>(x * y);
      else return static_cast<T>(static_cast<uint64_t>(x) * static_cast<uint64_t>(y));
    case ScatterReduction::min: return y < x ? b : a;
    case ScatterReduction::max: return x < y ? b : a;
    case ScatterReduction::none: break;
  }
  return b;
}

// Calls body(T(), reduction as a constant): without a reduction T is any type of the width of the
// elements.
template <class Body>
void by_update(const Operand& dst, ScatterReduction reduction, const Body& body) {
  const auto with = [&](auto kind) { by_number(dst, [&](auto t) { body(t, kind); }); };
  switch (reduction) {
    case ScatterReduction::none:
      return by_width(element_bytes(dst), [&](auto t) {
        body(t, std::integral_constant<ScatterReduction, ScatterReduction::none>());
      });
    case ScatterReduction::add:
      return with(std::integral_constant<ScatterReduction, ScatterReduction::add>());
    case ScatterReduction::mul:
      return with(std::integral_constant<ScatterReduction, ScatterReduction::mul>());
    case ScatterReduction::min:
      return with(std::integral_constant<ScatterReduction, ScatterReduction::min>());
    case ScatterReduction::max:
      return with(std::integral_constant<ScatterReduction, ScatterReduction::max>());
  }
}

const char* reject_scatter(const Step& s, ScatterReduction reduction) {
  if (const char* why = reject_indices(s.src[1])) return why;
  if (s.src->dtype != s.src[2].dtype || !same_scale(*s.src, s.src[2]))
    return "src and the updates are stored in different ways";
  if (reduction != ScatterReduction::none && (!is_number(*s.dst) || s.dst->scale))
    return "what is reduced is quantised, or no number";
  return reject_moved(s, *s.src);
}
float cost_scatter(const Step& s) { return moved_cost(s.src[1], s, true); }

const char* reject_scatter_elements(const Step& s) {
  return reject_scatter(s, attributes<ScatterElements>(s).reduction);
}

void run_scatter_elements(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<ScatterElements>(s);
  const Rows rows(s.src[1], *s.dst, a.axis);
  const int64_t all = count(s.src[1]);
  copy(*s.src, *s.dst, context);
  if (!all || !rows.fits(context)) return;
  // Only indices of one line along the axis may name one element: a line is done by one worker.
  const bool along = rows.axis == rows.last;
  const int64_t deep = along ? 1 : s.src[1].size[rows.axis],
                after = along ? 1 : count(s.src[1], rows.axis + 1, rows.last);
  const int64_t pieces = along ? 1 : ceil_div(rows.row(), kBlock),
                each = ceil_div(rows.row(), pieces);
  by_update(*s.dst, a.reduction, [&](auto t, auto reduction) {
    using T = decltype(t);
    const T* updates = data<T>(s.src[2]);
    T* dst = mutable_data<T>(*s.dst);
    parallel(context, all / rows.row() / deep * pieces, kChunk / (each * deep) + 1,
             [&](int64_t begin, int64_t end, int) {
               for (int64_t u = begin; u < end; ++u) {
                 const int64_t first = u % pieces * each, line = u / pieces;
                 for (int64_t i = 0; i < deep; ++i)
                   if (!rows.walk((line / after * deep + i) * after + line % after, first,
                                  smaller(first + each, rows.row()),
                                  "an index of scatter_elements is outside its axis", context,
                                  [&](int64_t from, int64_t to) {
                                    dst[to] = reduced<T>(reduction, dst[to], updates[from]);
                                  }))
                     return;
               }
             });
  });
}

// ---- gather_nd and scatter_nd: the last axis of the indices holds coordinates of the axes of
// `data` from `batch` on
struct Places {
  const Operand &indices, &data;
  int batch, depth;
  int64_t count, in_batch, whole,
      block;  // places; of one batch element; elements of one; elements at a place

  Places(const Operand& indices, const Operand& data, int64_t batch)
      : indices(indices),
        data(data),
        batch(static_cast<int>(batch)),
        depth(static_cast<int>(last(indices.size, indices.rank))),
        count(cpu::TENON_ISA::count(indices, 0, indices.rank - 1)),
        in_batch(cpu::TENON_ISA::count(indices, this->batch, indices.rank - 1)),
        whole(cpu::TENON_ISA::count(data, this->batch, data.rank)),
        block(cpu::TENON_ISA::count(data, this->batch + depth, data.rank)) {}

  // The offset of place i; -1 where a coordinate is outside.
  int64_t offset(int64_t i, const char* what, const Context& context) const {
    int64_t at = i / in_batch * whole;
    for (int k = 0; k < depth; ++k) {
      const int64_t size = data.size[batch + k], index = integer(indices, i * depth + k);
      if (index < -size || index >= size) return context.fault(context, what, index, size), -1;
      at += from_front(index, size) * data.stride[batch + k];
    }
    return at;
  }
};

const char* reject_gather_nd(const Step& s) {
  if (!known(last(s.src[1].size, s.src[1].rank))) return "the number of coordinates is not known";
  return reject_gather(s);
}

void run_gather_nd(const Step& s, const Context& context) noexcept {
  const Places places(s.src[1], *s.src, attributes<GatherNd>(s).batch_dims);
  by_width(element_bytes(*s.dst), [&](auto t) {
    using T = decltype(t);
    const T* src = data<T>(*s.src);
    T* dst = mutable_data<T>(*s.dst);
    parallel(context, places.count, kChunk / larger(places.block + places.depth, int64_t{1}) + 1,
             [&](int64_t begin, int64_t end, int) {
               for (int64_t i = begin; i < end; ++i) {
                 const int64_t from =
                     places.offset(i, "an index of gather_nd is outside its axis", context);
                 if (from < 0) return;
                 if (places.block == 1) dst[i] = src[from];
                 else
                   std::memcpy(dst + i * places.block, src + from,
                               static_cast<size_t>(places.block) * sizeof(T));
               }
             });
  });
}

const char* reject_scatter_nd(const Step& s) {
  if (!known(last(s.src[1].size, s.src[1].rank))) return "the number of coordinates is not known";
  return reject_scatter(s, attributes<ScatterNd>(s).reduction);
}

void run_scatter_nd(const Step& s, const Context& context) noexcept {
  const Places places(s.src[1], *s.dst, 0);
  copy(*s.src, *s.dst, context);
  // Any two places may be the same: workers share the elements at a place.
  const int64_t pieces = larger(int64_t{1}, smaller(int64_t{16}, places.block / 4096)),
                each = ceil_div(places.block, pieces);
  if (!places.count || !places.block) return;
  by_update(*s.dst, attributes<ScatterNd>(s).reduction, [&](auto t, auto reduction) {
    using T = decltype(t);
    const T* updates = data<T>(s.src[2]);
    T* dst = mutable_data<T>(*s.dst);
    parallel(context, pieces, kChunk / (places.count * each) + 1,
             [&](int64_t begin, int64_t end, int) {
               const int64_t first = begin * each, n = smaller(end * each, places.block) - first;
               for (int64_t i = 0; i < places.count; ++i) {
                 const int64_t to =
                     places.offset(i, "an index of scatter_nd is outside its axis", context);
                 if (to < 0) return;
                 T* out = dst + to + first;
                 const T* in = updates + i * places.block + first;
                 if (reduction == ScatterReduction::none && n > 1)
                   std::memcpy(out, in, static_cast<size_t>(n) * sizeof(T));
                 else
                   for (int64_t k = 0; k < n; ++k) out[k] = reduced<T>(reduction, out[k], in[k]);
               }
             });
  });
}

// ---- tensor_scatter: rows of each sample into its cache, at a place of its own
const char* reject_tensor_scatter(const Step& s) {
  if (s.src->dtype != s.src[1].dtype || !same_scale(*s.src, s.src[1]))
    return "the cache and the update are stored in different ways";
  return reject_moved(s, *s.src);
}
float cost_tensor_scatter(const Step& s) { return moved_cost(*s.src, s, true) / 4; }

void run_tensor_scatter(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<TensorScatter>(s);
  const Operand &cache = *s.src, &update = s.src[1];
  const int axis = static_cast<int>(from_front(a.axis, cache.rank));
  const int64_t size = cache.size[axis], rows = update.size[axis], outer = count(cache, 0, axis),
                samples = cache.size[0];
  const int64_t bytes = count(cache, axis + 1, cache.rank) * element_bytes(cache);
  copy(cache, *s.dst, context);
  if (rows > size)
    return context.fault(context, "the update of a cache has no more rows than the cache", rows,
                         size);
  const auto first = [&](int64_t sample) {
    return has(s, 2) ? data<int64_t>(s.src[2])[sample] : 0;
  };
  for (int64_t i = 0; i < samples; ++i)
    if (first(i) < 0 || (a.mode == WriteMode::linear && first(i) > size - rows))
      return context.fault(context,
                           "a write index of tensor_scatter puts elements outside the cache",
                           first(i), size - rows);
  if (!rows || !bytes) return;
  parallel(context, outer, kChunk * 4 / (rows * bytes) + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t o = begin; o < end; ++o) {
      const int64_t at = first(o / (outer / samples)) % size, straight = smaller(rows, size - at);
      const char* from = data<char>(update) + o * rows * bytes;
      char* to = mutable_data<char>(*s.dst) + o * size * bytes;
      std::memcpy(to + at * bytes, from, static_cast<size_t>(straight * bytes));
      std::memcpy(to, from + straight * bytes, static_cast<size_t>((rows - straight) * bytes));
    }
  });
}

// ---- reverse_sequence
const char* reject_reverse(const Step& s) {
  if (!is_number(s.src[1])) return "the lengths are not of 8 bits or more";
  return reject_moved(s, *s.src);
}
float cost_copy(const Step& s) {
  return 60 + 2 * static_cast<float>(count(*s.dst) * element_bytes(*s.dst)) / kBytes;
}

void run_reverse(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<ReverseSequence>(s);
  const Operand &src = *s.src, &dst = *s.dst;
  const int64_t steps = src.size[a.time_axis], bytes = count(src, 2, src.rank) * element_bytes(src);
  const auto length = [&](int64_t sample) {
    return static_cast<int64_t>(number(s.src[1], sample));
  };
  for (int64_t i = 0; i < src.size[a.batch_axis]; ++i)
    if (length(i) < 0 || length(i) > steps)
      return context.fault(context, "a length of reverse_sequence is from 0 to the number of steps",
                           length(i), steps);
  parallel(context, src.size[0] * src.size[1], kChunk * 4 / (bytes + 1) + 1,
           [&](int64_t begin, int64_t end, int) {
             for (int64_t i = begin; i < end; ++i) {
               const int64_t at[2] = {i / src.size[1], i % src.size[1]}, t = at[a.time_axis],
                             n = length(at[a.batch_axis]);
               const int64_t from =
                   i + (t < n ? n - 1 - 2 * t : 0) * (a.time_axis == 0 ? src.size[1] : 1);
               std::memcpy(mutable_data<char>(dst) + i * bytes, data<char>(src) + from * bytes,
                           static_cast<size_t>(bytes));
             }
           });
}

// ---- one_hot: one of two values everywhere, then the other where the indices say
const char* reject_one_hot(const Step& s) {
  if (!is_number(*s.src) || s.src->scale) return "the indices are quantised, or no numbers";
  if (!s.src[1].constant && !is_index(s.src[1]) && !is_f32(s.src[1]))
    return "the depth is not known before the run, nor an s32, s64 or f32";
  return reject_moved(s, s.src[2]);
}

void run_one_hot(const Step& s, const Context& context) noexcept {
  const Operand &indices = *s.src, &dst = *s.dst;
  const int axis = static_cast<int>(from_front(attributes<OneHot>(s).axis, dst.rank));
  const int64_t depth = dst.size[axis], outer = count(dst, 0, axis),
                inner = count(dst, axis + 1, dst.rank);
  const int64_t pieces = ceil_div(inner, 1024), each = ceil_div(inner, larger(pieces, int64_t{1}));
  if (!count(dst)) return;
  by_width(element_bytes(dst), [&](auto t) {
    using T = decltype(t);
    const T off = data<T>(s.src[2])[0], on = data<T>(s.src[2])[1];
    parallel(context, outer * pieces, kChunk / (depth * each) + 1,
             [&](int64_t begin, int64_t end, int) {
               for (int64_t u = begin; u < end; ++u) {
                 const int64_t first = u % pieces * each, n = smaller(each, inner - first),
                               o = u / pieces;
                 T* to = mutable_data<T>(dst) + o * depth * inner + first;
                 for (int64_t d = 0; d < depth; ++d)
                   for (int64_t k = 0; k < n; ++k) to[d * inner + k] = off;
                 for (int64_t k = 0; k < n; ++k) {
                   int64_t index;
                   if (is_index(indices)) {
                     index = integer(indices, o * inner + first + k);
                   } else {
                     const double v = number(indices, o * inner + first + k);
                     index = v > -0x1p62 && v < 0x1p62 ? static_cast<int64_t>(v) : INT64_MIN;
                   }
                   if (index >= -depth && index < depth)
                     to[from_front(index, depth) * inner + k] = on;
                 }
               }
             });
  });
}

#define TENON_INDEX(op_, name_, reject_, needs_, cost_, run_)                               \
  {                                                                                         \
    .name = name_ "_" TENON_ISA_NAME, .op = op_, .isa = TENON_ISA_LEVEL, .reject = reject_, \
    .needs = needs_, .cost = cost_, .pack = nullptr, .run = run_                            \
  }

const Kernel kKernels[] = {
    TENON_INDEX("gather_elements", "gather_elements_any_rows", reject_gather, plain, cost_gather,
                run_gather_elements),
    TENON_INDEX("gather_nd", "gather_nd_any_blocks", reject_gather_nd, plain, cost_gather,
                run_gather_nd),
    TENON_INDEX("scatter_elements", "scatter_elements_any_lines", reject_scatter_elements, in_place,
                cost_scatter, run_scatter_elements),
    TENON_INDEX("scatter_nd", "scatter_nd_any_blocks", reject_scatter_nd, in_place, cost_scatter,
                run_scatter_nd),
    TENON_INDEX("tensor_scatter", "tensor_scatter_any_rows", reject_tensor_scatter, in_place,
                cost_tensor_scatter, run_tensor_scatter),
    TENON_INDEX("reverse_sequence", "reverse_sequence_any_rows", reject_reverse, plain, cost_copy,
                run_reverse),
    TENON_INDEX("one_hot", "one_hot_any_fill", reject_one_hot, plain, cost_copy, run_one_hot),
};

}  // namespace
extern const KernelTable index_table{kKernels, sizeof kKernels / sizeof *kKernels};
}  // namespace tenon::cpu::TENON_ISA
