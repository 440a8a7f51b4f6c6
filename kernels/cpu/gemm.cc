// matmul of f32: dst[..., m, n] = finish(sum over k of a[..., m, k] * b[..., k, n]). Tolerance 1e-5 of the largest result.
// b is packed into panels of up to three vectors, [panel][k][vectors of the panel]: once when it is constant, else into scratch; with
// few rows it is read where it lies. a is read in place, one number a row of the tile, whatever its strides. The work is cut into
// blocks of rows and panels; k is cut where a panel would leave L2, and sums then rest in dst.
// A constant b of u8 or s8, with one scale and zero point or one a column, or of bf16 or f16, is packed as it is stored
// (narrow_panels.h): a few rows make it real in registers, so that they move a quarter or half of the memory, and more rows do it for a
// piece of a panel at a time.
// A transposed b of a few rows is read where it lies too (dots.h).
#include "kernels/cpu/dots.h"
#include "kernels/cpu/gemm_shape.h"
#include "kernels/cpu/narrow_panels.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kDepth = 512;  // of k in one pass
constexpr int64_t kBlockRows = 112;
constexpr int64_t kDirectRows = 24;  // up to so many rows b is not worth packing

int64_t packed_floats(const Problem& p) { return p.vectors() * kLanes * p.k; }
// Rows whose distance is a multiple of 2 KiB share few sets of the caches, and columns of a transposed a share no lines: such
// rows are copied, block by block.
bool copies(const Problem& p) { return p.m > 1 && p.n > 2 * kLanes && (p.a.column != 1 || p.a.row % 512 == 0); }
int64_t copied_row(const Problem& p) { return round_up(smaller(p.k, kDepth), kLanes) + kLanes; }
int64_t copied_bytes(const Problem& p) { return copies(p) ? smaller(p.m, kBlockRows) * copied_row(p) * 4 : 0; }

// Vectors [begin, end) of the columns of b, from k rows at `b`, to their place in a panel of `wide` vectors; memory beyond the last
// column is not read, those lanes are zero.
void pack_panel(const float* b, const Matrix& x, int64_t k, Range vectors, int64_t wide, float* to) {
  for (int64_t v = 0; v < vectors.end - vectors.begin; ++v) {
    const int64_t column = (vectors.begin + v) * kLanes, lanes = smaller(kLanes, x.columns - column);
    const float* from = b + column * x.column;
    float* dst = to + v * kLanes;
    if (x.column == 1 || lanes == 1) {
      for (int64_t i = 0; i < k; ++i) store(dst + i * wide * kLanes, load(from + i * x.row, lanes));
      continue;
    }
    int64_t i = 0;
    if (x.row == 1)
      for (; i < k; i += kLanes) {
        const int64_t rows = smaller(kLanes, k - i);
        V square[kLanes];
        unroll<static_cast<int>(kLanes)>([&](auto c) TENON_INLINE { square[c] = c < lanes ? load(from + c * x.column + i, rows) : V(0.f); });
        transpose(square);
        unroll<static_cast<int>(kLanes)>([&](auto r) TENON_INLINE {
          if (r < rows) store(dst + (i + r) * wide * kLanes, square[r]);
        });
      }
    for (; i < k; ++i)
      for (int64_t c = 0; c < kLanes; ++c) dst[i * wide * kLanes + c] = c < lanes ? from[i * x.row + c * x.column] : 0.f;
  }
}

