// conv_transpose of f32: over channel blocks, and over columns. Tolerance 2e-5 of the largest
// result.
//
// Channel blocks take constant weights, up to two spatial axes, and groups that fill blocks. The
// results whose position has one remainder by the stride meet the same taps, and neighbours among
// them meet neighbours of src: each such phase is a convolution with stride 1, whose register tile
// stores every stride-th result. On an axis a phase takes the taps first, first + step, ...; the
// source position falls by `back` from tap to tap.
//
// Columns take every form, plain. The weight, transposed, times a stretch of src gives what every
// tap of every output adds to dst, which is then added where it belongs. Neighbours in src lie
// `stride` apart in dst: until all is added, a row of dst keeps the results of each remainder by
// the stride side by side. Workers share images, groups, outputs, and bands of the outermost
// spatial axis.
#include "ops/conv_transpose.h"
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/tile.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kBandBytes = 192 << 10;

int64_t divisor(int64_t a, int64_t b) {
  while (b) {
    const int64_t rest = a % b;
    a = b, b = rest;
  }
  return a;
}
int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

// The taps that meet output position `at` of an axis, and the source position of the first of them.
struct Phase {
  int64_t first, step, count, back, source;
};

struct Plan {
  ConvShape c;
  int64_t groups, group_inputs, group_outputs, inputs, outputs, panels;
  int64_t cut[3];
  int64_t left, width;

  explicit Plan(const Step& s) : c(s, s.src[0], s.src[1], *s.dst, *static_cast<const ConvTranspose*>(s.attributes)) {
    const auto& a = *static_cast<const ConvTranspose*>(s.attributes);
    groups = a.group, c.c = s.src[1].size[0], c.o = s.src[1].size[1] * groups;
    group_inputs = c.c / groups, group_outputs = c.o / groups;
    inputs = ceil_div(group_inputs, kLanes), outputs = ceil_div(group_outputs, kLanes), panels = ceil_div(outputs, kTileVectors);
    const int spatial = s.src[0].rank - 2;
    for (int i = 0; i < 3; ++i) cut[i] = i - 3 + spatial >= 0 ? a.cut_before(static_cast<size_t>(i - 3 + spatial), c.in[i], c.taps[i]) : 0;
    left = larger(int64_t{0}, -lowest(2, 0));
    width = left + larger(c.in[2], highest(2, c.out[2] - 1) + 1);
  }

  // Bounds of the source positions that an output position meets.
  int64_t lowest(int i, int64_t at) const { return floor_div(at + cut[i] - (c.taps[i] - 1) * c.dilation[i], c.stride[i]); }
  int64_t highest(int i, int64_t at) const { return floor_div(at + cut[i], c.stride[i]); }
  Phase phase(int i, int64_t at) const {
    const int64_t shared = divisor(c.stride[i], c.dilation[i]);
    Phase p{0, c.stride[i] / shared, 0, c.dilation[i] / shared, 0};
    while (p.first < c.taps[i] && p.first < p.step && (at + cut[i] - p.first * c.dilation[i]) % c.stride[i]) ++p.first;
    if (p.first >= c.taps[i] || p.first >= p.step) return p;
    p.count = ceil_div(c.taps[i] - p.first, p.step);
    p.source = (at + cut[i] - p.first * c.dilation[i]) / c.stride[i];
    return p;
  }
  Range panel(int64_t i) const { return piece(outputs, panels, i); }
  int64_t block_floats() const { return inputs * c.window() * kLanes * kLanes; }
  int64_t packed_floats() const { return groups * outputs * block_floats(); }
  Range rows_in(Range rows) const {
    const int64_t begin = larger(int64_t{0}, lowest(1, rows.begin)), end = smaller(c.in[1], highest(1, rows.end - 1) + 1);
    return {begin, larger(begin, end)};
  }
  Cut cut_work() const {
    const int64_t most = larger(int64_t{1}, kBandBytes / larger(int64_t{1}, width * kLanes * inputs * 4)) * c.stride[1];
    return cut_rows(c.n * groups, c.out[1], smaller(most, 32), panels, packed_floats() / groups * 4);
  }
  int64_t band_floats() const {
    const int64_t rows = ceil_div(c.out[1], larger(int64_t{1}, cut_work().bands));
    return smaller(c.in[1], (rows + (c.taps[1] - 1) * c.dilation[1]) / c.stride[1] + 2) * width * kLanes * inputs;
  }
};

