#include "ops/softmax.h"
#include "harness/problem.h"

namespace tenon {
namespace {

TEST(SoftmaxKernels, agree) {
  sweep([](int64_t n, Random& r) {
    for (const char* op : {"softmax", "log_softmax"}) {
      check(op, Softmax{-1}, {f32({r.in(1, 4), n}, -9, 9)});
      check(op, Softmax{1}, {f32({2, r.in(1, 9), n}, -9, 9)});
      check(op, Softmax{r.in(0, 2)}, {f32({r.in(1, 5), n, r.in(1, 20)}, -90, 90)});
    }
  });
  expect_every_kernel("softmax");
}

}  // namespace
}  // namespace tenon
