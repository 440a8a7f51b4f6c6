// conv of f32 with 3 x 3 taps and stride 1 by Winograd's F(4x4, 3x3): a tile of 6 x 6 values makes 4 x 4 results with 36 products
// instead of 144 (Lavin and Gray, arXiv:1509.09308). Points 0, +-sqrt(1/2), +-sqrt(2), infinity, whose factors are closer to one than
// those of the usual 0, +-1, +-2. Tolerance 2e-5 of the largest result.
// For a block of tiles: transform src, [36][tile][channel]; for each panel of output channels multiply the 36 matrices and transform
// their products back, so that both stay in L2. With few tiles the transformed src is shared and the panels are the pieces of work.
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/tile.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int kSide = 6, kResult = 4, kProducts = kSide * kSide;
constexpr float kA = 0.70710678118654752f, kB = 1.41421356237309505f;  // the points; their squares are 1/2 and 2
constexpr int64_t kBlockBytes = 640 << 10, kFewTiles = 64;

struct Plan {
  ConvShape c;
  int64_t down, across;        // tiles of an image
  int64_t outputs, panels;     // blocks of output channels
  int64_t channels;            // floats of a transformed tile
  int64_t block_rows, pieces;  // tile rows of a block, or pieces of one row
  bool shared;

  explicit Plan(const Step& s) : c(s) {
    down = ceil_div(c.out[1], kResult), across = ceil_div(c.out[2], kResult);
    outputs = ceil_div(c.o, kLanes), panels = ceil_div(outputs, kTileVectors);
    channels = round_up(c.c, kLanes) + kLanes;
    shared = c.n * down * across <= kFewTiles;
    const int64_t most = larger(8, kBlockBytes / (kProducts * (channels + kTileVectors * kLanes) * 4));
    pieces = shared ? 1 : ceil_div(across, most);
    block_rows = shared ? down : pieces > 1 ? 1 : larger(1, smaller(down, most / across));
  }

  int64_t block_tiles() const { return block_rows * ceil_div(across, pieces); }
  int64_t source_floats(int64_t tiles) const { return kProducts * tiles * channels; }
  int64_t product_floats(int64_t tiles) const { return kProducts * tiles * kTileVectors * kLanes; }
  int64_t packed_floats() const { return kProducts * c.c * outputs * kLanes; }
};

// One dimension of the transforms; what is given by column or by row is the same code.
TENON_INLINE inline void transform_source(const V (&d)[kSide], V (&t)[kSide]) {
  const V even_a = fma(V(-2.f), d[2], d[4]), even_b = fma(V(-0.5f), d[2], d[4]);
  const V odd_a = fma(V(kA), d[3], V(-kB) * d[1]), odd_b = fma(V(kB), d[3], V(-kA) * d[1]);
  t[0] = fma(V(-2.5f), d[2], d[0] + d[4]);
  t[1] = even_a + odd_a, t[2] = even_a - odd_a;
  t[3] = even_b + odd_b, t[4] = even_b - odd_b;
  t[5] = fma(V(-2.5f), d[3], d[1] + d[5]);
}

TENON_INLINE inline void transform_result(const V (&m)[kSide], V (&y)[kResult]) {
  const V sum_a = m[1] + m[2], sum_b = m[3] + m[4], odd_a = m[1] - m[2], odd_b = m[3] - m[4];
  y[0] = m[0] + sum_a + sum_b;
  y[1] = fma(V(kA), odd_a, V(kB) * odd_b);
  y[2] = fma(V(0.5f), sum_a, sum_b + sum_b);
  y[3] = fma(V(0.5f * kA), odd_a, fma(V(2 * kB), odd_b, m[5]));
}

// Rows of G: what a column of three taps becomes, in double.
void transform_taps(const double (&g)[3], double (&t)[kSide]) {
  const double a = 0.70710678118654752440, b = 1.41421356237309504880;
  t[0] = g[0];
  t[1] = (g[0] + a * g[1] + 0.5 * g[2]) / -1.5, t[2] = (g[0] - a * g[1] + 0.5 * g[2]) / -1.5;
  t[3] = (g[0] + b * g[1] + 2 * g[2]) / 6, t[4] = (g[0] - b * g[1] + 2 * g[2]) / 6;
  t[5] = g[2];
}

