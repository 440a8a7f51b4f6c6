// dft along an axis, of floating point; the last axis, which holds the parts of complex numbers, has one or two elements.
// Lines are done several at a time, one to a lane, by the Stockham algorithm of mixed radix: a stage of radix r takes x, cut into r parts
// of m blocks of s lanes, to y[p][k] = w^(p k) * sum over j of x[j][p] * v^(j k), with w of the length that is left and v of the radix; it
// needs no reordering in the end. f32 in vectors, tolerance 1e-6 of the largest element. Other types, and lengths with a large prime
// factor, in double; where the factor is very large by a convolution with a chirp (Bluestein), whose length is a power of two.
#include <cmath>

#include "kernels/cpu/element.h"
#include "kernels/cpu/simd.h"
#include "ops/signal.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kLargestRadix = 128;  // in f32, whose sums lose digits; and up to which a sum over all pairs is less work than a chirp

const Dft& attributes(const Step& s) { return *static_cast<const Dft*>(s.attributes); }

int64_t largest_factor(int64_t n) {
  int64_t most = 1;
  for (int64_t f = 2; f * f <= n; ++f)
    while (n % f == 0) most = f, n /= f;
  return larger(most, n);
}
int64_t next_radix(int64_t n) {
  if (n % 4 == 0) return 4;
  for (int64_t f = 2; f * f <= n; ++f)
    if (n % f == 0) return f;
  return n;
}
int64_t power_above(int64_t n) {
  int64_t p = 1;
  while (p < n) p *= 2;
  return p;
}

// Four doubles.
struct D {
  double v[4];
  D() = default;
  explicit D(double x) : v{x, x, x, x} {}
};
#define TENON_EACH(op)                                    \
  TENON_INLINE inline D operator op(D a, D b) {           \
    for (int i = 0; i < 4; ++i) a.v[i] = a.v[i] op b.v[i]; \
    return a;                                             \
  }
TENON_EACH(+)
TENON_EACH(-)
TENON_EACH(*)
#undef TENON_EACH

struct Floats {
  using Vector = V;
  using Number = float;
  static constexpr int64_t lanes = kLanes;
  static V get(const float* p) { return load(p); }
  static void put(float* p, V v) { store(p, v); }
};
struct Doubles {
  using Vector = D;
  using Number = double;
  static constexpr int64_t lanes = 4;
  static D get(const double* p) {
    D d(0);
    for (int i = 0; i < 4; ++i) d.v[i] = p[i];
    return d;
  }
  static void put(double* p, D v) {
    for (int i = 0; i < 4; ++i) p[i] = v.v[i];
  }
};

// exp(sign 2 pi i k / n) for k = 0 .. n - 1.
template <class N>
void fill_roots(int64_t n, bool inverse, N* cosine, N* sine) {
  for (int64_t k = 0; 2 * k <= n; ++k) {
    const double angle = 2 * 3.14159265358979323846 * static_cast<double>(k) / static_cast<double>(n);
    const N c = static_cast<N>(std::cos(angle)), d = static_cast<N>(inverse ? std::sin(angle) : -std::sin(angle));
    cosine[k] = c, sine[k] = d;
    if (k) cosine[n - k] = c, sine[n - k] = -d;
  }
}

template <class K>
struct Complex {
  typename K::Vector re, im;
};

