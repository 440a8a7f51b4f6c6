// loop, if with sequences, and the ops on sequences and optionals: by the reference, and loops through a plan too.
#include "device/cpu.h"
#include "exec/executor.h"
#include "ir/text.h"
#include "ops/arrays.h"
#include "ops/sequence.h"

namespace tenon {
namespace {

// The outputs by plans, with kernels and without, which must be those of the reference.
std::vector<Array> run_text(std::string_view text, const std::vector<Array>& inputs) {
  const Graph g = parse_graph(text);
  std::vector<Array> expected = run_reference(g, inputs);
  for (Isa isa : {Isa::reference, best_isa()}) {
    PlanOptions options;
    options.isa = isa, options.workers = 1;
    Executor executor(make_plan(clone(g), options), INT64_MAX);
    std::vector<OwnedTensor> given;
    for (const Array& a : inputs) given.push_back(owned(a));
    for (size_t i = 0; i < given.size(); ++i) executor.frame().set_input(static_cast<int>(i), given[i].view());
    for (int again = 0; again < 2; ++again) {
      executor.run();
      for (size_t i = 0; i < expected.size(); ++i) {
        const Array got = array_of(executor.frame().output(static_cast<int>(i)));
        EXPECT_EQ(got.shape, expected[i].shape) << "output " << i << ", " << name(isa);
        EXPECT_EQ(numbers_of(got), numbers_of(expected[i])) << "output " << i << ", " << name(isa);
      }
    }
  }
  return expected;
}

constexpr std::string_view kDoubling = R"(
graph(%n: s64[], %x: f32[2], %y: f32[])
  %last, %all = loop(%n, _, %x, %y) {carried = 1}
    graph(%i: s64[], %go: bool[], %v: f32[2], %c: f32[])
      %w = add(%v, %v)
      %z = mul(%v, %c)
      return %go, %w, %z
  return %last, %all
)";

TEST(Loop, carries_captures_and_stacks) {
  const std::vector<Array> out = run_text(kDoubling, {integers({}, {3}), reals({2}, {1, 2}), reals({}, {10})});
  expect_reals(out[0], {2}, {8, 16});
  expect_reals(out[1], {3, 2}, {10, 20, 20, 40, 40, 80});
}

TEST(Loop, that_does_not_run_gives_what_it_was_given) {
  const std::vector<Array> out = run_text(kDoubling, {integers({}, {0}), reals({2}, {1, 2}), reals({}, {10})});
  expect_reals(out[0], {2}, {1, 2});
  expect_reals(out[1], {0, 2}, {});
}

// The state of the body has a size of its own, and its result one made of that: memory for it is found while the body runs.
TEST(Loop, results_have_sizes_made_of_those_of_the_state) {
  const std::vector<Array> out = run_text(R"(
graph(%n: s64[], %x: f32[k], %y: f32[m])
  %last, %all = loop(%n, _, %x, %y) {carried = 1}
    graph(%i: s64[], %go: bool[], %v: f32[?1], %c: f32[m])
      %w = add(%v, %c)
      return %go, %w, %w
  return %last, %all
)",
                                          {integers({}, {2}), reals({2}, {1, 2}), reals({2}, {10, 20})});
  expect_reals(out[0], {2}, {21, 42});
  expect_reals(out[1], {2, 2}, {11, 22, 21, 42});
}

TEST(Loop, ends_when_its_condition_says_so) {
  const std::vector<Array> out = run_text(R"(
graph(%begin: bool[], %x: s64[], %most: s64[])
  %last, %all = loop(_, %begin, %x, %most) {carried = 1}
    graph(%i: s64[], %go: bool[], %v: s64[], %m: s64[])
      %w = add(%v, %v)
      %more = less(%w, %m)
      return %more, %w, %i
  return %last, %all
)",
                                          {integers({}, {1}, DType::boolean), integers({}, {3}), integers({}, {40})});
  expect_integers(out[0], {}, {48});
  expect_integers(out[1], {4}, {0, 1, 2, 3});
}

TEST(Loop, runs_inside_another) {
  const std::vector<Array> out = run_text(R"(
graph(%n: s64[])
  %all = loop(%n, _, %n)
    graph(%i: s64[], %go: bool[], %k: s64[])
      %inner = loop(%k, _, %i)
        graph(%j: s64[], %more: bool[], %o: s64[])
          %p = mul(%j, %o)
          return %more, %p
      %sum = reduce(%inner) {keepdims = false}
      return %go, %sum
  return %all
)",
                                          {integers({}, {4})});
  expect_integers(out[0], {4}, {0, 6, 12, 18});
}

