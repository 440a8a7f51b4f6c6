// dynamic_quantize_lstm: lstm of u8 or s8 weights; src is quantised once by its own range, h of the whole batch at every step.
// The products are those of gemm_int8, to f32: what src gives for all steps at once, then h step by step, each direction on its own.
// Packed for each direction: the weight of src and the weight of h, each as panels, [panel][k / kDot][vectors][lane][kDot], then sums, zero
// points left and scales of its columns; then the constants of recurrent.h.
#include "kernels/cpu/quantise.h"
#include "kernels/cpu/recurrent.h"
#include "kernels/cpu/tile_int8.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kBlockRows = 56;

RecurrentShape shape(const Step& s) {
  RecurrentShape p(s, Network::lstm, 1);
  p.inputs = s.src[1].size[1];
  return p;
}

int64_t depth(int64_t k) { return ceil_div(k, kDot); }
int64_t row_bytes(int64_t k) { return round_up(depth(k) * kLaneBytes, 64) + 64; }

// The weight of src (0) or of h (1) as it is packed.
struct Weight {
  int64_t k;
  char* panels;
  int32_t *sums, *zero;
  float* scale;
  char* end;

  Weight(const RecurrentShape& p, int which, void* at) : k(which == 0 ? p.inputs : p.hidden), panels(static_cast<char*>(at)) {
    sums = reinterpret_cast<int32_t*>(panels + p.columns * depth(k) * kLaneBytes);
    zero = sums + p.columns, scale = reinterpret_cast<float*>(zero + p.columns), end = reinterpret_cast<char*>(scale + p.columns);
  }
};

struct Direction {
  Weight x, h;
  float* constants;
  Direction(const RecurrentShape& p, int64_t i, const void* packed) : Direction(p, static_cast<char*>(const_cast<void*>(packed)) + i * bytes(p)) {}
  static int64_t bytes(const RecurrentShape& p) {
    return round_up(p.columns * ((depth(p.inputs) + depth(p.hidden)) * kLaneBytes + 24) + constant_floats(p) * 4, 64);
  }

 private:
  Direction(const RecurrentShape& p, char* at) : x(p, 0, at), h(p, 1, x.end), constants(reinterpret_cast<float*>(h.end)) {}
};

const char* reject(const Step& s) {
  if (const char* why = recurrent_reject(s, true)) return why;
  if (!has_default_activations(*static_cast<const Recurrent*>(s.attributes), Network::lstm))
    return "the activations are not sigmoid and tanh";
  for (int i : {1, 2})
    if (!is_byte(s.src[i]) || s.src[i].scale) return "weight or recurrence is not u8 or s8";
  for (int i : {3, 5, 6, 7, 8, 10})
    if (has(s, i) && !is_f32(s.src[i])) return "a source is not f32";
  for (int i : {8, 9, 10, 11})
    if (!has(s, i) || !s.src[i].constant) return "scales or zero points are not constant";
  return has(s, 4) ? "the sequences have lengths" : nullptr;
}

// Of a worker: the state, rows of src or h as Left and their sums, codes of a row, offsets and multipliers of all columns.
struct Scratch {
  float* state;
  char* rows;
  uint8_t* codes;
  int32_t *row_sums, *offset;
  float* multiplier;
  int64_t bytes;

  Scratch(const RecurrentShape& p, char* at) {
    const char* from = at;
    const auto take = [&](auto*& list, int64_t n) {
      list = reinterpret_cast<std::remove_reference_t<decltype(list)>>(at);
      at += round_up(n, 64);
    };
    const int64_t most = larger(kBlockRows, p.batch), k = larger(p.inputs, p.hidden);
    take(state, p.state_floats(p.batch) * 4), take(rows, most * row_bytes(k)), take(codes, k);
    take(row_sums, most * 4), take(offset, p.columns * 4), take(multiplier, p.columns * 4);
    bytes = at - from;
  }
};

int64_t code_bytes(const RecurrentShape& p) { return round_up(p.rows() * p.inputs, 64); }

Needs needs(const Step& s) {
  const RecurrentShape p = shape(s);
  Needs n{.packing = "lstm_gates_int8_" TENON_ISA_NAME, .packed_bytes = p.directions * Direction::bytes(p)};
  if (!known(s.src[0])) return n;
  n.scratch_bytes = round_up(range_scratch(p.rows() * p.inputs), 64) + code_bytes(p) + p.directions * p.rows() * p.columns * 4;
  n.worker_scratch_bytes = Scratch(p, nullptr).bytes;
  return n;
}