// dst[r][i] = a[r * x.row + i * x.column] for `rows` rows and k columns.
void copy_rows(const float* a, const Matrix& x, int64_t rows, int64_t k, float* dst, int64_t dst_row) {
  int64_t r = 0;
  if (x.row == 1 && x.column != 1)
    for (; r + kLanes <= rows; r += kLanes)
      for (int64_t i = 0; i < k; i += kLanes) {
        V square[kLanes];
        unroll<static_cast<int>(kLanes)>([&](auto c) TENON_INLINE { square[c] = load(a + r + smaller(i + c, k - 1) * x.column); });
        transpose(square);
        unroll<static_cast<int>(kLanes)>([&](auto c) TENON_INLINE { store(dst + (r + c) * dst_row + i, square[c]); });
      }
  for (; r < rows; ++r) {
    const float* from = a + r * x.row;
    float* to = dst + r * dst_row;
    if (x.column == 1) vectors(k, [&](int64_t i, int64_t lanes) TENON_INLINE { store(to + i, load(from + i, lanes), lanes); });
    else
      for (int64_t i = 0; i < k; ++i) to[i] = from[i * x.column];
  }
}

// Rows [k) of vectors [vectors) of an item of b to their place in its panels. `b` is the first element of them.
template <class T>
void pack_part(const T* b, const Problem& p, Range k, Range vectors, T* item) {
  Matrix x = p.b;
  x.columns -= vectors.begin * kLanes;
  // A panel begins no later than if all before it were of full width.
  for (int64_t i = vectors.begin / kTileVectors; i < p.panels(); ++i) {
    const Range panel = piece(p.vectors(), p.panels(), i), own{larger(panel.begin, vectors.begin), smaller(panel.end, vectors.end)};
    if (panel.begin >= vectors.end) return;
    const int64_t wide = panel.end - panel.begin;
    if (own.begin < own.end)
      pack_panel(b, x, k.end - k.begin, {own.begin - vectors.begin, own.end - vectors.begin}, wide,
                 item + (panel.begin * p.k + k.begin * wide + own.begin - panel.begin) * kLanes);
  }
}

const char* reject_result(const Step& s) {
  if (!is_f32(*s.dst)) return "dst is not f32";
  if (!contiguous(*s.dst)) return "dst has gaps along its last axis";
  for (int i = 1; i < s.epilogue.operands && s.epilogue.count; ++i)
    if (s.epilogue.reads[i - 1] == Reads::like_dst && !contiguous(s.src[s.epilogue.first_source + i - 1]))
      return "an operand of the epilogue has gaps along its last axis";
  if (const char* why = epilogue_reject(s)) return why;
  if (s.src[1].rank > 1) return nullptr;
  for (int i = 1; i < s.epilogue.operands && s.epilogue.count; ++i)
    if (s.epilogue.reads[i - 1] == Reads::channel) return "b is a vector, so that channels are not columns";
  return nullptr;
}

const char* reject_shared(const Step& s) {
  for (int i = 0; i < 2; ++i)
    if (!is_f32(s.src[i])) return "a source is not f32";
  return reject_result(s);
}

const char* reject_bytes(const Step& s) {
  const Operand& b = s.src[1];
  if (!is_f32(s.src[0])) return "a is not f32";
  if (!is_quantised(b) || b.rank < 2) return "b is not a quantised matrix";
  if (!b.constant) return "b is not constant";
  const int columns = b.rank - (static_cast<const Matmul*>(s.attributes)->transpose_b ? 2 : 1);
  if (b.per_axis && b.scale_axis != columns) return "the scales of b are not those of columns";
  return reject_result(s);
}

template <DType type>
const char* reject_halves(const Step& s) {
  if (!is_f32(s.src[0])) return "a is not f32";
  if (!is(s.src[1], type)) return type == DType::bf16 ? "b is not bf16" : "b is not f16";
  if (!s.src[1].constant) return "b is not constant";
  return reject_result(s);
}

const char* reject_packed(const Step& s) { return s.src[1].constant ? reject_shared(s) : "b is not constant"; }
const char* reject_unpacked(const Step& s) { return s.src[1].constant ? "b is constant" : reject_shared(s); }

const char* reject_dots(const Step& s) {
  const Matmul& a = *static_cast<const Matmul*>(s.attributes);
  if (!a.transpose_b || a.transpose_a) return "b alone is not transposed";
  if (!contiguous(s.src[0]) || !contiguous(s.src[1])) return "a source has gaps along its last axis";
  return reject_unpacked(s);
}

