// Reductions over axes, positions of extremes, sums along an axis, softmax and its like.
#include "ops/arrays.h"
#include "ops/einsum.h"
#include "ops/reduce.h"
#include "ops/softmax.h"

namespace tenon {
namespace {

Array reduced(Reduction kind, const Array& src, std::vector<int64_t> axes, bool keepdims = false) {
  return run(ops::reduce, Reduce{.kind = kind, .axes = std::move(axes), .keepdims = keepdims}, {src})[0];
}

TEST(Reduce, each_kind) {
  const Array src = reals({2, 2}, {1, -2, 3, 4});
  expect_reals(reduced(Reduction::sum, src, {0}), {2}, {4, 2});
  expect_reals(reduced(Reduction::mean, src, {1}), {2}, {-0.5, 3.5});
  expect_reals(reduced(Reduction::max, src, {-1}, true), {2, 1}, {1, 4});
  expect_reals(reduced(Reduction::min, src, {}), {}, {-2});
  expect_reals(reduced(Reduction::prod, src, {0, 1}), {}, {-24});
  expect_reals(reduced(Reduction::l1, src, {1}), {2}, {3, 7});
  expect_reals(reduced(Reduction::l2, src, {1}), {2}, {std::sqrt(5.), 5});
  expect_reals(reduced(Reduction::sum_square, src, {1}), {2}, {5, 25});
  expect_reals(reduced(Reduction::log_sum, src, {0}), {2}, {std::log(4.), std::log(2.)});
  expect_reals(reduced(Reduction::log_sum_exp, src, {1}), {2}, {std::log(std::exp(1) + std::exp(-2)), std::log(std::exp(3) + std::exp(4))});
}

TEST(Reduce, log_sum_exp_keeps_its_range) {
  expect_reals(reduced(Reduction::log_sum_exp, reals({2}, {1000, 1000}), {}), {}, {1000 + std::log(2.)}, 1e-4);
  EXPECT_EQ(reduced(Reduction::log_sum_exp, reals({2}, {-INFINITY, -INFINITY}), {}).real(0), -INFINITY);
  EXPECT_EQ(reduced(Reduction::log_sum_exp, reals({2}, {1, INFINITY}), {}).real(0), INFINITY);
}

TEST(Reduce, integers_wrap_and_unsigned_compare_as_such) {
  expect_integers(reduced(Reduction::sum, list({INT32_MAX, 1}, DType::s32), {}), {}, {INT32_MIN});
  expect_integers(reduced(Reduction::mean, list({-7, 2}), {}), {}, {-2});
  expect_integers(reduced(Reduction::max, list({1, -1}, DType::u64), {}), {}, {-1});
  expect_integers(reduced(Reduction::max, list({0, 1, 0}, DType::boolean), {}), {}, {1});
  expect_integers(reduced(Reduction::min, list({5, -3}, DType::s8), {}), {}, {-3});
}

TEST(Reduce, nothing_gives_the_neutral_element) {
  const Array none = reals({0, 2}, {});
  expect_reals(reduced(Reduction::sum, none, {0}), {2}, {0, 0});
  expect_reals(reduced(Reduction::prod, none, {0}), {2}, {1, 1});
  expect_reals(reduced(Reduction::max, none, {0}), {2}, {-INFINITY, -INFINITY});
  EXPECT_TRUE(std::isnan(reduced(Reduction::mean, none, {0}).real(0)));
  expect_integers(reduced(Reduction::max, integers({0}, {}, DType::s8), {}), {}, {-128});
}

TEST(Reduce, axes_that_are_an_input) {
  const Array src = counting({2, 3, 4});
  expect_reals(run(ops::reduce, Reduce{.keepdims = false}, {src, list({0, -1})})[0], {3}, {60, 92, 124});
  expect_reals(run(ops::reduce, Reduce{}, {src, list({})})[0], {1, 1, 1}, {276});
  const Reduce alone{.kind = Reduction::sum_square, .noop_with_empty_axes = true};
  expect_reals(run(ops::reduce, alone, {reals({2}, {2, 3}), list({})})[0], {2}, {4, 9});
  // Unknown before the model runs: the rank follows from their number.
  Graph g;
  const ValueId x = add_input(g, DType::f32, {2, 3, 4}, "x"), axes = add_input(g, DType::s64, {2}, "axes");
  EXPECT_EQ(g.values[static_cast<size_t>(emit(g, ops::reduce, Reduce{.keepdims = false}, {x, axes})[0])].type.shape.rank(), 1);
  EXPECT_EQ(g.values[static_cast<size_t>(emit(g, ops::reduce, Reduce{}, {x, axes})[0])].type.shape.rank(), 3);
  g.inputs = {x, axes};
  g.outputs = {emit(g, ops::reduce, Reduce{.keepdims = false}, {x, axes})[0]};
  expect_reals(run_reference(g, {src, list({2, 0})})[0], {3}, {60, 92, 124});
}

TEST(Reduce, refuses_axes_that_are_not_there) {
  const Array src = counting({2, 3});
  expect_error(Code::bad_model, "axis 2 is outside", [&] { reduced(Reduction::sum, src, {2}); });
  expect_error(Code::bad_model, "named twice", [&] { reduced(Reduction::sum, src, {1, -1}); });
  expect_error(Code::bad_model, "has a meaning for the element type", [] { reduced(Reduction::log_sum, list({1}), {}); });
}

TEST(ArgMax, first_or_last_of_equals) {
  const Array src = reals({2, 3}, {1, 3, 3, 2, 2, 1});
  expect_integers(run(ops::arg_max, Arg{.axis = 1}, {src})[0], {2, 1}, {1, 0});
  expect_integers(run(ops::arg_max, Arg{.axis = -1, .keepdims = false, .select_last_index = true}, {src})[0], {2}, {2, 1});
  expect_integers(run(ops::arg_min, Arg{.axis = 0, .keepdims = false}, {src})[0], {3}, {0, 1, 1});
  expect_error(Code::bad_model, "outside a rank", [&] { run(ops::arg_max, Arg{.axis = 2}, {src}); });
}

TEST(CumSum, exclusive_and_reverse) {
  const Array src = reals({4}, {1, 2, 3, 4});
  const auto sum = [&](bool exclusive, bool reverse) { return run(ops::cum_sum, Cumulate{.exclusive = exclusive, .reverse = reverse}, {src})[0]; };
  expect_reals(sum(false, false), {4}, {1, 3, 6, 10});
  expect_reals(sum(true, false), {4}, {0, 1, 3, 6});
  expect_reals(sum(false, true), {4}, {10, 9, 7, 4});
  expect_reals(sum(true, true), {4}, {9, 7, 4, 0});
  expect_reals(run(ops::cum_prod, Cumulate{.exclusive = true}, {src})[0], {4}, {1, 1, 2, 6});
  expect_reals(run(ops::cum_sum, Cumulate{}, {counting({2, 2}), integers({}, {1})})[0], {2, 2}, {0, 1, 2, 5});
  expect_error(Code::bad_model, "outside a rank", [&] { run(ops::cum_sum, Cumulate{}, {src, integers({}, {1})}); });
}

TEST(Einsum, sums_over_what_the_result_lacks) {
  const Array a = counting({2, 2}), b = reals({2, 2}, {1, 10, 100, 1000});
  const auto einsum = [](const std::string& equation, std::vector<Array> in) { return run(ops::einsum, Einsum{equation}, in)[0]; };
  expect_reals(einsum("ij, jk -> ik", {a, b}), {2, 2}, {100, 1000, 302, 3020});
  expect_reals(einsum("ij,jk", {a, b}), {2, 2}, {100, 1000, 302, 3020});
  expect_reals(einsum("ba", {b}), {2, 2}, {1, 100, 10, 1000});
  expect_reals(einsum("ii->i", {b}), {2}, {1, 1000});
  expect_reals(einsum("...i,i->...", {counting({1, 2, 2}), reals({2}, {1, 10})}), {1, 2}, {10, 32});
  expect_reals(einsum("i,j,->ij", {reals({2}, {1, 2}), reals({1}, {3}), reals({}, {10})}), {2, 1}, {30, 60});
  expect_integers(einsum("ij->", {integers({2, 2}, {1, 2, 3, 4})}), {}, {10});
  expect_error(Code::bad_model, "sizes of label j", [&] { einsum("ij,jk->ik", {a, counting({3, 2})}); });
  expect_error(Code::bad_model, "it has 1 sources", [&] { einsum("ij->i", {a, b}); });
  expect_error(Code::bad_model, "has rank 2", [&] { einsum("ijk->i", {a}); });
  expect_error(Code::bad_model, "labels of sources", [&] { einsum("ij->k", {a}); });
  expect_error(Code::bad_model, "stands there once", [&] { einsum("ij->ii", {a}); });
  expect_error(Code::bad_model, "letters and at most one", [&] { einsum("i1->i", {a}); });
}

TEST(LogSoftmax, keeps_its_range) {
  const double log2 = std::log(2.);
  expect_reals(run(ops::log_softmax, Softmax{-1}, {reals({2, 2}, {1000, 1000, -1000, -1000})})[0], {2, 2}, {-log2, -log2, -log2, -log2});
  expect_reals(run(ops::log_softmax, Softmax{0}, {reals({2, 1}, {0, 1})})[0], {2, 1}, {-std::log1p(std::exp(1)), 1 - std::log1p(std::exp(1))});
}

TEST(Hardmax, marks_the_first) { expect_reals(run(ops::hardmax, Softmax{1}, {reals({2, 3}, {1, 3, 3, -1, -2, -3})})[0], {2, 3}, {0, 1, 0, 1, 0, 0}); }

}  // namespace
}  // namespace tenon
