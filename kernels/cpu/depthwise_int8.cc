// conv of quantised src and weight with one channel a group, to u8, s8 or f32 in blocks of channels; and dynamic_conv and conv_integer, see
// integer_operands.h. Bitwise the same on every level.
// The taps of a window's row are the k of the int8 dot product: every lane of the copied rows holds a channel at kDot neighbouring
// positions, so that a row of up to kDot taps costs one dot or two for kLanes results, where floats take one multiply-add a tap.
// Each position is copied once: group j of a row holds the positions from j * kDot on. Windows begin at kDot / gcd(kDot, stride)
// different places of a group, the phases; each phase has its own copy of the weights, moved to where they meet the positions. The taps
// of dilated rows are no neighbours: there group x holds (src[x], src[x + dilation], ...), made by a shift, and there is one phase.
// Weights less their zero points that do not fit a Right are the sum of two or three that do, and each row of taps costs as many.
#include <cstring>

#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/integer_operands.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int kStrip = kRegisters == 32 ? 14 : 10;   // results in registers, with one phase
constexpr int kRounds = kRegisters == 32 ? 20 : 10;  // with more
constexpr int kTapBits = 32 / kDot;
constexpr int64_t kBandBytes = 128 << 10;

struct Strip {
  const int32_t* src;  // the first group of the first results, first row
  int64_t period;      // from the results of one round of phases to the next, in lanes, as all steps are
  int64_t rows, parts, groups, src_row, src_group;
  const int32_t* weight;  // [rows][parts][groups][phases]
  I offset;
  V multiplier;
  void* dst;
  int64_t dst_step;
  Stored stored;
  int32_t zero, low, high;
  V bias, real_low, real_high;
  bool clamped;
};

