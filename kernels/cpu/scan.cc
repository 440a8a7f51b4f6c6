// Ops that walk along axes of any number type: cum_sum, cum_prod, hardmax; and reduce, arg_max,
// arg_min, layer_norm and rms_norm of all that the vector kernels of f32 leave: other types, axes
// known only when running, empty axes, log_sum_exp, scales of any shape. Plain operands without
// gaps. Sums of floating point are double; those of integers wrap.
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/element.h"
#include "ops/norm.h"
#include "ops/reduce.h"
#include "ops/softmax.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kChunk = 16384;  // elements
constexpr int64_t kColumns = 64;   // lines of neighbours that are walked together

template <class A>
const A& attributes(const Step& s) {
  return *static_cast<const A*>(s.attributes);
}

Needs plain(const Step&) { return {}; }

const char* reject_numbers(const Step& s) {
  if (!is_number(*s.src) || s.src->scale || s.dst->scale)
    return "src is quantised, or of no number of 8 bits or more";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

// Lines along an axis: `inner` neighbours lie side by side.
struct Lines {
  int64_t outer, size, inner;
  Lines(const Operand& o, int64_t axis) {
    const int at = static_cast<int>(from_front(axis, o.rank));
    outer = count(o, 0, at), size = o.size[at], inner = count(o, at + 1, o.rank);
  }
  bool empty() const { return !outer || !size || !inner; }
};

// ---- cum_sum and cum_prod
const char* reject_cumulate(const Step& s) {
  if (has(s, 1) && !is_index(s.src[1])) return "the axis is neither s32 nor s64";
  return reject_numbers(s);
}
float cost_cumulate(const Step& s) { return 60 + 1.5f * static_cast<float>(count(*s.src)); }

template <bool product>
void run_cumulate(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<Cumulate>(s);
  const int64_t axis = has(s, 1) ? integer(s.src[1], 0) : a.axis, rank = s.src->rank;
  if (axis < -rank || axis >= rank)
    return context.fault(context, "the axis of a cumulated sum or product is within the rank", axis,
                         rank);
  const Lines lines(*s.src, axis);
  if (lines.empty()) return;
  const int64_t pieces = ceil_div(lines.inner, kColumns),
                step = a.reverse ? -lines.inner : lines.inner;
  by_number(*s.src, [&](auto t) {
    using T = decltype(t);
    using Sum = std::conditional_t<is_real_type<T>, double, uint64_t>;
    const auto number = [](T v) { return static_cast<Sum>(static_cast<Wide<T>>(v)); };
    const auto stored = [](Sum v) {
      if constexpr (is_real_type<T>) return from_double<T>(v);
      else return static_cast<T>(v);
    };
    parallel(
        context, lines.outer * pieces, kChunk / (lines.size * smaller(lines.inner, kColumns)) + 1,
        [&](int64_t begin, int64_t end, int) {
          for (int64_t u = begin; u < end; ++u) {
            const int64_t first = u / pieces * lines.size * lines.inner + u % pieces * kColumns +
                                  (a.reverse ? (lines.size - 1) * lines.inner : 0);
            const int64_t n = smaller(kColumns, lines.inner - u % pieces * kColumns);
            const T* from = data<T>(*s.src) + first;
            T* to = mutable_data<T>(*s.dst) + first;
            Sum sums[kColumns];
            for (Sum& x : sums) x = product;
            const auto walk = [&](auto columns) {
              for (int64_t i = 0; i < lines.size; ++i, from += step, to += step)
                for (int64_t k = 0; k < columns; ++k) {
                  const Sum before = sums[k], x = number(from[k]);
                  sums[k] = product ? before * x : before + x;
                  to[k] = stored(a.exclusive ? before : sums[k]);
                }
            };
            if (n == kColumns) walk(std::integral_constant<int64_t, kColumns>());
            else walk(n);
          }
        });
  });
}

// The index of the first element of a line that is better than all before it.
template <class T, class Better>
int64_t best_of(const T* line, int64_t n, int64_t step, const Better& better) {
  const auto walk = [&](auto each) {
    int64_t best = 0;
    auto top = static_cast<Wide<T>>(line[0]);
    for (int64_t i = 1; i < n; ++i)
      if (const auto v = static_cast<Wide<T>>(line[i * each]); better(v, top)) best = i, top = v;
    return best;
  };
  return step == 1 ? walk(std::integral_constant<int64_t, 1>()) : walk(step);
}

// ---- hardmax: one where the greatest is first met, zero elsewhere
const char* reject_hardmax(const Step& s) {
  if (!is_real_number(*s.src)) return "src is not floating point";
  return reject_numbers(s);
}

void run_hardmax(const Step& s, const Context& context) noexcept {
  const Lines lines(*s.src, attributes<Softmax>(s).axis);
  if (lines.empty()) return;
  by_real(*s.src, [&](auto t) {
    using T = decltype(t);
    parallel(context, lines.outer * lines.inner, kChunk / lines.size + 1,
             [&](int64_t begin, int64_t end, int) {
               for (int64_t u = begin; u < end; ++u) {
                 const int64_t first = u / lines.inner * lines.size * lines.inner + u % lines.inner;
                 const T* from = data<T>(*s.src) + first;
                 T* to = mutable_data<T>(*s.dst) + first;
                 const int64_t best =
                     best_of(from, lines.size, lines.inner, [](auto x, auto y) { return x > y; });
                 if (lines.inner == 1)
                   std::memset(to, 0, static_cast<size_t>(lines.size) * sizeof(T));
                 else
                   for (int64_t i = 0; i < lines.size; ++i) to[i * lines.inner] = T(0.f);
                 to[best * lines.inner] = T(1.f);
               }
             });
  });
}

// ---- arg_max and arg_min. A NaN is neither greater nor smaller than anything.
float cost_lines(const Step& s) { return 60 + 2 * static_cast<float>(count(*s.src)); }

template <bool greatest>
void run_arg(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<Arg>(s);
  const Lines lines(*s.src, a.axis);
  int64_t* dst = mutable_data<int64_t>(*s.dst);
  if (!lines.size && lines.outer && lines.inner)
    return context.fault(context, "the axis of arg_max and arg_min has an element", 0, 1);
  by_number(*s.src, [&](auto t) {
    using T = decltype(t);
    parallel(context, lines.outer * lines.inner, kChunk / (lines.size + 1) + 1,
             [&](int64_t begin, int64_t end, int) {
               for (int64_t u = begin; u < end; ++u) {
                 const T* from =
                     data<T>(*s.src) + u / lines.inner * lines.size * lines.inner + u % lines.inner;
                 if (a.select_last_index)
                   dst[u] = best_of(from, lines.size, lines.inner,
                                    [](auto x, auto y) { return greatest ? !(y > x) : !(y < x); });
                 else
                   dst[u] = best_of(from, lines.size, lines.inner,
                                    [](auto x, auto y) { return greatest ? x > y : x < y; });
               }
             });
  });
}

// ---- reduce
// src as a box of kept axes around one of reduced axes, each a list of sizes and strides.
struct Reduced {
  int kept = 0, gone = 0;
  int64_t kept_size[kMaxRank], kept_stride[kMaxRank], gone_size[kMaxRank], gone_stride[kMaxRank];
  int64_t results = 1, terms = 1;

  explicit Reduced(const Step& s) {
    const auto& a = attributes<Reduce>(s);
    const Operand& src = *s.src;
    const int64_t named = has(s, 1) ? s.src[1].size[0] : static_cast<int64_t>(a.axes.size());
    bool reduces[kMaxRank] = {};
    for (int i = 0; i < src.rank; ++i) reduces[i] = named == 0 && !a.noop_with_empty_axes;
    for (int64_t i = 0; i < named; ++i) {
      const int64_t axis = from_front(
          has(s, 1) ? data<int64_t>(s.src[1])[i] : a.axes[static_cast<size_t>(i)], src.rank);
      if (axis >= 0 && axis < src.rank) reduces[axis] = true;
    }
    for (int i = 0; i < src.rank; ++i) {
      if (reduces[i])
        gone_size[gone] = src.size[i], gone_stride[gone++] = src.stride[i], terms *= src.size[i];
      else
        kept_size[kept] = src.size[i], kept_stride[kept++] = src.stride[i], results *= src.size[i];
    }
  }
};

// What grows while terms are added, in doubles or in integers that wrap.
template <class Sum>
struct Growing {
  Sum value;
  double top = -INFINITY;  // log_sum_exp: the largest term so far
};

template <Reduction kind, class Sum, class Term>
void add(Growing<Sum>& s, Term x) {
  constexpr bool real = std::is_same_v<Sum, double>;
  if constexpr (kind == Reduction::prod) {
    s.value *= static_cast<Sum>(x);
  } else if constexpr (kind == Reduction::max) {
    if constexpr (real) s.value = s.value != s.value || s.value > x ? s.value : x;
    else s.value = static_cast<Term>(s.value) < x ? static_cast<Sum>(x) : s.value;
  } else if constexpr (kind == Reduction::min) {
    if constexpr (real) s.value = s.value != s.value || s.value < x ? s.value : x;
    else s.value = x < static_cast<Term>(s.value) ? static_cast<Sum>(x) : s.value;
  } else if constexpr (kind == Reduction::l1) {
    s.value += x < 0 ? 0 - static_cast<Sum>(x) : static_cast<Sum>(x);
  } else if constexpr (kind == Reduction::l2 || kind == Reduction::sum_square) {
    s.value += static_cast<Sum>(x) * static_cast<Sum>(x);
  } else if constexpr (kind == Reduction::log_sum_exp) {
    const double v = static_cast<double>(x);
    if (v == -INFINITY) return;
    if (v > s.top) s.value = s.value * static_cast<Sum>(std::exp(s.top - v)), s.top = v;
    s.value += static_cast<Sum>(s.top == INFINITY ? 1.f : std::exp(static_cast<float>(v - s.top)));
  } else {
    s.value += static_cast<Sum>(x);
  }
}

template <Reduction kind, class T, class Sum>
Sum start() {
  if constexpr (kind == Reduction::prod) return 1;
  else if constexpr (kind != Reduction::max && kind != Reduction::min) return 0;
  else if constexpr (is_real_type<T>) return kind == Reduction::max ? -INFINITY : INFINITY;
  else
    return static_cast<Sum>(kind == Reduction::max ? std::numeric_limits<T>::lowest()
                                                   : std::numeric_limits<T>::max());
}

template <Reduction kind, class Sum>
Sum finish(const Growing<Sum>& s, int64_t terms) {
  if constexpr (kind == Reduction::mean) {
    if constexpr (std::is_same_v<Sum, double>) return s.value / static_cast<double>(terms);
    else if (!terms) return 0;
    else return static_cast<Sum>(static_cast<int64_t>(s.value) / terms);
  } else if constexpr (kind == Reduction::l2) {
    if constexpr (std::is_same_v<Sum, double>) return __builtin_sqrt(s.value);
    else
      return static_cast<Sum>(
          static_cast<int64_t>(__builtin_sqrt(static_cast<double>(static_cast<int64_t>(s.value)))));
  } else if constexpr (kind == Reduction::log_sum) {
    return static_cast<Sum>(std::log(static_cast<double>(s.value)));
  } else if constexpr (kind == Reduction::log_sum_exp) {
    return s.value == 0 ? static_cast<Sum>(-INFINITY)
                        : static_cast<Sum>(s.top + std::log(static_cast<double>(s.value)));
  } else {
    return s.value;
  }
}

template <class T, Reduction kind>
void reduce(const Step& s, const Context& context) {
  using Sum = std::conditional_t<is_real_type<T>, double, uint64_t>;
  using Term = std::conditional_t<is_real_type<T>, double, Wide<T>>;
  const Reduced r(s);
  // Neighbours that are kept grow side by side.
  const bool side_by_side = r.kept && r.kept_stride[r.kept - 1] == 1;
  const int64_t run = side_by_side ? r.kept_size[r.kept - 1] : 1, pieces = ceil_div(run, kColumns);
  if (!r.results) return;
  parallel(context, r.results / run * pieces, kChunk / (r.terms * smaller(run, kColumns) + 1) + 1,
           [&](int64_t begin, int64_t end, int) {
             for (int64_t u = begin; u < end; ++u) {
               const int64_t first = u % pieces * kColumns, n = smaller(kColumns, run - first);
               int64_t from = first, rest = u / pieces;
               for (int i = r.kept - 1 - side_by_side; i >= 0; --i)
                 from += rest % r.kept_size[i] * r.kept_stride[i], rest /= r.kept_size[i];
               Growing<Sum> grown[kColumns];
               for (int64_t k = 0; k < n; ++k) grown[k] = {start<kind, T, Sum>(), -INFINITY};
               int64_t index[kMaxRank] = {};
               const int inner = r.gone - 1;
               const int64_t length = r.gone ? r.gone_size[inner] : 1,
                             step = r.gone ? r.gone_stride[inner] : 0;
               for (int64_t done = 0; done < r.terms; done += length) {
                 const T* at = data<T>(*s.src) + from;
                 for (int64_t i = 0; i < length; ++i, at += step)
                   for (int64_t k = 0; k < n; ++k)
                     add<kind, Sum, Term>(grown[k], static_cast<Term>(static_cast<Wide<T>>(at[k])));
                 for (int i = inner - 1; i >= 0; --i) {
                   from += r.gone_stride[i];
                   if (++index[i] < r.gone_size[i]) break;
                   from -= r.gone_stride[i] * r.gone_size[i], index[i] = 0;
                 }
               }
               T* to = mutable_data<T>(*s.dst) + u / pieces * run + first;
               for (int64_t k = 0; k < n; ++k) {
                 const Sum v = finish<kind>(grown[k], r.terms);
                 if constexpr (is_real_type<T>) to[k] = from_double<T>(v);
                 else
                   to[k] = is(*s.dst, DType::boolean) ? static_cast<T>(v != 0) : static_cast<T>(v);
               }
             }
           });
}

const char* reject_reduce(const Step& s) {
  if (has(s, 1) && !is(s.src[1], DType::s64)) return "the axes are not s64";
  return reject_numbers(s);
}
float cost_reduce(const Step& s) { return 80 + 3 * static_cast<float>(count(*s.src)); }

void run_reduce(const Step& s, const Context& context) noexcept {
  by_number(*s.src, [&](auto t) {
    using T = decltype(t);
    switch (attributes<Reduce>(s).kind) {
      case Reduction::mean: return reduce<T, Reduction::mean>(s, context);
      case Reduction::max: return reduce<T, Reduction::max>(s, context);
      case Reduction::min: return reduce<T, Reduction::min>(s, context);
      case Reduction::prod: return reduce<T, Reduction::prod>(s, context);
      case Reduction::l1: return reduce<T, Reduction::l1>(s, context);
      case Reduction::l2: return reduce<T, Reduction::l2>(s, context);
      case Reduction::sum_square: return reduce<T, Reduction::sum_square>(s, context);
      case Reduction::log_sum:
        if constexpr (is_real_type<T>) return reduce<T, Reduction::log_sum>(s, context);
        return;
      case Reduction::log_sum_exp:
        if constexpr (is_real_type<T>) return reduce<T, Reduction::log_sum_exp>(s, context);
        return;
      default: return reduce<T, Reduction::sum>(s, context);
    }
  });
}

// ---- layer_norm and rms_norm, whose scale and bias broadcast to src
const char* reject_norm(const Step& s) {
  if (!is_real_number(*s.src)) return "src is not floating point";
  for (int i = 1; i < s.sources; ++i)
    if (has(s, i) && (s.src[i].dtype != s.src->dtype || s.src[i].scale))
      return "scale or bias is not of the type of src";
  for (int i = 1; i < s.destinations; ++i)
    if (s.dst[i].dtype && !is(s.dst[i], DType::f32) && !is(s.dst[i], DType::f64))
      return "a statistic is neither f32 nor f64";
  return reject_numbers(s);
}
float cost_norm(const Step& s) { return 100 + 6 * static_cast<float>(count(*s.src)); }

// Strides that read an operand as if it had the shape of src.
struct Broadcast {
  const Operand* o = nullptr;
  int64_t stride[kMaxRank] = {};
  Broadcast(const Step& s, int i) {
    if (!has(s, i)) return;
    o = &s.src[i];
    for (int k = 0; k < o->rank; ++k)
      if (o->size[k] != 1) stride[k + s.src->rank - o->rank] = o->stride[k];
  }
};

template <bool centred>
void run_norm(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<LayerNorm>(s);
  const Operand& src = *s.src;
  const int axis = static_cast<int>(from_front(a.axis, src.rank));
  const int64_t n = count(src, axis, src.rank), row = src.rank ? src.size[src.rank - 1] : 1;
  const Broadcast scale(s, 1), bias(s, 2);
  const auto statistic = [&](int i, int64_t r, double v) {
    if (i >= s.destinations || !s.dst[i].dtype) return;
    if (is(s.dst[i], DType::f64)) mutable_data<double>(s.dst[i])[r] = v;
    else mutable_data(s.dst[i])[r] = static_cast<float>(v);
  };
  for (int64_t r = 0; !n && r < count(src, 0, axis); ++r) statistic(1, r, 0), statistic(2, r, 0);
  if (!n) return;
  by_real(src, [&](auto t) {
    using T = decltype(t);
    const auto at = [](const T* p) { return static_cast<double>(static_cast<Wide<T>>(*p)); };
    parallel(context, count(src, 0, axis), kChunk / n + 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) {
        const T* x = data<T>(src) + r * n;
        double sum = 0, squares = 0;
        for (int64_t i = 0; centred && i < n; ++i) sum += at(x + i);
        const double mean = sum / static_cast<double>(n);
        for (int64_t i = 0; i < n; ++i) squares += (at(x + i) - mean) * (at(x + i) - mean);
        const double inverse =
            1 / __builtin_sqrt(squares / static_cast<double>(n) + static_cast<double>(a.epsilon));
        if (centred) statistic(1, r, mean);
        statistic(centred ? 2 : 1, r, inverse);
        for (int64_t first = 0; first < n; first += row) {
          int64_t rest = (r * n + first) / row, of_scale = 0, of_bias = 0;
          for (int k = src.rank - 2; k >= 0; --k) {
            of_scale += rest % src.size[k] * scale.stride[k],
                of_bias += rest % src.size[k] * bias.stride[k];
            rest /= src.size[k];
          }
          const int last = src.rank - 1;
          for (int64_t i = 0; i < row; ++i) {
            double v = (at(x + first + i) - mean) * inverse *
                       at(data<T>(*scale.o) + of_scale + i * scale.stride[last]);
            if (bias.o) v += at(data<T>(*bias.o) + of_bias + i * bias.stride[last]);
            mutable_data<T>(*s.dst)[r * n + first + i] = from_double<T>(v);
          }
        }
      }
    });
  });
}