const char* reject(const Step& s) {
  if (const char* why = conv_reject(s)) return why;
  if (s.src[0].rank > 4) return "there are more than two spatial axes";
  if (!s.src[1].constant) return "the weight is not constant";
  const int64_t group = static_cast<const ConvTranspose*>(s.attributes)->group;
  if (group > 1 && (s.src[1].size[1] % kLanes || s.src[1].size[0] / group % kLanes)) return "the channels of a group do not fill blocks";
  return epilogue_reject(s);
}

Needs needs(const Step& s) {
  const Plan p(s);
  Needs n{.src = Wants::blocked,
          .dst = Wants::blocked,
          .block = kLanes,
          .packing = "iohw_blocked_" TENON_ISA_NAME,
          .packed_bytes = p.packed_floats() * 4};
  if (known(s.src[0]) && known(*s.dst)) n.worker_scratch_bytes = p.band_floats() * 4;
  return n;
}

float cost(const Step& s) {
  const Plan p(s);
  const float taps = static_cast<float>(p.c.window()) / static_cast<float>(p.c.stride[1] * p.c.stride[2]);
  const float results = static_cast<float>(p.c.n * p.c.pixels()) * static_cast<float>(p.groups * p.outputs * kLanes);
  return results * (taps > 1 ? taps : 1.f) * static_cast<float>(p.inputs * kLanes) / kMultiplyAdds * 1.1f +
         static_cast<float>(p.packed_floats()) * 4 / kBytes + epilogue_cost(s, p.c.n * p.c.o * p.c.pixels()) + 300.f;
}

// [panel][input block][taps][lane] vectors of the panel.
void pack(const Step& s, void* packed) {
  const Plan p(s);
  const Operand& w = s.src[1];
  float* to = static_cast<float*>(packed);
  for (int64_t g = 0; g < p.groups; ++g)
    for (int64_t i = 0; i < p.panels; ++i)
      for (int64_t in = 0; in < p.inputs; ++in)
        for (int64_t y = 0; y < p.c.taps[1]; ++y)
          for (int64_t x = 0; x < p.c.taps[2]; ++x)
            for (int64_t u = in * kLanes; u < (in + 1) * kLanes; ++u)
              for (int64_t o = p.panel(i).begin * kLanes; o < p.panel(i).end * kLanes; ++o, ++to) {
                const int64_t at =
                    (g * p.group_inputs + u) * w.stride[0] + o * w.stride[1] + (w.rank > 3 ? y * w.stride[2] : 0) + x * w.stride[w.rank - 1];
                *to = u < p.group_inputs && o < p.group_outputs ? data(w)[at] : 0.f;
              }
}

struct Unit {
  int64_t image, group;
  Range rows, panels;
};

void copy_band(const Step& s, const Plan& p, const Unit& u, Range rows, float* band) {
  const Operand& src = s.src[0];
  for (int64_t i = 0; i < p.inputs; ++i)
    for (int64_t h = rows.begin; h < rows.end; ++h) {
      const float* from = data(src) + u.image * src.stride[0] + (u.group * p.inputs + i) * src.stride[1] + h * p.c.src_step[1];
      for (int64_t x = 0; x < p.width; ++x, band += kLanes) {
        const int64_t own = x - p.left;
        store(band, own >= 0 && own < p.c.in[2] ? load(from + own * p.c.src_step[2]) : V(0.f));
      }
    }
}