TEST(Loop, keeps_constant_trips_as_sizes) {
  const Graph g = parse_graph(R"(
graph(%x: f32[2])
  %n = constant s64[] 5
  %last, %all = loop(%n, _, %x) {carried = 1}
    graph(%i: s64[], %go: bool[], %v: f32[2])
      %w = add(%v, %v)
      return %go, %w, %v
  return %last, %all
)");
  EXPECT_EQ(shape_text(g, g.outputs[1]), "[5, 2]");
}

std::vector<double> flat(const Array& sequence) {
  std::vector<double> out;
  for (const Array& item : sequence.items)
    for (double v : numbers_of(item)) out.push_back(v);
  return out;
}

TEST(Sequence, inserts_erases_and_reads_by_position) {
  const Array one = reals({1}, {1}), two = reals({2}, {2, 3});
  const Array both = once(ops::sequence_construct, None{}, {one, two})[0];
  EXPECT_EQ(both.container, Container::sequence);
  EXPECT_EQ(flat(once(ops::sequence_insert, None{}, {both, reals({1}, {9})})[0]), (std::vector<double>{1, 2, 3, 9}));
  EXPECT_EQ(flat(once(ops::sequence_insert, None{}, {both, reals({1}, {9}), integers({}, {-1})})[0]), (std::vector<double>{1, 9, 2, 3}));
  EXPECT_EQ(flat(once(ops::sequence_erase, None{}, {both, integers({}, {0})})[0]), (std::vector<double>{2, 3}));
  expect_reals(once(ops::sequence_at, None{}, {both, integers({}, {-1})})[0], {2}, {2, 3});
  expect_integers(once(ops::sequence_length, None{}, {both})[0], {}, {2});
  expect_error(Code::bad_input, "position 2 in a sequence of 2", [&] { once(ops::sequence_at, None{}, {both, integers({}, {2})}); });
  expect_error(Code::bad_input, "position -3", [&] { once(ops::sequence_insert, None{}, {both, one, integers({}, {-3})}); });
  expect_error(Code::bad_model, "element types", [&] { once(ops::sequence_insert, None{}, {both, integers({1}, {1})}); });
  const Array none = once(ops::sequence_empty, SequenceEmpty{DType::f32}, {})[0];
  expect_error(Code::bad_input, "empty sequence", [&] { once(ops::sequence_erase, None{}, {none}); });
}

TEST(Sequence, splits_and_joins) {
  const Array src = counting({2, 3});
  const Array parts = once(ops::split_to_sequence, SplitToSequence{1}, {src, integers({}, {2})})[0];
  EXPECT_EQ(flat(parts), (std::vector<double>{0, 1, 3, 4, 2, 5}));
  expect_reals(once(ops::concat_from_sequence, ConcatFromSequence{1}, {parts})[0], {2, 3}, {0, 1, 2, 3, 4, 5});
  const Array rows = once(ops::split_to_sequence, SplitToSequence{0, false}, {src})[0];
  EXPECT_EQ(rows.items.at(0).shape, (std::vector<int64_t>{3}));
  expect_reals(once(ops::concat_from_sequence, ConcatFromSequence{-1, true}, {rows})[0], {3, 2}, {0, 3, 1, 4, 2, 5});
  expect_error(Code::bad_input, "more than the 2 elements", [&] { once(ops::split_to_sequence, SplitToSequence{0}, {src, list({1, 1, 1})}); });
}

TEST(Optional, holds_a_tensor_or_nothing) {
  const Array none = once(ops::optional, Optional{}, {})[0], one = once(ops::optional, Optional{}, {reals({1}, {4})})[0];
  expect_integers(once(ops::optional_has_element, None{}, {none})[0], {}, {0});
  expect_integers(once(ops::optional_has_element, None{}, {one})[0], {}, {1});
  expect_reals(once(ops::optional_get_element, None{}, {one})[0], {1}, {4});
  expect_error(Code::bad_input, "has none to give", [&] { once(ops::optional_get_element, None{}, {none}); });
}

}  // namespace
}  // namespace tenon
