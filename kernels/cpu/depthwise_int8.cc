// conv of quantised src and weight with one channel a group, to u8, s8 or f32 in blocks of channels; and dynamic_conv and conv_integer, see
// integer_operands.h. Bitwise the same on every level.
// The taps of a window's row are the k of the int8 dot product: every lane of the copied rows holds a channel at kDot neighbouring
// positions, lane x = (src[x], src[x + 1], ...), made from right to left by a shift. A row of up to kDot taps then costs one dot for
// kLanes results, where products of floats take one multiply-add a tap. Weights less their zero points that do not fit a Right are the
// sum of two or three that do, and each row of taps costs as many.
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/integer_operands.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int kStrip = kRegisters == 32 ? 14 : 10;
constexpr int kTapBits = 32 / kDot;
constexpr int64_t kBandBytes = 128 << 10;

struct Strip {
  const int32_t* src;  // lanes of the first result, first row
  int64_t src_step;    // from result to result, in lanes
  int64_t rows, parts, groups, src_row, src_group;
  const int32_t* weight;
  I offset;
  V multiplier;
  void* dst;
  int64_t dst_step;
  Stored stored;
  int32_t zero, low, high;
  V bias, real_low, real_high;
  bool clamped;
};

template <int N>
__attribute__((noinline)) void strip(const Strip& t) {
  I sum[N];
  unroll<N>([&](auto i) TENON_INLINE { sum[i] = t.offset; });
  const int32_t* weight = t.weight;
  for (int64_t y = 0; y < t.rows; ++y)
    for (int64_t part = 0; part < t.parts; ++part)
      for (int64_t g = 0; g < t.groups; ++g, weight += kLanes) {
        const int32_t* src = t.src + y * t.src_row + g * t.src_group;
        const I w = load(weight);
        unroll<N>([&](auto i) TENON_INLINE { sum[i] = dot(sum[i], load(src + i * t.src_step), w); });
      }
  if (t.stored == Stored::s32)
    return unroll<N>([&](auto i) TENON_INLINE { store(static_cast<int32_t*>(t.dst) + i * t.dst_step, sum[i]); });
  if (t.stored == Stored::f32) {
    unroll<N>([&](auto i) TENON_INLINE {
      V v = real(sum[i]) * t.multiplier + t.bias;
      if (t.clamped) v = least(most(v, t.real_low), t.real_high);
      store(static_cast<float*>(t.dst) + i * t.dst_step, v);
    });
    return;
  }
  const Requantise requantise(t.zero, t.low, t.high);
  requantise.store_rows<N>(static_cast<uint8_t*>(t.dst), t.dst_step, kLanes, t.multiplier, [&](auto i) TENON_INLINE { return sum[i]; });
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
  if (s.src[0].rank < 3 || s.src[0].rank > 4) return "there are more than two spatial axes";
  const int64_t group = static_cast<const Conv*>(s.attributes)->group;
  if (s.src[1].size[1] != 1 || s.src[1].size[0] != group) return "groups have more than one channel";
  if (own_sources(s) > 2 && has(s, 2) && !is_f32(s.src[2]) && !is(s.src[2], DType::s32)) return "the bias is neither f32 nor s32";
  if (!s.src[1].constant) return "the weight is not constant";
  return int8_reject(s, 0);
}

// How many Rights sum up to a weight less its zero point: 255, which only the lowest zero point allows, takes three.
int64_t parts_of(const Operand& w, int64_t channels) {
  int64_t parts = 1;
  for (int64_t i = 0; i < (w.per_axis ? channels : 1); ++i) parts = larger(parts, int64_t{zero_left(w, i) == -128 ? 3 : zero_left(w, i) ? 2 : 1});
  return parts;
}

struct Plan {
  ConvShape c;
  int64_t blocks, groups;  // of channels; of the taps of a row
  int64_t parts;           // that sum up to the weights
  int64_t left, width;     // of a copied row
  int64_t bands;