float cost(const Step& s) {
  const RecurrentShape p = shape(s);
  const float rows = static_cast<float>(p.directions * p.rows()), columns = static_cast<float>(p.columns);
  return rows * columns * static_cast<float>(p.inputs + p.hidden) / (kMultiplyAdds * (kBytes8 ? 4.f : 1.6f)) + rows * static_cast<float>(p.wide) +
         500;
}

void pack_weight(const Step& s, const RecurrentShape& p, int which, int64_t direction, const Weight& to) {
  const Operand &w = s.src[1 + which], &scale = s.src[8 + 2 * which], &zero = s.src[9 + 2 * which];
  const int64_t given = p.gates * p.hidden;
  const auto index = [&](int64_t row) { return scale.rank == 1 ? direction : direction * given + row; };
  const auto less = [&](int64_t row) { return kBytes8 ? (is_signed(w) ? 0 : 128) : byte(zero, index(row)); };
  for (int64_t c = 0; c < p.columns; ++c) {
    const int64_t row = p.weight_row(c);
    to.sums[c] = 0, to.zero[c] = row < 0 ? 0 : byte(zero, index(row)) - less(row), to.scale[c] = row < 0 ? 0 : data(scale)[index(row)];
  }
  Right* at = reinterpret_cast<Right*>(to.panels);
  panels(p.group(0), [&](Range vectors) {
    for (int64_t i = 0; i < depth(to.k) * kDot; i += kDot)
      for (int64_t c = vectors.begin * kLanes; c < vectors.end * kLanes; ++c)
        for (int64_t k = i; k < i + kDot; ++k, ++at) {
          const int64_t row = p.weight_row(c);
          *at = row < 0 || k >= to.k ? Right{0} : static_cast<Right>(byte(w, (direction * to.k + k) * given + row) - less(row));
          to.sums[c] += *at;
        }
  });
}

void pack(const Step& s, void* packed) {
  const RecurrentShape p = shape(s);
  for (int64_t i = 0; i < p.directions; ++i) {
    const Direction d(p, i, packed);
    pack_weight(s, p, 0, i, d.x), pack_weight(s, p, 1, i, d.h);
    pack_constants(s, p, i, d.constants);
  }
}

// A row of codes as Left, filled up to whole lanes.
void convert_row(const uint8_t* codes, int64_t k, int32_t zero, char* row) {
  Operand o{};
  o.data = const_cast<uint8_t*>(codes), o.dtype = static_cast<uint8_t>(DType::u8);
  convert_left(o, 0, k, left_shift(false, zero), reinterpret_cast<Left*>(row));
  for (int64_t i = k; i < depth(k) * kDot; ++i) reinterpret_cast<Left*>(row)[i] = 0;
}

// dst[r][c] = bias[c] + the product of row r of the scratch with the columns of `vectors`; the bias may be null.
void multiply(const RecurrentShape& p, const Weight& w, const DynamicRange& range, int64_t rows, Range vectors, const Scratch& scratch,
              const float* bias, float* dst) {
  const int32_t taken = left_zero(false, range.zero), in_sums = kBytes8 ? taken : 0;
  bool any = false;
  for (int64_t c = vectors.begin * kLanes; c < vectors.end * kLanes; c += kLanes) {
    store(scratch.offset + c, I(0) - I(in_sums) * load(w.sums + c));
    store(scratch.multiplier + c, load(w.scale + c) * V(range.scale));
  }
  for (int64_t c = vectors.begin * kLanes; c < vectors.end * kLanes && !any; ++c) any = w.zero[c] != 0;
  const int64_t step = row_bytes(w.k);
  for (int64_t r = 0; r < rows && any; ++r) scratch.row_sums[r] = lane_total(scratch.rows + r * step, depth(w.k)) - static_cast<int32_t>(w.k) * taken;
  SumTile t{};
  t.a_row = step, t.k = depth(w.k), t.c_row = p.columns, t.c_vector = t.lanes = kLanes, t.stored = Stored::f32;
  panels(vectors, [&](Range own) {
    const int64_t wide = own.end - own.begin, column = own.begin * kLanes, tiles = ceil_div(rows, tile_rows(static_cast<int>(wide)));
    t.b = w.panels + column * depth(w.k) * kLaneBytes;
    t.offset = scratch.offset + column, t.multiplier = scratch.multiplier + column, t.column_zero = w.zero + column;
    t.bias = bias ? bias + column : nullptr;
    for (int64_t i = 0; i < tiles; ++i) {
      const Range part = piece(rows, tiles, i);
      t.a = scratch.rows + part.begin * step, t.c = dst + part.begin * p.columns + column;
      t.row_sums = any ? scratch.row_sums + part.begin : nullptr;
      kSumTiles.of[wide - 1][part.end - part.begin - 1](t);
    }
  });
}

