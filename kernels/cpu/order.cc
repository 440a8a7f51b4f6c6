// Ops that compare elements to choose among them: top_k, unique, nonzero, compress,
// non_max_suppression. Plain operands without gaps. Elements are ordered by keys, integers whose
// order is theirs: NaN is the greatest, zeros of either sign are equal. Where data decide how many
// elements there are, `size` finds them and leaves them in scratch, from which `run` writes.
#include <algorithm>
#include <bit>

#include "kernels/cpu/box.h"
#include "kernels/cpu/element.h"
#include "ops/boxes.h"
#include "ops/compress.h"
#include "ops/top_k.h"
#include "ops/unique.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kChunk = 16384;  // elements

template <class A>
const A& attributes(const Step& s) {
  return *static_cast<const A*>(s.attributes);
}

const char* reject_numbers(const Step& s) {
  if (!is_number(*s.src) || s.src->scale)
    return "src is quantised, or of no number of 8 bits or more";
  if (s.dst->dtype && s.dst->scale) return "dst is quantised";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

// The key of an element, in 64 bits.
template <class T>
uint64_t key(T v) {
  if constexpr (std::is_same_v<T, double>) {
    const uint64_t bits = v != v ? 0x7fffffffffffffff : v == 0 ? 0 : std::bit_cast<uint64_t>(v);
    return bits & uint64_t{1} << 63 ? ~bits : bits | uint64_t{1} << 63;
  } else if constexpr (is_real_type<T>) {
    const float x = static_cast<float>(v);
    const uint32_t bits = x != x ? 0x7fffffff : x == 0 ? 0 : std::bit_cast<uint32_t>(x);
    return bits & 0x80000000 ? ~bits : bits | 0x80000000;
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<uint64_t>(static_cast<int64_t>(v)) ^ uint64_t { 1 } << 63;
  } else {
    return static_cast<uint64_t>(v);
  }
}

struct Item {
  uint64_t key;
  int64_t index;
};
// Greater keys first, of equals the lower index.
bool before(const Item& a, const Item& b) {
  return a.key != b.key ? a.key > b.key : a.index < b.index;
}

// ---- top_k: what beats the worst of the best so far is collected; when the memory is full the
// best k of it are kept
int64_t collected(int64_t k) { return 2 * k + 32; }

Needs needs_top_k(const Step& s) {
  const auto& a = attributes<TopK>(s);
  const int64_t k = s.dst->size[from_front(a.axis, s.src->rank)],
                n = s.src->size[from_front(a.axis, s.src->rank)];
  if (!known(k) || !known(n)) return {};
  return {.worker_scratch_bytes =
              smaller(collected(k), larger(n, int64_t{1})) * static_cast<int64_t>(sizeof(Item))};
}
float cost_top_k(const Step& s) {
  return 100 + 2 * static_cast<float>(count(*s.src)) + 20 * static_cast<float>(count(*s.dst));
}

void run_top_k(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<TopK>(s);
  const Operand &src = *s.src, &dst = *s.dst;
  const int axis = static_cast<int>(from_front(a.axis, src.rank));
  const int64_t n = src.size[axis], k = dst.size[axis], inner = count(src, axis + 1, src.rank),
                lines = count(src, 0, axis) * inner;
  if (!lines || !k) return;
  const int64_t room = smaller(collected(k), n);
  by_number(src, [&](auto t) {
    using T = decltype(t);
    parallel(context, lines, kChunk / n + 1, [&](int64_t begin, int64_t end, int worker) {
      Item* items =
          reinterpret_cast<Item*>(context.worker_scratch + worker * context.worker_stride);
      const uint64_t flip = a.largest ? 0 : ~uint64_t{0};
      for (int64_t line = begin; line < end; ++line) {
        const T* from = data<T>(src) + line / inner * n * inner + line % inner;
        int64_t held = 0;
        uint64_t least = 0;  // keys at or below it are beaten by k others
        bool full = false;
        for (int64_t i = 0; i < n; ++i) {
          const uint64_t own = key(from[i * inner]) ^ flip;
          if (full && own <= least) continue;
          items[held++] = {own, i};
          if (held < room || i + 1 == n) continue;
          std::nth_element(items, items + k - 1, items + held, before);
          held = k, full = true, least = items[k - 1].key;
        }
        if (held > k) std::nth_element(items, items + k - 1, items + held, before);
        std::sort(items, items + k, before);
        const int64_t first = line / inner * k * inner + line % inner;
        for (int64_t i = 0; i < k; ++i) {
          if (dst.dtype) mutable_data<T>(dst)[first + i * inner] = from[items[i].index * inner];
          if (s.destinations > 1 && s.dst[1].dtype)
            mutable_data<int64_t>(s.dst[1])[first + i * inner] = items[i].index;
        }
      }
    });
  });
}

// ---- nonzero: chunks are counted, then written behind one another
int64_t chunks_of(const Operand& o) { return ceil_div(count(o), kChunk); }

Needs needs_nonzero(const Step& s) {
  if (!known(*s.src)) return {};
  return {.scratch_bytes = (chunks_of(*s.src) + 1) * 8};
}
float cost_nonzero(const Step& s) { return 100 + 2 * static_cast<float>(count(*s.src)); }

void size_nonzero(const Step& s, const Context& context) noexcept {
  int64_t* begins = reinterpret_cast<int64_t*>(context.scratch);
  const int64_t chunks = chunks_of(*s.src), all = count(*s.src);
  by_number(*s.src, [&](auto t) {
    using T = decltype(t);
    parallel(context, chunks, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t c = begin; c < end; ++c) {
        int64_t found = 0;
        for (int64_t i = c * kChunk; i < smaller(all, (c + 1) * kChunk); ++i)
          found += static_cast<Wide<T>>(data<T>(*s.src)[i]) != 0;
        begins[c + 1] = found;
      }
    });
  });
  begins[0] = 0;
  for (int64_t c = 0; c < chunks; ++c) begins[c + 1] += begins[c];
  s.dst->size[1] = begins[chunks];
}