  explicit Plan(const Step& s) : c(s) {
    blocks = ceil_div(c.o, kLanes), groups = ceil_div(c.taps[2], kDot);
    parts = parts_of(s.src[1], c.o);
    left = larger(int64_t{0}, c.pad[2]);
    width = left + larger(c.in[2], c.reach(2)) + groups * kDot * c.dilation[2];
    const int64_t most = larger(int64_t{1}, kBandBytes / larger(int64_t{1}, width * kLanes * 4 * c.stride[1]) - c.taps[1] * c.dilation[1]);
    bands = ceil_div(c.out[1], most);
    bands = larger(bands, smaller(ceil_div(c.out[1], 8), ceil_div(16, larger(int64_t{1}, c.n * blocks))));
  }
  int64_t rows_in(int64_t rows) const { return (rows - 1) * c.stride[1] + (c.taps[1] - 1) * c.dilation[1] + 1; }
  int64_t weights() const { return c.taps[1] * parts * groups * kLanes; }  // lanes of a block
  int64_t packed_bytes() const { return blocks * (weights() + kLanes) * 4; }
  int64_t band_lanes() const { return rows_in(ceil_div(c.out[1], larger(int64_t{1}, bands))) * width * kLanes; }
  int64_t constants_bytes() const { return (2 + kStrip) * kLanes * 4; }
};

Needs needs(const Step& s) {
  const Plan p(s);
  Needs n{.src = Wants::blocked,
          .dst = Wants::blocked,
          .block = kLanes,
          .packing = "int8_taps_by_channel_" TENON_ISA_NAME,
          .packed_bytes = p.packed_bytes()};
  if (known(s.src[0]) && known(*s.dst)) n.worker_scratch_bytes = p.constants_bytes() + p.band_lanes() * 4;
  return n;
}

float cost(const Step& s) {
  const Plan p(s);
  const float vectors = static_cast<float>(p.c.n * p.blocks), rate = kLanes == 16 ? 3.5f : 6.f;
  const float copied = vectors * static_cast<float>(p.bands * p.rows_in(ceil_div(p.c.out[1], larger(int64_t{1}, p.bands))) * p.width) * 4;
  const float sums = vectors * static_cast<float>(p.c.pixels()) * (static_cast<float>(p.c.taps[1] * p.parts * p.groups) * (kBytes8 ? 1.2f : 2.2f) + 8);
  return (copied + sums) / rate + epilogue_cost(s, p.c.n * p.c.o * p.c.pixels()) + 300.f;
}

int32_t part_of(int32_t v, int64_t part) {
  int32_t taken = 0;
  for (;; --part, v -= taken) {
    taken = v < -128 ? -128 : v > 127 ? 127 : v;
    if (part == 0) return taken;
  }
}

void pack(const Step& s, void* packed) {
  const Plan p(s);
  const Operand& w = s.src[1];
  Right* to = static_cast<Right*>(packed);
  int32_t* sums = static_cast<int32_t*>(packed) + p.blocks * p.weights();
  for (int64_t i = 0; i < p.blocks * kLanes; ++i) sums[i] = 0;
  for (int64_t block = 0; block < p.blocks; ++block)
    for (int64_t y = 0; y < p.c.taps[1]; ++y)
      for (int64_t part = 0; part < p.parts; ++part)
        for (int64_t g = 0; g < p.groups; ++g)
          for (int64_t o = block * kLanes; o < (block + 1) * kLanes; ++o)
            for (int64_t k = 0; k < kDot; ++k, ++to) {
              const int64_t x = g * kDot + k;
              *to = 0;
              if (o >= p.c.o || x >= p.c.taps[2]) continue;
              const int32_t v = byte(w, o * w.stride[0] + (w.rank > 3 ? y * w.stride[2] : 0) + x * w.stride[w.rank - 1]) - weight_zero(w, o);
              *to = static_cast<Right>(p.parts == 1 ? v : part_of(v, part));
              sums[o] += *to;
            }
}

