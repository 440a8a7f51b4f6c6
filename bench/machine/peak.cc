#include "machine/peak.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "kernels/cpu/simd.h"

namespace tenon::bench {
namespace {

using namespace cpu::TENON_ISA;

// The most work a second of several tries of a few milliseconds. `work` does that much each time it is called.
template <class Work>
double most_per_second(double amount, Work work) {
  double best = 0;
  for (int attempt = 0; attempt < 12; ++attempt) {
    const auto start = std::chrono::steady_clock::now();
    double done = 0, seconds = 0;
    do {
      work();
      done += amount;
      seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    } while (seconds < 4e-3);
    best = std::max(best, done / seconds);
  }
  return best;
}

constexpr int kChains = 12, kRounds = 2000;

// Keeps the compiler from knowing a value, or from dropping it.
template <class T>
void opaque(T& v) {
#if defined(__x86_64__)
  asm volatile("" : "+v"(v.data));
#else
  asm volatile("" : "+w"(v.data));
#endif
}

__attribute__((noinline)) void multiply_reals(V factor, V term) {
  V sum[kChains];
  unroll<kChains>([&](auto i) TENON_INLINE { sum[i] = V(static_cast<float>(i)); });
  for (int r = 0; r < kRounds; ++r) unroll<kChains>([&](auto i) TENON_INLINE { sum[i] = fma(sum[i], factor, term); });
  V all = sum[0];
  unroll<kChains>([&](auto i) TENON_INLINE { all = all + sum[i]; });
  opaque(all);
}

__attribute__((noinline)) void multiply_bytes(I left, I right) {
  I sum[kChains];
  unroll<kChains>([&](auto i) TENON_INLINE { sum[i] = I(int32_t{i}); });
  for (int r = 0; r < kRounds; ++r) unroll<kChains>([&](auto i) TENON_INLINE { sum[i] = dot(sum[i], left, right); });
  I all = sum[0];
  unroll<kChains>([&](auto i) TENON_INLINE { all = all + sum[i]; });
  opaque(all);
}

}  // namespace

double f32_peak() {
  return most_per_second(static_cast<double>(kChains * kRounds * kLanes), [] { multiply_reals(V(0.5f), V(0.25f)); });
}

double int8_peak() {
  return most_per_second(static_cast<double>(kChains * kRounds * kLanes * kDot), [] { multiply_bytes(I(0x01020304), I(0x02010201)); });
}

double copy_peak(int64_t bytes) {
  const auto half = static_cast<size_t>(std::max<int64_t>(bytes / 2, 64));
  const auto from = std::make_unique<char[]>(half), to = std::make_unique<char[]>(half);
  std::memset(from.get(), 1, half);
  return most_per_second(2.0 * static_cast<double>(half), [&] {
    std::memcpy(to.get(), from.get(), half);
    asm volatile("" : : "r"(to.get()) : "memory");
  });
}

}  // namespace tenon::bench
