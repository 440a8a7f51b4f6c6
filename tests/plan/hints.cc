#include "plan/hints.h"

#include <gtest/gtest.h>

#include "ir/text.h"

namespace tenon {
namespace {

std::map<std::string, int64_t> guessed(std::string_view text, std::map<std::string, int64_t> given = {}) {
  const Graph g = parse_graph(text);
  PlanOptions options;
  options.hints = std::move(given);
  guess_hints(g, options);
  return options.hints;
}

TEST(Hints, a_window_fits_several_times_and_a_batch_is_one) {
  const char* text = R"(
graph(%x: f32[batch, 1, samples], %w: f32[8, 1, 256])
  %y = conv(%x, %w) {strides = [128]}
  return %y
)";
  // (512 - 256) / 128 + 1 = 3 is few, (1024 - 256) / 128 + 1 = 7 is not.
  EXPECT_EQ(guessed(text), (std::map<std::string, int64_t>{{"batch", 1}, {"samples", 1024}}));
  EXPECT_EQ(guessed(text, {{"samples", 300}}), (std::map<std::string, int64_t>{{"batch", 1}, {"samples", 300}}));
}

TEST(Hints, the_first_input_tells_what_a_symbol_is) {
  using Map = std::map<std::string, int64_t>;
  EXPECT_EQ(guessed("graph(%y: f32[b, n], %x: f32[n, 8]) %z = matmul(%y, %x) return %z"), (Map{{"b", 1}, {"n", 16}}));
  EXPECT_EQ(guessed("graph(%x: f32[batch, t], %state: f32[2, batch, 8]) %y = relu(%x) return %y"), (Map{{"batch", 1}, {"t", 16}}));
}

TEST(Hints, what_is_always_small_does_not_count) {
  EXPECT_EQ(guessed("graph(%x: f32[4, n]) %r = reduce(%x) {axes = [1]} return %r"), (std::map<std::string, int64_t>{{"n", 16}}));
}

}  // namespace
}  // namespace tenon
