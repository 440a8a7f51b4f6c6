// linear_attention, f32, plain operands without gaps. A head of a batch element is a unit of work:
// it walks along the sequence with its state [dk][dv] in dst, whose rows, vectors of dv, decay,
// give what the key finds, and take the update. Tolerance 1e-5 of the largest result.
#include "ops/linear_attention.h"
#include "kernels/cpu/operand.h"
#include "kernels/cpu/simd.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int kQueries = 8;  // heads of the query that read one state together

const LinearAttention& attributes(const Step& s) {
  return *static_cast<const LinearAttention*>(s.attributes);
}
bool is_gated(const LinearAttention& a) {
  return a.update_rule == UpdateRule::gated || a.update_rule == UpdateRule::gated_delta;
}
bool is_delta(const LinearAttention& a) {
  return a.update_rule == UpdateRule::delta || a.update_rule == UpdateRule::gated_delta;
}

const char* reject(const Step& s) {
  for (int i = 0; i < s.sources; ++i)
    if (has(s, i) && !is_f32(s.src[i])) return "a source is not f32";
  for (int i = 0; i < s.destinations; ++i)
    if (!s.dst[i].dtype || !is_f32(s.dst[i])) return "a result is not f32";
  if (s.destinations < 2) return "the state is not wanted";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

// The update of a row, in vectors, for each worker.
Needs needs(const Step& s) {
  const int64_t dv = s.dst[1].size[3];
  if (!known(dv)) return {};
  return {.worker_scratch_bytes = round_up(dv, kLanes) * 4};
}

float cost(const Step& s) {
  const Operand& state = s.dst[1];
  return 200 + static_cast<float>(s.src->size[1]) * static_cast<float>(count(state)) * 4.f / kLanes;
}

// One row of the sequence for one head. `update` has room for dv.
struct Row {
  const LinearAttention& a;
  int64_t dk, dv, group;
  const float *q, *k, *v;
  const float *decay, *beta;  // decay: one number, or dk of them
  bool one_decay;
  float scale;

  void run(float* state, float* update, float* dst) const {
    for (int64_t d = 0; decay && d < dk; ++d) {
      const V factor(__builtin_expf(decay[one_decay ? 0 : d]));
      vectors(dv, [&](int64_t i, int64_t lanes) TENON_INLINE {
        store(state + d * dv + i, load(state + d * dv + i, lanes) * factor, lanes);
      });
    }
    vectors(dv, [&](int64_t i, int64_t lanes) TENON_INLINE {
      V u = load(v + i, lanes);
      if (is_delta(a)) {
        for (int64_t d = 0; d < dk; ++d) u -= load(state + d * dv + i, lanes) * V(k[d]);
        u *= V(*beta);
      }
      store(update + i, u, lanes);
    });
    for (int64_t d = 0; d < dk; ++d) {
      const V key(k[d]);
      vectors(dv, [&](int64_t i, int64_t lanes) TENON_INLINE {
        store(state + d * dv + i,
              fma(key, load(update + i, lanes), load(state + d * dv + i, lanes)), lanes);
      });
    }
    for (int64_t first = 0; first < group; first += kQueries) {
      const int64_t now = smaller(kQueries, group - first);
      vectors(dv, [&](int64_t i, int64_t lanes) TENON_INLINE {
        V sum[kQueries];
        for (V& x : sum) x = V(0.f);
        for (int64_t d = 0; d < dk; ++d) {
          const V cell = load(state + d * dv + i, lanes);
          for (int64_t g = 0; g < now; ++g) sum[g] = fma(cell, V(q[(first + g) * dk + d]), sum[g]);
        }
        for (int64_t g = 0; g < now; ++g)
          store(dst + (first + g) * dv + i, sum[g] * V(scale), lanes);
      });
    }
  }
};

void run(const Step& s, const Context& context) noexcept {
  const LinearAttention& a = attributes(s);
  const Operand &q = s.src[0], &state = s.dst[1];
  const int64_t batch = q.size[0], length = q.size[1], heads = a.kv_num_heads,
                group = a.q_num_heads / heads, dk = state.size[2], dv = state.size[3];
  const float scale = a.scale == 0 ? 1.f / __builtin_sqrtf(static_cast<float>(dk)) : a.scale;
  parallel(context, batch * heads, 1, [&](int64_t begin, int64_t end, int worker) {
    float* update =
        reinterpret_cast<float*>(context.worker_scratch + worker * context.worker_stride);
    for (int64_t u = begin; u < end; ++u) {
      const int64_t h = u % heads;
      float* own = mutable_data(state) + u * dk * dv;
      for (int64_t i = 0; i < dk * dv; ++i)
        own[i] = has(s, 3) ? data(s.src[3])[u * dk * dv + i] : 0.f;
      for (int64_t t = 0; t < length; ++t) {
        const int64_t row = u / heads * length + t, key = (row * heads + h) * dk;
        Row r{a,
              dk,
              dv,
              group,
              data(q) + (row * heads + h) * group * dk,
              data(s.src[1]) + key,
              data(s.src[2]) + (row * heads + h) * dv,
              nullptr,
              nullptr,
              false,
              scale};
        if (is_gated(a)) {
          r.one_decay = s.src[4].size[2] == heads;
          r.decay = data(s.src[4]) + (r.one_decay ? row * heads + h : key);
        }
        if (is_delta(a)) r.beta = data(s.src[5]) + (s.src[5].size[2] == 1 ? row : row * heads + h);
        r.run(own, update, mutable_data(*s.dst) + (row * heads + h) * group * dv);
      }
    }
  });
}

const Kernel kKernels[] = {
    {.name = "linear_attention_f32_heads_" TENON_ISA_NAME,
     .op = "linear_attention",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run},
};

}  // namespace
extern const KernelTable linear_attention_table{kKernels, 1};
}  // namespace tenon::cpu::TENON_ISA