void convolve(const Step& s, const Plan& p, const Finish& finish, const Unit& u, float* band) {
  const ConvShape& c = p.c;
  const Range rows_in = p.rows_in(u.rows);
  copy_band(s, p, u, rows_in, band);
  const auto place = [&](const Operand& o, int64_t block, int64_t row, int64_t column) {
    return static_cast<float*>(o.data) + u.image * o.stride[0] + (u.group * p.outputs + block) * o.stride[1] + (o.rank > 3 ? row * o.stride[2] : 0) +
           column * o.stride[o.rank - 1];
  };
  const int64_t row_step = p.width * kLanes, input_step = (rows_in.end - rows_in.begin) * row_step;
  Tile t{};
  t.low = finish.low, t.high = finish.high, t.clamped = finish.clamped, t.first = t.last = true;
  t.a_row = kLanes, t.a_k = 1, t.k = kLanes, t.k_last = p.group_inputs - (p.inputs - 1) * kLanes;
  t.c_row = c.stride[2] * c.dst_step[2], t.c_vector = s.dst->stride[1];
  if (const Operand* r = finish.residual) t.residual_row = c.stride[2] * r->stride[r->rank - 1], t.residual_vector = r->stride[1];
  for (int64_t i = u.panels.begin; i < u.panels.end; ++i) {
    const Range blocks = p.panel(i);
    const int64_t wide = blocks.end - blocks.begin, vector = wide * kLanes, tap = kLanes * vector,
                  channel = u.group * p.group_outputs + blocks.begin * kLanes;
    const float* weights = static_cast<const float*>(s.packed) + (u.group * p.outputs + blocks.begin) * p.block_floats();
    t.b_k = vector, t.lanes = smaller(kLanes, p.group_outputs - (blocks.end - 1) * kLanes);
    t.bias = finish.bias ? finish.bias + channel : nullptr;
    t.loop[0] = {p.inputs, input_step, c.window() * tap};
    for (int64_t row = u.rows.begin; row < u.rows.end; ++row) {
      Phase y = p.phase(1, row);
      // Taps whose source row lies below or above the image are left out.
      while (y.count > 0 && y.source >= c.in[1]) y.first += y.step, y.source -= y.back, --y.count;
      if (y.source < 0) y.count = 0;
      if (y.count > 0) y.count = smaller(y.count, y.source / y.back + 1);
      t.loop[1] = {y.count, -y.back * row_step, y.step * c.taps[2] * tap};
      for (int64_t from = 0; from < smaller(c.stride[2], c.out[2]); ++from) {
        const Phase x = p.phase(2, from);
        t.loop[2] = {x.count, -x.back * kLanes, x.step * tap};
        t.b = weights + (y.first * c.taps[2] + x.first) * tap;
        const float* line = band + (y.source - rows_in.begin) * row_step + (p.left + x.source) * kLanes;
        const int64_t count = ceil_div(c.out[2] - from, c.stride[2]), tiles = ceil_div(count, tile_rows(static_cast<int>(wide)));
        for (int64_t j = 0; j < tiles; ++j) {
          const Range own = piece(count, tiles, j);
          const int64_t column = from + own.begin * c.stride[2];
          t.a = line + own.begin * kLanes;
          t.c = place(*s.dst, blocks.begin, row, column);
          if (finish.residual) t.residual = place(*finish.residual, blocks.begin, row, column);
          kTiles.of[wide - 1][own.end - own.begin - 1](t);
        }
      }
      for (int64_t block = blocks.begin; finish.program() && block < blocks.end; ++block)
        finish.run(place(*s.dst, block, row, 0), c.out[2] * kLanes, Channel::block, u.group * p.group_outputs + block * kLanes, c.o,
                   [&](const Operand& o) { return place(o, block, row, 0) - data(o); });
    }
  }
}

void run(const Step& s, const Context& context) noexcept {
  const Plan p(s);
  if (p.c.n * p.c.pixels() == 0) return;
  const Finish finish(s, conv_bias(s));
  const Cut cut = p.cut_work();
  parallel(context, p.c.n * p.groups * cut.bands * cut.blocks, 1, [&](int64_t begin, int64_t end, int worker) {
    float* band = reinterpret_cast<float*>(context.worker_scratch + worker * context.worker_stride);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t unit = i / cut.bands, plane = unit / cut.blocks;
      convolve(s, p, finish,
               {plane / p.groups, plane % p.groups, piece(p.c.out[1], cut.bands, i % cut.bands), piece(p.panels, cut.blocks, unit % cut.blocks)},
               band);
    }
  });
}

// ---- columns
constexpr int64_t kStretch = 8 * kTileVectors * kLanes;  // elements of src
constexpr int64_t kRows = 96;                            // outputs times taps, about

