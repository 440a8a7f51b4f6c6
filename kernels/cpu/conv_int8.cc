// conv of quantised src and weight, u8 or s8, to u8, s8 or f32 in blocks of kLanes channels; and dynamic_conv and conv_integer, see
// integer_operands.h. Bitwise the same on every level.
// As the blocked f32 convolution, with kDot channels in a lane. Rows that a unit of work needs are converted to Left between zero
// points, channels of a plain src (first layers, up to kLanes channels) side by side; rows that are Left already and whose windows
// stay inside are read where they lie. Sums are complete in one pass, so that nothing but results is stored.
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/integer_operands.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kBandBytes = 192 << 10;

enum class Source : uint8_t { blocked, plain };

struct Plan {
  ConvShape c;
  Source source;
  int64_t groups, group_inputs, group_outputs;
  int64_t inputs, outputs, panels;  // of a group: input blocks, output blocks
  int64_t unit;                     // channels of an input block, a multiple of kDot
  bool flat;
  bool windows;  // the sums of windows are needed for what is left of the weights' zero points

  Plan(const Step& s, Source source) : c(s), source(source) {
    groups = c.group, group_inputs = c.c / groups, group_outputs = c.o / groups;
    unit = source == Source::blocked ? kLanes : round_up(c.c, kDot);
    inputs = ceil_div(group_inputs, unit), outputs = ceil_div(group_outputs, kLanes);
    panels = ceil_div(outputs, kTileVectors);
    flat = source == Source::blocked && c.pointwise() && flatten(s);
    windows = any_zero_left(s.src[1], c.o);
  }

  Range panel(int64_t i) const { return piece(outputs, panels, i); }
  int64_t unit_bytes() const { return unit * static_cast<int64_t>(sizeof(Left)); }
  // Of one output block: [input block][taps][unit / kDot] vectors.
  int64_t block_bytes() const { return inputs * c.window() * unit / kDot * kLanes * kLaneBytes; }
  int64_t weight_bytes() const { return groups * outputs * block_bytes(); }
  int64_t packed_bytes() const { return weight_bytes() + groups * outputs * kLanes * 4; }

  bool copies(const Operand& src) const { return source == Source::plain || !kBytes8 || is_signed(src) || !c.inside(1) || !c.inside(2); }
  int64_t left() const { return larger(int64_t{0}, c.pad[2]); }
  int64_t width() const { return left() + larger(c.in[2], c.reach(2)); }
  // A flat image is copied piece by piece.
  int64_t copied_width(const Cut& cut) const { return flat ? ceil_div(c.out[2], larger(int64_t{1}, cut.columns)) : width(); }
  // Source columns that the windows of n results meet.
  int64_t span(int64_t n) const { return (n - 1) * c.stride[2] + (c.taps[2] - 1) * c.dilation[2] + 1; }
  int64_t rows_in(int64_t rows) const { return (rows - 1) * c.stride[1] + (c.taps[1] - 1) * c.dilation[1] + 1; }
  // Rows above and below the image count as zero points where offsets take those away, else they are left out.
  Range band(Range rows) const {
    const Range all{c.source(1, rows.begin, 0), c.source(1, rows.end - 1, c.taps[1] - 1) + 1};
    return kBytes8 ? all : Range{larger(int64_t{0}, all.begin), smaller(c.in[1], all.end)};
  }
  Range taps(int64_t row) const { return kBytes8 ? Range{0, c.taps[1]} : c.valid(1, row); }
  int64_t row_step(const Cut& cut) const { return round_up(copied_width(cut) * unit_bytes(), 64) + 64; }
  int64_t band_bytes(const Cut& cut) const { return rows_in(ceil_div(c.out[1], cut.bands)) * row_step(cut) * inputs; }

  Cut cut() const {
    const int64_t planes = c.n * groups, row_bytes = larger(int64_t{1}, c.stride[1] * c.in[2]) * unit_bytes() * inputs;
    const int64_t most = larger(int64_t{1}, kBandBytes / larger(int64_t{1}, row_bytes));
    if (!flat) return cut_rows(planes, c.out[1], smaller(most, 16), panels, weight_bytes() / groups);
    return cut_row(planes, c.out[2], larger(int64_t{28}, smaller(448, kBandBytes / larger(int64_t{1}, unit_bytes() * inputs))), panels,
                   weight_bytes() / groups);
  }

