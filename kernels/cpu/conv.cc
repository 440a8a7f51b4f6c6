// conv of f32, direct. Tolerance 2e-5 of the largest result.
// Two kernels write channels in blocks of kLanes: a register tile holds up to 14 neighbours along w times up to three blocks of output
// channels, and walks channel blocks, taps and the channels of a block (blocked src) or channels and taps (plain src: first layers).
// Where windows reach beyond a row, the rows that a unit of work needs are first copied between zeros, so that the loops have no
// tests; rows above and below the image are skipped. A third kernel takes plain layouts of any kind: windows of 48 pixels become a
// panel of a matrix product.
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/tile.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kPanelBytes = 256 << 10, kBandBytes = 192 << 10;

// How channels of the source are walked: in blocks, or one by one.
enum class Source : uint8_t { blocked, plain };

// The cut of a convolution with blocked dst into weights and work.
struct Plan {
  ConvShape c;
  Source source;
  int64_t groups, group_inputs, group_outputs;
  int64_t inputs, outputs;  // blocks (or plain channels) of a group's input, blocks of its output
  int64_t panels;           // of a group
  int64_t taps;             // of one depth
  int64_t unit;             // channels of an input block
  bool flat;                // rows of the image are one

  Plan(const Step& s, Source source) : c(s), source(source) {
    groups = c.group, group_inputs = c.c / groups, group_outputs = c.o / groups;
    unit = source == Source::blocked ? kLanes : 1;
    inputs = ceil_div(group_inputs, unit), outputs = ceil_div(group_outputs, kLanes);
    panels = ceil_div(outputs, kTileVectors);
    taps = c.taps[1] * c.taps[2];
    flat = c.pointwise() && flatten(s);
  }

  Range panel(int64_t i) const { return piece(outputs, panels, i); }
  // Floats of one output block: [taps of depth][inputs][taps][unit] vectors.
  int64_t block_floats() const { return c.taps[0] * inputs * taps * unit * kLanes; }
  int64_t packed_floats() const { return groups * outputs * block_floats(); }

  int64_t inputs_a_pass() const {
    const int64_t bytes = taps * unit * kTileVectors * kLanes * 4;
    return larger(1, ceil_div(inputs, ceil_div(inputs * bytes, kPanelBytes)));
  }
  // Zeros around rows: whether windows leave a row, and the width of a copied row.
  bool copies() const { return !c.inside(2); }
  int64_t left() const { return larger(0, c.pad[2]); }
  int64_t width() const { return left() + larger(c.in[2], c.reach(2)); }
  int64_t rows_in(int64_t rows) const { return smaller(c.in[1], (rows - 1) * c.stride[1] + (c.taps[1] - 1) * c.dilation[1] + 1); }
  int64_t copied_bytes(int64_t rows) const { return copies() ? rows_in(rows) * width() * unit * inputs_a_pass() * 4 : 0; }

  // The rows of a band that stay in L1 and L2 with their inputs.
  int64_t band_most() const { return larger(1, kBandBytes / (larger(1, c.stride[1]) * larger(c.in[2], 1) * unit * inputs_a_pass() * 4)); }
  Cut cut() const {
    return flat ? cut_row(c.n * c.out[0] * groups, c.out[2], band_most() > 1 ? 224 : 112, panels, packed_floats() / groups * 4)
                : cut_rows(c.n * c.out[0] * groups, c.out[1], smaller(band_most(), 16), panels, packed_floats() / groups * 4);
  }
  int64_t band_rows() const { return ceil_div(c.out[1], cut().bands); }

 private:
  bool flatten(const Step& s) {
    if (!one_row(s.src[0]) || !one_row_of_dst(s)) return false;
    c.in[2] = c.out[2] = c.pixels();
    c.in[0] = c.in[1] = c.out[0] = c.out[1] = 1;
    return true;
  }
};

