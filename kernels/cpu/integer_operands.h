// int8 products whose scales and zero points are operands, run by the kernels of those whose types hold them:
//   dynamic_matmul, dynamic_conv   src f32, weight, scale, zero (optional): src is first quantised by its own range
//   matmul_integer, conv_integer   src u8 or s8, weight, zero of src, zero of the weight (both optional): dst are the sums, s32
// The numbers of the weight are constant and lie in front of the packed weight: a scale a channel, then a zero point a channel.
//
// `Static` names a kernel of types: axis(weight) that makes the channels of dst, packing (the name with those numbers),
// attributes(step), reject, needs, cost, pack, run.
#pragma once

#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/quantise.h"
#include "kernels/cpu/tile_int8.h"

namespace tenon::cpu::TENON_ISA {
namespace {

inline bool is_dynamic(const Step& s) { return is_f32(s.src[0]); }

// A step whose operands are as the kernels of types see them.
class Typed {
 public:
  static constexpr int kSources = 48;

  // While planning: the numbers may be any.
  Typed(const Step& s, const void* attributes) : step(s) {
    for (int i = 0; i < s.sources; ++i) source_[i] = s.src[i];
    for (int i = 2; i < own_sources(s); ++i) source_[i] = {};
    step.src = source_, step.attributes = attributes;
    if (!s.epilogue.count) step.sources = 2;
    if (is_dynamic(s)) source_[0].dtype = static_cast<uint8_t>(DType::u8);
    source_[0].scale = &scale_, source_[0].zero = &zero_, source_[0].per_axis = false;
    static constexpr float kScale = 1;
    static constexpr int32_t kZero[] = {0, -128};  // those that are the most work
    source_[1].scale = &kScale, source_[1].zero = &kZero[is_signed(s.src[1])], source_[1].per_axis = false;
  }
  Typed(const Step& s, const void* attributes, int axis, const float* scales, const int32_t* zeros) : Typed(s, attributes) {
    Operand& w = source_[1];
    w.scale = scales, w.zero = zeros, w.per_axis = true, w.scale_axis = static_cast<int8_t>(axis);
  }
  Typed(const Typed&) = delete;
  Typed& operator=(const Typed&) = delete;

  // Quantises src into the scratch, or takes the zero point it comes with.
  void read_source(const Step& s, const Context& context) {
    if (!is_dynamic(s)) {
      zero_ = has(s, 2) ? byte(s.src[2], 0) : 0;
      return;
    }
    const DynamicRange range = dynamic_range(s.src[0], context);
    scale_ = range.scale, zero_ = range.zero;
    uint8_t* codes = reinterpret_cast<uint8_t*>(context.scratch) + round_up(range_scratch(memory_count(s.src[0])), 64);
    quantise_by(range, s.src[0], codes, context);
    source_[0].data = codes;
  }

  Step step;

 private:
  Operand source_[kSources];
  float scale_ = 1;
  int32_t zero_ = 0;
};

// What both kinds ask of the operands that hold numbers; `channels` is the size of the weight's axis.
inline const char* numbers_reject(const Step& s, int64_t channels) {
  if (s.sources > Typed::kSources) return "there are more than 48 operands";
  const Operand& w = s.src[1];
  if (!is_byte(w) || w.scale) return "the weight is not u8 or s8";
  if (!w.constant || !known(channels)) return "the weight is not constant";
  const auto by_channel = [&](const Operand& o) { return o.constant && (count(o) == 1 || (o.rank == 1 && o.size[0] == channels)); };
  if (has(s, 3) && own_sources(s) > 3 && !by_channel(s.src[3])) return "the zero points of the weight are not constants, one a channel";
  if (is_dynamic(s)) {
    if (!s.src[0].dense) return "src has gaps";
    if (!is_f32(s.src[2]) || !by_channel(s.src[2])) return "the scales of the weight are not constants, one a channel";
    return is_f32(*s.dst) ? nullptr : "dst is not f32";
  }
  if (!is_byte(s.src[0]) || s.src[0].scale) return "src is neither f32 nor u8 nor s8";
  if (has(s, 2) && (!known(s.src[2]) || count(s.src[2]) != 1)) return "src has more than one zero point";
  if (!is_sums(*s.dst)) return "dst is not s32";
  return s.epilogue.count ? "there is an epilogue" : nullptr;
}

template <class Static>
struct WithNumbers {
  static int64_t channels(const Step& s) { return s.src[1].size[Static::axis(s.src[1])]; }
  static int64_t numbers_bytes(const Step& s) { return round_up(channels(s) * 8, 64); }

  static const char* reject(const Step& s) {
    if (s.src[1].rank < 2) return "the weight is a vector";
    if (const char* why = numbers_reject(s, channels(s))) return why;
    return Static::reject(Typed(s, Static::attributes(s)).step);
  }

  static Needs needs(const Step& s) {
    const Typed typed(s, Static::attributes(s));
    Needs n = Static::needs(typed.step);
    n.packing = Static::packing(typed.step), n.packed_bytes += numbers_bytes(s);
    if (!is_dynamic(s) || !known(s.src[0])) return n;
    Operand src = s.src[0];  // in the layout that it will have
    if (n.src == Wants::blocked) src.block = n.block, src.block_axis = 1;
    n.scratch_bytes = round_up(range_scratch(memory_count(src)), 64) + round_up(memory_count(src), 64);
    return n;
  }

  static float cost(const Step& s) {
    return Static::cost(Typed(s, Static::attributes(s)).step) + (is_dynamic(s) ? 100 + static_cast<float>(count(s.src[0])) * 0.3f : 0.f);
  }

  static void pack(const Step& s, void* packed) {
    const int64_t n = channels(s);
    float* scales = static_cast<float*>(packed);
    int32_t* zeros = reinterpret_cast<int32_t*>(scales + n);
    const auto at = [&](const Operand& o, int64_t i) { return count(o) == 1 ? 0 : i * o.stride[0]; };
    for (int64_t i = 0; i < n; ++i) {
      scales[i] = is_dynamic(s) ? data(s.src[2])[at(s.src[2], i)] : 1.f;
      zeros[i] = has(s, 3) && own_sources(s) > 3 ? byte(s.src[3], at(s.src[3], i)) : 0;
    }
    const Typed typed(s, Static::attributes(s), Static::axis(s.src[1]), scales, zeros);
    Static::pack(typed.step, static_cast<char*>(packed) + numbers_bytes(s));
  }

  static void run(const Step& s, const Context& context) noexcept {
    const float* scales = static_cast<const float*>(s.packed);
    Typed typed(s, Static::attributes(s), Static::axis(s.src[1]), scales, reinterpret_cast<const int32_t*>(scales + channels(s)));
    typed.step.packed = static_cast<const char*>(s.packed) + numbers_bytes(s);
    typed.read_source(s, context);
    Static::run(typed.step, context);
  }

  static constexpr Kernel kernel(const char* name, const char* op) {
    return {.name = name, .op = op, .isa = TENON_ISA_LEVEL, .reject = reject, .needs = needs, .cost = cost, .pack = pack, .run = run};
  }
};

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