// `Rounds` rounds of `Phases` results. `three`: windows of three taps that move by one or two; the first half of their phases meets one
// group of two.
template <int Phases, int Rounds, bool three>
__attribute__((noinline)) void strip(const Strip& t) {
  constexpr int N = Phases * Rounds;
  I sum[N];
  unroll<N>([&](auto i) TENON_INLINE { sum[i] = t.offset; });
  const int32_t* weight = t.weight;
  const auto meet = [&](const int32_t* src, auto from) TENON_INLINE {
    I group[Rounds];
    unroll<Rounds>([&](auto i) TENON_INLINE { group[i] = load(src + i * t.period); });
    unroll<Phases - from>([&](auto f) TENON_INLINE {
      const I w = load(weight + (from + f) * kLanes);
      unroll<Rounds>([&](auto i) TENON_INLINE { sum[i * Phases + from + f] = dot(sum[i * Phases + from + f], group[i], w); });
    });
    weight += Phases * kLanes;
  };
  for (int64_t y = 0; y < t.rows; ++y)
    for (int64_t part = 0; part < t.parts; ++part) {
      const int32_t* src = t.src + y * t.src_row;
      if constexpr (three) {
        meet(src, std::integral_constant<int, 0>{});
        meet(src + t.src_group, std::integral_constant<int, Phases / 2>{});
      } else {
        for (int64_t g = 0; g < t.groups; ++g) meet(src + g * t.src_group, std::integral_constant<int, 0>{});
      }
    }
  if (t.stored == Stored::s32) return unroll<N>([&](auto i) TENON_INLINE { store(static_cast<int32_t*>(t.dst) + i * t.dst_step, sum[i]); });
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

template <int Phases, bool three, int... Rounds>
constexpr void fill_strips(StripFunction* table, std::integer_sequence<int, Rounds...>) {
  ((table[Rounds] = strip<Phases, Rounds + 1, three>), ...);
}

// of[phases - 1][rounds - 1]
struct Strips {
  StripFunction of[kDot][kStrip] = {}, three[kDot][kStrip] = {};
  constexpr Strips() {
    fill_strips<1, false>(of[0], std::make_integer_sequence<int, kStrip>{});
    fill_strips<2, false>(of[1], std::make_integer_sequence<int, kRounds / 2>{});
    if constexpr (kDot == 4) {
      fill_strips<4, false>(of[kDot - 1], std::make_integer_sequence<int, kRounds / 4>{});
      fill_strips<2, true>(three[1], std::make_integer_sequence<int, kRounds / 2>{});
      fill_strips<4, true>(three[kDot - 1], std::make_integer_sequence<int, kRounds / 4>{});
    }
  }
};
constexpr Strips kStrips;

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
  int64_t blocks, parts;               // of channels; that sum up to the weights
  bool aligned;                        // each position is copied once
  int64_t phases = 1, period, groups;  // results of a round; groups of the row from round to round, and that a round meets
  int64_t rounds, left, width;         // of results of a row; of a copied row: groups before the first position, and all
  int64_t bands;

  explicit Plan(const Step& s) : c(s) {
    blocks = ceil_div(c.o, kLanes), parts = parts_of(s.src[1], c.o);
    aligned = c.dilation[2] == 1 || c.taps[2] == 1;
    if (aligned)
      while (phases * c.stride[2] % kDot) phases *= 2;
    groups = ceil_div((phases - 1) * c.stride[2] + c.taps[2], kDot);
    period = aligned ? phases * c.stride[2] / kDot : c.stride[2], rounds = ceil_div(c.out[2], phases);
    left = aligned ? 0 : larger(int64_t{0}, c.pad[2]);
    width = aligned ? (rounds - 1) * period + groups : left + larger(c.in[2], c.reach(2)) + groups * kDot * c.dilation[2];
    const int64_t most = larger(int64_t{1}, kBandBytes / larger(int64_t{1}, width * kLanes * 4 * c.stride[1]) - c.taps[1] * c.dilation[1]);
    bands = ceil_div(c.out[1], most);
    bands = larger(bands, smaller(ceil_div(c.out[1], 8), ceil_div(16, larger(int64_t{1}, c.n * blocks))));
  }
  int64_t rows_in(int64_t rows) const { return (rows - 1) * c.stride[1] + (c.taps[1] - 1) * c.dilation[1] + 1; }
  int64_t weights() const { return c.taps[1] * parts * groups * phases * kLanes; }  // lanes of a block
  int64_t packed_bytes() const { return blocks * (weights() + kLanes) * 4; }
  int64_t band_lanes() const { return rows_in(ceil_div(c.out[1], larger(int64_t{1}, bands))) * width * kLanes; }
  int64_t constants_bytes() const { return (2 + kRounds) * kLanes * 4; }
  bool three() const { return kBytes8 && phases > 1 && c.taps[2] == 3 && c.stride[2] < 3; }
  int64_t most_rounds() const { return phases == 1 ? kStrip : kRounds / phases; }
  // The weights of a phase move with its place in a group.
  const char* packing(bool numbers) const {
    static constexpr const char* kNames[2][1 + kDot] = {
        {"int8_dilated_taps_by_channel_" TENON_ISA_NAME, "int8_taps_by_channel_0_" TENON_ISA_NAME, "int8_taps_by_channel_1_" TENON_ISA_NAME,
#if defined(__AVX512VNNI__)
         "int8_taps_by_channel_2_" TENON_ISA_NAME, "int8_taps_by_channel_3_" TENON_ISA_NAME
#endif
        },
        {"int8_dilated_taps_by_channel_with_numbers_" TENON_ISA_NAME, "int8_taps_by_channel_with_numbers_0_" TENON_ISA_NAME,
         "int8_taps_by_channel_with_numbers_1_" TENON_ISA_NAME,
#if defined(__AVX512VNNI__)
         "int8_taps_by_channel_with_numbers_2_" TENON_ISA_NAME, "int8_taps_by_channel_with_numbers_3_" TENON_ISA_NAME
#endif
        }};
    return kNames[numbers][aligned ? 1 + c.stride[2] % kDot : 0];
  }
};