// A row of `width` lanes of kDot neighbours, from kLanes channels at `first`; outside of the row lie zero points.
template <class T>
void spread_row(const Plan& p, const T* row, int32_t shift, int32_t zero, int32_t* to) {
  const I mask(static_cast<int32_t>(kDot == 4 ? 0xff : 0xffff)), outside(zero), add(shift);
  const int64_t step = p.c.dilation[2];
  const auto at = [&](int64_t x) TENON_INLINE {
    const int64_t own = x - p.left;
    return (own >= 0 && own < p.c.in[2] ? load(row + own * kLanes) + add : outside) & mask;
  };
  if (step == 1) {
    // The lanes from `end` on hold zero points alone; between the ends no position needs a test.
    const int64_t end = smaller(p.width, p.left + p.c.in[2]);
    I next = outside & mask;
    for (int tap = 1; tap < kDot; ++tap) next = left<kTapBits>(next) | (outside & mask);
    for (int64_t x = end; x < p.width; ++x) store(to + x * kLanes, next);
    for (int64_t x = end - 1; x >= p.left; --x)
      store(to + x * kLanes, next = left<kTapBits>(next) | ((load(row + (x - p.left) * kLanes) + add) & mask));
    for (int64_t x = p.left - 1; x >= 0; --x) store(to + x * kLanes, next = left<kTapBits>(next) | (outside & mask));
    return;
  }
  for (int64_t x = p.width - 1; x >= 0; --x) {
    const I next = x + step < p.width ? load(to + (x + step) * kLanes) : outside;
    store(to + x * kLanes, left<kTapBits>(next) | at(x));
  }
}

void spread_band(const Step& s, const Plan& p, int64_t image, int64_t block, Range rows, int32_t* band) {
  const Operand& src = s.src[0];
  const int32_t shift = left_shift(is_signed(src), src.zero[0]), zero = left_zero(is_signed(src), src.zero[0]);
  const int64_t plane = image * src.stride[0] + block * src.stride[1];
  for (int64_t h = rows.begin; h < rows.end; ++h, band += p.width * kLanes) {
    if (h < 0 || h >= p.c.in[1]) {
      const I all(kDot == 4 ? static_cast<int32_t>(static_cast<uint32_t>(zero) * 0x01010101) : 0);
      for (int64_t x = 0; x < p.width; ++x) store(band + x * kLanes, all);
      continue;
    }
    const int64_t from = plane + h * p.c.src_step[1];
    if (is_signed(src)) spread_row(p, data<int8_t>(src) + from, shift, zero, band);
    else spread_row(p, data<uint8_t>(src) + from, shift, zero, band);
  }
}