template <Source source>
void pack(const Step& s, void* packed) {
  const Plan p(s, source);
  const Operand& w = s.src[1];
  const int spatial = w.rank - 2;
  const auto tap_step = [&](int i) { return i - 3 + spatial >= 0 ? w.stride[2 + i - 3 + spatial] : 0; };
  float* to = static_cast<float*>(packed);
  for (int64_t g = 0; g < p.groups; ++g)
    for (int64_t i = 0; i < p.panels; ++i) {
      const Range blocks = p.panel(i);
      for (int64_t d = 0; d < p.c.taps[0]; ++d)
        for (int64_t in = 0; in < p.inputs; ++in)
          for (int64_t h = 0; h < p.c.taps[1]; ++h)
            for (int64_t x = 0; x < p.c.taps[2]; ++x)
              for (int64_t u = 0; u < p.unit; ++u)
                for (int64_t o = blocks.begin * kLanes; o < blocks.end * kLanes; ++o, ++to) {
                  const int64_t channel = in * p.unit + u;
                  *to = o < p.group_outputs && channel < p.group_inputs ? data(w)[(g * p.group_outputs + o) * w.stride[0] + channel * w.stride[1] +
                                                                                  d * tap_step(0) + h * tap_step(1) + x * tap_step(2)]
                                                                        : 0.f;
                }
    }
}

// One unit of work: rows [rows) and columns [columns) of one plane, panels [panels) of one group.
struct Unit {
  int64_t image, depth, group;
  Range rows, columns, panels;
};

inline void fill(float* p, int64_t n) {
  vectors(n, [&](int64_t i, int64_t lanes) TENON_INLINE { store(p + i, V(0.f), lanes); });
}

// Copies the rows of inputs [inputs) that the unit's windows meet, each between zeros.
void copy_band(const Plan& p, const float* src, int64_t channel_step, Range inputs, Range rows_in, float* band) {
  const int64_t width = p.width() * p.unit, left = p.left() * p.unit, row = p.c.in[2] * p.unit;
  for (int64_t i = inputs.begin; i < inputs.end; ++i)
    for (int64_t h = rows_in.begin; h < rows_in.end; ++h, band += width) {
      const float* from = src + i * channel_step + h * p.c.src_step[1];
      fill(band, left);
      vectors(row, [&](int64_t x, int64_t lanes) TENON_INLINE { store(band + left + x, load(from + x, lanes), lanes); });
      fill(band + left + row, width - left - row);
    }
}