 private:
  bool flatten(const Step& s) {
    if (!one_row(s.src[0]) || !one_row_of_dst(s)) return false;
    c.in[2] = c.out[2] = c.pixels();
    c.in[1] = c.out[1] = 1;
    return true;
  }
};

template <Source source>
const char* reject(const Step& s) {
  if (s.src[0].rank < 3 || s.src[0].rank > 4) return "there are more than two spatial axes";
  if (const char* why = int8_reject(s, 0)) return why;
  if (!s.src[1].constant) return "the weight is not constant";
  if (own_sources(s) > 2 && has(s, 2) && !is_f32(s.src[2]) && !is(s.src[2], DType::s32)) return "the bias is neither f32 nor s32";
  const int64_t group = static_cast<const Conv*>(s.attributes)->group, o = s.src[1].size[0], c = s.src[1].size[1];
  if (!known(o) || !known(c)) return "the channels are not known";
  if (source == Source::plain && !contiguous(s.src[0])) return "src has gaps along its last axis";
  if (source == Source::plain) return group > 1 ? "there are groups" : c > kLanes ? "src has more channels than a vector" : nullptr;
  if (group > 1 && (o / group % kLanes || c % kLanes)) return "the channels of a group do not fill blocks";
  return nullptr;
}

// Scratch of a worker: offsets, multipliers and zero points of all output channels, a tile of floats, sums of windows and of pixels;
// then the band.
struct Constants {
  int32_t *offset, *zero;
  float *multiplier, *buffer;
  int32_t *windows, *pixels;
  int64_t bytes;

  Constants(const Plan& p, const Cut& cut, char* at) {
    const char* from = at;
    const auto take = [&](auto*& list, int64_t n) {
      list = reinterpret_cast<std::remove_reference_t<decltype(list)>>(at);
      at += round_up(n * 4, 64);
    };
    const int64_t lanes = p.groups * p.outputs * kLanes;
    take(offset, lanes), take(zero, lanes), take(multiplier, lanes), take(buffer, 16 * kTileVectors * kLanes);
    const int64_t columns = p.windows ? ceil_div(p.c.out[2], larger(int64_t{1}, cut.columns)) : 0;
    take(windows, columns), take(pixels, columns ? p.span(columns) * p.unit / kDot : 0);
    bytes = at - from;
  }
};

template <Source source>
Needs needs(const Step& s) {
  const Plan p(s, source);
  Needs n{.src = source == Source::blocked ? Wants::blocked : Wants::plain,
          .dst = Wants::blocked,
          .block = kLanes,
          .packing = source == Source::blocked ? "int8_oihw_blocked_" TENON_ISA_NAME : "int8_oihw_plain_" TENON_ISA_NAME,
          .packed_bytes = p.packed_bytes()};
  if (!known(s.src[0]) || !known(*s.dst)) return n;
  const Cut cut = p.cut();
  n.worker_scratch_bytes = Constants(p, cut, nullptr).bytes + (p.copies(s.src[0]) ? p.band_bytes(cut) : 0);
  return n;
}

template <Source source>
float cost(const Step& s) {
  const Plan p(s, source);
  const float rate = kMultiplyAdds * (kBytes8 ? 4.f : kLanes == 4 ? 2.f : 1.6f);
  const float pixels = static_cast<float>(p.c.n * p.c.pixels());
  const float work = pixels * static_cast<float>(p.c.window() * p.inputs * p.unit) * static_cast<float>(p.groups * p.outputs * kLanes) / rate * 1.1f +
                     pixels * static_cast<float>(p.outputs * p.groups) * 2.3f;
  const float source_bytes = static_cast<float>(p.c.n * p.c.c * p.c.in[1] * p.c.in[2]);
  const float converting = source_bytes * (source == Source::plain ? 0.6f : p.copies(s.src[0]) ? 0.05f : 0.f);
  const float bytes = static_cast<float>(p.weight_bytes()) / kBytes + (source_bytes + pixels * static_cast<float>(p.c.o)) / kCachedBytes;
  return larger(work, bytes) + converting + epilogue_cost(s, p.c.n * p.c.o * p.c.pixels()) + static_cast<float>(p.c.o) + 300.f;
}

