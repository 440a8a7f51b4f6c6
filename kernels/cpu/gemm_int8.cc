// matmul of quantised operands, u8 or s8: dst = finish(scale * sum over k of (a - zero) * (b - zero)); and dynamic_matmul and
// matmul_integer, see integer_operands.h. Bitwise the same on every level.
// b, constant or not, is packed in panels of up to three vectors, [panel][k / kDot][lane][kDot], followed by the sums of its columns. Rows of a are
// converted to Left and padded to whole lanes of kDot, unless they are that already.
#include "kernels/cpu/gemm_shape.h"
#include "kernels/cpu/integer_operands.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kRowBytes = 256 << 10;

int64_t depth(const Problem& p) { return ceil_div(p.k, kDot); }
int64_t columns(const Problem& p) { return p.vectors() * kLanes; }
int64_t panel_bytes(const Problem& p) { return columns(p) * depth(p) * kLaneBytes; }
int64_t copied_row(const Problem& p) { return round_up(depth(p) * kLaneBytes, 64) + 64; }
int64_t block_rows(const Problem& p) { return larger(14, smaller(112, kRowBytes / copied_row(p) / 14 * 14)); }

const char* reject_b(const Step& s) {
  const Operand& b = s.src[1];
  if (b.rank < 2) return "b is a vector";
  for (int i = 0; i + 2 < b.rank; ++i)
    if (b.size[i] != 1) return "b has leading axes";
  if (known(b.size[b.rank - 1]) && known(b.size[b.rank - 2])) return nullptr;
  return "the size of b is not known";
}

const char* reject_shared(const Step& s) {
  const bool transposed = static_cast<const Matmul*>(s.attributes)->transpose_b;
  if (s.src[1].rank < 2) return "b is a vector";
  if (!contiguous(*s.dst)) return "dst has gaps along its last axis";
  return int8_reject(s, s.src[1].rank - (transposed ? 2 : 1));
}

const char* reject(const Step& s) {
  if (!s.src[1].constant) return "b is not constant";
  if (const char* why = reject_b(s)) return why;
  return reject_shared(s);
}

const char* reject_unpacked(const Step& s) {
  if (s.src[1].constant) return "b is constant";
  if (s.src[1].per_axis) return "b has more than one scale";
  return reject_shared(s);
}

// Of packed b: panels, then the sums of columns.
int64_t item_bytes(const Problem& p) { return round_up(panel_bytes(p) + columns(p) * 4, 64); }
// Rows, their sums, what scales the columns, and a tile of floats.
int64_t scratch_bytes(const Problem& p) { return block_rows(p) * (copied_row(p) + 4) + columns(p) * 12 + 16 * kTileVectors * kLanes * 4 + 256; }

Needs needs(const Step& s) {
  const Problem p(s);
  const bool transposed = static_cast<const Matmul*>(s.attributes)->transpose_b;
  return {.packing = transposed ? "int8_panels_of_nk_" TENON_ISA_NAME : "int8_panels_of_kn_" TENON_ISA_NAME,
          .packed_bytes = item_bytes(p),
          .worker_scratch_bytes = scratch_bytes(p)};
}

Needs needs_unpacked(const Step& s) {
  if (!known(s.src[0]) || !known(s.src[1])) return {};
  const Problem p(s);
  return {.scratch_bytes = p.b_items(s) * item_bytes(p), .worker_scratch_bytes = larger(scratch_bytes(p), kLanes * copied_row(p))};
}

float cost(const Step& s) {
  const Problem p(s);
  const float rate = kBytes8 ? 4.f : kLanes == 4 ? 2.f : 1.6f;  // against f32
  const float work = static_cast<float>(p.m * p.batch * columns(p)) * static_cast<float>(p.k + 16) / (kMultiplyAdds * rate) * 1.06f;
  const float bytes =
      static_cast<float>(panel_bytes(p)) / kBytes + static_cast<float>(p.m * p.batch) * static_cast<float>(p.k + 4 * p.n) / kCachedBytes;
  const float converting = static_cast<float>(p.m * p.batch) * static_cast<float>(p.k) * 0.03f;
  return larger(work, bytes) + converting + epilogue_cost(s, p.m * p.n * p.batch) + static_cast<float>(p.n) + 200.f;
}