// A transform of `n` numbers of K::lanes lines. `x` and `y` hold n real, then n imaginary vectors; the result is in the one returned.
template <class K>
typename K::Number* transform(int64_t n, const typename K::Number* cosine, const typename K::Number* sine, typename K::Number* x,
                              typename K::Number* y) {
  using Vector = typename K::Vector;
  constexpr int64_t kL = K::lanes;
  const auto at = [](const auto* from, int64_t n, int64_t i) TENON_INLINE { return Complex<K>{K::get(from + i * kL), K::get(from + (n + i) * kL)}; };
  const auto turned = [&](Complex<K> c, int64_t turn) TENON_INLINE {
    const Vector a(cosine[turn]), b(sine[turn]);
    return Complex<K>{c.re * a - c.im * b, c.re * b + c.im * a};
  };
  const auto put = [&](typename K::Number* to, int64_t i, Complex<K> c) TENON_INLINE {
    K::put(to + i * kL, c.re), K::put(to + (n + i) * kL, c.im);
  };
  const bool inverse = n > 2 && sine[1] > 0;
  for (int64_t left = n, s = 1; left > 1;) {
    const int64_t r = next_radix(left), m = left / r;
    for (int64_t p = 0; p < m; ++p)
      for (int64_t q = 0; q < s; ++q) {
        const auto in = [&](int64_t j) TENON_INLINE { return at(x, n, q + s * (p + m * j)); };
        const auto out = [&](int64_t k, Complex<K> c) TENON_INLINE { put(y, q + s * (r * p + k), p && k ? turned(c, p * k * s) : c); };
        if (r == 4) {
          const Complex<K> a = in(0), b = in(1), c = in(2), d = in(3);
          const Vector sr = a.re + c.re, si = a.im + c.im, dr = a.re - c.re, di = a.im - c.im;
          const Vector tr = b.re + d.re, ti = b.im + d.im;
          const Vector ur = inverse ? d.im - b.im : b.im - d.im, ui = inverse ? b.re - d.re : d.re - b.re;  // -i (b - d), or i (b - d)
          out(0, {sr + tr, si + ti}), out(1, {dr + ur, di + ui}), out(2, {sr - tr, si - ti}), out(3, {dr - ur, di - ui});
        } else if (r == 2) {
          const Complex<K> a = in(0), b = in(1);
          out(0, {a.re + b.re, a.im + b.im}), out(1, {a.re - b.re, a.im - b.im});
        } else {
          const int64_t step = n / r;
          for (int64_t k = 0; k < r; ++k) {
            Complex<K> sum = in(0);
            for (int64_t j = 1, turn = 0; j < r; ++j) {
              turn = (turn + k * step) % n;
              const Complex<K> c = turned(in(j), turn);
              sum.re = sum.re + c.re, sum.im = sum.im + c.im;
            }
            out(k, sum);
          }
        }
      }
    auto* const done = y;
    y = x, x = done;
    left = m, s *= r;
  }
  return x;
}

struct Shape {
  int64_t outer, size, inner, parts, length, results, result_parts;
  bool to_real, exact;  // exact: the length is known, and not only the most that it can be

  // `running`: the sources have their elements.
  explicit Shape(const Step& s, bool running = false) {
    const Dft& a = attributes(s);
    const Operand &src = *s.src, &dst = *s.dst;
    const int axis = static_cast<int>(from_front(a.axis, src.rank));
    outer = count(src, 0, axis), size = src.size[axis], inner = count(src, axis + 1, src.rank - 1), parts = last(src.size, src.rank);
    results = dst.size[axis], to_real = a.inverse && a.onesided, result_parts = to_real ? 1 : 2;
    length = a.onesided && !a.inverse ? 2 * results - 1 : results;  // the most it can be
    if (!has(s, 1)) length = to_real ? 2 * (size - 1) : size;
    else if (running || s.src[1].constant) length = static_cast<int64_t>(number(s.src[1], 0));
    exact = running || !has(s, 1) || s.src[1].constant;
  }
  int64_t lines() const { return outer * inner; }
  // Of the transform by powers of two that a chirp needs.
  int64_t padded() const { return power_above(2 * length); }
  bool chirps() const { return largest_factor(length) > 4 * kLargestRadix; }
};

const char* reject_shared(const Step& s) {
  if (s.src->scale || s.dst->scale) return "an operand is quantised";
  if (has(s, 1) && !is_number(s.src[1])) return "the length is not a number of 8 bits or more";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}
const char* reject_vectors(const Step& s) {
  if (!is_f32(*s.src) || !is_f32(*s.dst)) return "src or dst is not f32";
  if (has(s, 1) && !s.src[1].constant) return "the length is not known before the run";
  if (!has(s, 1) && !known(s.src->size[from_front(attributes(s).axis, s.src->rank)])) return "the length is not known before the run";
  if (const int64_t n = Shape(s).length; n > 0 && largest_factor(n) > kLargestRadix) return "the length has a prime factor above 128";
  return reject_shared(s);
}
const char* reject_double(const Step& s) {
  if (!is_real_number(*s.src) || s.src->dtype != s.dst->dtype) return "src is not floating point of 16 bits or more";
  return reject_shared(s);
}

