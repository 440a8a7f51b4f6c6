// lstm and gru of f32: see recurrent.h. One matrix product over all steps for src; then, a step, one for h, whose weights stay in L2.
// The weights of a direction are packed in panels of up to three vectors of columns, [panel][k][vectors], those of src, then those of h;
// the constants of recurrent.h follow.
#include "kernels/cpu/recurrent.h"

#include "kernels/cpu/tile.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kRows = tile_rows(kTileVectors);  // of a batch that run together
constexpr int64_t kBlockRows = 8 * kRows;           // of src

template <Network network>
RecurrentShape shape(const Step& s) {
  return RecurrentShape(s, network, 2);
}

int64_t direction_floats(const RecurrentShape& p) { return round_up(p.columns * (p.inputs + p.hidden) + constant_floats(p), 16); }
int64_t batch_part(const Step& s, const RecurrentShape& p) {
  return has(s, 4) ? 1 : smaller(kRows, p.directions > 1 ? p.batch : ceil_div(p.batch, 2));
}

template <Network network>
const char* reject(const Step& s) {
  if (const char* why = recurrent_reject(s, network)) return why;
  for (int i : {1, 2, 3, 5, 6, 7})
    if (has(s, i) && !is_f32(s.src[i])) return "a source is not f32";
  return nullptr;
}

template <Network network>
Needs needs(const Step& s) {
  RecurrentShape p = shape<network>(s);
  p.inputs = s.src[1].size[2];
  return {.packing = network == Network::lstm  ? "lstm_gates_" TENON_ISA_NAME
                     : p.a.linear_before_reset ? "gru_gates_reset_last_" TENON_ISA_NAME
                                               : "gru_gates_" TENON_ISA_NAME,
          .packed_bytes = p.directions * direction_floats(p) * 4,
          .scratch_bytes = known(s.src[0]) ? p.directions * p.rows() * p.columns * 4 : 0,
          .worker_scratch_bytes = p.state_floats(kRows) * 4};
}

template <Network network>
float cost(const Step& s) {
  const RecurrentShape p = shape<network>(s);
  const float rows = static_cast<float>(p.directions * p.rows()), columns = static_cast<float>(p.columns);
  return rows * columns * static_cast<float>(p.inputs + p.hidden) / kMultiplyAdds + rows * static_cast<float>(p.wide / kLanes) * 40 + 500;
}

void pack_weight(const RecurrentShape& p, const Operand& w, int64_t direction, int64_t k, float* to) {
  for (int g = 0; g < p.groups(); ++g)
    panels(p.group(g), [&](Range vectors) {
      for (int64_t i = 0; i < k; ++i)
        for (int64_t c = vectors.begin * kLanes; c < vectors.end * kLanes; ++c, ++to)
          *to = p.weight_row(c) < 0 ? 0.f : data(w)[(direction * p.gates * p.hidden + p.weight_row(c)) * k + i];
    });
}

template <Network network>
void pack(const Step& s, void* packed) {
  RecurrentShape p = shape<network>(s);
  p.inputs = s.src[1].size[2];
  for (int64_t d = 0; d < p.directions; ++d) {
    float* to = static_cast<float*>(packed) + d * direction_floats(p);
    pack_weight(p, s.src[1], d, p.inputs, to);
    pack_weight(p, s.src[2], d, p.hidden, to + p.columns * p.inputs);
    pack_constants(s, p, d, to + p.columns * (p.inputs + p.hidden));
  }
}

