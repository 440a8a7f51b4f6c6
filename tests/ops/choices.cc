// nonzero, compress, unique, top_k.
#include <cmath>

#include "ops/arrays.h"
#include "ops/compress.h"
#include "ops/top_k.h"
#include "ops/unique.h"

namespace tenon {
namespace {

TEST(Nonzero, lists_coordinates) {
  expect_integers(run(ops::nonzero, None{}, {reals({2, 2}, {1, 0, 0, NAN})})[0], {2, 2}, {0, 1, 0, 1});
  expect_integers(run(ops::nonzero, None{}, {list({0, 0})})[0], {1, 0}, {});
  expect_integers(run(ops::nonzero, None{}, {strings({3}, {"", "a", "b"})})[0], {1, 2}, {1, 2});
}

TEST(Compress, keeps_what_holds) {
  const Array src = counting({3, 2}), some = list({0, 1, 1}, DType::boolean);
  expect_reals(run(ops::compress, Compress{.axis = 0}, {src, some})[0], {2, 2}, {2, 3, 4, 5});
  expect_reals(run(ops::compress, Compress{.axis = -1}, {src, list({0, 1}, DType::boolean)})[0], {3, 1}, {1, 3, 5});
  expect_reals(run(ops::compress, Compress{.flat = true}, {src, some})[0], {2}, {1, 2});
  expect_error(Code::bad_input, "beyond 2 elements", [&] { run(ops::compress, Compress{.axis = 1}, {src, some}); });
}

TEST(Unique, of_elements) {
  auto out = run(ops::unique, Unique{}, {reals({6}, {2, 1, 1, 3, 4, 3})}, 4);
  expect_reals(out[0], {4}, {1, 2, 3, 4});
  expect_integers(out[1], {4}, {1, 0, 3, 4});
  expect_integers(out[2], {6}, {1, 0, 0, 2, 3, 2});
  expect_integers(out[3], {4}, {2, 1, 2, 1});
  out = run(ops::unique, Unique{.sorted = false}, {reals({6}, {2, 1, 1, 3, 4, 3})}, 4);
  expect_reals(out[0], {4}, {2, 1, 3, 4});
  expect_integers(out[1], {4}, {0, 1, 3, 4});
  expect_integers(out[2], {6}, {0, 1, 1, 2, 3, 2});
  expect_integers(out[3], {4}, {1, 2, 2, 1});
}

TEST(Unique, of_parts_along_an_axis) {
  auto out = run(ops::unique, Unique{.flat = false, .axis = 0}, {integers({3, 3}, {1, 0, 0, 1, 0, 0, 2, 3, 4})}, 4);
  expect_integers(out[0], {2, 3}, {1, 0, 0, 2, 3, 4});
  expect_integers(out[2], {3}, {0, 0, 1});
  out = run(ops::unique, Unique{.flat = false, .axis = -2}, {reals({2, 4, 2}, {1, 1, 0, 1, 2, 1, 0, 1, 1, 1, 0, 1, 2, 1, 0, 1})}, 4);
  expect_reals(out[0], {2, 3, 2}, {0, 1, 1, 1, 2, 1, 0, 1, 1, 1, 2, 1});
  expect_integers(out[1], {3}, {1, 0, 2});
  expect_integers(out[2], {4}, {1, 0, 2, 0});
  expect_integers(out[3], {3}, {2, 1, 1});
}

TEST(TopK, takes_the_best_first) {
  auto out = run(ops::top_k, TopK{}, {reals({2, 4}, {1, 4, 4, 2, 0, -1, NAN, 3}), list({2})}, 2);
  EXPECT_EQ(out[0].shape, (std::vector<int64_t>{2, 2}));
  EXPECT_TRUE(std::isnan(out[0].real(2)));
  expect_integers(out[1], {2, 2}, {1, 2, 2, 3});
  out = run(ops::top_k, TopK{.axis = 0, .largest = false}, {integers({3, 2}, {5, -1, 3, 7, 3, 0}), list({2})}, 2);
  expect_integers(out[0], {2, 2}, {3, -1, 3, 0});
  expect_integers(out[1], {2, 2}, {1, 0, 2, 2});
  EXPECT_EQ(run(ops::top_k, TopK{}, {counting({3}), list({0})}, 2)[1].shape, std::vector<int64_t>{0});
  expect_error(Code::bad_model, "top_k takes 4 of 3 elements", [] { run(ops::top_k, TopK{}, {counting({3}), list({4})}, 2); });
  expect_error(Code::bad_model, "the k of top_k is 0 or more", [] { run(ops::top_k, TopK{}, {counting({3}), list({-1})}, 2); });
}

}  // namespace
}  // namespace tenon