template <class K>
Needs needs(const Step& s) {
  if (!known(*s.src) || !known(*s.dst)) return {};
  const Shape d(s);
  const int64_t n = larger(d.length, int64_t{1}), bytes = static_cast<int64_t>(sizeof(typename K::Number));
  // Roots, or the parts of a chirp; two arrays of complex numbers for each lane, or three, of which two are padded.
  const bool chirp = std::is_same_v<K, Doubles> && (!d.exact || d.chirps());
  const int64_t m = chirp ? d.padded() : 0;
  return {.scratch_bytes = (2 * n + (2 + 4 * K::lanes) * m) * bytes, .worker_scratch_bytes = (chirp ? 2 * n + 4 * m : 4 * n) * K::lanes * bytes};
}

template <class K>
float cost(const Step& s) {
  const Shape d(s);
  float steps = 0;
  for (int64_t n = larger(d.length, int64_t{1}); n > 1 && !d.chirps();) {
    const int64_t r = next_radix(n);
    steps += r <= 4 ? 2.f : static_cast<float>(r), n /= r;
  }
  if (d.chirps()) steps = 200;
  const float groups = static_cast<float>(ceil_div(larger(d.lines(), int64_t{1}), K::lanes));
  return 500 + static_cast<float>(d.length) * 15 + groups * static_cast<float>(d.length) * (steps * 2 + 4 * K::lanes);
}

template <class K, class T>
void read_lines(const Shape& d, const T* src, int64_t first, int64_t n, typename K::Number* x) {
  using Number = typename K::Number;
  const int64_t length = d.length, there = smaller(d.size, length);
  for (int64_t lane = 0; lane < K::lanes; ++lane) {
    const int64_t line = first + smaller(lane, n - 1);
    const T* from = src + (line / d.inner * d.size * d.inner + line % d.inner) * d.parts;
    Number *re = x + lane, *im = x + length * K::lanes + lane;
    for (int64_t t = 0; t < there; ++t) {
      re[t * K::lanes] = static_cast<Number>(static_cast<Wide<T>>(from[t * d.inner * d.parts]));
      im[t * K::lanes] = d.parts == 2 ? static_cast<Number>(static_cast<Wide<T>>(from[t * d.inner * d.parts + 1])) : Number(0);
    }
    for (int64_t t = there; t < length; ++t) re[t * K::lanes] = im[t * K::lanes] = 0;
    for (int64_t t = length / 2 + 1; d.to_real && t < length; ++t)  // what the other side mirrors
      re[t * K::lanes] = re[(length - t) * K::lanes], im[t * K::lanes] = -im[(length - t) * K::lanes];
  }
}

template <class K, class T>
void write_lines(const Shape& d, bool inverse, const typename K::Number* x, int64_t first, int64_t n, T* dst) {
  const double scale = inverse ? 1 / static_cast<double>(d.length) : 1;
  const auto stored = [&](auto v) {
    return from_double<T>(static_cast<double>(v) * scale);
  };
  for (int64_t lane = 0; lane < n; ++lane) {
    const int64_t line = first + lane;
    T* to = dst + (line / d.inner * d.results * d.inner + line % d.inner) * d.result_parts;
    for (int64_t k = 0; k < d.results; ++k) {
      T* here = to + k * d.inner * d.result_parts;
      here[0] = stored(x[k * K::lanes + lane]);
      if (!d.to_real) here[1] = stored(x[(d.length + k) * K::lanes + lane]);
    }
  }
}

// x times the chirp, convolved with its inverse, times the chirp.
struct Chirp {
  int64_t n, m;
  double *cosine, *sine, *root, *root_sine, *filter;  // chirp [n], roots [m], the transform of the filter [2][m] in every lane

  Chirp(int64_t n, int64_t m, bool inverse, double* memory) : n(n), m(m), cosine(memory), sine(cosine + n), root(sine + n), root_sine(root + m) {
    double *x = root_sine + m, *y = x + 2 * m * Doubles::lanes;
    for (int64_t k = 0; k < n; ++k) {
      const double angle = 3.14159265358979323846 * static_cast<double>(k * k % (2 * n)) / static_cast<double>(n);
      cosine[k] = std::cos(angle), sine[k] = inverse ? std::sin(angle) : -std::sin(angle);
    }
    fill_roots(m, false, root, root_sine);
    for (int64_t i = 0; i < 2 * m * Doubles::lanes; ++i) x[i] = 0;
    for (int64_t k = 0; k < n; ++k)
      for (int64_t lane = 0; lane < Doubles::lanes; ++lane)
        for (int64_t at : {k, (m - k) % m}) x[at * Doubles::lanes + lane] = cosine[k], x[(m + at) * Doubles::lanes + lane] = -sine[k];
    filter = transform<Doubles>(m, root, root_sine, x, y);
  }