void convolve(const Step& s, const Plan& p, const Output& out, int64_t image, int64_t block, Range rows, char* scratch) {
  const ConvShape& c = p.c;
  const Finish& finish = out.finish;
  int32_t* offset = reinterpret_cast<int32_t*>(scratch);
  float *multiplier = reinterpret_cast<float*>(offset + kLanes), *buffer = multiplier + kLanes;
  int32_t* band = reinterpret_cast<int32_t*>(scratch + p.constants_bytes());
  const int64_t channel = block * kLanes;
  const Operand* bias = own_sources(s) > 2 && has(s, 2) ? &s.src[2] : nullptr;
  scale_channels(s, out, bias, static_cast<const int32_t*>(s.packed) + p.blocks * p.weights(), {channel, channel + kLanes}, c.o, offset, multiplier);
  const Range rows_in{c.source(1, rows.begin, 0), c.source(1, rows.end - 1, c.taps[1] - 1) + 1};
  int64_t spread = rows_in.begin;  // rows up to here are copied: each just before it is needed, so that it is read from L1
  const auto index = [&](const Operand& o, int64_t row, int64_t column) {
    return image * o.stride[0] + block * o.stride[1] + (o.rank > 3 ? row * o.stride[2] : 0) + column * o.stride[o.rank - 1];
  };
  SumTile settings{};
  out.prepare(settings);
  Strip t{};
  t.src_step = c.stride[2] * kLanes, t.rows = c.taps[1], t.parts = p.parts, t.groups = p.groups;
  t.src_row = c.dilation[1] * p.width * kLanes, t.src_group = kDot * c.dilation[2] * kLanes;
  t.weight = static_cast<const int32_t*>(s.packed) + block * p.weights();
  t.offset = load(offset), t.multiplier = load(multiplier);
  t.stored = settings.stored, t.zero = settings.zero, t.low = settings.low, t.high = settings.high;
  t.bias = finish.bias ? load(finish.bias + channel, smaller(kLanes, c.o - channel)) : V(-0.f);
  t.real_low = V(settings.real_low), t.real_high = V(settings.real_high), t.clamped = settings.clamped;
  t.dst_step = kLanes;
  const int64_t strips = ceil_div(c.out[2], kStrip);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const Range more{larger(spread, c.source(1, row, 0)), c.source(1, row, c.taps[1] - 1) + 1};
    if (more.begin < more.end) {
      spread_band(s, p, image, block, more, band + (more.begin - rows_in.begin) * p.width * kLanes);
      spread = more.end;
    }
    const int32_t* line = band + ((c.source(1, row, 0) - rows_in.begin) * p.width + p.left - c.pad[2]) * kLanes;
    for (int64_t i = 0; i < strips; ++i) {
      const Range own = piece(c.out[2], strips, i);
      const int64_t n = own.end - own.begin, at = index(*s.dst, row, own.begin);
      t.src = line + own.begin * t.src_step;
      if (out.buffered) t.dst = buffer;
      else t.dst = out.quantised ? static_cast<void*>(out.data_of_dst() + at) : static_cast<void*>(mutable_data(*s.dst) + at);
      kStrips.of[n - 1](t);
      if (out.buffered)
        out.finish_run(buffer, n * kLanes, Channel::block, channel, c.o, at, [&](const Operand& o) { return index(o, row, own.begin); });
    }
    if (!out.buffered && finish.program())
      finish.run(mutable_data(*s.dst) + index(*s.dst, row, 0), c.out[2] * kLanes, Channel::block, channel, c.o,
                 [&](const Operand& o) { return index(o, row, 0); });
  }
}

void run(const Step& s, const Context& context) noexcept {
  const Plan p(s);
  if (p.c.n * p.c.pixels() == 0) return;
  const Output out(s);
  const float unit_ns = static_cast<float>(p.c.pixels() * (p.c.taps[1] * p.parts * p.groups + 10)) / 3.f / static_cast<float>(p.bands);
  parallel(context, p.c.n * p.blocks * p.bands, static_cast<int64_t>(2000 / (unit_ns + 1)) + 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i)
      convolve(s, p, out, i / p.bands / p.blocks, i / p.bands % p.blocks, piece(p.c.out[1], p.bands, i % p.bands),
               context.worker_scratch + worker * context.worker_stride);
  });
}

struct Depthwise {
  static int axis(const Operand&) { return 0; }
  static constexpr char packing[] = "int8_taps_by_channel_with_numbers_" TENON_ISA_NAME;
  static const void* attributes(const Step& s) { return s.attributes; }
  static constexpr auto reject = &TENON_ISA::reject;
  static constexpr auto needs = &TENON_ISA::needs;
  static constexpr auto cost = &TENON_ISA::cost;
  static constexpr auto pack = &TENON_ISA::pack;
  static constexpr auto run = &TENON_ISA::run;
};

const Kernel kKernels[] = {
    {.name = "conv_int8_depthwise_" TENON_ISA_NAME,
     .op = "conv",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = pack,
     .run = run},
    WithNumbers<Depthwise>::kernel("conv_integer_int8_depthwise_" TENON_ISA_NAME, "conv_integer"),
    WithNumbers<Depthwise>::kernel("dynamic_conv_int8_depthwise_" TENON_ISA_NAME, "dynamic_conv"),
};

}  // namespace
extern const KernelTable depthwise_int8_table{kKernels, sizeof kKernels / sizeof *kKernels};
}  // namespace tenon::cpu::TENON_ISA
