// pointwise: a program of scalar functions over operands that broadcast, f32 and bool. Any layout, all operands alike.
// The program goes over blocks that stay in L1, row by row. Operands of a run are read where they lie (step 1), once for a whole run
// (step 0), or gathered.
#include "kernels/cpu/pointwise.h"
#include "kernels/cpu/program.h"

namespace tenon::cpu::TENON_ISA {
namespace {

void read(const Operand& o, int64_t at, int64_t step, int64_t n, float* to) {
  if (is(o, DType::boolean)) {
    const uint8_t* p = data<uint8_t>(o) + at;
    for (int64_t i = 0; i < n; ++i) to[i] = p[i * step] ? 1.f : 0.f;
  } else {
    const float* p = data(o) + at;
    for (int64_t i = 0; i < n; ++i) to[i] = p[i * step];
  }
}

// n elements along the last axis, from offsets `at`.
void run_block(const Step& s, const Axes& a, const int64_t* at, int64_t n) {
  const Program& p = program(s);
  alignas(64) float spare[kProgramRows * kProgramBlock], operand[kOperands][kProgramBlock], result[kProgramBlock];
  const int axis = a.rank - 1;
  const bool truth = is(*s.dst, DType::boolean);
  for (int64_t begin = 0; begin < n; begin += kProgramBlock) {
    const int64_t here = smaller(n - begin, kProgramBlock), vectors = ceil_div(here, kLanes);
    Lane value[kProgramValues];
    for (int i = 0; i < s.sources; ++i) {
      const Operand& o = s.src[i];
      const int64_t step = a.step[i + 1][axis], from = at[i + 1] + begin * step;
      if (step == 0) {
        read(o, from, 0, kLanes, operand[i]);
        value[i] = {operand[i], 0};
      } else if (step == 1 && is_f32(o) && here % kLanes == 0) {
        value[i] = {data(o) + from, kLanes};
      } else {
        read(o, from, step, here, operand[i]);
        for (int64_t k = here; k < vectors * kLanes; ++k) operand[i][k] = 1;
        value[i] = {operand[i], kLanes};
      }
    }
    const int64_t to = at[0] + begin * a.step[0][axis];
    const bool direct = !truth && a.step[0][axis] == 1 && here % kLanes == 0;
    run_program(p.rows.data(), 0, static_cast<int>(p.rows.size()), p.operands, value, spare, direct ? mutable_data(*s.dst) + to : result, vectors);
    if (direct) continue;
    for (int64_t k = 0; k < here; ++k) {
      if (truth) mutable_data<uint8_t>(*s.dst)[to + k * a.step[0][axis]] = result[k] != 0;
      else mutable_data(*s.dst)[to + k * a.step[0][axis]] = result[k];
    }
  }
}

const char* reject(const Step& s) {
  const Program& p = program(s);
  if (s.sources > kOperands) return "more than 12 operands";
  if (s.epilogue.count) return "the program is the attribute, not an epilogue";
  if (!is_f32(*s.dst) && !is(*s.dst, DType::boolean)) return "dst is neither f32 nor bool";
  bool real = false;
  for (int i = 0; i < s.sources; ++i) {
    if (!is_f32(s.src[i]) && !is(s.src[i], DType::boolean)) return "an operand is neither f32 nor bool";
    real |= is_f32(s.src[i]);
  }
  return program_reject(p.rows.data(), static_cast<int>(p.rows.size()), p.operands);
}

Needs needs(const Step&) { return {.src = Wants::any, .dst = Wants::any, .all_sources = true, .in_place = true}; }

float cost(const Step& s) {
  const Program& p = program(s);
  const float n = static_cast<float>(count(*s.dst));
  return 30 + n * (program_cost(p.rows.data(), static_cast<int>(p.rows.size())) + 4.f * static_cast<float>(s.sources + 1) / kBytes);
}

void run(const Step& s, const Context& context) noexcept {
  const Axes a = axes(s);
  walk(s, context, a, [&](const int64_t* at, int64_t n) { run_block(s, a, at, n); });
}

const Kernel kKernels[] = {
    {.name = "pointwise_f32_program_" TENON_ISA_NAME,
     .op = "pointwise",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run},
};
}  // namespace
extern const KernelTable pointwise_table{kKernels, 1};
}  // namespace tenon::cpu::TENON_ISA
