// conv_transpose of f32 over channel blocks. Tolerance 2e-5 of the largest result.
// The results whose position has one remainder by the stride meet the same taps, and neighbours among them meet neighbours of src: each
// such phase is a convolution with stride 1, whose register tile stores every stride-th result. On an axis a phase takes the taps
// first, first + step, ...; the source position falls by `back` from tap to tap.
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

const Kernel kKernels[] = {
    {.name = "conv_transpose_f32_blocked_" TENON_ISA_NAME,
     .op = "conv_transpose",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = pack,
     .run = run},
};

}  // namespace
extern const KernelTable conv_transpose_table{kKernels, 1};
}  // namespace tenon::cpu::TENON_ISA