struct Columns {
  ConvShape c;
  int64_t groups, inputs, outputs, taps;  // inputs and outputs of a group
  int64_t block, blocks, pixels;          // block: outputs that are done together
  int64_t cut[3];
  int banded;  // the outermost axis, of which workers take bands
  int64_t bands;

  explicit Columns(const Step& s)
      : c(s, s.src[0], s.src[1], *s.dst, *static_cast<const ConvTranspose*>(s.attributes)) {
    const auto& a = *static_cast<const ConvTranspose*>(s.attributes);
    const auto size = [](int64_t n) { return known(n) ? n : 1; };
    groups = a.group, inputs = c.c / groups, outputs = size(s.src[1].size[1]), taps = c.window();
    block = larger(int64_t{1}, smaller(outputs, kRows / larger(taps, int64_t{1}))),
    blocks = ceil_div(outputs, block);
    pixels = c.in[0] * c.in[1] * c.in[2];
    const int spatial = s.src[0].rank - 2;
    for (int i = 0; i < 3; ++i)
      cut[i] = i - 3 + spatial >= 0
                   ? a.cut_before(static_cast<size_t>(i - 3 + spatial), c.in[i], c.taps[i])
                   : 0;
    banded = 3 - spatial;
    const int64_t least = 4 * (c.taps[banded] - 1) * c.dilation[banded] + 4 * c.stride[banded];
    bands = larger(int64_t{1}, smaller(ceil_div(16, larger(int64_t{1}, c.n * groups * blocks)),
                                       c.out[banded] / least));
  }
  // What lies under one index of the banded axis, in src.
  int64_t under() const { return banded == 0 ? c.in[1] * c.in[2] : banded == 1 ? c.in[2] : 1; }
  // The indices of src that meet a band of dst.
  Range sources(Range band) const {
    const int64_t before = band.begin + cut[banded] - (c.taps[banded] - 1) * c.dilation[banded];
    const int64_t begin = larger(int64_t{0}, before > 0 ? ceil_div(before, c.stride[banded]) : 0);
    const int64_t end =
        smaller(c.in[banded], floor_div(band.end - 1 + cut[banded], c.stride[banded]) + 1);
    return {begin, larger(begin, end)};
  }
};

const char* reject_columns(const Step& s) {
  if (const char* why = conv_reject(s)) return why;
  if (const char* why = reject_gaps(s)) return why;
  return epilogue_reject(s);
}

Needs needs_columns(const Step& s) {
  if (!known(s.src[1])) return {};
  const Columns p(s);
  return {.worker_scratch_bytes = (p.block * p.taps * kStretch + s.src[1].size[0] * kLanes +
                                   (known(*s.dst) ? p.c.out[2] : 0)) *
                                  4};
}

float cost_columns(const Step& s) {
  const Columns p(s);
  const float columns =
      static_cast<float>(p.c.n * p.groups * p.outputs * p.taps) * static_cast<float>(p.pixels);
  return columns * static_cast<float>(p.inputs) * 1.2f / kMultiplyAdds + columns * 0.2f +
         static_cast<float>(count(*s.dst)) * (p.c.stride[2] == 1 ? 0.f : 0.6f) +
         epilogue_cost(s, count(*s.dst)) + static_cast<float>(count(*s.dst)) * 4 / kBytes + 400.f;
}

