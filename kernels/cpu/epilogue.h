// What happens to a tile of sums on the way to dst.
// A bias, a residual and a clamp that lead the epilogue, in this order, are applied in registers. Rows after them run as a program
// over the tile, which is then still in L1.
#pragma once

#include "kernels/cpu/program.h"

namespace tenon::cpu::TENON_ISA {
namespace {

inline constexpr int kQuantisedOperands = 2;  // of an epilogue

// How the elements of a run of dst meet the channel operands of an epilogue.
enum class Channel : uint8_t {
  along,   // the run goes along the channels (gemm)
  block,   // every vector of the run holds the same kLanes channels (blocked layouts)
  single,  // the run lies in one channel (plain layouts with channels on an outer axis)
};

// Null where every epilogue of this file's kind can run.
inline const char* epilogue_reject(const Step& s) {
  const Epilogue& e = s.epilogue;
  if (!e.count) return nullptr;
  if (const char* why = program_reject(e.rows, e.count, e.operands)) return why;
  for (int i = 1; i < e.operands; ++i)
    if (!is_f32(s.src[e.first_source + i - 1])) return "an operand of the epilogue is not f32";
  return nullptr;
}

// As epilogue_reject, where operands like dst may be quantised.
inline const char* epilogue_reject_quantised(const Step& s) {
  const Epilogue& e = s.epilogue;
  if (!e.count) return nullptr;
  if (const char* why = program_reject(e.rows, e.count, e.operands)) return why;
  int quantised = 0;
  for (int i = 1; i < e.operands; ++i) {
    const Operand& o = s.src[e.first_source + i - 1];
    if (is_f32(o)) continue;
    if (e.reads[i - 1] != Reads::like_dst || !is_quantised(o) || o.per_axis)
      return "an operand of the epilogue is neither f32 nor quantised like dst";
    if (++quantised > kQuantisedOperands) return "the epilogue has more than two quantised operands";
  }
  return nullptr;
}

// dst[i] = the real value of element first + i.
inline void dequantise(const Operand& o, int64_t first, int64_t n, float* dst) {
  const V scale(o.scale[0]);
  const I zero(o.zero[0]);
  const bool is_signed = is(o, DType::s8);
  vectors(n, [&](int64_t i, int64_t lanes) TENON_INLINE {
    const I q = is_signed ? load(data<int8_t>(o) + first + i, lanes) : load(data<uint8_t>(o) + first + i, lanes);
    store(dst + i, real(q - zero) * scale);
  });
}

class Finish {
 public:
  // `bias`: an own bias of the op, or null.
  Finish(const Step& s, const float* bias) : step(s), bias(bias) {
    const Epilogue& e = s.epilogue;
    int value = 0;
    while (rows < e.count && followed(value) && take(e.rows[rows], value)) value = e.operands + rows++;
  }

  bool program() const { return rows < step.epilogue.count; }

  // Runs the rows left over on n elements at dst. `channel` is the first channel of the run, `channels` how many dst has;
  // offset(operand) is the index in memory of the element of an operand like dst that belongs to dst[0].
  template <class Offset>
  void run(float* dst, int64_t n, Channel kind, int64_t channel, int64_t channels, Offset offset) const {
    const Epilogue& e = step.epilogue;
    alignas(64) float spare[kProgramRows * kProgramBlock], operand[kProgramValues][kLanes], tail[kProgramValues][kLanes];
    alignas(64) float wide[kQuantisedOperands][kProgramBlock];
    for (int64_t begin = 0; begin < n;) {
      const int64_t whole = smaller(n - begin, kProgramBlock) / kLanes, lanes = whole ? kLanes : n - begin;
      const bool partial = whole == 0;
      Lane value[kProgramValues];
      if (partial) store(tail[0], load(dst + begin, lanes));
      const Lane own{partial ? tail[0] : dst + begin, kLanes};
      value[0] = own;
      int quantised = 0;
      for (int r = 0; r < rows; ++r) value[e.operands + r] = own;
      for (int i = 1; i < e.operands; ++i) {
        const Operand& o = step.src[e.first_source + i - 1];
        if (e.reads[i - 1] == Reads::like_dst && o.scale) {
          const int64_t count = partial ? lanes : whole * kLanes;
          dequantise(o, offset(o) + begin, count, wide[quantised]);
          value[i] = {wide[quantised++], kLanes};
          continue;
        }
        if (e.reads[i - 1] == Reads::like_dst || (e.reads[i - 1] == Reads::channel && kind == Channel::along)) {
          const float* at = data(o) + (e.reads[i - 1] == Reads::like_dst ? offset(o) : channel) + begin;
          if (partial) store(tail[i], load(at, lanes)), at = tail[i];
          value[i] = {at, kLanes};
          continue;
        }
        if (e.reads[i - 1] == Reads::channel && kind == Channel::block)
          store(operand[i], load(data(o) + channel, smaller(kLanes, channels - channel)));
        else store(operand[i], V(data(o)[e.reads[i - 1] == Reads::channel ? channel : 0]));
        value[i] = {operand[i], 0};
      }
      run_program(e.rows, rows, e.count, e.operands, value, spare, partial ? tail[0] : dst + begin, partial ? 1 : whole);
      if (partial) store(dst + begin, load(tail[0]), lanes);
      begin += partial ? lanes : whole * kLanes;
    }
  }

  const Step& step;
  const float* bias;                  // one a channel, or null
  const Operand* residual = nullptr;  // like dst, or null
  float low = -INFINITY, high = INFINITY;
  bool clamped = false;
  int rows = 0;  // of the epilogue that are applied in registers

 private:
  // Whether row `rows` alone reads `value`.
  bool followed(int value) const {
    const Epilogue& e = step.epilogue;
    for (int r = rows; r < e.count; ++r)
      for (int i = 0; i < info(e.rows[r].function).arity; ++i)
        if (e.rows[r].operand[i] == value && (r != rows || (i && e.rows[r].operand[0] == value))) return false;
    return true;
  }

  bool take(const Scalar& row, int value) {
    const Epilogue& e = step.epilogue;
    if (row.function == Function::add && !clamped) {
      const int other = row.operand[0] == value ? row.operand[1] : row.operand[1] == value ? row.operand[0] : 0;
      if (other < 1 || other >= e.operands) return false;
      const Operand& o = step.src[e.first_source + other - 1];
      if (e.reads[other - 1] == Reads::channel && !bias && !residual) return bias = data(o), true;
      if (e.reads[other - 1] == Reads::like_dst && !residual && is_f32(o)) return residual = &o, true;
      return false;
    }
    if (row.operand[0] != value || clamped) return false;
    if (row.function == Function::relu) return low = 0, clamped = true;
    if (row.function != Function::clip) return false;
    for (int i = 1; i < 3; ++i)
      if (row.operand[i] < 1 || row.operand[i] >= e.operands || e.reads[row.operand[i] - 1] != Reads::scalar) return false;
    low = data(step.src[e.first_source + row.operand[1] - 1])[0];
    high = data(step.src[e.first_source + row.operand[2] - 1])[0];
    return clamped = true;
  }
};

// Cost of an epilogue for `elements` of dst, in nanoseconds.
inline float epilogue_cost(const Step& s, int64_t elements) {
  return s.epilogue.count ? static_cast<float>(elements) * program_cost(s.epilogue.rows, s.epilogue.count) : 0.f;
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
