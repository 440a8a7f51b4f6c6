// dft along an axis, of floating point; the last axis, which holds the parts of complex numbers,
// has one or two elements. Lines are done several at a time, one to a lane, by the Stockham
// algorithm of mixed radix: a stage of radix r takes x, cut into r parts of m blocks of s lanes, to
// y[p][k] = w^(p k) * sum over j of x[j][p] * v^(j k), with w of the length that is left and v of
// the radix; it needs no reordering in the end. A length with a very large prime factor goes by a
// convolution with a chirp (Bluestein), whose length is a power of two. Arithmetic is double, in
// which what should be zero is zero to the last digit of f32. Tolerance 1e-6 of the largest
// element.
#include <cmath>
#include <cstring>

#include "kernels/cpu/element.h"
#include "kernels/cpu/simd.h"
#include "ops/signal.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kLargestRadix =
    512;  // up to which a sum over all pairs is less work than a chirp

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

// A vector of doubles as wide as one of floats, a line to a lane.
constexpr int64_t kWide = kLanes / 2;
using D = double __attribute__((vector_size(kLanes * 4)));
TENON_INLINE inline D get(const double* p) {
  D d;
  std::memcpy(&d, p, sizeof d);
  return d;
}
TENON_INLINE inline void put(double* p, D d) { std::memcpy(p, &d, sizeof d); }

// exp(sign 2 pi i k / n) for k = 0 .. n - 1.
void fill_roots(int64_t n, bool inverse, double* cosine, double* sine) {
  for (int64_t k = 0; 2 * k <= n; ++k) {
    const double angle =
        2 * 3.14159265358979323846 * static_cast<double>(k) / static_cast<double>(n);
    const double c = std::cos(angle), d = inverse ? std::sin(angle) : -std::sin(angle);
    cosine[k] = c, sine[k] = d;
    if (k) cosine[n - k] = c, sine[n - k] = -d;
  }
}

struct Complex {
  D re, im;
};

// A transform of `n` numbers of kWide lines. `x` and `y` hold n real, then n imaginary vectors; the
// result is in the one returned.
double* transform(int64_t n, const double* cosine, const double* sine, double* x, double* y) {
  const auto at = [](const double* from, int64_t n, int64_t i) TENON_INLINE {
    return Complex{get(from + i * kWide), get(from + (n + i) * kWide)};
  };
  const auto turned = [&](Complex c, int64_t turn) TENON_INLINE {
    const double a = cosine[turn], b = sine[turn];
    return Complex{c.re * a - c.im * b, c.re * b + c.im * a};
  };
  const auto put_at = [&](double* to, int64_t i, Complex c) TENON_INLINE {
    put(to + i * kWide, c.re), put(to + (n + i) * kWide, c.im);
  };
  const bool inverse = n > 2 && sine[1] > 0;
  for (int64_t left = n, s = 1; left > 1;) {
    const int64_t r = next_radix(left), m = left / r;
    for (int64_t p = 0; p < m; ++p)
      for (int64_t q = 0; q < s; ++q) {
        const auto in = [&](int64_t j) TENON_INLINE { return at(x, n, q + s * (p + m * j)); };
        const auto out = [&](int64_t k, Complex c) TENON_INLINE {
          put_at(y, q + s * (r * p + k), p && k ? turned(c, p * k * s) : c);
        };
        if (r == 4) {
          const Complex a = in(0), b = in(1), c = in(2), d = in(3);
          const D sr = a.re + c.re, si = a.im + c.im, dr = a.re - c.re, di = a.im - c.im;
          const D tr = b.re + d.re, ti = b.im + d.im;
          const D ur = inverse ? d.im - b.im : b.im - d.im,
                  ui = inverse ? b.re - d.re : d.re - b.re;  // -i (b - d), or i (b - d)
          out(0, {sr + tr, si + ti}), out(1, {dr + ur, di + ui}), out(2, {sr - tr, si - ti}),
              out(3, {dr - ur, di - ui});
        } else if (r == 2) {
          const Complex a = in(0), b = in(1);
          out(0, {a.re + b.re, a.im + b.im}), out(1, {a.re - b.re, a.im - b.im});
        } else {
          const int64_t step = n / r;
          for (int64_t k = 0; k < r; ++k) {
            Complex sum = in(0);
            for (int64_t j = 1, turn = 0; j < r; ++j) {
              turn = (turn + k * step) % n;
              const Complex c = turned(in(j), turn);
              sum.re = sum.re + c.re, sum.im = sum.im + c.im;
            }
            out(k, sum);
          }
        }
      }
    double* const done = y;
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
    outer = count(src, 0, axis), size = src.size[axis], inner = count(src, axis + 1, src.rank - 1),
    parts = last(src.size, src.rank);
    results = dst.size[axis], to_real = a.inverse && a.onesided, result_parts = to_real ? 1 : 2;
    length = a.onesided && !a.inverse ? 2 * results - 1 : results;  // the most it can be
    if (!has(s, 1)) length = to_real ? 2 * (size - 1) : size;
    else if (running || s.src[1].constant) length = static_cast<int64_t>(number(s.src[1], 0));
    exact = running || !has(s, 1) || s.src[1].constant;
  }
  int64_t lines() const { return outer * inner; }
  // Of the transform by powers of two that a chirp needs.
  int64_t padded() const { return power_above(2 * length); }
  bool chirps() const { return largest_factor(length) > kLargestRadix; }
};