#define TENON_SCAN(op_, name_, reject_, cost_, run_)                                        \
  {                                                                                         \
    .name = name_ "_" TENON_ISA_NAME, .op = op_, .isa = TENON_ISA_LEVEL, .reject = reject_, \
    .needs = plain, .cost = cost_, .pack = nullptr, .run = run_                             \
  }

const Kernel kKernels[] = {
    TENON_SCAN("cum_sum", "cum_sum_any_lines", reject_cumulate, cost_cumulate, run_cumulate<false>),
    TENON_SCAN("cum_prod", "cum_prod_any_lines", reject_cumulate, cost_cumulate,
               run_cumulate<true>),
    TENON_SCAN("hardmax", "hardmax_any_lines", reject_hardmax, cost_lines, run_hardmax),
    TENON_SCAN("arg_max", "arg_max_any_lines", reject_numbers, cost_lines, run_arg<true>),
    TENON_SCAN("arg_min", "arg_min_any_lines", reject_numbers, cost_lines, run_arg<false>),
    TENON_SCAN("reduce", "reduce_any_lines", reject_reduce, cost_reduce, run_reduce),
    TENON_SCAN("layer_norm", "layer_norm_real_lines", reject_norm, cost_norm, run_norm<true>),
    TENON_SCAN("rms_norm", "rms_norm_real_lines", reject_norm, cost_norm, run_norm<false>),
};

}  // namespace
extern const KernelTable scan_table{kKernels, sizeof kKernels / sizeof *kKernels};
}  // namespace tenon::cpu::TENON_ISA