template <Source source>
void convolve(const Step& s, const Plan& p, const Finish& finish, const Unit& u, float* band) {
  const ConvShape& c = p.c;
  const Operand &src = s.src[0], &dst = *s.dst;
  const int64_t src_channel = src.stride[1];
  const float* image = data(src) + u.image * src.stride[0] + u.group * p.inputs * src_channel;
  const auto place = [&](const Operand& o, int64_t block, int64_t row, int64_t column) {
    const int spatial = o.rank - 2;
    int64_t at = u.image * o.stride[0] + (u.group * p.outputs + block) * o.stride[1] + column * o.stride[o.rank - 1];
    if (spatial > 1) at += row * o.stride[o.rank - 2];
    if (spatial > 2) at += u.depth * o.stride[2];
    return static_cast<float*>(o.data) + at;
  };
  Tile t{};
  t.low = finish.low, t.high = finish.high, t.clamped = finish.clamped;
  t.c_row = c.dst_step[2], t.c_vector = dst.stride[1];
  if (finish.residual) t.residual_row = finish.residual->stride[finish.residual->rank - 1], t.residual_vector = finish.residual->stride[1];
  const Range rows_in{larger(0, c.source(1, u.rows.begin, 0)), smaller(c.in[1], c.source(1, u.rows.end - 1, c.taps[1] - 1) + 1)};
  const Range depths = c.valid(0, u.depth);
  const int64_t slices = larger(1, depths.end - depths.begin), passes = ceil_div(p.inputs, p.inputs_a_pass());
  for (int64_t slice = 0; slice < slices; ++slice)
    for (int64_t pass = 0; pass < passes; ++pass) {
      const int64_t tap_d = depths.begin + slice;
      const Range inputs = depths.begin < depths.end ? piece(p.inputs, passes, pass) : Range{0, 0};
      const float* volume = image + (depths.begin < depths.end ? c.source(0, u.depth, tap_d) * c.src_step[0] : 0);
      const float* from = volume;  // of row 0, column 0 and input inputs.begin
      int64_t row_step = c.src_step[1], column_step = source == Source::blocked ? kLanes : 1, input_step = src_channel;
      if (band) {
        copy_band(p, volume, src_channel, inputs, rows_in, band);
        row_step = p.width() * p.unit, input_step = (rows_in.end - rows_in.begin) * row_step;
        from = band - rows_in.begin * row_step + p.left() * column_step;
      } else {
        column_step = c.src_step[2], from += inputs.begin * input_step;
      }
      t.first = slice == 0 && pass == 0, t.last = slice + 1 == slices && pass + 1 == passes;
      t.a_row = c.stride[2] * column_step;
      t.k_last = t.k = source == Source::blocked ? kLanes : c.taps[2];
      if (source == Source::blocked && inputs.end == p.inputs) t.k_last = p.group_inputs - (p.inputs - 1) * kLanes;
      t.a_k = source == Source::blocked ? 1 : c.dilation[2] * column_step;
      for (int64_t i = u.panels.begin; i < u.panels.end; ++i) {
        const Range blocks = p.panel(i);
        const int64_t wide = blocks.end - blocks.begin, vector = wide * kLanes;
        const float* weights = static_cast<const float*>(s.packed) + (u.group * p.outputs + blocks.begin) * p.block_floats() +
                               (tap_d * p.inputs + inputs.begin) * p.taps * p.unit * vector;
        const int64_t channel = u.group * p.group_outputs + blocks.begin * kLanes;
        t.b_k = vector;
        t.lanes = smaller(kLanes, p.group_outputs - (blocks.end - 1) * kLanes);
        t.bias = finish.bias ? finish.bias + channel : nullptr;
        t.loop[0] = {inputs.end - inputs.begin, input_step, p.taps * p.unit * vector};
        const int64_t tiles = ceil_div(u.columns.end - u.columns.begin, tile_rows(static_cast<int>(wide)));
        for (int64_t row = u.rows.begin; row < u.rows.end; ++row) {
          const Range taps = c.valid(1, row);
          t.loop[1] = {taps.end - taps.begin, c.dilation[1] * row_step, c.taps[2] * p.unit * vector};
          if (source == Source::blocked) t.loop[2] = {c.taps[2], c.dilation[2] * column_step, kLanes * vector};
          t.b = weights + taps.begin * t.loop[1].b;
          const float* line = from + c.source(1, row, taps.begin) * row_step - c.pad[2] * column_step;
          for (int64_t x = 0; x < tiles; ++x) {
            const Range own = piece(u.columns.end - u.columns.begin, tiles, x);
            const int64_t column = u.columns.begin + own.begin;
            t.a = line + column * t.a_row;
            t.c = place(dst, blocks.begin, row, column);
            if (finish.residual) t.residual = place(*finish.residual, blocks.begin, row, column);
            kTiles.of[wide - 1][own.end - own.begin - 1](t);
          }
        }
      }
    }
  if (!finish.program()) return;
  for (int64_t block = p.panel(u.panels.begin).begin; block < p.panel(u.panels.end - 1).end; ++block)
    for (int64_t row = u.rows.begin; row < u.rows.end; ++row)
      finish.run(place(dst, block, row, u.columns.begin), (u.columns.end - u.columns.begin) * kLanes, Channel::block,
                 u.group * p.group_outputs + block * kLanes, c.o, [&](const Operand& o) { return place(o, block, row, u.columns.begin) - data(o); });
}

const char* reject_shared(const Step& s) {
  if (const char* why = conv_reject(s)) return why;
  return epilogue_reject(s);
}

template <Source source>
const char* reject(const Step& s) {
  if (!s.src[1].constant) return "the weight is not constant";
  if (const char* why = reject_shared(s)) return why;
  const int64_t group = static_cast<const Conv*>(s.attributes)->group, o = s.src[1].size[0], c = s.src[1].size[1];
  if (group > 1 && o / group % kLanes) return "the channels of a group of dst do not fill blocks";
  if (source == Source::blocked && group > 1 && c % kLanes) return "the channels of a group of src do not fill blocks";
  return nullptr;
}

template <Source source>
Needs needs(const Step& s) {
  const bool bound = known(s.src[0]) && known(*s.dst);
  const Plan p(s, source);
  return {.src = source == Source::blocked ? Wants::blocked : Wants::plain,
          .dst = Wants::blocked,
          .block = kLanes,
          .packing = source == Source::blocked ? "oihw_blocked_" TENON_ISA_NAME : "oihw_plain_" TENON_ISA_NAME,
          .packed_bytes = p.packed_floats() * 4,
          .worker_scratch_bytes = bound ? p.copied_bytes(p.band_rows()) : 0};
}