// columns[row][0 .. n) = what `n` elements of src from `first` on give to outputs times taps
// `rows`.
void multiply(const Step& s, const Columns& p, int64_t image, int64_t group, Range outputs,
              int64_t first, int64_t n, float* columns, float* tail) {
  const int64_t row = p.outputs * p.taps, rows = (outputs.end - outputs.begin) * p.taps;
  const float* src = data(s.src[0]) + (image * p.groups + group) * p.inputs * p.pixels + first;
  Tile t{};
  t.first = t.last = true;
  t.a_row = 1, t.a_k = row, t.k = t.k_last = p.inputs, t.c_row = kStretch,
  t.c_vector = t.lanes = kLanes;
  const auto panel = [&](const float* b, int64_t b_k, int64_t wide, float* to) {
    t.b = b, t.b_k = b_k;
    const int64_t tiles = ceil_div(rows, tile_rows(static_cast<int>(wide)));
    for (int64_t i = 0; i < tiles; ++i) {
      const Range own = piece(rows, tiles, i);
      t.a = data(s.src[1]) + group * p.inputs * row + outputs.begin * p.taps + own.begin,
      t.c = to + own.begin * kStretch;
      kTiles.of[wide - 1][own.end - own.begin - 1](t);
    }
  };
  const int64_t whole = n / kLanes, count = ceil_div(whole, kTileVectors);
  for (int64_t i = 0; i < count; ++i) {
    const Range own = piece(whole, count, i);
    panel(src + own.begin * kLanes, p.pixels, own.end - own.begin, columns + own.begin * kLanes);
  }
  if (whole * kLanes == n) return;
  for (int64_t k = 0; k < p.inputs; ++k)
    store(tail + k * kLanes, load(src + k * p.pixels + whole * kLanes, n - whole * kLanes));
  panel(tail, kLanes, 1, columns + whole * kLanes);
}

// Where in a row of n elements those with the remainder k by the stride begin.
int64_t remainder_begin(int64_t n, int64_t stride, int64_t k) {
  return k * (n / stride) + smaller(k, n % stride);
}

// Which elements of a stretch of a row of src a tap takes to a row of dst, and where the first of
// them goes.
struct Stretch {
  int64_t begin, end, to;

  Stretch(const Columns& p, int64_t x, int64_t run, int64_t shift, Range row) {
    const int64_t stride = p.c.stride[2], start = x * stride + shift;
    begin = start < row.begin ? ceil_div(row.begin - start, stride) : 0;
    end = start < row.end ? smaller(run, ceil_div(row.end - start, stride)) : 0;
    const int64_t first = start + begin * stride - row.begin;
    to = begin < end ? row.begin + remainder_begin(row.end - row.begin, stride, first % stride) +
                           first / stride
                     : 0;
  }
};

// Adds a row of columns, of one tap, to the plane of one output.
void spread(const Columns& p, const float* columns, int64_t first, int64_t n, const int64_t* tap,
            Range band, float* plane) {
  const ConvShape& c = p.c;
  const Range row = p.banded == 2 ? band : Range{0, c.out[2]};
  const int64_t shift = tap[2] * c.dilation[2] - p.cut[2];
  const Stretch whole(p, 0, c.in[2], shift, row);
  int64_t x = first % c.in[2], y = first / c.in[2] % c.in[1], z = first / c.in[2] / c.in[1];
  for (int64_t done = 0; done < n;) {
    const int64_t run = smaller(n - done, c.in[2] - x);
    const int64_t to[2] = {z * c.stride[0] + tap[0] * c.dilation[0] - p.cut[0],
                           y * c.stride[1] + tap[1] * c.dilation[1] - p.cut[1]};
    bool within = true;
    for (int i = 0; i < 2; ++i)
      within &= to[i] >= (i == p.banded ? band.begin : 0) &&
                to[i] < (i == p.banded ? band.end : c.out[i]);
    if (within) {
      const Stretch own = run == c.in[2] ? whole : Stretch(p, x, run, shift, row);
      float* out = plane + (to[0] * c.out[1] + to[1]) * c.out[2] + own.to;
      const float* from = columns + done + own.begin;
      vectors(larger(int64_t{0}, own.end - own.begin), [&](int64_t i, int64_t lanes) TENON_INLINE {
        store(out + i, load(out + i, lanes) + load(from + i, lanes), lanes);
      });
    }
    done += run, x = 0;
    if (++y == c.in[1]) y = 0, ++z;
  }
}

// The results of each remainder, which lie side by side, where they belong in rows of n elements.
void interleave(float* rows, int64_t count, int64_t n, int64_t stride, float* spare) {
  for (int64_t r = 0; stride > 1 && r < count; ++r, rows += n) {
    std::memcpy(spare, rows, static_cast<size_t>(n) * sizeof(float));
    for (int64_t k = 0; k < smaller(stride, n); ++k) {
      const float* from = spare + remainder_begin(n, stride, k);
      for (int64_t i = 0; k + i * stride < n; ++i) rows[k + i * stride] = from[i];
    }
  }
}