template <Source source>
void pack(const Step& s, void* packed) {
  const Plan p(s, source);
  const Operand& w = s.src[1];
  Right* to = static_cast<Right*>(packed);
  int32_t* sums = reinterpret_cast<int32_t*>(static_cast<char*>(packed) + p.weight_bytes());
  for (int64_t i = 0; i < p.groups * p.outputs * kLanes; ++i) sums[i] = 0;
  for (int64_t g = 0; g < p.groups; ++g)
    for (int64_t i = 0; i < p.panels; ++i)
      for (int64_t in = 0; in < p.inputs; ++in)
        for (int64_t y = 0; y < p.c.taps[1]; ++y)
          for (int64_t x = 0; x < p.c.taps[2]; ++x)
            for (int64_t u = 0; u < p.unit; u += kDot)
              for (int64_t o = p.panel(i).begin * kLanes; o < p.panel(i).end * kLanes; ++o)
                for (int64_t k = 0; k < kDot; ++k, ++to) {
                  const int64_t c = in * p.unit + u + k, channel = g * p.group_outputs + o;
                  *to = 0;
                  if (o >= p.group_outputs || c >= p.group_inputs) continue;
                  const int64_t at = channel * w.stride[0] + c * w.stride[1] + (w.rank > 3 ? y * w.stride[2] : 0) + x * w.stride[w.rank - 1];
                  *to = static_cast<Right>(byte(w, at) - right_less(w, channel));
                  sums[(g * p.outputs) * kLanes + o] += *to;
                }
}

struct Unit {
  int64_t image, group;
  Range rows, columns, panels;
};

// dst[x][u] = src[u][x] as Left for `channels` channels and n positions; channels up to `unit` are zero points.
void interleave(const Operand& src, int64_t first, int64_t channel_step, int64_t channels, int64_t unit, int64_t n, int32_t shift, Left zero,
                Left* dst) {
  const auto values = [&](int64_t u, int64_t x, int64_t lanes) TENON_INLINE {
    if (u >= channels) return I(zero);
    const int64_t at = first + u * channel_step + x;
    return (is_signed(src) ? load(data<int8_t>(src) + at, lanes) : load(data<uint8_t>(src) + at, lanes)) + I(shift);
  };
  const int64_t parts = unit / kDot;
  for (int64_t part = 0; part < parts; ++part)
    vectors(n, [&](int64_t x, int64_t lanes) TENON_INLINE {
      const int64_t u = part * kDot;
      I joined;
      if constexpr (kDot == 4) {
        const I byte(0xff);
        joined = (values(u, x, lanes) & byte) | left<8>(values(u + 1, x, lanes) & byte) | left<16>(values(u + 2, x, lanes) & byte) |
                 left<24>(values(u + 3, x, lanes));
      } else {
        joined = (values(u, x, lanes) & I(0xffff)) | left<16>(values(u + 1, x, lanes));
      }
      int32_t* to = reinterpret_cast<int32_t*>(dst + x * unit) + part;
      if (parts == 1) return store(to, joined, lanes);
      alignas(64) int32_t lane[kLanes];
      store(lane, joined);
      for (int64_t i = 0; i < lanes; ++i) to[i * parts] = lane[i];
    });
}

void fill_left(Left* p, Left v, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = v;
}