void run_nonzero(const Step& s, const Context& context) noexcept {
  const int64_t* begins = reinterpret_cast<const int64_t*>(context.scratch);
  const Operand& src = *s.src;
  const int64_t all = count(src), found = s.dst->size[1];
  int64_t* dst = mutable_data<int64_t>(*s.dst);
  by_number(src, [&](auto t) {
    using T = decltype(t);
    parallel(context, chunks_of(src), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t c = begin; c < end; ++c) {
        int64_t to = begins[c];
        for (int64_t i = c * kChunk; i < smaller(all, (c + 1) * kChunk); ++i) {
          if (static_cast<Wide<T>>(data<T>(src)[i]) == 0) continue;
          int64_t rest = i;
          for (int k = src.rank - 1; k >= 0; --k) {
            dst[k * found + to] = k ? rest % src.size[k] : rest;
            rest /= src.size[k];
          }
          ++to;
        }
      }
    });
  });
}

// ---- compress: the indices that are kept, then their parts
const char* reject_compress(const Step& s) {
  if (!element_bytes(*s.dst)) return "elements are not of 1, 2, 4 or 8 bytes";
  if (s.src->dtype != s.dst->dtype || !same_scale(*s.src, *s.dst))
    return "src and dst are stored in different ways";
  if (s.epilogue.count) return "a copy has no epilogue";
  return reject_gaps(s);
}

Needs needs_compress(const Step& s) {
  if (!known(s.src[1].size[0])) return {};
  return {.scratch_bytes = s.src[1].size[0] * 8};
}
float cost_copy(const Step& s) {
  return 100 + 2 * static_cast<float>(count(*s.src) * element_bytes(*s.dst)) / kBytes;
}

int64_t part_axis(const Step& s) {
  return attributes<Compress>(s).flat ? 0 : from_front(attributes<Compress>(s).axis, s.src->rank);
}

void size_compress(const Step& s, const Context& context) noexcept {
  int64_t* kept = reinterpret_cast<int64_t*>(context.scratch);
  const bool flat = attributes<Compress>(s).flat;
  const int64_t size = flat ? count(*s.src) : s.src->size[part_axis(s)];
  int64_t found = 0;
  for (int64_t i = 0; i < s.src[1].size[0]; ++i)
    if (data<uint8_t>(s.src[1])[i]) kept[found++] = i;
  if (found && kept[found - 1] >= size)
    context.fault(context, "a condition of compress is true beyond the axis", kept[found - 1],
                  size),
        found = 0;
  s.dst->size[part_axis(s)] = found;
}

