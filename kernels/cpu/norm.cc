// layer_norm, rms_norm, group_norm and lrn, f32, over contiguous rows. Tolerance 1e-5.
// Statistics take two passes over a row that stays in L1 or L2 (mean, then squares of what is left
// of it: no cancellation); a third scales and stores.
#include "ops/norm.h"
#include "kernels/cpu/operand.h"
#include "kernels/cpu/simd.h"

namespace tenon::cpu::TENON_ISA {
namespace {

float mean_of(const float* src, int64_t n) {
  V a(0.f), b(0.f);
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) a += load(src + i), b += load(src + i + kLanes);
  vectors(n - i, [&](int64_t k, int64_t lanes) { a += load(src + i + k, lanes); });
  return total(a + b) / static_cast<float>(n);
}

float mean_square_of(const float* src, int64_t n, float less) {
  V a(0.f);
  const V m(less);
  vectors(n, [&](int64_t i, int64_t lanes) {
    const V d = load(src + i, lanes, less) - m;
    a = fma(d, d, a);
  });
  return total(a) / static_cast<float>(n);
}

float inverse_root(float v) { return 1.f / __builtin_sqrtf(v); }

// ---- over the last axes, scale and bias of one row
const char* reject_row(const Step& s) {
  if (!is_f32(*s.src) || !is_f32(*s.dst) || !is_f32(s.src[1])) return "an operand is not f32";
  if (has(s, 2) && !is_f32(s.src[2])) return "the bias is not f32";
  for (int i = 1; i < s.destinations; ++i)
    if (s.dst[i].dtype && !is_f32(s.dst[i])) return "a statistic is not f32";
  if (s.epilogue.count) return "no epilogue";
  int64_t axis = static_cast<const LayerNorm*>(s.attributes)->axis;
  if (axis < 0) axis += s.src->rank;
  for (int k = 1; k < s.sources; ++k) {
    if (!has(s, k)) continue;
    if (s.src[k].rank != s.src->rank - axis) return "scale or bias has not the shape of the axes that are normalised";
    for (int i = 0; i < s.src[k].rank; ++i)
      if (!known(s.src[k].size[i]) || s.src[k].size[i] != s.src->size[axis + i])
        return "scale or bias has not the shape of the axes that are normalised";
  }
  return reject_gaps(s);
}

Needs needs(const Step&) { return {.in_place = true}; }
float cost(const Step& s) { return 40 + static_cast<float>(count(*s.src)) * 4.f / kLanes; }

template <bool centred>
void run_rows(const Step& s, const Context& context) noexcept {
  const auto& a = *static_cast<const LayerNorm*>(s.attributes);
  const Operand& src = *s.src;
  const int axis = static_cast<int>(from_front(a.axis, src.rank));
  const int64_t rows = count(src, 0, axis), n = count(src, axis, src.rank);
  const float *from = data(src), *scale = data(s.src[1]), *bias = has(s, 2) ? data(s.src[2]) : nullptr;
  float* to = mutable_data(*s.dst);
  const auto statistic = [&](int i) {
    return i < s.destinations && s.dst[i].dtype ? mutable_data(s.dst[i]) : nullptr;
  };
  float *means = centred ? statistic(1) : nullptr, *roots = statistic(centred ? 2 : 1);
  for (int64_t r = 0; n == 0 && r < rows; ++r) {
    if (means) means[r] = 0;
    if (roots) roots[r] = 0;
  }
  if (n == 0) return;
  parallel(context, rows, 8192 / n + 1, [=, epsilon = a.epsilon](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const float* x = from + r * n;
      const float mean = centred ? mean_of(x, n) : 0.f,
                  root = inverse_root(mean_square_of(x, n, mean) + epsilon);
      if (means) means[r] = mean;
      if (roots) roots[r] = root;
      const V m(mean), k(root);
      vectors(n, [&](int64_t i, int64_t lanes) {
        const V y = (load(x + i, lanes) - m) * k;
        const V w = load(scale + i, lanes);
        store(to + r * n + i, bias ? fma(y, w, load(bias + i, lanes)) : y * w, lanes);
      });
    }
  });
}