float cost_unpacked(const Step& s) {
  const Problem p(s);
  return cost(s) + static_cast<float>(p.b_items(s) * panel_bytes(p)) * (kBytes8 ? 0.2f : 0.15f);
}

void pack(const Step& s, void* packed) {
  const Problem p(s);
  const Operand& b = s.src[1];
  int32_t* sums = reinterpret_cast<int32_t*>(static_cast<char*>(packed) + panel_bytes(p));
  for (int64_t n = 0; n < columns(p); ++n) {
    int64_t i = 0;
    while (piece(p.vectors(), p.panels(), i).end * kLanes <= n) ++i;
    const Range vectors = piece(p.vectors(), p.panels(), i);
    const int64_t wide = (vectors.end - vectors.begin) * kLanes;
    Right* to =
        reinterpret_cast<Right*>(static_cast<char*>(packed) + vectors.begin * kLanes * depth(p) * kLaneBytes) + (n - vectors.begin * kLanes) * kDot;
    const int32_t less = n < p.n ? right_less(b, n) : 0;
    sums[n] = 0;
    for (int64_t k = 0; k < depth(p) * kDot; ++k) {
      const int32_t v = n < p.n && k < p.k ? byte(b, k * p.b.row + n * p.b.column) - less : 0;
      sums[n] += v;
      to[k / kDot * wide * kDot + k % kDot] = static_cast<Right>(v);
    }
  }
}

// As lane_total, for b.
int32_t right_total(const char* at, int64_t lanes) {
  I sum(0);
  const I ones(kBytes8 ? 0x01010101 : 0x00010001);
  vectors(lanes, [&](int64_t i, int64_t n) TENON_INLINE { sum = dot(sum, ones, load(reinterpret_cast<const int32_t*>(at) + i, n)); });
  return total(sum);
}

// b at run time, one vector of columns: `first` is the element of column 0 and row 0; to[k / kDot] are `step` lanes apart.
struct Packing {
  const Operand& b;
  const Problem& p;
  int32_t less;
  char* rows;  // kLanes columns as rows

  I values(int64_t at, int64_t lanes) const {
    return (is_signed(b) ? load(data<int8_t>(b) + at, lanes) : load(data<uint8_t>(b) + at, lanes)) - I(less);
  }
  // Columns that are neighbours: kDot rows are joined lane by lane.
  void across(int64_t first, int64_t lanes, int32_t* to, int64_t step, int32_t* sums) const {
    I sum(0);
    for (int64_t k = 0; k < p.k; k += kDot, to += step) {
      I joined(0);
      unroll<kDot>([&](auto i) TENON_INLINE {
        if (k + i >= p.k) return;
        const I v = values(first + (k + i) * p.b.row, lanes);
        sum += v;
        joined = joined | left<i*(32 / kDot)>(v & I(kBytes8 ? 0xff : 0xffff));
      });
      store(to, joined);
    }
    store(sums, sum);
  }
  // Columns of any strides: each becomes a row of lanes, and squares of lanes are transposed.
  void along(int64_t first, int64_t lanes, int32_t* to, int64_t step, int32_t* sums) const {
    const int64_t row = copied_row(p);
    for (int64_t c = 0; c < kLanes; ++c) {
      Right* line = reinterpret_cast<Right*>(rows + c * row);
      for (int64_t k = 0; k < row / static_cast<int64_t>(sizeof(Right)); k += kLanes) {
        const int64_t n = c < lanes ? larger(int64_t{0}, smaller(kLanes, p.k - k)) : 0, at = first + c * p.b.column + k * p.b.row;
        I v(0);
        if (n > 0 && p.b.row == 1) {
          v = values(at, n);
          if (n < kLanes) v = masked(v, n);
        } else if (n > 0) {
          alignas(64) int32_t lane[kLanes] = {};
          for (int64_t i = 0; i < n; ++i) lane[i] = byte(b, at + i * p.b.row) - less;
          v = load(lane);
        }
        if constexpr (kBytes8) store(reinterpret_cast<int8_t*>(line) + k, v);
        else store_u16(reinterpret_cast<uint16_t*>(line) + k, v);
      }
      sums[c] = right_total(rows + c * row, depth(p));
    }
    for (int64_t k = 0; k < depth(p); k += kLanes) {
      V square[kLanes];
      unroll<static_cast<int>(kLanes)>([&](auto c) TENON_INLINE { square[c] = load(reinterpret_cast<const float*>(rows + c * row) + k); });
      transpose(square);
      unroll<static_cast<int>(kLanes)>([&](auto r) TENON_INLINE {
        if (k + r < depth(p)) store(to + (k + r) * step, bits(square[r]));
      });
    }
  }
  // Lanes from n on are zero.
  static I masked(I v, int64_t n) {
    alignas(64) int32_t lane[kLanes];
    store(lane, v);
    return load(lane, n);
  }
};