Needs needs(const Step& s) {
  const Plan p(s);
  Needs n{.src = Wants::blocked, .dst = Wants::blocked, .block = kLanes, .packing = p.packing(false), .packed_bytes = p.packed_bytes()};
  if (known(s.src[0]) && known(*s.dst)) n.worker_scratch_bytes = p.constants_bytes() + p.band_lanes() * 4;
  return n;
}

float cost(const Step& s) {
  const Plan p(s);
  const float vectors = static_cast<float>(p.c.n * p.blocks), rate = kLanes == 16 ? 3.5f : 6.f;
  const float copied =
      vectors * static_cast<float>(p.bands * p.rows_in(ceil_div(p.c.out[1], larger(int64_t{1}, p.bands))) * p.width) * (p.aligned ? 2.f * kDot : 4.f);
  const float dots = static_cast<float>(p.c.taps[1] * p.parts * p.groups);
  const float sums = vectors * static_cast<float>(p.c.pixels()) * (dots * (kBytes8 ? 1.2f : 2.2f) + 8);
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
          for (int64_t f = 0; f < p.phases; ++f)
            for (int64_t o = block * kLanes; o < (block + 1) * kLanes; ++o)
              for (int64_t k = 0; k < kDot; ++k, ++to) {
                const int64_t x = g * kDot + k - f * p.c.stride[2];
                *to = 0;
                if (o >= p.c.o || x < 0 || x >= p.c.taps[2]) continue;
                const int64_t at = o * w.stride[0] + (w.rank > 3 ? y * w.stride[2] : 0) + x * w.stride[w.rank - 1];
                const int32_t v = byte(w, at) - weight_zero(w, o);
                *to = static_cast<Right>(p.parts == 1 ? v : part_of(v, part));
                if (f == 0) sums[o] += *to;
              }
}

// A row of groups of kDot neighbours, from kLanes channels at `row`; outside of it lie zero points.
template <class T>
void group_row(const Plan& p, const T* row, int32_t shift, int32_t zero, int32_t* to) {
  const auto group = [&](const auto& at) TENON_INLINE {
    if constexpr (kDot == 4) {  // the shift of signed bytes, by 128, turns their highest bits around
      const auto read = [&](int64_t i) TENON_INLINE { return load(reinterpret_cast<const uint8_t*>(at(i))); };
      const I all = read(0) | left<8>(read(1)) | left<16>(read(2)) | left<24>(read(3));
      return shift ? all ^ I(static_cast<int32_t>(0x80808080)) : all;
    } else {
      return ((load(at(0)) + I(shift)) & I(0xffff)) | left<16>(load(at(1)) + I(shift));
    }
  };
  T outside[kLanes];
  for (T& v : outside) v = static_cast<T>(zero - shift);
  // What only results beyond the row meet may hold anything.
  const int64_t met = ceil_div(p.c.reach(2) + p.c.pad[2], kDot);
  for (int64_t j = 0; j < met; ++j, to += kLanes) {
    const int64_t x = j * kDot - p.c.pad[2];
    if (x >= 0 && x + kDot <= p.c.in[2]) store(to, group([&](int64_t i) TENON_INLINE { return row + (x + i) * kLanes; }));
    else store(to, group([&](int64_t i) TENON_INLINE { return x + i >= 0 && x + i < p.c.in[2] ? row + (x + i) * kLanes : outside; }));
  }
}

// The same of dilated taps: group x begins at position x - left.
template <class T>
void spread_row(const Plan& p, const T* row, int32_t shift, int32_t zero, int32_t* to) {
  const I mask(static_cast<int32_t>(kDot == 4 ? 0xff : 0xffff)), outside(zero), add(shift);
  const int64_t step = p.c.dilation[2];
  for (int64_t x = p.width - 1; x >= 0; --x) {
    const int64_t own = x - p.left;
    const I next = x + step < p.width ? load(to + (x + step) * kLanes) : outside;
    store(to + x * kLanes, left<kTapBits>(next) | ((own >= 0 && own < p.c.in[2] ? load(row + own * kLanes) + add : outside) & mask));
  }
}