void run(const Step& s, const Context& context) noexcept {
  const RecurrentShape p = shape(s);
  if (p.batch == 0 || p.hidden == 0) return;
  const DynamicRange range = dynamic_range(s.src[0], context);
  uint8_t* codes = reinterpret_cast<uint8_t*>(context.scratch) + round_up(range_scratch(p.rows() * p.inputs), 64);
  float* from_x = reinterpret_cast<float*>(codes + code_bytes(p));
  quantise_by(range, s.src[0], codes, context);
  const auto scratch_of = [&](int worker) { return Scratch(p, context.worker_scratch + worker * context.worker_stride); };

  // Few rows are cut by columns.
  const int64_t blocks = ceil_div(p.rows(), kBlockRows), cuts = blocks == 1 ? smaller(8, ceil_div(p.vectors(), 2 * kTileVectors)) : 1;
  const float unit_ns = static_cast<float>(smaller(p.rows(), kBlockRows) * p.columns) * static_cast<float>(p.inputs) / (kMultiplyAdds * kDot) /
                        static_cast<float>(cuts);
  parallel(context, p.directions * blocks * cuts, static_cast<int64_t>(2000 / (unit_ns + 1)) + 1, [&](int64_t begin, int64_t end, int worker) {
    const Scratch scratch = scratch_of(worker);
    for (int64_t u = begin; u < end; ++u) {
      const int64_t i = u / cuts / blocks;
      const Direction d(p, i, s.packed);
      const Range rows = piece(p.rows(), blocks, u / cuts % blocks);
      for (int64_t r = rows.begin; r < rows.end; ++r)
        convert_row(codes + r * p.inputs, p.inputs, range.zero, scratch.rows + (r - rows.begin) * row_bytes(p.inputs));
      panels(
          p.group(0),
          [&](Range vectors) {
            multiply(p, d.x, range, rows.end - rows.begin, vectors, scratch, d.constants, from_x + (i * p.rows() + rows.begin) * p.columns);
          },
          cuts, u % cuts);
    }
  });

  parallel(context, p.directions, 1, [&](int64_t begin, int64_t end, int worker) {
    const Scratch scratch = scratch_of(worker);
    for (int64_t i = begin; i < end; ++i) {
      const Direction d(p, i, s.packed);
      recur(s, p, UsualActivations<Network::lstm>(), context, i, {0, p.batch},
            from_x + i * p.rows() * p.columns, Constants(p, d.constants), scratch.state,
            [&](int, const float* h, float* to) {
              V low(0.f), high(0.f);
              for (int64_t r = 0; r < p.batch; ++r) spread(h + r * p.wide, p.hidden, low, high);
              const DynamicRange own = range_between(-largest(-low), largest(high));
              for (int64_t r = 0; r < p.batch; ++r) {
                quantise_run(h + r * p.wide, scratch.codes, p.hidden, own.scale, own.zero);
                convert_row(scratch.codes, p.hidden, own.zero, scratch.rows + r * row_bytes(p.hidden));
              }
              multiply(p, d.h, own, p.batch, p.group(0), scratch, nullptr, to);
            });
    }
  });
}

const Kernel kKernels[] = {
    {.name = "dynamic_quantize_lstm_int8_steps_" TENON_ISA_NAME,
     .op = "dynamic_quantize_lstm",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = pack,
     .run = run},
};

}  // namespace
extern const KernelTable recurrent_int8_table{kKernels, 1};
}  // namespace tenon::cpu::TENON_ISA