const char* reject(const Step& s) {
  if (!is_real_number(*s.src) || s.src->dtype != s.dst->dtype)
    return "src is not floating point of 16 bits or more";
  if (s.src->scale || s.dst->scale) return "an operand is quantised";
  if (has(s, 1) && !is_number(s.src[1])) return "the length is not a number of 8 bits or more";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

Needs needs(const Step& s) {
  if (!known(*s.src) || !known(*s.dst)) return {};
  const Shape d(s);
  const int64_t n = larger(d.length, int64_t{1});
  // Roots, or the parts of a chirp; two arrays of complex numbers for each lane, or three, of which
  // two are padded.
  const bool chirp = !d.exact || d.chirps();
  const int64_t m = chirp ? d.padded() : 0;
  return {.scratch_bytes = (2 * n + (2 + 4 * kWide) * m) * 8,
          .worker_scratch_bytes = (chirp ? 2 * n + 4 * m : 4 * n) * kWide * 8};
}

float cost(const Step& s) {
  const Shape d(s);
  float steps = 0;
  for (int64_t n = larger(d.length, int64_t{1}); n > 1 && !d.chirps();) {
    const int64_t r = next_radix(n);
    steps += r <= 4 ? 2.f : static_cast<float>(r), n /= r;
  }
  if (d.chirps()) steps = 200;
  const float groups = static_cast<float>(ceil_div(larger(d.lines(), int64_t{1}), kWide));
  return 500 + static_cast<float>(d.length) * 15 +
         groups * static_cast<float>(d.length) * (steps * 2 + 4 * kWide);
}

template <class T>
void read_lines(const Shape& d, const T* src, int64_t first, int64_t n, double* x) {
  const int64_t length = d.length, there = smaller(d.size, length);
  for (int64_t lane = 0; lane < kWide; ++lane) {
    const int64_t line = first + smaller(lane, n - 1);
    const T* from = src + (line / d.inner * d.size * d.inner + line % d.inner) * d.parts;
    double *re = x + lane, *im = x + length * kWide + lane;
    for (int64_t t = 0; t < there; ++t) {
      re[t * kWide] = static_cast<double>(static_cast<Wide<T>>(from[t * d.inner * d.parts]));
      im[t * kWide] =
          d.parts == 2 ? static_cast<double>(static_cast<Wide<T>>(from[t * d.inner * d.parts + 1]))
                       : 0;
    }
    for (int64_t t = there; t < length; ++t) re[t * kWide] = im[t * kWide] = 0;
    for (int64_t t = length / 2 + 1; d.to_real && t < length; ++t)  // what the other side mirrors
      re[t * kWide] = re[(length - t) * kWide], im[t * kWide] = -im[(length - t) * kWide];
  }
}

template <class T>
void write_lines(const Shape& d, bool inverse, const double* x, int64_t first, int64_t n, T* dst) {
  const double scale = inverse ? 1 / static_cast<double>(d.length) : 1;
  const auto stored = [&](double v) { return from_double<T>(v * scale); };
  for (int64_t lane = 0; lane < n; ++lane) {
    const int64_t line = first + lane;
    T* to = dst + (line / d.inner * d.results * d.inner + line % d.inner) * d.result_parts;
    for (int64_t k = 0; k < d.results; ++k) {
      T* here = to + k * d.inner * d.result_parts;
      here[0] = stored(x[k * kWide + lane]);
      if (!d.to_real) here[1] = stored(x[(d.length + k) * kWide + lane]);
    }
  }
}

// x times the chirp, convolved with its inverse, times the chirp.
struct Chirp {
  int64_t n, m;
  double *cosine, *sine, *root, *root_sine,
      *filter;  // chirp [n], roots [m], the transform of the filter [2][m] in every lane

  Chirp(int64_t n, int64_t m, bool inverse, double* memory)
      : n(n), m(m), cosine(memory), sine(cosine + n), root(sine + n), root_sine(root + m) {
    double *x = root_sine + m, *y = x + 2 * m * kWide;
    for (int64_t k = 0; k < n; ++k) {
      const double angle =
          3.14159265358979323846 * static_cast<double>(k * k % (2 * n)) / static_cast<double>(n);
      cosine[k] = std::cos(angle), sine[k] = inverse ? std::sin(angle) : -std::sin(angle);
    }
    fill_roots(m, false, root, root_sine);
    for (int64_t i = 0; i < 2 * m * kWide; ++i) x[i] = 0;
    for (int64_t k = 0; k < n; ++k)
      for (int64_t lane = 0; lane < kWide; ++lane)
        for (int64_t at : {k, (m - k) % m})
          x[at * kWide + lane] = cosine[k], x[(m + at) * kWide + lane] = -sine[k];
    filter = transform(m, root, root_sine, x, y);
  }

  // Of lines in x [2][n], with 2 m vectors at y and at z; the result is in x.
  void run(double* x, double* y, double* z) const {
    constexpr int64_t kL = kWide;
    for (int64_t i = 0; i < 2 * m * kL; ++i) y[i] = 0;
    const auto times = [&](const double* from, int64_t from_im, double* to, int64_t to_im,
                           int64_t k, double a, double b, double scale) {
      for (int64_t l = 0; l < kL; ++l) {
        const double re = from[k * kL + l], im = from[from_im + k * kL + l];
        to[k * kL + l] = (re * a - im * b) * scale,
                    to[to_im + k * kL + l] = (re * b + im * a) * scale;
      }
    };
    for (int64_t k = 0; k < n; ++k) times(x, n * kL, y, m * kL, k, cosine[k], sine[k], 1);
    double* a = transform(m, root, root_sine, y, z);
    // The inverse by the transform of the conjugate.
    for (int64_t k = 0; k < m; ++k)
      for (int64_t l = 0; l < kL; ++l) {
        const double re = a[k * kL + l], im = a[(m + k) * kL + l], fr = filter[k * kL + l],
                     fi = filter[(m + k) * kL + l];
        a[k * kL + l] = re * fr - im * fi, a[(m + k) * kL + l] = -(re * fi + im * fr);
      }
    double* b = transform(m, root, root_sine, a, a == y ? z : y);
    for (int64_t k = 0; k < n; ++k) {
      for (int64_t l = 0; l < kL; ++l) b[(m + k) * kL + l] = -b[(m + k) * kL + l];
      times(b, m * kL, x, n * kL, k, cosine[k], sine[k], 1 / static_cast<double>(m));
    }
  }
};

template <class T>
void run_lines(const Step& s, const Context& context) {
  const Shape d(s, true);
  const bool inverse = attributes(s).inverse;
  if (!count(*s.dst)) return;
  if (d.length < 1) return context.fault(context, "the length of dft is positive", d.length, 1);
  double* roots = reinterpret_cast<double*>(context.scratch);
  const int64_t n = d.length, groups = ceil_div(d.lines(), kWide);
  const auto each = [&](const auto& body) {
    parallel(context, groups, 8192 / (n * kWide) + 1, [&](int64_t begin, int64_t end, int worker) {
      double* x =
          reinterpret_cast<double*>(context.worker_scratch + worker * context.worker_stride);
      for (int64_t u = begin; u < end; ++u) {
        const int64_t first = u * kWide, lines = smaller(kWide, d.lines() - first);
        read_lines(d, data<T>(*s.src), first, lines, x);
        write_lines(d, inverse, body(x), first, lines, mutable_data<T>(*s.dst));
      }
    });
  };
  if (d.chirps()) {
    const Chirp chirp(n, d.padded(), inverse, roots);
    return each([&](double* x) {
      double* y = x + 2 * n * kWide;
      chirp.run(x, y, y + 2 * chirp.m * kWide);
      return x;
    });
  }
  fill_roots(n, inverse, roots, roots + n);
  each([&](double* x) { return transform(n, roots, roots + n, x, x + 2 * n * kWide); });
}

void run(const Step& s, const Context& context) noexcept {
  by_real(*s.src, [&](auto t) { run_lines<decltype(t)>(s, context); });
}

const Kernel kKernels[] = {
    {.name = "dft_real_lanes_" TENON_ISA_NAME,
     .op = "dft",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run},
};

}  // namespace
extern const KernelTable dft_table{kKernels, 1};
}  // namespace tenon::cpu::TENON_ISA