const char* reject(const Step& s) {
  if (const char* why = conv_reject(s)) return why;
  if (!s.src[1].constant) return "the weight is not constant";
  const Conv& a = *static_cast<const Conv*>(s.attributes);
  if (s.src[0].rank != 4) return "there are not two spatial axes";
  if (a.group != 1) return "there are groups";
  for (int i = 0; i < 2; ++i)
    if (s.src[1].size[2 + i] != 3 || a.stride(i) != 1 || a.dilation(i) != 1) return "the window is not 3 x 3 with stride 1";
  if (s.src[1].size[1] < 8 || s.src[1].size[0] < 8) return "there are fewer than 8 channels";
  return epilogue_reject(s);
}

Needs needs(const Step& s) {
  const bool bound = known(s.src[0]) && known(*s.dst);
  const Plan p(s);
  Needs n{.src = Wants::blocked,
          .dst = Wants::blocked,
          .block = kLanes,
          .packing = "winograd_f43_" TENON_ISA_NAME,
          .packed_bytes = p.packed_floats() * 4};
  if (!bound) return n;
  const int64_t tiles = p.shared ? p.c.n * p.down * p.across : p.block_tiles();
  n.scratch_bytes = p.shared ? p.source_floats(tiles) * 4 : 0;
  n.worker_scratch_bytes = (p.product_floats(tiles) + (p.shared ? 0 : p.source_floats(tiles))) * 4;
  return n;
}

float cost(const Step& s) {
  const Plan p(s);
  const float tiles = static_cast<float>(p.c.n * p.down * p.across), inputs = static_cast<float>(ceil_div(p.c.c, kLanes)),
              outputs = static_cast<float>(p.outputs);
  const float products = tiles * kProducts * static_cast<float>(p.c.c) * outputs * kLanes / kMultiplyAdds * 1.05f;
  const float transforms = tiles * (inputs * 90 + outputs * 75) * (kLanes == 4 ? 2.f : 1.f);
  const float weights = static_cast<float>(p.packed_floats()) * 4 / kBytes;
  return larger(products, weights) + transforms + epilogue_cost(s, p.c.n * p.c.o * p.c.pixels()) + 300.f;
}

// [panel][36][channel] vectors of the panel.
void pack(const Step& s, void* packed) {
  const Plan p(s);
  const Operand& w = s.src[1];
  for (int64_t o = 0; o < p.outputs * kLanes; ++o) {
    int64_t i = 0;
    while (piece(p.outputs, p.panels, i).end * kLanes <= o) ++i;
    const Range blocks = piece(p.outputs, p.panels, i);
    const int64_t wide = (blocks.end - blocks.begin) * kLanes;
    float* to = static_cast<float*>(packed) + blocks.begin * kLanes * kProducts * p.c.c + (o - blocks.begin * kLanes);
    for (int64_t c = 0; c < p.c.c; ++c) {
      double columns[3][kSide], t[kSide];
      for (int x = 0; x < 3; ++x) {
        double g[3] = {};
        for (int y = 0; y < 3 && o < p.c.o; ++y) g[y] = data(w)[o * w.stride[0] + c * w.stride[1] + y * w.stride[2] + x * w.stride[3]];
        transform_taps(g, columns[x]);
      }
      for (int y = 0; y < kSide; ++y) {
        transform_taps({columns[0][y], columns[1][y], columns[2][y]}, t);
        for (int x = 0; x < kSide; ++x) to[((y * kSide + x) * p.c.c + c) * wide] = static_cast<float>(t[x]);
      }
    }
  }
}

// A tile at rows y.., columns x.. of one block of channels; results `step` apart.
void load_tile(const ConvShape& c, const float* plane, int64_t y, int64_t x, V (&d)[kSide][kSide]) {
  const float* from = plane + y * c.src_step[1] + x * c.src_step[2];
  if (y >= 0 && x >= 0 && y + kSide <= c.in[1] && x + kSide <= c.in[2]) {
    unroll<kSide>([&](auto i) TENON_INLINE { unroll<kSide>([&](auto j) TENON_INLINE { d[i][j] = load(from + i * c.src_step[1] + j * kLanes); }); });
    return;
  }
  for (int i = 0; i < kSide; ++i)
    for (int j = 0; j < kSide; ++j) {
      const bool inside = y + i >= 0 && y + i < c.in[1] && x + j >= 0 && x + j < c.in[2];
      d[i][j] = inside ? load(from + i * c.src_step[1] + j * kLanes) : V(0.f);
    }
}