void pack_panel(const Packing& packing, int64_t first, int64_t panel, char* to) {
  const Problem& p = packing.p;
  const Range vectors = piece(p.vectors(), p.panels(), panel);
  int32_t* sums = reinterpret_cast<int32_t*>(to + panel_bytes(p));
  int32_t* lanes = reinterpret_cast<int32_t*>(to + vectors.begin * kLanes * depth(p) * kLaneBytes);
  const int64_t step = (vectors.end - vectors.begin) * kLanes;
  for (int64_t v = vectors.begin; v < vectors.end; ++v, lanes += kLanes) {
    const int64_t column = v * kLanes, n = smaller(kLanes, p.n - column), from = first + column * p.b.column;
    if (p.b.column == 1) packing.across(from, n, lanes, step, sums + column);
    else packing.along(from, n, lanes, step, sums + column);
  }
}

// What a run needs of its worker's scratch.
struct Scratch {
  char* rows;
  int32_t *row_sums, *offset, *zeros;
  float *multiplier, *buffer;
  Scratch(const Problem& p, char* at) {
    const auto take = [&](int64_t bytes) {
      char* from = at;
      at += round_up(bytes, 64);
      return from;
    };
    rows = take(block_rows(p) * copied_row(p));
    offset = reinterpret_cast<int32_t*>(take(columns(p) * 4));
    multiplier = reinterpret_cast<float*>(take(columns(p) * 4));
    zeros = reinterpret_cast<int32_t*>(take(columns(p) * 4));
    buffer = reinterpret_cast<float*>(take(16 * kTileVectors * kLanes * 4));
    row_sums = reinterpret_cast<int32_t*>(at);
  }
};

struct Rows {
  const char* at;
  int64_t row;
};

// The rows [rows) of a as Left.
Rows convert_rows(const Problem& p, const Operand& a, int64_t first, Range rows, int32_t zero, char* copy) {
  const int32_t shift = left_shift(is_signed(a), zero);
  if (kBytes8 && !shift && p.a.column == 1 && p.k % kDot == 0 && p.a.row % 1024) return {data<char>(a) + first + rows.begin * p.a.row, p.a.row};
  const int64_t step = copied_row(p);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    Left* to = reinterpret_cast<Left*>(copy + (r - rows.begin) * step);
    const int64_t from = first + r * p.a.row;
    if (p.a.column == 1) convert_left(a, from, p.k, shift, to);
    else
      for (int64_t k = 0; k < p.k; ++k) to[k] = static_cast<Left>(byte(a, from + k * p.a.column) + shift);
    for (int64_t k = p.k; k < depth(p) * kDot; ++k) to[k] = 0;
  }
  return {copy, step};
}

// The sum of a row's values less their zero point.
int32_t row_sum(const Rows& rows, int64_t r, const Problem& p, int32_t zero) {
  return static_cast<int32_t>(static_cast<uint32_t>(lane_total(rows.at + r * rows.row, depth(p))) -
                              static_cast<uint32_t>(p.k) * static_cast<uint32_t>(zero));
}

