// reduce, f32: sum, mean, max, min, prod, l1, l2, sum_square, log_sum over any axes. Tolerance 1e-5 of the largest sum of magnitudes.
// Axes are walked in memory order, neighbours of one kind merged. Where the innermost axis is reduced, runs of src are folded into four
// vectors; where it is kept, vectors of dst collect over the reduced axes, in stretches of about as many terms as there are stretches: the
// error of one long sum grows with its length, and all terms may round the same way. Blocked layouts are of the second kind: the block is
// the innermost axis and is kept.
// arg_max, arg_min, f32: the index of the best along one axis, line by line.
#include "ops/reduce.h"
#include "kernels/cpu/box.h"
#include "kernels/cpu/simd.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kChunk = 16384;  // elements of src

struct Walked {
  int rank = 0;
  int64_t size[kMaxRank + 1], src[kMaxRank + 1], dst[kMaxRank + 1];  // dst 0: reduced
  void add(int64_t n, int64_t s, int64_t d, bool reduced) {
    if (n == 1) return;
    if (reduced) d = 0;
    if (rank && src[rank - 1] == s * n && (dst[rank - 1] == 0) == reduced && (reduced || dst[rank - 1] == d * n)) {
      size[rank - 1] *= n, src[rank - 1] = s, dst[rank - 1] = d;
      return;
    }
    size[rank] = n, src[rank] = s, dst[rank] = d;
    ++rank;
  }
};

const Reduce& attributes(const Step& s) { return *static_cast<const Reduce*>(s.attributes); }

bool reduces(const Reduce& a, int axis, int rank) {
  if (a.axes.empty()) return !a.noop_with_empty_axes;
  for (int64_t x : a.axes)
    if (from_front(x, rank) == axis) return true;
  return false;
}

template <Reduction kind>
struct Fold {
  static constexpr bool summed = kind != Reduction::max && kind != Reduction::min && kind != Reduction::prod;
  static constexpr float start = kind == Reduction::max ? -INFINITY : kind == Reduction::min ? INFINITY : kind == Reduction::prod ? 1.f : 0.f;
  static V enter(V v) {
    if constexpr (kind == Reduction::l1) return most(v, -v);
    else if constexpr (kind == Reduction::l2 || kind == Reduction::sum_square) return v * v;
    else return v;
  }
  static V combine(V a, V b) {
    if constexpr (kind == Reduction::max) return where(b == b, most(a, b), b);  // NaN stays
    else if constexpr (kind == Reduction::min) return where(b == b, least(a, b), b);
    else if constexpr (kind == Reduction::prod) return a * b;
    else return a + b;
  }
  static float across(V v) {
    const auto nan = [&] { return total(where(v == v, V(0.f), v)); };
    if constexpr (kind == Reduction::max) return largest(v) + nan();
    else if constexpr (kind == Reduction::min) return smallest(v) + nan();
    else if constexpr (kind == Reduction::prod) {
      alignas(64) float lane[kLanes];
      store(lane, v);
      float p = 1;
      for (float x : lane) p *= x;
      return p;
    } else return total(v);
  }
  static V leave(V v, float scale) {
    if constexpr (kind == Reduction::mean) return v * V(scale);
    else if constexpr (kind == Reduction::l2) return sqrt(v);
    else if constexpr (kind == Reduction::log_sum) return log(v);
    else return v;
  }
};

// Steps through the reduced axes but the innermost; false when all have been seen.
struct Reduced {
  const Walked& w;
  int last;
  int64_t index[kMaxRank + 1] = {};
  int64_t offset = 0;
  bool next() {
    for (int i = last; i >= 0; --i) {
      if (w.dst[i]) continue;
      offset += w.src[i];
      if (++index[i] < w.size[i]) return true;
      offset -= w.src[i] * w.size[i];
      index[i] = 0;
    }
    return false;
  }
};

template <Reduction kind>
float fold_runs(const Walked& w, const float* src) {
  using F = Fold<kind>;
  const int inner = w.rank - 1;
  const int64_t n = w.size[inner], step = w.src[inner];
  V a[4] = {V(F::start), V(F::start), V(F::start), V(F::start)};
  Reduced r{w, inner - 1};
  do {
    const float* p = src + r.offset;
    if (step != 1) {
      for (int64_t i = 0; i < n; i += kLanes) {
        alignas(64) float lane[kLanes];
        const int64_t here = smaller(kLanes, n - i);
        for (int64_t k = 0; k < kLanes; ++k) lane[k] = p[(i + smaller(k, here - 1)) * step];
        store(lane, F::enter(load(lane)));
        for (int64_t k = here; k < kLanes; ++k) lane[k] = F::start;
        a[0] = F::combine(a[0], load(lane));
      }
      continue;
    }
    int64_t i = 0;
    for (; i + 4 * kLanes <= n; i += 4 * kLanes) unroll<4>([&](auto k) TENON_INLINE { a[k] = F::combine(a[k], F::enter(load(p + i + k * kLanes))); });
    for (; i + kLanes <= n; i += kLanes) a[0] = F::combine(a[0], F::enter(load(p + i)));
    if (i < n) {
      alignas(64) float tail[kLanes];
      store(tail, F::enter(load(p + i, n - i)));
      for (int64_t k = n - i; k < kLanes; ++k) tail[k] = F::start;
      a[1] = F::combine(a[1], load(tail));
    }
  } while (r.next());
  return F::across(F::combine(F::combine(a[0], a[1]), F::combine(a[2], a[3])));
}

