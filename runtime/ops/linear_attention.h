#pragma once

#include <cstdint>

namespace tenon {

enum class UpdateRule { linear, gated, delta, gated_delta };
inline constexpr const char* kUpdateRuleNames[] = {"linear", "gated", "delta", "gated_delta"};

// Attention with a state S [batch, key heads, dk, dv] instead of a cache. For each step t: S *= exp(decay[t]) (gated rules);
// v = beta[t] * (v[t] - S^T k[t]) (delta rules), else v[t]; S += k[t] v^T; dst[t] = scale * q[t] S. Sources: query [batch, length,
// q_num_heads * dk], key and value [batch, length, kv_num_heads * size], state (optional: zeros), decay [batch, length, kv_num_heads or
// kv_num_heads * dk] (gated rules), beta [batch, length, kv_num_heads or 1] (delta rules). Destinations: dst [batch, length, q_num_heads
// * dv], and the state after the last step. A scale of 0 stands for 1 / sqrt(dk).
struct LinearAttention {
  int64_t q_num_heads = 0, kv_num_heads = 0;
  float scale = 0;
  UpdateRule update_rule = UpdateRule::gated_delta;

  bool operator==(const LinearAttention&) const = default;
  void fields(auto& f) {
    f("q_num_heads", q_num_heads), f("kv_num_heads", kv_num_heads), f("scale", scale), f("update_rule", update_rule, kUpdateRuleNames);
  }
};

}  // namespace tenon
