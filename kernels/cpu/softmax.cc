// softmax and log_softmax, f32: dst = exp(src - max) / sum(exp(src - max)), or its logarithm. Tolerance 1e-6 of the row's largest value.
// Along the last axis three passes go over a row: maximum; exp, stored and summed; scale. Only the first reads memory, the others find
// the row in L1 while it is shorter than 8k elements. Lanes beyond the row are filled with -inf, which is neutral for the maximum and
// whose exp is 0. Along another axis the same passes go over vectors of neighbouring lines.
#include "ops/softmax.h"
#include "kernels/cpu/operand.h"
#include "kernels/cpu/simd.h"

namespace tenon::cpu::TENON_ISA {
namespace {

void row(const float* src, float* dst, int64_t n, bool logarithm) {
  V top(-INFINITY), sum(0.f);
  vectors(n, [&](int64_t i, int64_t lanes) { top = most(top, load(src + i, lanes, -INFINITY)); });
  const V shift(largest(top));
  vectors(n, [&](int64_t i, int64_t lanes) {
    const V e = exp(load(src + i, lanes, -INFINITY) - shift);
    if (!logarithm) store(dst + i, e, lanes);
    sum += e;
  });
  if (logarithm) {
    const V less = shift + log(V(total(sum)));
    vectors(n, [&](int64_t i, int64_t lanes) { store(dst + i, load(src + i, lanes) - less, lanes); });
    return;
  }
  const V scale(1.f / total(sum));
  vectors(n, [&](int64_t i, int64_t lanes) { store(dst + i, load(dst + i, lanes) * scale, lanes); });
}

// `lanes` neighbouring lines of n elements, `step` apart.
void lines(const float* src, float* dst, int64_t n, int64_t step, int64_t lanes, bool logarithm) {
  V top(-INFINITY), sum(0.f);
  for (int64_t i = 0; i < n; ++i) top = most(top, load(src + i * step, lanes));
  for (int64_t i = 0; i < n; ++i) {
    const V e = exp(load(src + i * step, lanes) - top);
    if (!logarithm) store(dst + i * step, e, lanes);
    sum += e;
  }
  const V scale = quotient(V(1.f), sum), less = top + log(sum);
  for (int64_t i = 0; i < n; ++i) {
    if (logarithm) store(dst + i * step, load(src + i * step, lanes) - less, lanes);
    else store(dst + i * step, load(dst + i * step, lanes) * scale, lanes);
  }
}

const char* reject(const Step& s) {
  if (!is_f32(*s.src) || !is_f32(*s.dst)) return "src or dst is not f32";
  if (s.epilogue.count) return "no epilogue";
  return s.src->rank ? reject_gaps(s) : "src has no axis";
}

Needs needs(const Step&) { return {.in_place = true}; }
float cost(const Step& s) { return 40 + static_cast<float>(count(*s.src)) * 14.f / kLanes; }

template <bool logarithm>
void run(const Step& s, const Context& context) noexcept {
  const Operand& src = *s.src;
  int64_t axis = static_cast<const Softmax*>(s.attributes)->axis;
  if (axis < 0) axis += src.rank;
  const int a = static_cast<int>(axis);
  const int64_t outer = count(src, 0, a), n = src.size[a], inner = count(src, a + 1, src.rank);
  const float* from = data(src);
  float* to = mutable_data(*s.dst);
  if (n == 0) return;
  if (inner == 1)
    return parallel(context, outer, 4096 / n + 1, [=](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) row(from + r * n, to + r * n, n, logarithm);
    });
  const int64_t groups = ceil_div(inner, kLanes);
  parallel(context, outer * groups, 4096 / (n * kLanes) + 1, [=](int64_t begin, int64_t end, int) {
    for (int64_t g = begin; g < end; ++g) {
      const int64_t first = g % groups * kLanes, at = g / groups * n * inner + first;
      lines(from + at, to + at, n, inner, smaller(kLanes, inner - first), logarithm);
    }
  });
}

const Kernel kKernels[] = {
    {.name = "softmax_f32_rows_" TENON_ISA_NAME,
     .op = "softmax",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run<false>},
    {.name = "log_softmax_f32_rows_" TENON_ISA_NAME,
     .op = "log_softmax",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run<true>},
};
}  // namespace
extern const KernelTable softmax_table{kKernels, 2};
}  // namespace tenon::cpu::TENON_ISA