bool direct(const Problem& p) { return p.m <= kDirectRows && p.b.column == 1 && p.n >= kLanes; }

// Rows of a transposed b are columns, of which a vector of a panel has so many.
int64_t pack_grain(const Step& s) {
  const bool columns = s.src[1].rank == 2 && static_cast<const Matmul*>(s.attributes)->transpose_b;
  return columns ? kLanes : 1;
}

Needs needs_packed(const Step& s) {
  const Problem p(s);
  return {.packing = static_cast<const Matmul*>(s.attributes)->transpose_b ? "panels_of_nk_" TENON_ISA_NAME : "panels_of_kn_" TENON_ISA_NAME,
          .packed_bytes = p.b_items(s) * packed_floats(p) * 4,
          .pack_grain = pack_grain(s),
          .worker_scratch_bytes = known(s.src[0]) ? copied_bytes(p) : 0};
}

template <class Word>
Needs needs_narrow(const Step& s) {
  const Problem p(s);
  const bool transposed = static_cast<const Matmul*>(s.attributes)->transpose_b;
  const char* of_kn = sizeof(Word) == 1 ? "byte_panels_of_kn_" TENON_ISA_NAME : "half_panels_of_kn_" TENON_ISA_NAME;
  const char* of_nk = sizeof(Word) == 1 ? "byte_panels_of_nk_" TENON_ISA_NAME : "half_panels_of_nk_" TENON_ISA_NAME;
  return {.packing = transposed ? of_nk : of_kn,
          .packed_bytes = p.b_items(s) * packed_floats(p) * static_cast<int64_t>(sizeof(Word)),
          .pack_grain = pack_grain(s),
          .worker_scratch_bytes = known(s.src[0]) && p.m > kNarrowRows ? kUnpackedBytes + copied_bytes(p) : 0};
}

Needs needs_unpacked(const Step& s) {
  if (!known(s.src[0]) || !known(s.src[1])) return {};
  const Problem p(s);
  const int64_t floats = direct(p) ? kTileVectors * kLanes * p.k : packed_floats(p);
  return {.scratch_bytes = p.b_items(s) * floats * 4, .worker_scratch_bytes = copied_bytes(p)};
}

Needs needs_dots(const Step&) { return {}; }

float multiply_cost(const Step& s, const Problem& p, float element_bytes = 4) {
  const float m = static_cast<float>(p.m * p.batch), n = static_cast<float>(p.vectors() * kLanes), k = static_cast<float>(p.k);
  const float arithmetic = m * n * (k + 8) / kMultiplyAdds * 1.04f, latency = static_cast<float>(p.batch * p.vectors()) * k * 0.6f;
  const float right = element_bytes * static_cast<float>(p.b_items(s)) * k * n, others = 4 * (m * k + m * n);
  // Arithmetic hides behind memory, but not all of it.
  const float compute = larger(arithmetic, latency);
  return larger(compute, right / kBytes + others / kCachedBytes) + compute / 8 + epilogue_cost(s, p.m * p.n * p.batch) + 100.f;
}

float cost_packed(const Step& s) { return multiply_cost(s, Problem(s)); }

template <class Word>
float cost_narrow(const Step& s) {
  const Problem p(s);
  const float made_real = static_cast<float>(p.batch * ceil_div(p.m, kBlockRows) * packed_floats(p));
  return multiply_cost(s, p, sizeof(Word)) + made_real * (p.m > kNarrowRows ? 0.8f : 0.4f) / kLanes;
}

float cost_unpacked(const Step& s) {
  const Problem p(s);
  const float packing = direct(p) ? 0.f : static_cast<float>(p.b_items(s) * packed_floats(p)) * (p.b.column == 1 ? 0.1f : 0.15f);
  return multiply_cost(s, p) + packing;
}