void transform_tile(const ConvShape& c, const float* plane, int64_t y, int64_t x, float* dst, int64_t step) {
  V d[kSide][kSide], t[kSide][kSide];
  load_tile(c, plane, y, x, d);
  unroll<kSide>([&](auto j) TENON_INLINE {
    V out[kSide];
    transform_source({d[0][j], d[1][j], d[2][j], d[3][j], d[4][j], d[5][j]}, out);
    unroll<kSide>([&](auto i) TENON_INLINE { t[i][j] = out[i]; });
  });
  unroll<kSide>([&](auto i) TENON_INLINE {
    V out[kSide];
    transform_source(t[i], out);
    unroll<kSide>([&](auto j) TENON_INLINE { store(dst + (i * kSide + j) * step, out[j]); });
  });
}

// A block of tiles: rows and columns of tiles of one image.
struct Block {
  int64_t image;
  Range rows, columns;
  int64_t tiles() const { return (rows.end - rows.begin) * (columns.end - columns.begin); }
};

// Channel blocks [inputs) of the block's tiles, to tiles `first`... of `of` tiles.
void transform_block(const Step& s, const Plan& p, const Block& b, Range inputs, float* to, int64_t first, int64_t of) {
  const Operand& src = s.src[0];
  for (int64_t i = inputs.begin; i < inputs.end; ++i) {
    const float* plane = data(src) + b.image * src.stride[0] + i * src.stride[1];
    float* dst = to + first * p.channels + i * kLanes;
    for (int64_t y = b.rows.begin; y < b.rows.end; ++y)
      for (int64_t x = b.columns.begin; x < b.columns.end; ++x, dst += p.channels)
        transform_tile(p.c, plane, y * kResult - p.c.pad[1], x * kResult - p.c.pad[2], dst, of * p.channels);
  }
}

struct Results {
  const Finish& finish;
  float* dst;
  const float* residual;  // or null
  int64_t dst_row, residual_row, residual_column;
  V bias;
};

// One tile of products, `step` apart, to the results that lie in dst.
void finish_tile(const Results& r, const float* products, int64_t step, int64_t y, int64_t x, int64_t rows, int64_t columns) {
  V t[kSide][kResult];
  unroll<kSide>([&](auto i) TENON_INLINE {
    V m[kSide];
    unroll<kSide>([&](auto j) TENON_INLINE { m[j] = load(products + (i * kSide + j) * step); });
    transform_result(m, t[i]);
  });
  unroll<kResult>([&](auto j) TENON_INLINE {
    if (j >= columns) return;
    V out[kResult];
    transform_result({t[0][j], t[1][j], t[2][j], t[3][j], t[4][j], t[5][j]}, out);
    unroll<kResult>([&](auto i) TENON_INLINE {
      if (i >= rows) return;
      V v = out[i] + r.bias;
      if (r.residual) v += load(r.residual + (y + i) * r.residual_row + (x + j) * r.residual_column);
      if (r.finish.clamped) v = least(most(v, V(r.finish.low)), V(r.finish.high));
      store(r.dst + (y + i) * r.dst_row + (x + j) * kLanes, v);
    });
  });
}