void run_compress(const Step& s, const Context& context) noexcept {
  const int64_t* kept = reinterpret_cast<const int64_t*>(context.scratch);
  const Operand &src = *s.src, &dst = *s.dst;
  const bool flat = attributes<Compress>(s).flat;
  const int axis = static_cast<int>(part_axis(s));
  const int64_t outer = flat ? 1 : count(src, 0, axis), size = flat ? count(src) : src.size[axis],
                found = dst.size[axis];
  const int64_t bytes = (flat ? 1 : count(src, axis + 1, src.rank)) * element_bytes(src);
  if (!found || !bytes) return;
  parallel(context, outer * found, kChunk * 4 / bytes + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(mutable_data<char>(dst) + i * bytes,
                  data<char>(src) + (i / found * size + kept[i % found]) * bytes,
                  static_cast<size_t>(bytes));
  });
}

// ---- unique: parts in order; the first of each group of equals stands for it
struct Parts {
  int64_t outer, size, inner;
  explicit Parts(const Step& s) {
    const auto& a = attributes<Unique>(s);
    const int axis = a.flat ? 0 : static_cast<int>(from_front(a.axis, s.src->rank));
    outer = a.flat ? 1 : count(*s.src, 0, axis), size = a.flat ? count(*s.src) : s.src->size[axis];
    inner = a.flat ? 1 : count(*s.src, axis + 1, s.src->rank);
  }
  int64_t part_elements() const { return outer * inner; }
};

// In scratch: items in order, then for each part where it stands among the results, then the first
// of each group.
struct UniqueScratch {
  Item* order;
  int64_t *place, *first;
  UniqueScratch(const Context& context, int64_t size)
      : order(reinterpret_cast<Item*>(context.scratch)),
        place(reinterpret_cast<int64_t*>(order + size)),
        first(place + size) {}
};

const char* reject_unique(const Step& s) {
  for (int i = 0; i < s.destinations; ++i)
    if (s.dst[i].dtype && s.dst[i].scale) return "a destination is quantised";
  return reject_numbers(s);
}

Needs needs_unique(const Step& s) {
  if (!known(*s.src)) return {};
  return {.scratch_bytes = Parts(s).size * static_cast<int64_t>(sizeof(Item) + 16)};
}
float cost_unique(const Step& s) { return 200 + 60 * static_cast<float>(count(*s.src)); }

template <class T>
int64_t find_groups(const Step& s, const UniqueScratch& scratch) {
  const Parts parts(s);
  const T* src = data<T>(*s.src);
  const auto at = [&](int64_t part, int64_t o, int64_t i) {
    return key(src[(o * parts.size + part) * parts.inner + i]);
  };
  const auto compared = [&](int64_t a, int64_t b) {
    for (int64_t o = 0; o < parts.outer; ++o)
      for (int64_t i = 0; i < parts.inner; ++i)
        if (const uint64_t x = at(a, o, i), y = at(b, o, i); x != y) return x < y ? -1 : 1;
    return 0;
  };
  const bool one = parts.part_elements() == 1;
  for (int64_t i = 0; i < parts.size; ++i)
    scratch.order[i] = {parts.part_elements() ? at(i, 0, 0) : 0, i};
  std::sort(scratch.order, scratch.order + parts.size, [&](const Item& a, const Item& b) {
    if (a.key != b.key) return a.key < b.key;
    const int c = one ? 0 : compared(a.index, b.index);
    return c ? c < 0 : a.index < b.index;
  });
  int64_t found = 0;
  for (int64_t i = 0; i < parts.size; ++i) {
    const Item& item = scratch.order[i];
    const bool again = i && item.key == scratch.order[i - 1].key &&
                       (one || !compared(scratch.order[i - 1].index, item.index));
    if (!again) scratch.first[found++] = item.index;
    scratch.place[item.index] = found - 1;
  }
  if (attributes<Unique>(s).sorted || !found) return found;
  // In the order of their first appearance: `order` tells the new place of each group.
  for (int64_t i = 0; i < found; ++i) scratch.order[i] = {0, i};
  std::sort(scratch.order, scratch.order + found, [&](const Item& a, const Item& b) {
    return scratch.first[a.index] < scratch.first[b.index];
  });
  for (int64_t i = 0; i < found; ++i)
    scratch.order[scratch.order[i].index].key = static_cast<uint64_t>(i);
  for (int64_t i = 0; i < parts.size; ++i)
    scratch.place[i] = static_cast<int64_t>(scratch.order[scratch.place[i]].key);
  std::sort(scratch.first, scratch.first + found);
  return found;
}

