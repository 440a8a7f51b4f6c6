#include "ops/linear_attention.h"

#include <cmath>

#include "ops/op.h"

namespace tenon {
namespace {

bool is_gated(const LinearAttention& a) { return a.update_rule == UpdateRule::gated || a.update_rule == UpdateRule::gated_delta; }
bool is_delta(const LinearAttention& a) { return a.update_rule == UpdateRule::delta || a.update_rule == UpdateRule::gated_delta; }

void infer(Inference& n) {
  const auto& a = n.attributes<LinearAttention>();
  n.expect_inputs(3, 6);
  n.expect(a.kv_num_heads > 0 && a.q_num_heads > 0 && a.q_num_heads % a.kv_num_heads == 0, "q_num_heads is a multiple of kv_num_heads");
  n.expect(n.has(4) == is_gated(a), "decay is given where the update rule is gated, and there alone");
  n.expect(n.has(5) == is_delta(a), "beta is given where the update rule is a delta rule, and there alone");
  for (int i : {0, 1, 2, 4, 5}) {
    if (!n.has(i)) continue;
    n.expect_rank(i, 3);
    for (int axis : {0, 1}) n.equal(n.size(i, axis), n.size(0, axis), "batch and length of query and of input " + std::to_string(i));
  }
  const Extent dk = n.size(0, 2) / a.q_num_heads, dv = n.size(2, 2) / a.kv_num_heads;
  n.equal(dk * a.q_num_heads, n.size(0, 2), "channels of the query and its heads");
  n.equal(dk * a.kv_num_heads, n.size(1, 2), "channels of the key and its heads");
  n.equal(dv * a.kv_num_heads, n.size(2, 2), "channels of the value and its heads");
  const Shape state{n.size(0, 0), a.kv_num_heads, dk, dv};
  if (n.has(3)) {
    n.expect_rank(3, 4);
    for (int axis = 0; axis < 4; ++axis) n.equal(n.size(3, axis), n.extent(state[axis]), "sizes of the state");
  }
  for (int i : {4, 5}) {
    if (!n.has(i)) continue;
    const Extent size = n.size(i, 2);
    if (size.dim() != Dim(a.kv_num_heads) && !(i == 5 && size.dim() == Dim(1)))
      n.equal(size, i == 4 ? dk * a.kv_num_heads : Extent(a.kv_num_heads), "channels of input " + std::to_string(i));
  }
  n.result(n.dtype(0), {n.size(0, 0), n.size(0, 1), dv * a.q_num_heads});
  n.result(n.has(3) ? n.dtype(3) : n.dtype(0), state);
}

void reference(Reference& n) {
  const auto& a = n.attributes<LinearAttention>();
  const Array &q = *n.in[0], &k = *n.in[1], &v = *n.in[2];
  Array &dst = n.out[0], &state = n.out[1];
  const int64_t length = q.size(1), heads = a.kv_num_heads, group = a.q_num_heads / heads, dk = state.size(2), dv = state.size(3);
  const double scale = a.scale == 0 ? 1 / std::sqrt(static_cast<double>(dk)) : static_cast<double>(a.scale);
  if (n.has(3)) state.cells = n.in[3]->cells;
  std::vector<double> update(static_cast<size_t>(dv));
  for (int64_t row = 0; row < q.size(0) * length; ++row)
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t s = (row / length * heads + h) * dk * dv, key = (row * heads + h) * dk, value = (row * heads + h) * dv;
      for (int64_t d = 0; d < dk && is_gated(a); ++d) {
        const Array& decay = *n.in[4];
        const double factor = std::exp(decay.real(decay.size(2) == heads ? row * heads + h : key + d));
        for (int64_t m = 0; m < dv; ++m) state.real(s + d * dv + m) *= factor;
      }
      for (int64_t m = 0; m < dv; ++m) {
        double& u = update[static_cast<size_t>(m)];
        u = v.real(value + m);
        if (!is_delta(a)) continue;
        for (int64_t d = 0; d < dk; ++d) u -= state.real(s + d * dv + m) * k.real(key + d);
        const Array& beta = *n.in[5];
        u *= beta.real(beta.size(2) == 1 ? row : row * heads + h);
      }
      for (int64_t d = 0; d < dk; ++d)
        for (int64_t m = 0; m < dv; ++m) state.real(s + d * dv + m) += k.real(key + d) * update[static_cast<size_t>(m)];
      for (int64_t g = h * group; g < (h + 1) * group; ++g)
        for (int64_t m = 0; m < dv; ++m) {
          double sum = 0;
          for (int64_t d = 0; d < dk; ++d) sum += q.real((row * a.q_num_heads + g) * dk + d) * state.real(s + d * dv + m);
          dst.real((row * a.q_num_heads + g) * dv + m) = scale * sum;
        }
    }
}

}  // namespace
const Op ops::linear_attention{.name = "linear_attention",
                               .attributes = Attributes::make<LinearAttention>,
                               .infer = infer,
                               .reference = reference,
                               .exactness = {Exactness::relative, 1e-5}};
}  // namespace tenon