  // Of lines in x [2][n], with 2 m vectors at y and at z; the result is in x.
  void run(double* x, double* y, double* z) const {
    constexpr int64_t kL = Doubles::lanes;
    for (int64_t i = 0; i < 2 * m * kL; ++i) y[i] = 0;
    const auto times = [&](const double* from, int64_t from_im, double* to, int64_t to_im, int64_t k, double a, double b, double scale) {
      for (int64_t l = 0; l < kL; ++l) {
        const double re = from[k * kL + l], im = from[from_im + k * kL + l];
        to[k * kL + l] = (re * a - im * b) * scale, to[to_im + k * kL + l] = (re * b + im * a) * scale;
      }
    };
    for (int64_t k = 0; k < n; ++k) times(x, n * kL, y, m * kL, k, cosine[k], sine[k], 1);
    double* a = transform<Doubles>(m, root, root_sine, y, z);
    // The inverse by the transform of the conjugate.
    for (int64_t k = 0; k < m; ++k)
      for (int64_t l = 0; l < kL; ++l) {
        const double re = a[k * kL + l], im = a[(m + k) * kL + l], fr = filter[k * kL + l], fi = filter[(m + k) * kL + l];
        a[k * kL + l] = re * fr - im * fi, a[(m + k) * kL + l] = -(re * fi + im * fr);
      }
    double* b = transform<Doubles>(m, root, root_sine, a, a == y ? z : y);
    for (int64_t k = 0; k < n; ++k) {
      for (int64_t l = 0; l < kL; ++l) b[(m + k) * kL + l] = -b[(m + k) * kL + l];
      times(b, m * kL, x, n * kL, k, cosine[k], sine[k], 1 / static_cast<double>(m));
    }
  }
};

template <class K, class T>
void run_lines(const Step& s, const Context& context) {
  using Number = typename K::Number;
  const Shape d(s, true);
  const bool inverse = attributes(s).inverse;
  if (!count(*s.dst)) return;
  if (d.length < 1) return context.fault(context, "the length of dft is positive", d.length, 1);
  Number* cosine = reinterpret_cast<Number*>(context.scratch);
  const int64_t n = d.length, groups = ceil_div(d.lines(), K::lanes);
  const auto each = [&](const auto& body) {
    parallel(context, groups, 8192 / (n * K::lanes) + 1, [&](int64_t begin, int64_t end, int worker) {
      Number* x = reinterpret_cast<Number*>(context.worker_scratch + worker * context.worker_stride);
      for (int64_t u = begin; u < end; ++u) {
        const int64_t first = u * K::lanes, lines = smaller(K::lanes, d.lines() - first);
        read_lines<K>(d, data<T>(*s.src), first, lines, x);
        write_lines<K>(d, inverse, body(x), first, lines, mutable_data<T>(*s.dst));
      }
    });
  };
  if constexpr (std::is_same_v<K, Doubles>) {
    if (d.chirps()) {
      const Chirp chirp(n, d.padded(), inverse, cosine);
      return each([&](double* x) {
        double* y = x + 2 * n * K::lanes;
        chirp.run(x, y, y + 2 * chirp.m * K::lanes);
        return x;
      });
    }
  }
  fill_roots(n, inverse, cosine, cosine + n);
  each([&](Number* x) { return transform<K>(n, cosine, cosine + n, x, x + 2 * n * K::lanes); });
}

void run_vectors(const Step& s, const Context& context) noexcept { run_lines<Floats, float>(s, context); }
void run_double(const Step& s, const Context& context) noexcept {
  by_real(*s.src, [&](auto t) { run_lines<Doubles, decltype(t)>(s, context); });
}

const Kernel kKernels[] = {
    {.name = "dft_f32_lanes_" TENON_ISA_NAME,
     .op = "dft",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_vectors,
     .needs = needs<Floats>,
     .cost = cost<Floats>,
     .pack = nullptr,
     .run = run_vectors},
    {.name = "dft_real_double_" TENON_ISA_NAME,
     .op = "dft",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_double,
     .needs = needs<Doubles>,
     .cost = cost<Doubles>,
     .pack = nullptr,
     .run = run_double},
};

}  // namespace
extern const KernelTable dft_table{kKernels, 2};
}  // namespace tenon::cpu::TENON_ISA
