// zip_map, map_lookup, map_values, and the probabilities of pairs of classes.
#include "ops/arrays.h"
#include "ops/couple_probabilities.h"

namespace tenon {
namespace {

TEST(CoupleProbabilities, of_two_classes_are_those_given) {
  const Array out =
      run(ops::couple_probabilities, CoupleProbabilities{2}, {reals({2, 1}, {0.5, 0.9})})[0];
  expect_reals(out, {2, 2}, {0.5, 0.5, 0.9, 0.1}, 0.005);
}

// Pairs that agree on (0.5, 0.3, 0.2): p_i / (p_i + p_j).
TEST(CoupleProbabilities, of_pairs_that_agree) {
  const Array pairs = reals({1, 3}, {0.5 / 0.8, 0.5 / 0.7, 0.3 / 0.5});
  expect_reals(run(ops::couple_probabilities, CoupleProbabilities{3}, {pairs})[0], {1, 3},
               {0.5, 0.3, 0.2}, 0.01);
}

TEST(CoupleProbabilities, at_the_ends) {
  const Array out =
      run(ops::couple_probabilities, CoupleProbabilities{2}, {reals({3, 1}, {0, 1, NAN})})[0];
  EXPECT_NEAR(out.real(0), 0, 0.01);
  EXPECT_NEAR(out.real(2), 1, 0.01);
  expect_error(Code::bad_model, "pairs of classes", [] {
    run(ops::couple_probabilities, CoupleProbabilities{3}, {reals({1, 2}, {0.5, 0.5})});
  });
  expect_error(Code::bad_model, "2 to 4096 classes", [] {
    run(ops::couple_probabilities, CoupleProbabilities{1}, {reals({1, 1}, {0.5})});
  });
}

Array map_of(const Array& keys, const Array& values) {
  Array m;
  m.dtype = values.dtype;
  m.container = Container::map;
  m.items = {keys, values};
  return m;
}

TEST(Maps, looked_up_and_listed) {
  const Array m = map_of(list({7, -1, 7}), reals({3}, {1, 2, 3}));
  expect_reals(once(ops::map_values, None{}, {m})[0], {1, 2}, {2, 3});
  expect_reals(once(ops::map_lookup, None{}, {m, list({7, 0})})[0], {1, 2}, {3, 0});
  expect_error(Code::bad_input, "3 keys and 1 values", [] {
    once(ops::map_values, None{}, {map_of(list({1, 2, 3}), reals({1}, {1}))});
  });
  Array broken = m;
  broken.items[1] = reals({1, 3}, {1, 2, 3});
  expect_error(Code::bad_input, "a list of keys and a list of values",
               [&] { once(ops::map_values, None{}, {broken}); });
}

TEST(Maps, refused_by_ops_of_other_kinds) {
  const Array m = map_of(list({7}), reals({1}, {1}));
  expect_error(Code::bad_model, "", [&] { once(ops::sequence_length, None{}, {m}); });
  expect_error(Code::bad_model, "input 0 is a map",
               [] { once(ops::map_values, None{}, {reals({1}, {1})}); });
}

}  // namespace
}  // namespace tenon
