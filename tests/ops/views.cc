// identity, squeeze, unsqueeze, flatten.
#include "ops/arrays.h"
#include "ops/flatten.h"
#include "ops/squeeze.h"

namespace tenon {
namespace {

TEST(Identity, copies_numbers_and_strings) {
  expect_reals(run(ops::identity, None{}, {counting({2, 3})})[0], {2, 3}, {0, 1, 2, 3, 4, 5});
  EXPECT_EQ(run(ops::identity, None{}, {strings({2}, {"a", "b"})})[0].strings, (std::vector<std::string>{"a", "b"}));
}

TEST(Squeeze, takes_axes_away_and_puts_them_in) {
  expect_reals(run(ops::squeeze, Squeeze{{0, -1}}, {counting({1, 3, 1})})[0], {3}, {0, 1, 2});
  expect_reals(run(ops::unsqueeze, Unsqueeze{{0, -1}}, {counting({3})})[0], {1, 3, 1}, {0, 1, 2});
  expect_reals(run(ops::unsqueeze, Unsqueeze{{0}}, {counting({})})[0], {1}, {0});
}

TEST(Squeeze, refuses_axes_of_more_than_one_element) {
  expect_error(Code::bad_model, "axis 1, which is squeezed: 3 is not 1", [] { run(ops::squeeze, Squeeze{{1}}, {counting({1, 3})}); });
  expect_error(Code::bad_model, "an axis is named twice", [] { run(ops::unsqueeze, Unsqueeze{{0, 0}}, {counting({3})}); });
  expect_error(Code::bad_model, "outside a rank", [] { run(ops::squeeze, Squeeze{{2}}, {counting({1, 3})}); });
}

TEST(Squeeze, guards_what_symbols_leave_open) {
  Graph g;
  const ValueId x = add_input(g, DType::f32, {g.extents->symbol("n"), 3}, "x");
  const ValueId y = emit(g, ops::squeeze, Squeeze{{0}}, {x})[0];
  EXPECT_EQ(shape_text(g, y), "[3]");
  ASSERT_EQ(g.guards->size(), 1u);
}

TEST(Flatten, makes_a_matrix) {
  EXPECT_EQ(run(ops::flatten, Flatten{}, {counting({2, 3, 4})})[0].shape, (std::vector<int64_t>{2, 12}));
  EXPECT_EQ(run(ops::flatten, Flatten{0}, {counting({2, 3, 4})})[0].shape, (std::vector<int64_t>{1, 24}));
  EXPECT_EQ(run(ops::flatten, Flatten{-1}, {counting({2, 3, 4})})[0].shape, (std::vector<int64_t>{6, 4}));
  EXPECT_EQ(run(ops::flatten, Flatten{3}, {counting({2, 3, 4})})[0].shape, (std::vector<int64_t>{24, 1}));
}

}  // namespace
}  // namespace tenon