// dst[r][c] = bias[c] + a[r] times the columns of `range`; the bias may be null.
void multiply(const float* a, int64_t a_row, int64_t rows, int64_t k, const float* packed, Range range, const float* bias, float* dst,
              int64_t dst_row) {
  Tile t{};
  t.a_row = a_row, t.a_k = 1, t.k = t.k_last = k, t.c_row = dst_row, t.c_vector = t.lanes = kLanes, t.first = t.last = true;
  panels(range, [&](Range vectors) {
    const int64_t wide = vectors.end - vectors.begin, column = vectors.begin * kLanes, tiles = ceil_div(rows, tile_rows(static_cast<int>(wide)));
    t.b = packed + column * k, t.b_k = wide * kLanes, t.bias = bias ? bias + column : nullptr;
    for (int64_t i = 0; i < tiles; ++i) {
      const Range own = piece(rows, tiles, i);
      t.a = a + own.begin * a_row, t.c = dst + own.begin * dst_row + column;
      kTiles.of[wide - 1][own.end - own.begin - 1](t);
    }
  });
}

template <Network network>
void run(const Step& s, const Context& context) noexcept {
  const RecurrentShape p = shape<network>(s);
  if (p.batch == 0 || p.hidden == 0) return;
  float* from_x = reinterpret_cast<float*>(context.scratch);
  const auto weights = [&](int64_t direction) { return static_cast<const float*>(s.packed) + direction * direction_floats(p); };
  const auto constants = [&](int64_t direction) { return Constants(p, weights(direction) + p.columns * (p.inputs + p.hidden)); };
  // Few rows are cut by columns.
  const int64_t blocks = ceil_div(p.rows(), kBlockRows), cuts = blocks == 1 ? smaller(8, ceil_div(p.group(0).end, 2 * kTileVectors)) : 1;
  const float unit_ns =
      static_cast<float>(smaller(p.rows(), kBlockRows) * p.columns) * static_cast<float>(p.inputs) / kMultiplyAdds / static_cast<float>(cuts);
  parallel(context, p.directions * blocks * cuts, static_cast<int64_t>(2000 / (unit_ns + 1)) + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t u = begin; u < end; ++u) {
      const int64_t d = u / cuts / blocks;
      const Range rows = piece(p.rows(), blocks, u / cuts % blocks);
      for (int g = 0; g < p.groups(); ++g)
        panels(
            p.group(g),
            [&](Range vectors) {
              multiply(data(s.src[0]) + rows.begin * p.inputs, p.inputs, rows.end - rows.begin, p.inputs, weights(d), vectors, constants(d).bias,
                       from_x + (d * p.rows() + rows.begin) * p.columns, p.columns);
            },
            cuts, u % cuts);
    }
  });
  const int64_t parts = ceil_div(p.batch, batch_part(s, p));
  const float part_ns = static_cast<float>(p.steps * p.columns) * static_cast<float>(p.hidden) / kMultiplyAdds;
  parallel(context, p.directions * parts, static_cast<int64_t>(2000 / (part_ns + 1)) + 1, [&](int64_t begin, int64_t end, int worker) {
    float* scratch = reinterpret_cast<float*>(context.worker_scratch + worker * context.worker_stride);
    for (int64_t u = begin; u < end; ++u) {
      const int64_t d = u / parts;
      const Range rows = piece(p.batch, parts, u % parts);
      const Constants numbers = constants(d);
      recur(s, p, context, d, rows, from_x + d * p.rows() * p.columns, numbers, scratch, [&](int group, const float* h, float* to) {
        multiply(h, p.wide, rows.end - rows.begin, p.hidden, weights(d) + p.columns * p.inputs, p.group(group),
                 group == 1 ? numbers.last_bias - 2 * p.wide : nullptr, to, p.columns);
      });
    }
  });
}

template <Network network>
constexpr Kernel kernel(const char* name, const char* op) {
  return {.name = name,
          .op = op,
          .isa = TENON_ISA_LEVEL,
          .reject = reject<network>,
          .needs = needs<network>,
          .cost = cost<network>,
          .pack = pack<network>,
          .run = run<network>};
}

const Kernel kKernels[] = {
    kernel<Network::lstm>("lstm_f32_steps_" TENON_ISA_NAME, "lstm"),
    kernel<Network::gru>("gru_f32_steps_" TENON_ISA_NAME, "gru"),
};

}  // namespace
extern const KernelTable recurrent_table{kKernels, 2};
}  // namespace tenon::cpu::TENON_ISA