// Multiply-adds that the tiles really do: full blocks, and taps in the zeros beside a row.
float tile_cost(const ConvShape& c, int64_t inputs, int64_t outputs) {
  const float work = static_cast<float>(c.n * c.pixels()) * static_cast<float>(c.window()) * static_cast<float>(inputs * outputs);
  const int64_t tiles = ceil_div(c.out[2], tile_rows(2));
  const float narrow = c.out[2] < 4 ? 4.f / static_cast<float>(c.out[2]) : 1.f;
  return work / kMultiplyAdds * (outputs <= kLanes ? 1.15f : 1.05f) * narrow +
         static_cast<float>(c.n * c.out[0] * c.out[1] * tiles * (outputs / kLanes)) * 8;
}

template <Source source>
float cost(const Step& s) {
  const Plan p(s, source);
  const float loops = source == Source::plain ? 1 + 0.25f / static_cast<float>(p.c.taps[2]) : 1.f;
  const float sums = tile_cost(p.c, p.group_inputs, round_up(p.group_outputs, kLanes)) * static_cast<float>(p.groups) * loops;
  const float weights = 4 * static_cast<float>(p.packed_floats());
  const float images = 4 * static_cast<float>(p.c.n * (p.c.c * p.c.in[0] * p.c.in[1] * p.c.in[2] + p.c.o * p.c.pixels()));
  return larger(sums, weights / kBytes + images / kCachedBytes) + epilogue_cost(s, p.c.n * p.c.o * p.c.pixels()) + 200.f;
}

template <Source source>
void run(const Step& s, const Context& context) noexcept {
  const Plan p(s, source);
  const Finish finish(s, conv_bias(s));
  const Cut cut = p.cut();
  if (p.c.n * p.c.pixels() == 0) return;
  const int64_t units = p.c.n * p.c.out[0] * p.groups * cut.bands * cut.columns * cut.blocks;
  const float unit_ns = p.c.multiply_adds() / kMultiplyAdds / static_cast<float>(units);
  parallel(context, units, static_cast<int64_t>(2000 / (unit_ns + 1)) + 1, [&](int64_t begin, int64_t end, int worker) {
    float* band = p.copies() ? reinterpret_cast<float*>(context.worker_scratch + worker * context.worker_stride) : nullptr;
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
      u.group = next(p.groups), u.depth = next(p.c.out[0]), u.image = rest;
      convolve<source>(s, p, finish, u, band);
    }
  });
}

// ------------------------------------------------------------------------------------------------ plain

// dst[o, pixel] = weight[o, k] * windows[k, pixel]; windows of up to three vectors of pixels are gathered into a panel.
struct Gather {
  ConvShape c;
  int64_t group_inputs, group_outputs, depth;  // depth: channels and taps of a window
  int64_t lines, line;                         // runs of neighbouring pixels of dst, and their length
  int64_t pieces, blocks;                      // of a line, and of the output channels

  explicit Gather(const Step& s) : c(s) {
    group_inputs = c.c / c.group, group_outputs = c.o / c.group, depth = group_inputs * c.window();
    const bool joined = one_row_of_dst(s);
    lines = joined ? 1 : c.out[0] * c.out[1], line = joined ? c.pixels() : c.out[2];
    pieces = ceil_div(line, kTileVectors * kLanes);
    blocks = smaller(ceil_div(group_outputs, 32), ceil_div(16, larger(1, c.n * c.group * lines * pieces)));
  }
  static constexpr int64_t kDepth = 512;
  int64_t panel_floats() const { return smaller(depth, kDepth) * kTileVectors * kLanes; }
};

