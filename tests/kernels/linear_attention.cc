#include "ops/linear_attention.h"

#include <algorithm>

#include "harness/problem.h"

namespace tenon {
namespace {

TEST(LinearAttentionKernels, agree) {
  sweep([](int64_t n, Random& r) {
    LinearAttention a;
    a.update_rule =
        r.pick({UpdateRule::linear, UpdateRule::gated, UpdateRule::delta, UpdateRule::gated_delta});
    a.kv_num_heads = r.in(1, 3), a.q_num_heads = a.kv_num_heads * r.pick<int64_t>({1, 2, 9}),
    a.scale = r.chance(0.5) ? 0.f : 0.5f;
    const int64_t batch = r.in(1, 2), length = r.in(0, 4), dk = r.in(1, 5),
                  dv = std::clamp<int64_t>(n, 1, 70), heads = a.kv_num_heads;
    const bool gated =
        a.update_rule == UpdateRule::gated || a.update_rule == UpdateRule::gated_delta;
    const bool delta =
        a.update_rule == UpdateRule::delta || a.update_rule == UpdateRule::gated_delta;
    Problem p{"linear_attention",
              a,
              {f32({batch, length, a.q_num_heads * dk}, -1, 1),
               f32({batch, length, heads * dk}, -1, 1), f32({batch, length, heads * dv}, -1, 1)}};
    p.sources.push_back(r.chance(0.5) ? f32({batch, heads, dk, dv}) : omitted_source());
    p.sources.push_back(gated ? f32({batch, length, r.chance(0.5) ? heads : heads * dk}, -1, 0)
                              : omitted_source());
    p.sources.push_back(delta ? f32({batch, length, r.chance(0.5) ? 1 : heads}, 0, 1)
                              : omitted_source());
    p.outputs = 2;
    check(p);
  });
  expect_every_kernel("linear_attention");
}

}  // namespace
}  // namespace tenon