float cost_dots(const Step& s) {
  const Problem p(s);
  const float vectors = static_cast<float>(p.batch * p.vectors()), m = static_cast<float>(p.m), lanes = static_cast<float>(kLanes);
  const float steps = static_cast<float>(ceil_div(p.k, kLanes)) * lanes * lanes, groups = static_cast<float>(ceil_div(p.m, kDotRows));
  const float arithmetic = vectors * (groups * steps * 2.f + m * (steps * 0.7f + 58 * lanes)) / kMultiplyAdds;
  const float right = 4 * static_cast<float>(p.b_items(s) * p.n * p.k);
  return larger(arithmetic, right / kBytes) + arithmetic / 8 + epilogue_cost(s, p.m * p.n * p.batch) + 100.f;
}

template <class T>
void pack_rows(const Step& s, int64_t begin, int64_t end, void* packed) {
  const Problem p(s);
  const Operand& b = s.src[1];
  T* to = static_cast<T*>(packed);
  const Range k{0, p.k}, vectors{0, p.vectors()};
  if (p.b.lead) {
    const int64_t each = p.b_items(s) / b.size[0];
    for (int64_t i = begin * each; i < end * each; ++i)
      pack_part(data<T>(b) + (lead_offset(b, p.b.lead, b, p.b.lead, i) - begin * b.stride[0]), p, k, vectors, to + i * packed_floats(p));
  } else if (static_cast<const Matmul*>(s.attributes)->transpose_b) {
    pack_part(data<T>(b), p, k, {begin / kLanes, ceil_div(end, kLanes)}, to);
  } else {
    pack_part(data<T>(b), p, {begin, end}, vectors, to);
  }
}

template <class T>
void pack(const Step& s, void* packed) {
  pack_rows<T>(s, 0, s.src[1].size[0], packed);
}

// Where panels of b lie.
struct Panels {
  const float* packed;  // of item 0
  int64_t item;         // elements from item to item; packed whole, or only the last panel
  bool direct;
  const void* narrow = nullptr;  // instead of packed
  bool dots = false;             // nothing is packed

  // Rows that go through all of k at once; else as many as a tile has.
  int64_t rows_at_once(const Problem& p) const { return dots ? kDotRows : narrow && p.m <= kNarrowRows ? kNarrowRows : 0; }
};