template <Reduction kind>
void run_kind(const Walked& w, const float* src, float* dst, float scale, const Context& context) {
  using F = Fold<kind>;
  const int inner = w.rank - 1;
  const bool along = w.rank && !w.dst[inner];
  int64_t kept = 1, reduced = 1;
  for (int i = 0; i < w.rank; ++i) (w.dst[i] ? kept : reduced) *= w.size[i];
  int64_t stretch = 16;
  while (stretch * stretch < reduced) stretch *= 2;
  const int64_t run = along || !w.rank ? 1 : w.size[inner], pieces = ceil_div(run, kLanes * 4), outer = kept / run;
  const auto place = [&](int64_t unit, int64_t& from, int64_t& to) {
    for (int i = along ? inner : inner - 1; i >= 0; --i) {
      if (!w.dst[i]) continue;
      from += unit % w.size[i] * w.src[i], to += unit % w.size[i] * w.dst[i];
      unit /= w.size[i];
    }
  };
  parallel(context, outer * pieces, larger(int64_t{1}, kChunk / larger(int64_t{1}, reduced * smaller(run, kLanes * 4))),
           [&](int64_t begin, int64_t end, int) {
             for (int64_t u = begin; u < end; ++u) {
               int64_t from = 0, to = 0;
               place(u / pieces, from, to);
               if (along) {
                 alignas(64) float one[kLanes];
                 store(one, F::leave(V(fold_runs<kind>(w, src + from)), scale));
                 dst[to] = one[0];
                 continue;
               }
               if (!w.rank) {
                 alignas(64) float one[kLanes];
                 store(one, F::leave(F::enter(V(src[0])), scale));
                 dst[0] = one[0];
                 continue;
               }
               const int64_t first = u % pieces * kLanes * 4, step = w.src[inner];
               vectors(smaller(kLanes * 4, run - first), [&](int64_t i, int64_t lanes) {
                 V all(F::start), a(F::start);
                 int64_t terms = 0;
                 Reduced r{w, inner - 1};
                 do {
                   const float* p = src + from + (first + i) * step + r.offset;
                   if (step == 1) a = F::combine(a, F::enter(load(p, lanes)));
                   else {
                     alignas(64) float lane[kLanes] = {};
                     for (int64_t k = 0; k < lanes; ++k) lane[k] = p[k * step];
                     a = F::combine(a, F::enter(load(lane)));
                   }
                   if (++terms == stretch) all = F::combine(all, a), a = V(F::start), terms = 0;
                 } while (r.next());
                 store(dst + to + first + i, F::leave(F::combine(all, a), scale), lanes);
               });
             }
           });
}

const char* reject(const Step& s) {
  const Reduce& a = attributes(s);
  if (!is_f32(*s.src) || !is_f32(*s.dst)) return "src or dst is not f32";
  if (has(s, 1)) return "the axes are not an attribute";
  if (a.kind == Reduction::log_sum_exp) return "log_sum_exp needs a maximum first";
  if (!s.dst->dense) return "dst has gaps";
  if (s.epilogue.count) return "no epilogue";
  for (int i = 0; i < s.src->rank; ++i)
    if (reduces(a, i, s.src->rank) && (!known(s.src->size[i]) ? false : s.src->size[i] == 0)) return "there is nothing to reduce";
  return nullptr;
}

Needs needs(const Step& s) {
  const Reduce& a = attributes(s);
  const bool blocks = s.src->rank > 2 && a.keepdims && !reduces(a, 1, s.src->rank);
  return {.src = blocks ? Wants::any : Wants::plain, .dst = blocks ? Wants::any : Wants::plain};
}

float cost(const Step& s) { return 40 + static_cast<float>(count(*s.src)) * 4.f / kBytes; }