template <class T>
void copy_row(const Plan& p, const T* row, int32_t shift, int32_t zero, int32_t* to) {
  if (p.aligned) group_row(p, row, shift, zero, to);
  else spread_row(p, row, shift, zero, to);
}

void copy_band(const Step& s, const Plan& p, int64_t image, int64_t block, Range rows, int32_t* band) {
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
    if (is_signed(src)) copy_row(p, data<int8_t>(src) + from, shift, zero, band);
    else copy_row(p, data<uint8_t>(src) + from, shift, zero, band);
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
  int64_t copied = rows_in.begin;  // rows up to here are copied: each just before it is needed, so that it is read from L1
  const auto index = [&](const Operand& o, int64_t row, int64_t column) {
    return image * o.stride[0] + block * o.stride[1] + (o.rank > 3 ? row * o.stride[2] : 0) + column * o.stride[o.rank - 1];
  };
  SumTile settings{};
  out.prepare(settings);
  Strip t{};
  t.period = p.period * kLanes, t.rows = c.taps[1], t.parts = p.parts, t.groups = p.groups;
  t.src_row = c.dilation[1] * p.width * kLanes, t.src_group = (p.aligned ? 1 : kDot * c.dilation[2]) * kLanes;
  t.weight = static_cast<const int32_t*>(s.packed) + block * p.weights();
  t.offset = load(offset), t.multiplier = load(multiplier);
  t.stored = settings.stored, t.zero = settings.zero, t.low = settings.low, t.high = settings.high;
  t.bias = finish.bias ? load(finish.bias + channel, smaller(kLanes, c.o - channel)) : V(-0.f);
  t.real_low = V(settings.real_low), t.real_high = V(settings.real_high), t.clamped = settings.clamped;
  t.dst_step = kLanes;
  const int64_t strips = ceil_div(p.rounds, p.most_rounds());
  const StripFunction* strip_of = (p.three() ? kStrips.three : kStrips.of)[p.phases - 1];
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const Range more{larger(copied, c.source(1, row, 0)), c.source(1, row, c.taps[1] - 1) + 1};
    if (more.begin < more.end) {
      copy_band(s, p, image, block, more, band + (more.begin - rows_in.begin) * p.width * kLanes);
      copied = more.end;
    }
    const int32_t* line = band + ((c.source(1, row, 0) - rows_in.begin) * p.width + (p.aligned ? 0 : p.left - c.pad[2])) * kLanes;
    for (int64_t i = 0; i < strips; ++i) {
      const Range own = piece(p.rounds, strips, i);
      const int64_t first = own.begin * p.phases, n = smaller(own.end * p.phases, c.out[2]) - first, at = index(*s.dst, row, first);
      const int64_t bytes = out.quantised ? 1 : 4;
      char* to = mutable_data<char>(*s.dst) + at * bytes;
      const bool beyond = n < (own.end - own.begin) * p.phases;  // the last round has results that the row has not
      t.src = line + own.begin * t.period;
      t.dst = out.buffered || beyond ? static_cast<void*>(buffer) : to;
      strip_of[own.end - own.begin - 1](t);
      if (out.buffered) out.finish_run(buffer, n * kLanes, Channel::block, channel, c.o, at, [&](const Operand& o) { return index(o, row, first); });
      else if (beyond)
        for (int64_t v = 0; v < n * bytes; ++v) std::memcpy(to + v * kLanes, reinterpret_cast<const char*>(buffer) + v * kLanes, kLanes);
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
  static const char* packing(const Step& s) { return Plan(s).packing(true); }
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
