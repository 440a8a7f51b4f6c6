#include <algorithm>

#include "harness/problem.h"
#include "ops/signal.h"

namespace tenon {
namespace {

TEST(DftKernels, agree) {
  sweep([](int64_t n, Random& r) {
    const auto problem = [&](int64_t length, DType type) {
      Dft a{.axis = -2, .inverse = r.chance(0.5), .onesided = r.chance(0.5)};
      const bool to_real = a.inverse && a.onesided;
      std::vector<int64_t> shape{r.in(1, 20), to_real ? length / 2 + 1 : length};
      if (r.chance(0.4)) a.axis = 1, shape.push_back(r.in(1, 5));
      shape.push_back(to_real ? 2 : r.in(1, 2));
      Problem p{"dft", a, {of(type, shape, -1, 1)}};
      if (to_real && r.chance(0.5) && length > 1) p.sources.push_back(integers({length}));
      else if (!to_real && r.chance(0.3)) p.sources.push_back(integers({r.in(1, 2 * length)}));
      return p;
    };
    if (n == 0) return;
    const DType type = r.pick({DType::f64, DType::f16, DType::f32});
    check(problem(std::max<int64_t>(n, 2), DType::f32));
    check(problem(std::max<int64_t>(n, 2), type));
    // Lengths with a large prime factor go by a chirp.
    if (r.chance(0.05)) check(problem(r.pick<int64_t>({521, 1031, 1042}), type));
    if (r.chance(0.05)) check(problem(r.pick<int64_t>({400, 480, 512, 1000, 1024}), DType::f32));
  });
  expect_every_kernel("dft");
}

}  // namespace
}  // namespace tenon