void size_unique(const Step& s, const Context& context) noexcept {
  const UniqueScratch scratch(context, Parts(s).size);
  const int64_t found =
      by_number(*s.src, [&](auto t) { return find_groups<decltype(t)>(s, scratch); });
  const auto& a = attributes<Unique>(s);
  if (s.dst->dtype) s.dst->size[a.flat ? 0 : from_front(a.axis, s.src->rank)] = found;
  for (int i : {1, 3})
    if (i < s.destinations && s.dst[i].dtype) s.dst[i].size[0] = found;
}

void run_unique(const Step& s, const Context& context) noexcept {
  const Parts parts(s);
  const UniqueScratch scratch(context, parts.size);
  int64_t found = 0;
  for (int64_t i = 0; i < parts.size; ++i) found = larger(found, scratch.place[i] + 1);
  const int64_t bytes = parts.inner * element_bytes(*s.src);
  const auto wanted = [&](int i) {
    return i < s.destinations && s.dst[i].dtype ? mutable_data<int64_t>(s.dst[i]) : nullptr;
  };
  for (int64_t i = 0; s.dst->dtype && i < parts.outer * found; ++i)
    std::memcpy(mutable_data<char>(*s.dst) + i * bytes,
                data<char>(*s.src) + (i / found * parts.size + scratch.first[i % found]) * bytes,
                static_cast<size_t>(bytes));
  if (int64_t* first = wanted(1)) std::copy(scratch.first, scratch.first + found, first);
  if (int64_t* place = wanted(2)) std::copy(scratch.place, scratch.place + parts.size, place);
  if (int64_t* counts = wanted(3)) {
    std::fill(counts, counts + found, 0);
    for (int64_t i = 0; i < parts.size; ++i) ++counts[scratch.place[i]];
  }
}

// ---- non_max_suppression: rows are the classes of the batch elements
struct Suppression {
  int64_t classes, rows, boxes, most;
  explicit Suppression(const Step& s)
      : classes(s.src[1].size[1]),
        rows(s.src[1].size[0] * classes),
        boxes(s.src[1].size[2]),
        most(boxes) {
    if (has(s, 2) && s.src[2].data)
      most = smaller(most, larger(int64_t{0}, data<int64_t>(s.src[2])[0]));
    if (!has(s, 2)) most = 0;
  }
  // In scratch: how many boxes each row keeps, and which.
  static int64_t* counts(const Context& context) {
    return reinterpret_cast<int64_t*>(context.scratch);
  }
  int32_t* kept(const Context& context, int64_t row) const {
    return reinterpret_cast<int32_t*>(counts(context) + rows + 1) + row * most;
  }
};

struct Scored {
  double score;
  int32_t box;
};
struct Corners {
  double y0, x0, y1, x1, area;
  Corners(double y0, double x0, double y1, double x1)
      : y0(y0), x0(x0), y1(y1), x1(x1), area((y1 - y0) * (x1 - x0)) {}
};