// The rows [rows) of the columns [columns) as Left, each between zero points.
template <Source source>
void convert_band(const Step& s, const Plan& p, const Unit& u, Range rows, Range columns, int64_t left, int64_t width, int64_t row_step, char* band) {
  const Operand& src = s.src[0];
  const int32_t shift = left_shift(is_signed(src), src.zero[0]);
  const Left zero = left_zero(is_signed(src), src.zero[0]);
  const int64_t n = columns.end - columns.begin;
  for (int64_t i = 0; i < p.inputs; ++i)
    for (int64_t h = rows.begin; h < rows.end; ++h, band += row_step) {
      if (h < 0 || h >= p.c.in[1]) {
        fill_left(reinterpret_cast<Left*>(band), zero, width * p.unit);
        continue;
      }
      const int64_t from = u.image * src.stride[0] + (source == Source::blocked ? (u.group * p.inputs + i) * src.stride[1] : 0) +
                           h * p.c.src_step[1] + columns.begin * p.c.src_step[2];
      Left* to = reinterpret_cast<Left*>(band);
      fill_left(to, zero, left * p.unit);
      to += left * p.unit;
      if (source == Source::blocked) convert_left(src, from, n * p.unit, shift, to);
      else interleave(src, from, src.stride[1], p.c.c, p.unit, n, shift, zero, to);
      fill_left(to + n * p.unit, zero, (width - left - n) * p.unit);
    }
}

// The sums over the windows of `columns` of one row of results, less their zero points; `line` is where the window of column 0 starts.
void sum_windows(const Plan& p, const char* line, int64_t row_step, int64_t input_step, Range columns, int32_t zero, const Constants& k) {
  const ConvShape& c = p.c;
  const int64_t n = columns.end - columns.begin, pixels = p.span(n), parts = p.unit / kDot;
  // Channels up to the unit are zero points in a plain source, and anything in a blocked one.
  const int64_t spare = p.source == Source::plain ? 0 : p.inputs * p.unit - p.group_inputs;
  alignas(64) int8_t mask[kLanes * kLaneBytes];
  for (int64_t i = 0; i < kLanes * kLaneBytes; ++i) mask[i] = i % p.unit < p.unit - spare;
  const I ones(0x01010101), last = spare ? load(reinterpret_cast<const int32_t*>(mask)) : ones;
  const int64_t terms = (p.inputs * p.unit - spare) * c.taps[1] * c.taps[2];
  for (int64_t x = 0; x < n; ++x) k.windows[x] = static_cast<int32_t>(0u - static_cast<uint32_t>(zero) * static_cast<uint32_t>(terms));
  for (int64_t y = 0; y < c.taps[1]; ++y) {
    const char* from = line + columns.begin * c.stride[2] * p.unit_bytes() + y * c.dilation[1] * row_step;
    vectors(pixels * parts, [&](int64_t i, int64_t lanes) TENON_INLINE {
      I sum(0);
      for (int64_t in = 0; in < p.inputs; ++in)
        sum = dot(sum, load(reinterpret_cast<const int32_t*>(from + in * input_step) + i, lanes), in + 1 < p.inputs ? ones : last);
      store(k.pixels + i, sum, lanes);
    });
    for (int64_t x = 0; x < pixels && parts > 1; ++x) {
      int32_t sum = 0;
      for (int64_t part = 0; part < parts; ++part) sum += k.pixels[x * parts + part];
      k.pixels[x] = sum;
    }
    for (int64_t x = 0; x < n; ++x)
      for (int64_t tap = 0; tap < c.taps[2]; ++tap) k.windows[x] += k.pixels[x * c.stride[2] + tap * c.dilation[2]];
  }
}