// Calls body(item, rows, panels, scratch) for all blocks of dst.
template <class Body>
void blocks(const Problem& p, const Context& context, const Body& body) {
  if (p.empty()) return;
  const int64_t rows = ceil_div(p.m, block_rows(p));
  const int64_t panels = larger(int64_t{1}, smaller(ceil_div(p.panels(), 2), ceil_div(16, rows * p.batch)));
  const int64_t units = p.batch * rows * panels;
  const float unit_ns =
      static_cast<float>(p.m * p.n) * static_cast<float>(p.k) * static_cast<float>(p.batch) / (kMultiplyAdds * kDot) / static_cast<float>(units);
  parallel(context, units, static_cast<int64_t>(2000 / (unit_ns + 1)) + 1, [&](int64_t begin, int64_t end, int worker) {
    const Scratch scratch(p, context.worker_scratch + worker * context.worker_stride);
    for (int64_t u = begin; u < end; ++u) body(u / rows / panels, piece(p.m, rows, u % rows), piece(p.panels(), panels, u / rows % panels), scratch);
  });
}

Range columns_of(const Problem& p, Range panels) {
  return {piece(p.vectors(), p.panels(), panels.begin).begin * kLanes, piece(p.vectors(), p.panels(), panels.end - 1).end * kLanes};
}

// Calls store(t, rows of the tile, column, vectors) with a prepared tile for each tile of a block.
template <class Place>
void tiles(const char* packed, const Problem& p, SumTile t, const Rows& a, Range rows, Range panels, const Scratch& scratch, const Place& place) {
  const int64_t from = columns_of(p, panels).begin;
  t.a_row = a.row, t.k = depth(p);
  for (int64_t i = panels.begin; i < panels.end; ++i) {
    const Range vectors = piece(p.vectors(), p.panels(), i);
    const int64_t wide = vectors.end - vectors.begin, column = vectors.begin * kLanes;
    t.b = packed + column * depth(p) * kLaneBytes;
    t.lanes = smaller(kLanes, p.n - (vectors.end - 1) * kLanes);
    t.offset = scratch.offset + (column - from), t.multiplier = scratch.multiplier + (column - from), t.column_zero = scratch.zeros + (column - from);
    const int64_t count = ceil_div(rows.end - rows.begin, tile_rows(static_cast<int>(wide)));
    for (int64_t r = 0; r < count; ++r) {
      const Range own = piece(rows.end - rows.begin, count, r);
      t.a = a.at + own.begin * a.row;
      if (scratch.row_sums && t.row_sums) t.row_sums = scratch.row_sums + own.begin;
      place(t, Range{rows.begin + own.begin, rows.begin + own.end}, column, wide);
    }
  }
}