// `spare`: for narrow numbers that many rows make real, kUnpackedBytes.
void multiply_block(const Step& s, const Problem& p, const Finish& finish, const Panels& b, int64_t item, Range rows, Range panels, float* copy,
                    float* spare) {
  const bool folded = p.batch == 1;
  const auto lead = [&](const Operand& o, int axes) { return folded ? 0 : lead_offset(o, axes, *s.dst, p.dst_lead, item); };
  const int64_t right_item = folded ? 0 : b_item(s, p, item);
  const float* a = data(s.src[0]) + lead(s.src[0], p.a.lead);
  const float* b_plain = data(s.src[1]) + (b.direct || b.dots ? lead(s.src[1], p.b.lead) : 0);
  float* dst = mutable_data(*s.dst) + lead(*s.dst, p.dst_lead);
  const auto element = [&](const Operand& o, int64_t row, int64_t column) {
    const int64_t step = s.dst->rank > p.dst_lead && p.dst_row ? o.stride[p.dst_lead] : 0;
    return data(o) + lead(o, p.dst_lead) + row * step + column;
  };
  Tile t{};
  t.a_row = copy ? copied_row(p) : p.a.row, t.a_k = copy ? 1 : p.a.column, t.c_row = p.dst_row, t.c_vector = kLanes;
  t.low = finish.low, t.high = finish.high, t.clamped = finish.clamped, t.residual_vector = kLanes;
  if (finish.residual) t.residual_row = element(*finish.residual, 1, 0) - element(*finish.residual, 0, 0);
  const int64_t few = b.rows_at_once(p);
  const int64_t passes = few ? 1 : larger(1, ceil_div(p.k, b.narrow ? kNarrowDepth : kDepth));
  for (int64_t pass = 0; pass < passes; ++pass) {
    const Range depth = piece(p.k, passes, pass);
    t.k = t.k_last = depth.end - depth.begin, t.first = pass == 0, t.last = pass + 1 == passes;
    const float* a_pass = a + rows.begin * p.a.row + depth.begin * p.a.column;
    if (copy) copy_rows(a_pass, p.a, rows.end - rows.begin, t.k, copy, t.a_row), a_pass = copy;
    for (int64_t i = panels.begin; i < panels.end; ++i) {
      const Range vectors = piece(p.vectors(), p.panels(), i);
      const int64_t wide = vectors.end - vectors.begin, column = vectors.begin * kLanes;
      t.lanes = smaller(kLanes, p.n - (vectors.end - 1) * kLanes);
      t.bias = finish.bias ? finish.bias + column : nullptr;
      const int64_t at = right_item * b.item + (b.direct ? 0 : column * p.k) + depth.begin * wide * kLanes;
      t.b_k = wide * kLanes;
      if (few) t.b = nullptr;
      else if (b.narrow) unpack_panel(s.src[1], b.narrow, at, t.k, wide, column, t.lanes, spare), t.b = spare;
      else if (b.direct && t.lanes == kLanes) t.b = b_plain + column + depth.begin * p.b.row, t.b_k = p.b.row;
      else t.b = b.packed + at;
      const int64_t tiles = ceil_div(rows.end - rows.begin, few ? few : tile_rows(static_cast<int>(wide)));
      for (int64_t r = 0; r < tiles; ++r) {
        const Range own = piece(rows.end - rows.begin, tiles, r);
        const int64_t row = rows.begin + own.begin;
        t.a = a_pass + own.begin * t.a_row;
        t.c = dst + row * p.dst_row + column;
        if (finish.residual) t.residual = element(*finish.residual, row, column);
        if (b.dots) dot_tile(t, b_plain + column * p.b.column, p.b.column, wide, own.end - own.begin);
        else if (few) narrow_tile(t, s.src[1], b.narrow, at, column, wide, own.end - own.begin);
        else kTiles.of[wide - 1][own.end - own.begin - 1](t);
      }
    }
  }
  if (!finish.program()) return;
  const int64_t begin = piece(p.vectors(), p.panels(), panels.begin).begin * kLanes;
  const int64_t end = smaller(p.n, piece(p.vectors(), p.panels(), panels.end - 1).end * kLanes);
  for (int64_t row = rows.begin; row < rows.end; ++row)
    finish.run(dst + row * p.dst_row + begin, end - begin, Channel::along, begin, p.n,
               [&](const Operand& o) { return element(o, row, begin) - data(o); });
}

void multiply(const Step& s, const Context& context, const Problem& p, const Panels& b) {
  if (p.empty()) return;
  const Finish finish(s, nullptr);
  const int64_t row_blocks = ceil_div(p.m, kBlockRows);
  // About 16 pieces in all, of at least two panels each where rows alone do not make as many.
  const int64_t panel_blocks = larger(1, smaller(ceil_div(p.panels(), 2), ceil_div(16, row_blocks * p.batch)));
  const int64_t units = p.batch * row_blocks * panel_blocks;
  const float unit_ns =
      static_cast<float>(p.m * p.n) * static_cast<float>(p.k) * static_cast<float>(p.batch) / kMultiplyAdds / static_cast<float>(units);
  parallel(context, units, static_cast<int64_t>(2000 / (unit_ns + 1)) + 1, [&](int64_t begin, int64_t end, int worker) {
    float* spare = reinterpret_cast<float*>(context.worker_scratch + worker * context.worker_stride);
    float* copy = copies(p) && !b.rows_at_once(p) ? spare + (b.narrow ? kUnpackedBytes / 4 : 0) : nullptr;
    for (int64_t u = begin; u < end; ++u) {
      const int64_t rows = u % row_blocks, panels = u / row_blocks % panel_blocks, item = u / row_blocks / panel_blocks;
      multiply_block(s, p, finish, b, item, piece(p.m, row_blocks, rows), piece(p.panels(), panel_blocks, panels), copy, spare);
    }
  });
}

