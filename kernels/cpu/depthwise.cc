// conv of f32 with one channel a group, in blocks of channels: dst[c][y][x] = finish(sum over taps of src[c][...] * weight[c][tap]).
// Tolerance 2e-5 of the largest result. A strip of up to 14 results stays in registers while the taps pass over it; every vector of src
// is read where it lies. Strips go along rows where the window is inside the row, and down columns at its two ends, where fewer taps
// count; so no strip has a test.
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/epilogue.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int kStrip = kRegisters == 32 ? 14 : 10;

struct Strip {
  const float* src;  // of the first tap of the first result
  int64_t src_step;  // from result to result
  float* dst;
  int64_t dst_step;
  const float* residual;  // or null
  int64_t residual_step;
  const float* weight;  // of the first tap
  Range rows, columns;  // of the taps
  int64_t src_row, src_column, weight_row;
  V bias, low, high;
  bool clamped;
};

template <int N>
__attribute__((noinline)) void strip(const Strip& t) {
  V sum[N];
  unroll<N>([&](auto i) TENON_INLINE { sum[i] = t.bias; });
  const float *src_row = t.src, *weight_row = t.weight;
  for (int64_t y = t.rows.begin; y < t.rows.end; ++y, src_row += t.src_row, weight_row += t.weight_row) {
    const float *src = src_row, *weight = weight_row;
    for (int64_t x = t.columns.begin; x < t.columns.end; ++x, src += t.src_column, weight += kLanes) {
      const V w = load(weight);
      unroll<N>([&](auto i) TENON_INLINE { sum[i] = fma(load(src + i * t.src_step), w, sum[i]); });
    }
  }
  if (t.residual) unroll<N>([&](auto i) TENON_INLINE { sum[i] += load(t.residual + i * t.residual_step); });
  if (t.clamped) unroll<N>([&](auto i) TENON_INLINE { sum[i] = least(most(sum[i], t.low), t.high); });
  unroll<N>([&](auto i) TENON_INLINE { store(t.dst + i * t.dst_step, sum[i]); });
}

using StripFunction = void (*)(const Strip&);
struct Strips {
  StripFunction of[kStrip] = {};
  template <int... N>
  constexpr explicit Strips(std::integer_sequence<int, N...>) {
    ((of[N] = strip<N + 1>), ...);
  }
};
constexpr Strips kStrips{std::make_integer_sequence<int, kStrip>{}};

const char* reject(const Step& s) {
  if (const char* why = conv_reject(s)) return why;
  if (!s.src[1].constant) return "the weight is not constant";
  const int64_t group = static_cast<const Conv*>(s.attributes)->group;
  if (s.src[1].size[1] != 1 || s.src[1].size[0] != group) return "groups have more than one channel";
  if (s.src[0].rank > 4) return "there are more than two spatial axes";
  return epilogue_reject(s);
}

Needs needs(const Step& s) {
  const ConvShape c(s);
  return {.src = Wants::blocked,
          .dst = Wants::blocked,
          .block = kLanes,
          .packing = "taps_by_channel_" TENON_ISA_NAME,
          .packed_bytes = c.window() * round_up(c.o, kLanes) * 4};
}

float cost(const Step& s) {
  const ConvShape c(s);
  const float vectors = static_cast<float>(c.n * ceil_div(c.o, kLanes) * c.pixels());
  const float rate = kLanes == 16 ? 3.5f : 5.f;
  const float bytes = 4 * static_cast<float>(c.n * c.o) * static_cast<float>(c.in[1] * c.in[2] + c.pixels());
  return larger(vectors * (static_cast<float>(c.window()) * 1.2f + 4) / rate, bytes / kCachedBytes) + epilogue_cost(s, c.n * c.o * c.pixels()) +
         200.f;
}

void pack(const Step& s, void* packed) {
  const ConvShape c(s);
  const Operand& w = s.src[1];
  float* to = static_cast<float*>(packed);
  for (int64_t block = 0; block < ceil_div(c.o, kLanes); ++block)
    for (int64_t y = 0; y < c.taps[1]; ++y)
      for (int64_t x = 0; x < c.taps[2]; ++x)
        for (int64_t o = block * kLanes; o < (block + 1) * kLanes; ++o)
          *to++ = o < c.o ? data(w)[o * w.stride[0] + (w.rank > 3 ? y * w.stride[2] : 0) + x * w.stride[w.rank - 1]] : 0.f;
}

// Positions of axis i where all taps meet the source.
Range full(const ConvShape& c, int i) {
  const int64_t begin = smaller(c.out[i], c.pad[i] > 0 ? ceil_div(c.pad[i], c.stride[i]) : 0);
  const int64_t room = c.in[i] - 1 - (c.taps[i] - 1) * c.dilation[i] + c.pad[i];
  const int64_t end = room < 0 ? 0 : smaller(c.out[i], room / c.stride[i] + 1);
  return {begin, larger(begin, end)};
}

