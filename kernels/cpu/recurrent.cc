// lstm, gru and rnn of f32: see recurrent.h. One matrix product over all steps for src; then, a
// step, one for h, whose weights stay in L2. The weights of a direction are packed in panels of up
// to three vectors of columns, [panel][k][vectors], those of src, then those of h; the constants of
// recurrent.h follow. Weights that are no constants are packed in scratch at every run.
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

template <bool packed>
const char* reject(const Step& s) {
  if (const char* why = recurrent_reject(s, packed)) return why;
  for (int i : {1, 2, 3, 5, 6, 7})
    if (has(s, i) && !is_f32(s.src[i])) return "a source is not f32";
  return nullptr;
}

// Of what src gives to all steps.
int64_t given_floats(const Step& s, const RecurrentShape& p) {
  return known(s.src[0]) ? round_up(p.directions * p.rows() * p.columns, 16) : 0;
}

template <Network network>
Needs needs_fresh(const Step& s) {
  if (!known(s.src[1]) || !known(s.src[2])) return {};
  const RecurrentShape p = shape<network>(s);
  return {.scratch_bytes = (given_floats(s, p) + p.directions * direction_floats(p)) * 4,
          .worker_scratch_bytes = p.state_floats(kRows) * 4};
}

template <Network network>
Needs needs(const Step& s) {
  RecurrentShape p = shape<network>(s);
  p.inputs = s.src[1].size[2];
  return {.packing = network == Network::lstm  ? "lstm_gates_" TENON_ISA_NAME
                     : network == Network::rnn ? "rnn_gates_" TENON_ISA_NAME
                     : p.a.linear_before_reset ? "gru_gates_reset_last_" TENON_ISA_NAME
                                               : "gru_gates_" TENON_ISA_NAME,
          .packed_bytes = p.directions * direction_floats(p) * 4,
          .scratch_bytes = given_floats(s, p) * 4,
          .worker_scratch_bytes = p.state_floats(kRows) * 4};
}

template <Network network, bool packed>
float cost(const Step& s) {
  const RecurrentShape p = shape<network>(s);
  if (!packed)
    return cost<network, true>(s) + static_cast<float>(p.directions * direction_floats(p));
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

void pack_direction(const Step& s, const RecurrentShape& p, int64_t d, float* to) {
  pack_weight(p, s.src[1], d, p.inputs, to);
  pack_weight(p, s.src[2], d, p.hidden, to + p.columns * p.inputs);
  pack_constants(s, p, d, to + p.columns * (p.inputs + p.hidden));
}

template <Network network>
void pack(const Step& s, void* packed) {
  RecurrentShape p = shape<network>(s);
  p.inputs = s.src[1].size[2];
  for (int64_t d = 0; d < p.directions; ++d)
    pack_direction(s, p, d, static_cast<float*>(packed) + d * direction_floats(p));
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

template <Network network, bool packed>
void run(const Step& s, const Context& context) noexcept {
  const RecurrentShape p = shape<network>(s);
  if (p.batch == 0 || p.hidden == 0) return;
  float* from_x = reinterpret_cast<float*>(context.scratch);
  const float* all = static_cast<const float*>(s.packed);
  if constexpr (!packed) {
    float* fresh = from_x + given_floats(s, p);
    all = fresh;
    parallel(context, p.directions, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t d = begin; d < end; ++d)
        pack_direction(s, p, d, fresh + d * direction_floats(p));
    });
  }
  const auto weights = [&](int64_t direction) { return all + direction * direction_floats(p); };
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
      const auto product = [&](int group, const float* h, float* to) {
        multiply(h, p.wide, rows.end - rows.begin, p.hidden, weights(d) + p.columns * p.inputs, p.group(group),
                 group == 1 ? numbers.last_bias - 2 * p.wide : nullptr, to, p.columns);
      };
      const float* given = from_x + d * p.rows() * p.columns;
      if (has_default_activations(p.a, network))
        recur(s, p, UsualActivations<network>(), context, d, rows, given, numbers, scratch,
              product);
      else
        recur(s, p, NamedActivations(p.a, network, d), context, d, rows, given, numbers, scratch,
              product);
    }
  });
}

template <Network network, bool packed>
constexpr Kernel kernel(const char* name, const char* op) {
  return {.name = name,
          .op = op,
          .isa = TENON_ISA_LEVEL,
          .reject = reject<packed>,
          .needs = packed ? needs<network> : needs_fresh<network>,
          .cost = cost<network, packed>,
          .pack = packed ? pack<network> : nullptr,
          .run = run<network, packed>};
}

const Kernel kKernels[] = {
    kernel<Network::lstm, true>("lstm_f32_steps_" TENON_ISA_NAME, "lstm"),
    kernel<Network::gru, true>("gru_f32_steps_" TENON_ISA_NAME, "gru"),
    kernel<Network::rnn, true>("rnn_f32_steps_" TENON_ISA_NAME, "rnn"),
    kernel<Network::lstm, false>("lstm_f32_fresh_" TENON_ISA_NAME, "lstm"),
    kernel<Network::gru, false>("gru_f32_fresh_" TENON_ISA_NAME, "gru"),
    kernel<Network::rnn, false>("rnn_f32_fresh_" TENON_ISA_NAME, "rnn"),
};

}  // namespace
extern const KernelTable recurrent_table{kKernels, 6};
}  // namespace tenon::cpu::TENON_ISA