// `packed`: items of b.
void multiply(const Step& s, const Context& context, const Problem& p, const char* packed) {
  const Output out(s);
  const Finish& finish = out.finish;
  const bool any = any_zero_left(s.src[1], p.n);
  blocks(p, context, [&](int64_t item, Range rows, Range panels, const Scratch& scratch) {
    const bool folded = p.batch == 1;
    const auto lead = [&](const Operand& o, int axes) { return folded ? 0 : lead_offset(o, axes, *s.dst, p.dst_lead, item); };
    const int64_t dst = lead(*s.dst, p.dst_lead);
    const Range all = columns_of(p, panels);
    const char* right = packed + (folded ? 0 : b_item(s, p, item)) * item_bytes(p);
    scale_channels(s, out, nullptr, reinterpret_cast<const int32_t*>(right + panel_bytes(p)), all, p.n, scratch.offset, scratch.multiplier);
    const Rows a = convert_rows(p, s.src[0], lead(s.src[0], p.a.lead), rows, s.src[0].zero[0], scratch.rows);
    for (int64_t n = all.begin; any && n < all.end; ++n) scratch.zeros[n - all.begin] = n < p.n ? zero_left(s.src[1], n) : 0;
    const int32_t taken = left_zero(is_signed(s.src[0]), s.src[0].zero[0]);
    for (int64_t r = 0; any && r < rows.end - rows.begin; ++r) scratch.row_sums[r] = row_sum(a, r, p, taken);
    const auto element = [&](const Operand& o, int64_t row, int64_t column) {
      return lead(o, p.dst_lead) + row * (p.dst_row ? o.stride[p.dst_lead] : 0) + column;
    };
    SumTile t{};
    out.prepare(t);
    t.row_sums = any ? scratch.row_sums : nullptr;
    tiles(right, p, t, a, rows, panels, scratch, [&](SumTile& tile, Range own, int64_t column, int64_t wide) {
      const int64_t at = dst + own.begin * p.dst_row + column, n = smaller(wide * kLanes, p.n - column);
      tile.bias = finish.bias ? finish.bias + column : nullptr;
      tile.c_row = out.buffered ? wide * kLanes : p.dst_row, tile.c_vector = kLanes;
      if (out.buffered) tile.c = scratch.buffer;
      else tile.c = out.quantised ? static_cast<void*>(out.data_of_dst() + at) : static_cast<void*>(mutable_data(*s.dst) + at);
      kSumTiles.of[wide - 1][own.end - own.begin - 1](tile);
      if (!out.buffered) return;
      for (int64_t r = own.begin; r < own.end; ++r)
        out.finish_run(scratch.buffer + (r - own.begin) * wide * kLanes, n, Channel::along, column, p.n, at + (r - own.begin) * p.dst_row,
                       [&](const Operand& o) { return element(o, r, column); });
    });
    if (out.buffered || !finish.program()) return;
    const int64_t n = smaller(p.n, all.end) - all.begin;
    for (int64_t r = rows.begin; r < rows.end; ++r)
      finish.run(mutable_data(*s.dst) + dst + r * p.dst_row + all.begin, n, Channel::along, all.begin, p.n,
                 [&](const Operand& o) { return element(o, r, all.begin); });
  });
}

void run(const Step& s, const Context& context) noexcept { multiply(s, context, Problem(s), static_cast<const char*>(s.packed)); }

void run_unpacked(const Step& s, const Context& context) noexcept {
  const Problem p(s);
  if (p.empty()) return;
  const Operand& b = s.src[1];
  const int64_t units = p.b_items(s) * p.panels();
  parallel(context, units, 40000 / (p.k * kTileVectors * kLanes + 1) + 1, [&](int64_t begin, int64_t end, int worker) {
    const Packing packing{b, p, right_less(b, 0), context.worker_scratch + worker * context.worker_stride};
    for (int64_t u = begin; u < end; ++u)
      pack_panel(packing, lead_offset(b, p.b.lead, b, p.b.lead, u / p.panels()), u % p.panels(), context.scratch + u / p.panels() * item_bytes(p));
  });
  multiply(s, context, p, context.scratch);
}

struct Packed {
  static int axis(const Operand& b) { return b.rank - 1; }
  static const char* packing(const Step&) { return "int8_panels_of_kn_with_numbers_" TENON_ISA_NAME; }
  static const void* attributes(const Step&) {
    static constexpr Matmul kPlain;
    return &kPlain;
  }
  static constexpr auto reject = &TENON_ISA::reject;
  static constexpr auto needs = &TENON_ISA::needs;
  static constexpr auto cost = &TENON_ISA::cost;
  static constexpr auto pack = &TENON_ISA::pack;
  static constexpr auto run = &TENON_ISA::run;
};

const Kernel kKernels[] = {
    {.name = "matmul_int8_packed_" TENON_ISA_NAME,
     .op = "matmul",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = pack,
     .run = run},
    {.name = "matmul_int8_panels_" TENON_ISA_NAME,
     .op = "matmul",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_unpacked,
     .needs = needs_unpacked,
     .cost = cost_unpacked,
     .pack = nullptr,
     .run = run_unpacked},
    WithNumbers<Packed>::kernel("matmul_integer_int8_packed_" TENON_ISA_NAME, "matmul_integer"),
    WithNumbers<Packed>::kernel("dynamic_matmul_int8_packed_" TENON_ISA_NAME, "dynamic_matmul"),
};

}  // namespace
extern const KernelTable gemm_int8_table{kKernels, 4};
}  // namespace tenon::cpu::TENON_ISA
