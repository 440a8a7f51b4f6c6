// gather, gather_elements, gather_nd, scatter_elements, scatter_nd, tensor_scatter, one_hot.
#include "ops/arrays.h"
#include "ops/gather.h"
#include "ops/one_hot.h"
#include "ops/scatter.h"

namespace tenon {
namespace {

TEST(Gather, along_each_axis) {
  expect_reals(run(ops::gather, Gather{0}, {counting({3, 2}), integers({2, 2}, {0, 2, -1, 1})})[0], {2, 2, 2}, {0, 1, 4, 5, 4, 5, 2, 3});
  expect_reals(run(ops::gather, Gather{-1}, {counting({2, 3}), integers({}, {1}, DType::s32)})[0], {2}, {1, 4});
  expect_reals(run(ops::gather, Gather{1}, {counting({2, 3, 2}), list({2, 0})})[0], {2, 2, 2}, {4, 5, 0, 1, 10, 11, 6, 7});
  EXPECT_EQ(run(ops::gather, Gather{0}, {strings({2}, {"a", "b"}), list({1, 1})})[0].strings, (std::vector<std::string>{"b", "b"}));
}

TEST(Gather, refuses_indices_outside) {
  for (const Op* op : {&ops::gather, &ops::gather_elements})
    for (int64_t index : {int64_t{3}, int64_t{-4}, INT64_MAX, INT64_MIN, int64_t{1} << 32})
      expect_error(Code::bad_input, "index " + std::to_string(index) + " at element 1 of input 1 is outside an axis of 3 elements", [&] {
        run(*op, Gather{0}, {counting({3}), list({0, index})});
      });
  expect_error(Code::bad_input, "is outside an axis of 2 elements", [] {
    run(ops::gather_nd, GatherNd{}, {counting({2, 2}), integers({1, 2}, {0, 2})});
  });
  expect_error(Code::bad_model, "s32 or s64", [] { run(ops::gather, Gather{0}, {counting({3}), counting({2})}); });
}

TEST(GatherElements, reads_one_element_for_each_index) {
  expect_reals(run(ops::gather_elements, Gather{1}, {counting({2, 2}), integers({2, 2}, {0, 0, 1, 0})})[0], {2, 2}, {0, 0, 3, 2});
  expect_reals(run(ops::gather_elements, Gather{0}, {counting({3, 3}), integers({2, 3}, {1, 2, 0, 2, 0, -3})})[0], {2, 3}, {3, 7, 2, 6, 1, 2});
  expect_error(Code::bad_input, "along axis 1", [] { run(ops::gather_elements, Gather{0}, {counting({3, 1}), integers({1, 2}, {0, 0})}); });
}

TEST(GatherNd, reads_elements_and_slices) {
  expect_reals(run(ops::gather_nd, GatherNd{}, {counting({2, 2}), integers({2, 2}, {0, 0, 1, -1})})[0], {2}, {0, 3});
  expect_reals(run(ops::gather_nd, GatherNd{}, {counting({2, 2}), integers({2, 1}, {1, 0})})[0], {2, 2}, {2, 3, 0, 1});
  expect_reals(run(ops::gather_nd, GatherNd{1}, {counting({2, 2, 2}), integers({2, 1}, {1, 0})})[0], {2, 2}, {2, 3, 4, 5});
}

TEST(ScatterElements, writes_and_reduces) {
  const Array src = integers({3, 3}, {0, 0, 0, 0, 0, 0, 0, 0, 0}), at = integers({2, 3}, {1, 0, 2, 0, 2, 1}),
              with = integers({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_integers(run(ops::scatter_elements, ScatterElements{}, {src, at, with})[0], {3, 3}, {4, 2, 0, 1, 0, 6, 0, 5, 3});
  const Array one = list({5, 5}), same = list({1, 1, -1});
  using R = ScatterReduction;
  const std::pair<R, int64_t> cases[] = {{R::none, 4}, {R::add, 5 + 2 + 7 + 4}, {R::mul, 5 * 2 * 7 * 4}, {R::min, 2}, {R::max, 7}};
  for (const auto& [reduction, expected] : cases) {
    expect_integers(run(ops::scatter_elements, ScatterElements{0, reduction}, {one, same, list({2, 7, 4})})[0], {2}, {5, expected});
    expect_reals(run(ops::scatter_elements, ScatterElements{0, reduction}, {reals({2}, {5, 5}), same, reals({3}, {2, 7, 4})})[0], {2},
                 {5, static_cast<double>(expected)});
    expect_integers(run(ops::scatter_nd, ScatterNd{reduction}, {one, integers({3, 1}, {1, 1, -1}), list({2, 7, 4})})[0], {2}, {5, expected});
  }
  expect_error(Code::bad_input, "index 2", [&] { run(ops::scatter_elements, ScatterElements{}, {one, list({2}), list({1})}); });
  expect_error(Code::bad_input, "index -3", [&] { run(ops::scatter_nd, ScatterNd{}, {one, integers({1, 1}, {-3}), list({1})}); });
}

TEST(ScatterElements, compares_unsigned_numbers_as_such) {
  const Array big = list({-1}, DType::u64), small = list({1}, DType::u64);
  expect_integers(run(ops::scatter_elements, ScatterElements{0, ScatterReduction::max}, {small, list({0}), big})[0], {1}, {-1});
  expect_integers(run(ops::scatter_elements, ScatterElements{0, ScatterReduction::min}, {big, list({0}), small})[0], {1}, {1});
}

TEST(ScatterNd, writes_slices) {
  expect_reals(run(ops::scatter_nd, ScatterNd{}, {counting({3, 2}), integers({1, 1}, {1}), reals({1, 2}, {8, 9})})[0], {3, 2}, {0, 1, 8, 9, 4, 5});
  expect_error(Code::bad_model, "sizes of axis 1 of the updates", [] {
    run(ops::scatter_nd, ScatterNd{}, {counting({3, 2}), integers({1, 1}, {1}), reals({1, 3}, {8, 9, 7})});
  });
}

TEST(TensorScatter, writes_each_sample_at_its_place) {
  const Array cache = reals({2, 4, 1}, {0, 0, 0, 0, 0, 0, 0, 0}), update = reals({2, 2, 1}, {1, 2, 3, 4});
  expect_reals(run(ops::tensor_scatter, TensorScatter{}, {cache, update, list({1, 2})})[0], {2, 4, 1}, {0, 1, 2, 0, 0, 0, 3, 4});
  expect_reals(run(ops::tensor_scatter, TensorScatter{-2, WriteMode::circular}, {cache, update, list({3, 4})})[0], {2, 4, 1},
               {2, 0, 0, 1, 3, 4, 0, 0});
  expect_reals(run(ops::tensor_scatter, TensorScatter{}, {cache, update})[0], {2, 4, 1}, {1, 2, 0, 0, 3, 4, 0, 0});
  expect_error(Code::bad_input, "write index 3 of sample 1", [&] { run(ops::tensor_scatter, TensorScatter{}, {cache, update, list({0, 3})}); });
  expect_error(Code::bad_input, "write index -1", [&] {
    run(ops::tensor_scatter, TensorScatter{-2, WriteMode::circular}, {cache, update, list({0, -1})});
  });
}

TEST(OneHot, puts_an_axis_in) {
  expect_reals(run(ops::one_hot, OneHot{}, {list({1, -1, 5}), list({3}), reals({2}, {0, 9})})[0], {3, 3}, {0, 9, 0, 0, 0, 9, 0, 0, 0});
  expect_reals(run(ops::one_hot, OneHot{0}, {list({1, 0}), list({2}), reals({2}, {5, 6})})[0], {2, 2}, {5, 6, 6, 5});
  expect_reals(run(ops::one_hot, OneHot{1}, {counting({1, 2}), reals({}, {2}), reals({2}, {0, 1})})[0], {1, 2, 2}, {1, 0, 0, 1});
}

}  // namespace
}  // namespace tenon