void finish_columns(const Step& s, const Finish& finish, int64_t channel, int64_t channels,
                    int64_t first, int64_t n) {
  float* to = mutable_data(*s.dst) + first;
  const float* residual = finish.residual ? data(*finish.residual) + first : nullptr;
  if (residual || finish.clamped)
    vectors(n, [&](int64_t i, int64_t lanes) {
      V v = load(to + i, lanes);
      if (residual) v += load(residual + i, lanes);
      if (finish.clamped) v = least(most(v, V(finish.low)), V(finish.high));
      store(to + i, v, lanes);
    });
  if (finish.program())
    finish.run(to, n, Channel::single, channel, channels, [&](const Operand&) { return first; });
}

void run_columns(const Step& s, const Context& context) noexcept {
  const Columns p(s);
  const ConvShape& c = p.c;
  if (count(*s.dst) == 0) return;
  const Finish finish(s, conv_bias(s));
  const int64_t plane = c.pixels(), channels = p.groups * p.outputs;
  const int64_t under = plane / c.out[p.banded];  // of dst
  parallel(context, c.n * p.groups * p.blocks * p.bands, 1,
           [&](int64_t begin, int64_t end, int worker) {
             float* columns =
                 reinterpret_cast<float*>(context.worker_scratch + worker * context.worker_stride);
             float* tail = columns + p.block * p.taps * kStretch;
             for (int64_t u = begin; u < end; ++u) {
               const Range band = piece(c.out[p.banded], p.bands, u % p.bands),
                           outputs = piece(p.outputs, p.blocks, u / p.bands % p.blocks);
               const int64_t group = u / p.bands / p.blocks % p.groups,
                             image = u / p.bands / p.blocks / p.groups;
               const auto first_of = [&](int64_t o) {
                 return (image * channels + group * p.outputs + o) * plane;
               };
               for (int64_t o = outputs.begin; o < outputs.end; ++o) {
                 const float bias = finish.bias ? finish.bias[group * p.outputs + o] : 0.f;
                 float* to = mutable_data(*s.dst) + first_of(o) + band.begin * under;
                 for (int64_t i = 0; i < (band.end - band.begin) * under; ++i) to[i] = bias;
               }
               const Range sources = p.sources(band);
               for (int64_t at = sources.begin * p.under(); at < sources.end * p.under();
                    at += kStretch) {
                 const int64_t n = smaller(kStretch, sources.end * p.under() - at);
                 multiply(s, p, image, group, outputs, at, n, columns, tail);
                 for (int64_t o = outputs.begin; o < outputs.end; ++o)
                   for (int64_t t = 0; t < p.taps; ++t) {
                     const int64_t tap[3] = {t / (c.taps[1] * c.taps[2]), t / c.taps[2] % c.taps[1],
                                             t % c.taps[2]};
                     spread(p, columns + ((o - outputs.begin) * p.taps + t) * kStretch, at, n, tap,
                            band, mutable_data(*s.dst) + first_of(o));
                   }
               }
               for (int64_t o = outputs.begin; o < outputs.end; ++o) {
                 const int64_t row = p.banded == 2 ? band.end - band.begin : c.out[2];
                 float* first = mutable_data(*s.dst) + first_of(o) + band.begin * under;
                 if (row)
                   interleave(first, (band.end - band.begin) * under / row, row, c.stride[2],
                              tail + s.src[1].size[0] * kLanes);
               }
               for (int64_t o = outputs.begin; o < outputs.end; ++o)
                 finish_columns(s, finish, group * p.outputs + o, channels,
                                first_of(o) + band.begin * under, (band.end - band.begin) * under);
             }
           });
}

const Kernel kKernels[] = {
    {.name = "conv_transpose_f32_blocked_" TENON_ISA_NAME,
     .op = "conv_transpose",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = pack,
     .run = run},
    {.name = "conv_transpose_f32_columns_" TENON_ISA_NAME,
     .op = "conv_transpose",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_columns,
     .needs = needs_columns,
     .cost = cost_columns,
     .pack = nullptr,
     .run = run_columns},
};

}  // namespace
extern const KernelTable conv_transpose_table{kKernels, 2};
}  // namespace tenon::cpu::TENON_ISA