const char* reject_suppression(const Step& s) {
  if (!is_real_number(*s.src) || !is_real_number(s.src[1]) || s.src->scale || s.src[1].scale)
    return "boxes or scores are not floating point";
  if (known(s.src[1].size[2]) && s.src[1].size[2] > INT32_MAX)
    return "there are more than 2^31 boxes";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

Needs needs_suppression(const Step& s) {
  if (!known(s.src[1])) return {};
  const Suppression p(s);
  // The most boxes of a class may be known only when running: there is room for all.
  const int64_t most = has(s, 2) && !s.src[2].constant ? p.boxes : p.most;
  return {.scratch_bytes = (p.rows + 1) * 8 + p.rows * most * 4,
          .worker_scratch_bytes = p.boxes * static_cast<int64_t>(sizeof(Scored) + sizeof(Corners))};
}
float cost_suppression(const Step& s) { return 200 + 10 * static_cast<float>(count(s.src[1])); }

Corners corners(const Operand& boxes, int64_t i, bool centred) {
  const auto at = [&](int64_t k) {
    return is_f32(boxes) ? static_cast<double>(data(boxes)[i * 4 + k]) : number(boxes, i * 4 + k);
  };
  const double a = at(0), b = at(1), c = at(2), d = at(3);
  if (centred) return {b - d / 2, a - c / 2, b + d / 2, a + c / 2};
  return {std::min(a, c), std::min(b, d), std::max(a, c), std::max(b, d)};
}
double overlap(const Corners& a, const Corners& b) {
  const double high = std::min(a.y1, b.y1) - std::max(a.y0, b.y0),
               wide = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  if (!(high > 0 && wide > 0)) return 0;
  const double common = high * wide, all = a.area + b.area - common;
  return all > 0 ? common / all : 0;
}

void size_suppression(const Step& s, const Context& context) noexcept {
  const Suppression p(s);
  const bool centred = attributes<NonMaxSuppression>(s).center_point_box;
  const double limit = has(s, 3) ? number(s.src[3], 0) : 0,
               least = has(s, 4) ? number(s.src[4], 0) : -__builtin_inf();
  int64_t* counts = Suppression::counts(context);
  parallel(context, p.rows, 1024 / (p.boxes + 1) + 1, [&](int64_t begin, int64_t end, int worker) {
    Corners* chosen =
        reinterpret_cast<Corners*>(context.worker_scratch + worker * context.worker_stride);
    Scored* order = reinterpret_cast<Scored*>(chosen + p.boxes);
    for (int64_t row = begin; row < end; ++row) {
      int64_t candidates = 0, kept = 0;
      by_real(s.src[1], [&](auto t) {
        const auto* scores = data<decltype(t)>(s.src[1]) + row * p.boxes;
        for (int64_t i = 0; i < p.boxes; ++i)
          if (const double v = static_cast<double>(static_cast<Wide<decltype(t)>>(scores[i]));
              v > least)
            order[candidates++] = {v, static_cast<int32_t>(i)};
      });
      // A heap, since mostly few boxes are looked at.
      const auto worse = [](const Scored& a, const Scored& b) {
        return a.score != b.score ? a.score < b.score : a.box > b.box;
      };
      std::make_heap(order, order + candidates, worse);
      int32_t* to = p.kept(context, row);
      for (; candidates > 0 && kept < p.most; --candidates) {
        std::pop_heap(order, order + candidates, worse);
        const int32_t best = order[candidates - 1].box;
        const Corners box = corners(*s.src, row / p.classes * p.boxes + best, centred);
        bool alone = true;
        for (int64_t k = 0; k < kept && alone; ++k) alone = !(overlap(chosen[k], box) > limit);
        if (!alone) continue;
        chosen[kept] = box;
        to[kept++] = best;
      }
      counts[row] = kept;
    }
  });
  int64_t found = 0;
  for (int64_t row = 0; row < p.rows; ++row) found += counts[row];
  s.dst->size[0] = found;
}

void run_suppression(const Step& s, const Context& context) noexcept {
  const Suppression p(s);
  int64_t* to = mutable_data<int64_t>(*s.dst);
  for (int64_t row = 0; row < p.rows; ++row)
    for (int64_t i = 0; i < Suppression::counts(context)[row]; ++i) {
      *to++ = row / p.classes;
      *to++ = row % p.classes;
      *to++ = p.kept(context, row)[i];
    }
}

#define TENON_ORDER(op_, name_, reject_, needs_, cost_, size_, run_)                        \
  {                                                                                         \
    .name = name_ "_" TENON_ISA_NAME, .op = op_, .isa = TENON_ISA_LEVEL, .reject = reject_, \
    .needs = needs_, .cost = cost_, .pack = nullptr, .size = size_, .run = run_             \
  }

const Kernel kKernels[] = {
    TENON_ORDER("top_k", "top_k_any_lines", reject_numbers, needs_top_k, cost_top_k, nullptr,
                run_top_k),
    TENON_ORDER("nonzero", "nonzero_any_chunks", reject_numbers, needs_nonzero, cost_nonzero,
                size_nonzero, run_nonzero),
    TENON_ORDER("compress", "compress_any_parts", reject_compress, needs_compress, cost_copy,
                size_compress, run_compress),
    TENON_ORDER("unique", "unique_any_sort", reject_unique, needs_unique, cost_unique, size_unique,
                run_unique),
    TENON_ORDER("non_max_suppression", "non_max_suppression_real_rows", reject_suppression,
                needs_suppression, cost_suppression, size_suppression, run_suppression),
};

}  // namespace
extern const KernelTable order_table{kKernels, sizeof kKernels / sizeof *kKernels};
}  // namespace tenon::cpu::TENON_ISA