struct Band {
  const ConvShape& c;
  const Finish& finish;
  const float* src;
  float* dst;
  const float* residual;
  const float* weight;
  int64_t residual_row, residual_column;
  Strip t;

  // `n` results from (y, x), along x or along y.
  void run(int64_t y, int64_t x, int64_t n, bool down, Range rows, Range columns) {
    t.rows = rows, t.columns = columns;
    t.src = src + c.source(1, y, rows.begin) * c.src_step[1] + c.source(2, x, columns.begin) * c.src_step[2];
    t.weight = weight + (rows.begin * c.taps[2] + columns.begin) * kLanes;
    t.src_step = down ? c.stride[1] * c.src_step[1] : c.stride[2] * c.src_step[2];
    t.dst = dst + y * c.dst_step[1] + x * c.dst_step[2], t.dst_step = down ? c.dst_step[1] : c.dst_step[2];
    if (residual) t.residual = residual + y * residual_row + x * residual_column, t.residual_step = down ? residual_row : residual_column;
    for (int64_t left = n, pieces = ceil_div(n, kStrip); pieces > 0; --pieces) {
      const int64_t own = ceil_div(left, pieces);
      kStrips.of[own - 1](t);
      t.src += own * t.src_step, t.dst += own * t.dst_step, left -= own;
      if (residual) t.residual += own * t.residual_step;
    }
  }
};

void convolve(const Step& s, const ConvShape& c, const Finish& finish, int64_t image, int64_t block, Range rows) {
  const auto place = [&](const Operand& o, int64_t y) {
    return static_cast<float*>(o.data) + image * o.stride[0] + block * o.stride[1] + (o.rank > 3 ? y * o.stride[2] : 0);
  };
  const int64_t channel = block * kLanes;
  Band b{c,
         finish,
         place(s.src[0], 0),
         place(*s.dst, 0),
         finish.residual ? place(*finish.residual, 0) : nullptr,
         static_cast<const float*>(s.packed) + block * c.window() * kLanes,
         0,
         0,
         {}};
  if (const Operand* r = finish.residual) b.residual_row = r->rank > 3 ? r->stride[2] : 0, b.residual_column = r->stride[r->rank - 1];
  b.t.src_row = c.dilation[1] * c.src_step[1], b.t.src_column = c.dilation[2] * c.src_step[2], b.t.weight_row = c.taps[2] * kLanes;
  b.t.bias = finish.bias ? load(finish.bias + channel, smaller(kLanes, c.o - channel)) : V(0.f);
  b.t.low = V(finish.low), b.t.high = V(finish.high), b.t.clamped = finish.clamped;
  const Range x = full(c, 2), y_all = full(c, 1),
              y{smaller(larger(y_all.begin, rows.begin), rows.end), larger(rows.begin, smaller(y_all.end, rows.end))};
  const Range all_rows{0, c.taps[1]}, all_columns{0, c.taps[2]};
  if (x.begin < x.end)
    for (int64_t row = rows.begin; row < rows.end; ++row) b.run(row, x.begin, x.end - x.begin, false, c.valid(1, row), all_columns);
  for (int64_t column = 0; column < c.out[2]; ++column) {
    if (column == x.begin && x.end > x.begin) column = x.end;
    if (column >= c.out[2]) break;
    const Range columns = c.valid(2, column);
    if (y.begin < y.end) b.run(y.begin, column, y.end - y.begin, true, all_rows, columns);
    for (int64_t row = rows.begin; row < rows.end; ++row)
      if (row < y.begin || row >= y.end) b.run(row, column, 1, false, c.valid(1, row), columns);
  }
  if (!finish.program()) return;
  for (int64_t row = rows.begin; row < rows.end; ++row)
    finish.run(place(*s.dst, row), c.out[2] * kLanes, Channel::block, channel, c.o, [&](const Operand& o) { return place(o, row) - data(o); });
}

void run(const Step& s, const Context& context) noexcept {
  const ConvShape c(s);
  const Finish finish(s, conv_bias(s));
  if (c.n * c.pixels() == 0) return;
  const int64_t blocks = ceil_div(c.o, kLanes);
  const int64_t bands = smaller(ceil_div(c.out[1], 8), ceil_div(16, c.n * blocks));
  const float unit_ns = static_cast<float>(c.pixels() * c.window()) / 3.f / static_cast<float>(bands);
  parallel(context, c.n * blocks * bands, static_cast<int64_t>(2000 / (unit_ns + 1)) + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) convolve(s, c, finish, i / bands / blocks, i / bands % blocks, piece(c.out[1], bands, i % bands));
  });
}

const Kernel kKernels[] = {
    {.name = "conv_f32_depthwise_" TENON_ISA_NAME,
     .op = "conv",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = pack,
     .run = run},
};

}  // namespace
extern const KernelTable depthwise_table{kKernels, 1};
}  // namespace tenon::cpu::TENON_ISA