void run_packed(const Step& s, const Context& context) noexcept {
  const Problem p(s);
  multiply(s, context, p, {static_cast<const float*>(s.packed), packed_floats(p), false});
}

void run_narrow(const Step& s, const Context& context) noexcept {
  const Problem p(s);
  multiply(s, context, p, {nullptr, packed_floats(p), false, s.packed});
}

void run_dots(const Step& s, const Context& context) noexcept { multiply(s, context, Problem(s), {nullptr, 0, false, nullptr, true}); }

void run_unpacked(const Step& s, const Context& context) noexcept {
  const Problem p(s);
  float* scratch = reinterpret_cast<float*>(context.scratch);
  const Operand& b = s.src[1];
  const auto item = [&](int64_t i) { return data(b) + lead_offset(b, p.b.lead, b, p.b.lead, i); };
  if (direct(p)) {
    const int64_t floats = kTileVectors * kLanes * p.k;
    const Range last = piece(p.vectors(), p.panels(), p.panels() - 1);
    if (p.n % kLanes)
      for (int64_t i = 0, items = p.b_items(s); i < items; ++i) pack_panel(item(i), p.b, p.k, last, last.end - last.begin, scratch + i * floats);
    return multiply(s, context, p, {scratch, floats, true});
  }
  const int64_t units = p.b_items(s) * p.panels();
  parallel(context, units, 20000 / (p.k * kTileVectors * kLanes + 1) + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t u = begin; u < end; ++u) {
      const Range panel = piece(p.vectors(), p.panels(), u % p.panels());
      pack_panel(item(u / p.panels()), p.b, p.k, panel, panel.end - panel.begin,
                 scratch + u / p.panels() * packed_floats(p) + panel.begin * kLanes * p.k);
    }
  });
  multiply(s, context, p, {scratch, packed_floats(p), false});
}

const Kernel kKernels[] = {
    {.name = "matmul_f32_packed_" TENON_ISA_NAME,
     .op = "matmul",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_packed,
     .needs = needs_packed,
     .cost = cost_packed,
     .pack = pack<float>,
     .pack_rows = pack_rows<float>,
     .run = run_packed},
    {.name = "matmul_f32int8_packed_" TENON_ISA_NAME,
     .op = "matmul",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_bytes,
     .needs = needs_narrow<uint8_t>,
     .cost = cost_narrow<uint8_t>,
     .pack = pack<uint8_t>,
     .pack_rows = pack_rows<uint8_t>,
     .run = run_narrow},
    {.name = "matmul_f32bf16_packed_" TENON_ISA_NAME,
     .op = "matmul",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_halves<DType::bf16>,
     .needs = needs_narrow<uint16_t>,
     .cost = cost_narrow<uint16_t>,
     .pack = pack<uint16_t>,
     .pack_rows = pack_rows<uint16_t>,
     .run = run_narrow},
    {.name = "matmul_f32f16_packed_" TENON_ISA_NAME,
     .op = "matmul",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_halves<DType::f16>,
     .needs = needs_narrow<uint16_t>,
     .cost = cost_narrow<uint16_t>,
     .pack = pack<uint16_t>,
     .pack_rows = pack_rows<uint16_t>,
     .run = run_narrow},
    {.name = "matmul_f32_panels_" TENON_ISA_NAME,
     .op = "matmul",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_unpacked,
     .needs = needs_unpacked,
     .cost = cost_unpacked,
     .pack = nullptr,
     .run = run_unpacked},
    {.name = "matmul_f32_dots_" TENON_ISA_NAME,
     .op = "matmul",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_dots,
     .needs = needs_dots,
     .cost = cost_dots,
     .pack = nullptr,
     .run = run_dots},
};

}  // namespace
extern const KernelTable gemm_table{kKernels, 6};
}  // namespace tenon::cpu::TENON_ISA