void run(const Step& s, const Context& context) noexcept {
  const Reduce& a = attributes(s);
  const Operand &src = *s.src, &dst = *s.dst;
  Walked w;
  int64_t reduced = 1, to_axis = 0;
  bool nothing = false;
  for (int i = 0; i < src.rank; ++i) {
    const bool r = reduces(a, i, src.rank);
    if (r) reduced *= src.size[i];
    else if (src.size[i] == 0) return;
    nothing |= src.size[i] == 0;
    const int64_t n = i == src.block_axis ? ceil_div(src.size[i], src.block) : src.size[i];
    const int64_t d = r ? 0 : dst.stride[to_axis];
    if (!r || a.keepdims) ++to_axis;
    w.add(n, src.stride[i], d, r);
  }
  if (src.block > 1) w.add(src.block, 1, 1, false);
  const float scale = 1.f / static_cast<float>(reduced);
  const float* from = data(src);
  float* to = mutable_data(dst);
  if (nothing) {
    const float neutral[2] = {a.kind == Reduction::max       ? -INFINITY
                              : a.kind == Reduction::min     ? INFINITY
                              : a.kind == Reduction::prod    ? 1.f
                              : a.kind == Reduction::mean    ? NAN
                              : a.kind == Reduction::log_sum ? -INFINITY
                                                             : 0.f,
                              0};  // read as any element is
    Operand value = src;
    value.data = const_cast<float*>(neutral);
    Box all;
    for (int i = 0; i < dst.rank; ++i) all.add(i == dst.block_axis ? ceil_div(dst.size[i], dst.block) : dst.size[i], 0, dst.stride[i]);
    if (dst.block > 1) all.add(dst.block, 0, 1);
    copy_box(all, value, 0, dst, 0, context);
    return;
  }
  switch (a.kind) {
    case Reduction::sum: return run_kind<Reduction::sum>(w, from, to, scale, context);
    case Reduction::mean: return run_kind<Reduction::mean>(w, from, to, scale, context);
    case Reduction::max: return run_kind<Reduction::max>(w, from, to, scale, context);
    case Reduction::min: return run_kind<Reduction::min>(w, from, to, scale, context);
    case Reduction::prod: return run_kind<Reduction::prod>(w, from, to, scale, context);
    case Reduction::l1: return run_kind<Reduction::l1>(w, from, to, scale, context);
    case Reduction::l2: return run_kind<Reduction::l2>(w, from, to, scale, context);
    case Reduction::sum_square: return run_kind<Reduction::sum_square>(w, from, to, scale, context);
    case Reduction::log_sum: return run_kind<Reduction::log_sum>(w, from, to, scale, context);
    case Reduction::log_sum_exp: return;
  }
}

// ---- arg_max and arg_min
const char* reject_arg(const Step& s) {
  if (!is_f32(*s.src)) return "src is not f32";
  if (s.epilogue.count) return "no epilogue";
  const int64_t size = s.src->size[from_front(static_cast<const Arg*>(s.attributes)->axis, s.src->rank)];
  if (!known(size) || size == 0) return "the axis may have no element";
  return reject_gaps(s);
}

// A NaN is neither greater nor smaller than anything.
template <bool greatest>
void run_arg(const Step& s, const Context& context) noexcept {
  const Arg& a = *static_cast<const Arg*>(s.attributes);
  const Operand& src = *s.src;
  const int axis = static_cast<int>(from_front(a.axis, src.rank));
  const int64_t n = src.size[axis], inner = count(src, axis + 1, src.rank);
  int64_t* dst = mutable_data<int64_t>(*s.dst);
  parallel(context, count(src, 0, axis) * inner, kChunk / n + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t line = begin; line < end; ++line) {
      const float* from = data(src) + line / inner * n * inner + line % inner;
      const auto better = [](float x, float y) { return greatest ? x > y : x < y; };
      int64_t best = 0;
      for (int64_t i = 1; i < n; ++i)
        if (a.select_last_index ? !better(from[best * inner], from[i * inner]) : better(from[i * inner], from[best * inner])) best = i;
      dst[line] = best;
    }
  });
}

Needs needs_arg(const Step&) { return {}; }
float cost_arg(const Step& s) { return 40 + static_cast<float>(count(*s.src)) * 0.6f; }

template <bool greatest>
constexpr Kernel arg_kernel(const char* name, const char* op) {
  return {.name = name,
          .op = op,
          .isa = TENON_ISA_LEVEL,
          .reject = reject_arg,
          .needs = needs_arg,
          .cost = cost_arg,
          .pack = nullptr,
          .run = run_arg<greatest>};
}

const Kernel kKernels[] = {
    arg_kernel<true>("arg_max_f32_lines_" TENON_ISA_NAME, "arg_max"),
    arg_kernel<false>("arg_min_f32_lines_" TENON_ISA_NAME, "arg_min"),
    {.name = "reduce_f32_vectors_" TENON_ISA_NAME,
     .op = "reduce",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run},
};
}  // namespace
extern const KernelTable reduce_table{kKernels, 3};
}  // namespace tenon::cpu::TENON_ISA