// The values at taps [taps) of the windows of pixels [pixels) of a plane's rows, as vectors a tap.
void gather_windows(const Gather& g, const Operand& src, int64_t image, int64_t group, Range pixels, Range taps, int64_t wide, float* panel) {
  const ConvShape& c = g.c;
  for (int64_t k = taps.begin; k < taps.end; ++k, panel += wide * kLanes) {
    int64_t rest = k;
    const int64_t x = rest % c.taps[2];
    rest /= c.taps[2];
    const int64_t y = rest % c.taps[1];
    rest /= c.taps[1];
    const int64_t z = rest % c.taps[0], channel = group * g.group_inputs + rest / c.taps[0];
    const float* from = data(src) + image * src.stride[0] + channel * src.stride[1];
    for (int64_t at = pixels.begin; at < pixels.end;) {
      const int64_t column = at % c.out[2], row = at / c.out[2] % c.out[1], plane = at / c.out[2] / c.out[1];
      const int64_t n = smaller(c.out[2] - column, pixels.end - at);
      float* to = panel + (at - pixels.begin);
      const int64_t d = c.source(0, plane, z), h = c.source(1, row, y);
      const bool inside = d >= 0 && d < c.in[0] && h >= 0 && h < c.in[1];
      const float* line = from + d * c.src_step[0] + h * c.src_step[1];
      const int64_t first = c.source(2, column, x), step = c.stride[2];
      const int64_t begin = inside ? smaller(n, first >= 0 ? 0 : ceil_div(-first, step)) : n;
      const int64_t end = larger(begin, first < c.in[2] ? smaller(n, ceil_div(c.in[2] - first, step)) : 0);
      fill(to, begin), fill(to + end, n - end);
      const float* source = line + (first + begin * step) * c.src_step[2];
      if (step == 1 && c.src_step[2] == 1) {
        vectors(end - begin, [&](int64_t i, int64_t lanes) TENON_INLINE { store(to + begin + i, load(source + i, lanes), lanes); });
      } else {
        for (int64_t i = 0; i < end - begin; ++i) to[begin + i] = source[i * step * c.src_step[2]];
      }
      at += n;
    }
    fill(panel + (pixels.end - pixels.begin), wide * kLanes - (pixels.end - pixels.begin));
  }
}

void gather_and_multiply(const Step& s, const Gather& g, const Finish& finish, int64_t image, int64_t group, int64_t line, Range columns,
                         Range outputs, float* panel) {
  const ConvShape& c = g.c;
  const Operand& weight = s.src[1];
  const int64_t vectors = ceil_div(columns.end - columns.begin, kLanes);
  const Range pixels{line * g.line + columns.begin, line * g.line + columns.end};
  const auto place = [&](const Operand& o, int64_t channel) {
    int64_t at = image * o.stride[0] + channel * o.stride[1] + columns.begin * o.stride[o.rank - 1];
    if (g.lines > 1) {
      if (o.rank > 3) at += line % c.out[1] * o.stride[o.rank - 2];
      if (o.rank > 4) at += line / c.out[1] * o.stride[2];
    }
    return static_cast<float*>(o.data) + at;
  };
  Tile t{};
  t.low = finish.low, t.high = finish.high, t.clamped = finish.clamped, t.bias_by_row = true;
  t.a_row = weight.stride[0], t.a_k = 1, t.b = panel, t.b_k = vectors * kLanes;
  t.c_row = s.dst->stride[1], t.c_vector = t.residual_vector = kLanes;
  t.lanes = columns.end - columns.begin - (vectors - 1) * kLanes;
  if (finish.residual) t.residual_row = finish.residual->stride[1];
  const int64_t passes = ceil_div(g.depth, Gather::kDepth), rows = outputs.end - outputs.begin;
  const int64_t tiles = ceil_div(rows, tile_rows(static_cast<int>(vectors)));
  for (int64_t pass = 0; pass < passes; ++pass) {
    const Range taps = piece(g.depth, passes, pass);
    gather_windows(g, s.src[0], image, group, pixels, taps, vectors, panel);
    t.k = t.k_last = taps.end - taps.begin, t.first = pass == 0, t.last = pass + 1 == passes;
    for (int64_t i = 0; i < tiles; ++i) {
      const Range own = piece(rows, tiles, i);
      const int64_t channel = group * g.group_outputs + outputs.begin + own.begin;
      t.a = data(weight) + channel * weight.stride[0] + taps.begin;
      t.c = place(*s.dst, channel);
      t.bias = finish.bias ? finish.bias + channel : nullptr;
      if (finish.residual) t.residual = place(*finish.residual, channel);
      kTiles.of[vectors - 1][own.end - own.begin - 1](t);
    }
  }
  if (!finish.program()) return;
  for (int64_t o = outputs.begin; o < outputs.end; ++o) {
    const int64_t channel = group * g.group_outputs + o;
    finish.run(place(*s.dst, channel), columns.end - columns.begin, Channel::single, channel, c.o,
               [&](const Operand& x) { return place(x, channel) - data(x); });
  }
}