// Multiplies tiles first .. first + b.tiles() of `of` by panel i and finishes them.
void multiply_block(const Step& s, const Plan& p, const Finish& finish, const Block& b, int64_t i, const float* source, int64_t first, int64_t of,
                    float* products) {
  const Range blocks = piece(p.outputs, p.panels, i);
  const int64_t wide = blocks.end - blocks.begin, vector = wide * kLanes, tiles = b.tiles();
  Tile t{};
  t.a_row = p.channels, t.a_k = 1, t.b_k = vector, t.k = t.k_last = p.c.c, t.c_row = vector, t.c_vector = t.lanes = kLanes;
  t.first = true, t.last = false;
  const int64_t strips = ceil_div(tiles, tile_rows(static_cast<int>(wide)));
  for (int64_t k = 0; k < kProducts; ++k) {
    t.b = static_cast<const float*>(s.packed) + (blocks.begin * kLanes * kProducts + k * vector) * p.c.c;
    for (int64_t x = 0; x < strips; ++x) {
      const Range own = piece(tiles, strips, x);
      t.a = source + (k * of + first + own.begin) * p.channels;
      t.c = products + (k * tiles + own.begin) * vector;
      kTiles.of[wide - 1][own.end - own.begin - 1](t);
    }
  }
  const auto place = [&](const Operand& o, int64_t block) { return static_cast<float*>(o.data) + b.image * o.stride[0] + block * o.stride[1]; };
  for (int64_t block = blocks.begin; block < blocks.end; ++block) {
    const Operand* residual = finish.residual;
    const int64_t channel = block * kLanes;
    const Results r{finish,
                    place(*s.dst, block),
                    residual ? place(*residual, block) : nullptr,
                    p.c.dst_step[1],
                    residual ? residual->stride[2] : 0,
                    residual ? residual->stride[3] : 0,
                    finish.bias ? load(finish.bias + channel, smaller(kLanes, p.c.o - channel)) : V(0.f)};
    const float* from = products + (block - blocks.begin) * kLanes;
    for (int64_t y = b.rows.begin; y < b.rows.end; ++y)
      for (int64_t x = b.columns.begin; x < b.columns.end; ++x, from += vector)
        finish_tile(r, from, tiles * vector, y * kResult, x * kResult, p.c.out[1] - y * kResult, p.c.out[2] - x * kResult);
    if (!finish.program()) continue;
    const Range columns{b.columns.begin * kResult, smaller(p.c.out[2], b.columns.end * kResult)};
    for (int64_t y = b.rows.begin * kResult; y < smaller(p.c.out[1], b.rows.end * kResult); ++y)
      finish.run(place(*s.dst, block) + y * p.c.dst_step[1] + columns.begin * kLanes, (columns.end - columns.begin) * kLanes, Channel::block, channel,
                 p.c.o, [&](const Operand& o) { return place(o, block) - data(o) + y * o.stride[2] + columns.begin * o.stride[3]; });
  }
}

void run(const Step& s, const Context& context) noexcept {
  const Plan p(s);
  const Finish finish(s, conv_bias(s));
  if (p.c.n * p.c.pixels() == 0) return;
  const auto own_scratch = [&](int worker) { return reinterpret_cast<float*>(context.worker_scratch + worker * context.worker_stride); };
  const int64_t inputs = ceil_div(p.c.c, kLanes), image_tiles = p.down * p.across;
  if (p.shared) {
    float* source = reinterpret_cast<float*>(context.scratch);
    const auto image = [&](int64_t i) { return Block{i, {0, p.down}, {0, p.across}}; };
    parallel(context, p.c.n * inputs, 16 / image_tiles + 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i)
        transform_block(s, p, image(i / inputs), {i % inputs, i % inputs + 1}, source, i / inputs * image_tiles, p.c.n * image_tiles);
    });
    const float panel_ns = static_cast<float>(image_tiles * p.c.c) * kProducts * kLanes * kTileVectors / kMultiplyAdds;
    parallel(context, p.c.n * p.panels, static_cast<int64_t>(2000 / panel_ns) + 1, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t i = begin; i < end; ++i)
        multiply_block(s, p, finish, image(i / p.panels), i % p.panels, source, i / p.panels * image_tiles, p.c.n * image_tiles, own_scratch(worker));
    });
    return;
  }
  const int64_t bands = ceil_div(p.down, p.block_rows);
  parallel(context, p.c.n * bands * p.pieces, 1, [&](int64_t begin, int64_t end, int worker) {
    float *source = own_scratch(worker), *products = source + p.source_floats(p.block_tiles());
    for (int64_t i = begin; i < end; ++i) {
      const Block b{i / p.pieces / bands, piece(p.down, bands, i / p.pieces % bands), piece(p.across, p.pieces, i % p.pieces)};
      transform_block(s, p, b, {0, inputs}, source, 0, b.tiles());
      for (int64_t panel = 0; panel < p.panels; ++panel) multiply_block(s, p, finish, b, panel, source, 0, b.tiles(), products);
    }
  });
}

const Kernel kKernels[] = {
    {.name = "conv_f32_winograd43_" TENON_ISA_NAME,
     .op = "conv",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = pack,
     .run = run},
};

}  // namespace
extern const KernelTable winograd_table{kKernels, 1};
}  // namespace tenon::cpu::TENON_ISA