template <Source source>
void convolve(const Step& s, const Plan& p, const Cut& cut, const Output& out, const Unit& u, const Constants& k, char* band) {
  const ConvShape& c = p.c;
  const Operand &src = s.src[0], &dst = *s.dst;
  const Finish& finish = out.finish;
  const auto index = [&](const Operand& o, int64_t block, int64_t row, int64_t column) {
    return u.image * o.stride[0] + (u.group * p.outputs + block) * o.stride[1] + (o.rank > 3 && !p.flat ? row * o.stride[2] : 0) +
           column * o.stride[o.rank - 1];
  };
  const Range rows_in = p.band(u.rows);
  const int64_t pixel = p.unit_bytes();
  const char* from;  // of row 0, column 0 and input 0
  int64_t row_step = c.src_step[1], input_step = src.stride[1];
  if (band) {
    const Range columns = p.flat ? u.columns : Range{0, c.in[2]};
    row_step = p.row_step(cut), input_step = larger(int64_t{0}, rows_in.end - rows_in.begin) * row_step;
    convert_band<source>(s, p, u, rows_in, columns, p.flat ? 0 : p.left(), p.flat ? columns.end - columns.begin : p.width(), row_step, band);
    from = band - rows_in.begin * row_step + (p.flat ? -columns.begin : p.left()) * pixel;
  } else {
    from = data<char>(src) + u.image * src.stride[0] + u.group * p.inputs * src.stride[1];
  }
  SumTile t{};
  out.prepare(t);
  t.a_row = c.stride[2] * pixel;
  const bool joined = c.dilation[2] == 1;  // taps along a row are neighbours
  t.k = p.unit / kDot * (joined ? c.taps[2] : 1);
  for (int64_t i = u.panels.begin; i < u.panels.end; ++i) {
    const Range blocks = p.panel(i);
    const int64_t wide = blocks.end - blocks.begin, channel = u.group * p.group_outputs + blocks.begin * kLanes;
    const int64_t lane = (u.group * p.outputs + blocks.begin) * kLanes, tap_bytes = p.unit / kDot * wide * kLanes * kLaneBytes;
    const char* weights = static_cast<const char*>(s.packed) + (u.group * p.outputs + blocks.begin) * p.block_bytes();
    t.lanes = smaller(kLanes, p.group_outputs - (blocks.end - 1) * kLanes);
    t.offset = k.offset + lane, t.multiplier = k.multiplier + lane, t.column_zero = k.zero + lane;
    t.bias = finish.bias ? finish.bias + channel : nullptr;
    t.loop[0] = {p.inputs, input_step, c.taps[1] * c.taps[2] * tap_bytes};
    if (!joined) t.loop[2] = {c.taps[2], c.dilation[2] * pixel, tap_bytes};
    const int64_t tiles = ceil_div(u.columns.end - u.columns.begin, tile_rows(static_cast<int>(wide)));
    for (int64_t row = u.rows.begin; row < u.rows.end; ++row) {
      const Range taps = p.taps(row);
      t.loop[1] = {taps.end - taps.begin, c.dilation[1] * row_step, c.taps[2] * tap_bytes};
      t.b = weights + taps.begin * t.loop[1].b;
      const char* line = from + c.source(1, row, taps.begin) * row_step - c.pad[2] * pixel;
      if (p.windows) sum_windows(p, line, row_step, input_step, u.columns, left_zero(is_signed(src), src.zero[0]), k);
      for (int64_t x = 0; x < tiles; ++x) {
        const Range own = piece(u.columns.end - u.columns.begin, tiles, x);
        const int64_t n = own.end - own.begin, column = u.columns.begin + own.begin, at = index(dst, blocks.begin, row, column);
        t.a = line + column * t.a_row;
        t.row_sums = p.windows ? k.windows + own.begin : nullptr;
        t.c_row = out.buffered ? kLanes : c.dst_step[2], t.c_vector = out.buffered ? n * kLanes : dst.stride[1];
        if (out.buffered) t.c = k.buffer;
        else t.c = out.quantised ? static_cast<void*>(out.data_of_dst() + at) : static_cast<void*>(mutable_data(dst) + at);
        kSumTiles.of[wide - 1][n - 1](t);
        for (int64_t j = 0; out.buffered && j < wide; ++j)
          out.finish_run(k.buffer + j * n * kLanes, n * kLanes, Channel::block, channel + j * kLanes, c.o, at + j * dst.stride[1],
                         [&](const Operand& o) { return index(o, blocks.begin + j, row, column); });
      }
    }
  }
  if (out.buffered || !finish.program()) return;
  for (int64_t block = p.panel(u.panels.begin).begin; block < p.panel(u.panels.end - 1).end; ++block)
    for (int64_t row = u.rows.begin; row < u.rows.end; ++row)
      finish.run(mutable_data(dst) + index(dst, block, row, u.columns.begin), (u.columns.end - u.columns.begin) * kLanes, Channel::block,
                 u.group * p.group_outputs + block * kLanes, c.o, [&](const Operand& o) { return index(o, block, row, u.columns.begin); });
}