// ---- over groups of channels of [n, c, spatial], scale and bias of a channel
const char* reject_group(const Step& s) {
  if (!is_f32(*s.src) || !is_f32(*s.dst) || !is_f32(s.src[1]) || !is_f32(s.src[2])) return "an operand is not f32";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

void run_groups(const Step& s, const Context& context) noexcept {
  const auto& a = *static_cast<const GroupNorm*>(s.attributes);
  const Operand& src = *s.src;
  const int64_t channels = src.size[1], groups = a.num_groups ? a.num_groups : channels, each = channels / groups;
  const int64_t pixels = count(src, 2, src.rank), n = each * pixels;
  const float *from = data(src), *scale = data(s.src[1]), *bias = data(s.src[2]);
  float* to = mutable_data(*s.dst);
  if (n == 0) return;
  parallel(context, src.size[0] * groups, 8192 / n + 1, [=, epsilon = a.epsilon](int64_t begin, int64_t end, int) {
    for (int64_t g = begin; g < end; ++g) {
      const float* x = from + g * n;
      const float mean = mean_of(x, n), k = inverse_root(mean_square_of(x, n, mean) + epsilon);
      for (int64_t c = 0; c < each; ++c) {
        const int64_t channel = g % groups * each + c;
        const V m(mean), w(k * scale[channel]), b(bias[channel]);
        vectors(pixels, [&](int64_t i, int64_t lanes) { store(to + g * n + c * pixels + i, fma(load(x + c * pixels + i, lanes) - m, w, b), lanes); });
      }
    }
  });
}

// ---- lrn: the squares of the channels around each, summed for vectors of pixels
const char* reject_lrn(const Step& s) {
  if (!is_f32(*s.src) || !is_f32(*s.dst)) return "src or dst is not f32";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}
Needs needs_lrn(const Step&) { return {}; }
float cost_lrn(const Step& s) {
  return 60 + static_cast<float>(count(*s.src)) *
                  (8.f + static_cast<float>(static_cast<const Lrn*>(s.attributes)->size)) / kLanes;
}

void run_lrn(const Step& s, const Context& context) noexcept {
  const auto& a = *static_cast<const Lrn*>(s.attributes);
  const Operand& src = *s.src;
  const int64_t channels = src.size[1], pixels = count(src, 2, src.rank);
  parallel(context, src.size[0] * channels, 4096 / (pixels + 1) + 1,
           [&](int64_t first, int64_t last, int) {
             for (int64_t u = first; u < last; ++u) {
               const int64_t c = u % channels, begin = larger(int64_t{0}, c - (a.size - 1) / 2),
                             end = smaller(channels - 1, c + a.size / 2);
               const float* x = data(src) + u * pixels;
               vectors(pixels, [&](int64_t i, int64_t lanes) TENON_INLINE {
                 V squares(0.f);
                 for (int64_t k = begin; k <= end; ++k) {
                   const V other = load(x + (k - c) * pixels + i, lanes);
                   squares = fma(other, other, squares);
                 }
                 const V base = fma(squares, V(a.alpha / static_cast<float>(a.size)), V(a.bias));
                 const V scale = a.beta == 0.75f && a.bias > 0
                                     ? quotient(V(1.f), sqrt(base) * sqrt(sqrt(base)))
                                     : power(base, V(-a.beta));
                 store(mutable_data(*s.dst) + u * pixels + i, load(x + i, lanes) * scale, lanes);
               });
             }
           });
}

const Kernel kKernels[] = {
    {.name = "lrn_f32_pixels_" TENON_ISA_NAME,
     .op = "lrn",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_lrn,
     .needs = needs_lrn,
     .cost = cost_lrn,
     .pack = nullptr,
     .run = run_lrn},
    {.name = "layer_norm_f32_rows_" TENON_ISA_NAME,
     .op = "layer_norm",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_row,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run_rows<true>},
    {.name = "rms_norm_f32_rows_" TENON_ISA_NAME,
     .op = "rms_norm",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_row,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run_rows<false>},
    {.name = "group_norm_f32_planes_" TENON_ISA_NAME,
     .op = "group_norm",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_group,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run_groups},
};
}  // namespace
extern const KernelTable norm_table{kKernels, 4};
}  // namespace tenon::cpu::TENON_ISA