const char* reject_gather(const Step& s) {
  if (!s.src[1].dense) return "the weight has gaps";
  if (!contiguous(*s.dst)) return "dst has gaps along its last axis";
  return reject_shared(s);
}

Needs needs_gather(const Step& s) {
  for (int i = 1; i < s.src[1].rank; ++i)
    if (!known(s.src[1].size[i])) return {};
  return {.worker_scratch_bytes = smaller(s.src[1].size[1] * count(s.src[1], 2, s.src[1].rank), Gather::kDepth) * kTileVectors * kLanes * 4};
}

float cost_gather(const Step& s) {
  const Gather g(s);
  const float rows = static_cast<float>(g.group_outputs), pixels = static_cast<float>(g.c.n * g.c.group * round_up(g.c.pixels(), kLanes));
  // Panels of few vectors: each multiply-add waits for an element of the weight.
  const int64_t vectors = smaller(kTileVectors, ceil_div(g.line, kLanes));
  const float narrow = (rows < 4 ? 4 / rows : 1.f) * (vectors == 1 ? 3.f : vectors == 2 ? 1.5f : 1.f);
  const float sums = pixels * static_cast<float>(g.depth) * rows / kMultiplyAdds * 1.1f * narrow;
  const float gathering = pixels * static_cast<float>(g.depth * g.blocks) * (g.c.stride[2] == 1 ? 0.2f : 1.f);
  return sums + gathering + epilogue_cost(s, g.c.n * g.c.o * g.c.pixels()) + 200.f;
}

void run_gather(const Step& s, const Context& context) noexcept {
  const Gather g(s);
  const Finish finish(s, conv_bias(s));
  if (g.c.n * g.c.pixels() == 0) return;
  const int64_t units = g.c.n * g.c.group * g.lines * g.pieces * g.blocks;
  const float unit_ns = g.c.multiply_adds() / kMultiplyAdds / static_cast<float>(units);
  parallel(context, units, static_cast<int64_t>(2000 / (unit_ns + 1)) + 1, [&](int64_t begin, int64_t end, int worker) {
    float* panel = reinterpret_cast<float*>(context.worker_scratch + worker * context.worker_stride);
    for (int64_t i = begin; i < end; ++i) {
      int64_t rest = i;
      const auto next = [&](int64_t n) {
        const int64_t at = rest % n;
        rest /= n;
        return at;
      };
      const Range outputs = piece(g.group_outputs, g.blocks, next(g.blocks));
      const Range columns = piece(g.line, g.pieces, next(g.pieces));
      const int64_t line = next(g.lines), group = next(g.c.group);
      gather_and_multiply(s, g, finish, rest, group, line, columns, outputs, panel);
    }
  });
}

const Kernel kKernels[] = {
    {.name = "conv_f32_plain_" TENON_ISA_NAME,
     .op = "conv",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_gather,
     .needs = needs_gather,
     .cost = cost_gather,
     .pack = nullptr,
     .run = run_gather},
    {.name = "conv_f32_first_" TENON_ISA_NAME,
     .op = "conv",
     .isa = TENON_ISA_LEVEL,
     .reject = reject<Source::plain>,
     .needs = needs<Source::plain>,
     .cost = cost<Source::plain>,
     .pack = pack<Source::plain>,
     .run = run<Source::plain>},
    {.name = "conv_f32_blocked_" TENON_ISA_NAME,
     .op = "conv",
     .isa = TENON_ISA_LEVEL,
     .reject = reject<Source::blocked>,
     .needs = needs<Source::blocked>,
     .cost = cost<Source::blocked>,
     .pack = pack<Source::blocked>,
     .run = run<Source::blocked>},
};

}  // namespace
extern const KernelTable conv_table{kKernels, 3};
}  // namespace tenon::cpu::TENON_ISA