template <Source source>
void run(const Step& s, const Context& context) noexcept {
  const Plan p(s, source);
  if (p.c.n * p.c.pixels() == 0) return;
  const Output out(s);
  const Operand* bias = own_sources(s) > 2 && has(s, 2) ? &s.src[2] : nullptr;
  const int32_t* sums = reinterpret_cast<const int32_t*>(static_cast<const char*>(s.packed) + p.weight_bytes());
  const Cut cut = p.cut();
  const int64_t units = p.c.n * p.groups * cut.bands * cut.columns * cut.blocks;
  const float unit_ns = p.c.multiply_adds() / (kMultiplyAdds * kDot) / static_cast<float>(units);
  parallel(context, units, static_cast<int64_t>(2000 / (unit_ns + 1)) + 1, [&](int64_t begin, int64_t end, int worker) {
    char* scratch = context.worker_scratch + worker * context.worker_stride;
    const Constants k(p, cut, scratch);
    char* band = p.copies(s.src[0]) ? scratch + k.bytes : nullptr;
    for (int64_t i = begin; i < end; ++i) {
      int64_t rest = i;
      const auto next = [&](int64_t n) {
        const int64_t at = rest % n;
        rest /= n;
        return at;
      };
      Unit u{};
      u.columns = piece(p.c.out[2], cut.columns, next(cut.columns));
      u.rows = piece(p.c.out[1], cut.bands, next(cut.bands));
      u.panels = piece(p.panels, cut.blocks, next(cut.blocks));
      u.group = next(p.groups), u.image = rest;
      const int64_t first = u.group * p.outputs * kLanes;
      const Range channels{first + p.panel(u.panels.begin).begin * kLanes, first + p.panel(u.panels.end - 1).end * kLanes};
      scale_channels(s, out, bias, sums, channels, p.c.o, k.offset + channels.begin, k.multiplier + channels.begin);
      for (int64_t c = channels.begin; p.windows && c < channels.end; ++c) k.zero[c] = c < p.c.o ? zero_left(s.src[1], c) : 0;
      convolve<source>(s, p, cut, out, u, k, band);
    }
  });
}

template <Source source>
struct Static {
  static int axis(const Operand&) { return 0; }
  static const char* packing(const Step&) {
    return source == Source::blocked ? "int8_oihw_blocked_with_numbers_" TENON_ISA_NAME : "int8_oihw_plain_with_numbers_" TENON_ISA_NAME;
  }
  static const void* attributes(const Step& s) { return s.attributes; }
  static constexpr auto reject = &TENON_ISA::reject<source>;
  static constexpr auto needs = &TENON_ISA::needs<source>;
  static constexpr auto cost = &TENON_ISA::cost<source>;
  static constexpr auto pack = &TENON_ISA::pack<source>;
  static constexpr auto run = &TENON_ISA::run<source>;
};
using First = Static<Source::plain>;
using Blocked = Static<Source::blocked>;

template <class S>
constexpr Kernel conv(const char* name) {
  return {
      .name = name, .op = "conv", .isa = TENON_ISA_LEVEL, .reject = S::reject, .needs = S::needs, .cost = S::cost, .pack = S::pack, .run = S::run};
}

const Kernel kKernels[] = {
    conv<First>("conv_int8_first_" TENON_ISA_NAME),
    conv<Blocked>("conv_int8_blocked_" TENON_ISA_NAME),
    WithNumbers<First>::kernel("conv_integer_int8_first_" TENON_ISA_NAME, "conv_integer"),
    WithNumbers<Blocked>::kernel("conv_integer_int8_blocked_" TENON_ISA_NAME, "conv_integer"),
    WithNumbers<First>::kernel("dynamic_conv_int8_first_" TENON_ISA_NAME, "dynamic_conv"),
    WithNumbers<Blocked>::kernel("dynamic_conv_int8_blocked_" TENON_ISA_NAME, "dynamic_conv"),
};

}  // namespace
extern const KernelTable conv_int8_table{kKernels, sizeof kKernels / sizeof *kKernels};
}  // namespace tenon::cpu::TENON_ISA
