// State: outputs that become inputs of the next run, appended in place or swapped.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

#include "formats/onnx_models.h"
#include "tenon.h"

namespace tenon {
namespace {

using onnx::node;

onnx::TypeView f32(std::vector<std::string_view> axes) {
  onnx::TypeView t = onnx::tensor_type(DType::f32, {});
  for (std::string_view a : axes) {
    onnx::TypeView::Dimension d;
    if (a[0] >= '0' && a[0] <= '9') d.value = a[0] - '0';
    else d.symbol = a;
    t.shape.push_back(d);
  }
  return t;
}

onnx::NodeView joined(std::vector<std::string_view> inputs, std::string_view output, int64_t axis) {
  onnx::NodeView n = node("Concat", std::move(inputs), {output});
  onnx::AttributeView a;
  a.name = "axis", a.type = onnx::AttributeView::kInt, a.i = axis;
  n.attributes.push_back(a);
  return n;
}

struct Values {
  std::vector<onnx::ValueInfoView> inputs, outputs;
};

std::string model_of(Values values, std::vector<onnx::NodeView> nodes) {
  onnx::Model m;
  m.ir_version = 8;
  m.opsets.push_back({.domain = "", .version = 17});
  m.graph.name = "g";
  m.graph.inputs = std::move(values.inputs);
  m.graph.outputs = std::move(values.outputs);
  m.graph.nodes = std::move(nodes);
  return onnx::write_model(m);
}

// A cache of heads that only grows: y = x * (all of x so far, transposed).
std::string cache() {
  return model_of({{{"x", f32({"b", "3", "s", "4"})}, {"past", f32({"b", "3", "p", "4"})}},
                   {{"y", f32({"b", "3", "s", "t"})}, {"present", f32({"b", "3", "t", "4"})}, {"doubled", f32({"b", "3", "t", "4"})}}},
                  {joined({"past", "x"}, "present", 2),
                   [] {
                     onnx::NodeView n = node("Transpose", {"present"}, {"turned"});
                     onnx::AttributeView a;
                     a.name = "perm", a.type = onnx::AttributeView::kInts, a.ints = {0, 1, 3, 2};
                     n.attributes.push_back(a);
                     return n;
                   }(),
                   node("MatMul", {"x", "turned"}, {"y"}), node("Add", {"present", "present"}, {"doubled"})});
}

// A sum over time, which does not append.
std::string sum() {
  return model_of({{{"x", f32({"b", "3"})}, {"state", f32({"b", "3"})}}, {{"y", f32({"b", "3"})}, {"stateN", f32({"b", "3"})}}},
                  {node("Add", {"x", "state"}, {"stateN"}), node("Add", {"stateN", "x"}, {"y"})});
}

// Grows at its front, so that every row moves.
std::string stack() {
  return model_of({{{"x", f32({"s", "3"})}, {"past", f32({"p", "3"})}}, {{"y", f32({"t", "3"})}, {"present", f32({"t", "3"})}}},
                  {joined({"x", "past"}, "present", 0), node("Add", {"present", "present"}, {"y"})});
}

// A cache into which rows are scattered where a run says.
std::string scattered() {
  return model_of(
      {{{"x", f32({"s", "4"})},
        {"at",
         [] {
           onnx::TypeView t = onnx::tensor_type(DType::s64, {});
           t.shape = f32({"s", "1"}).shape;
           return t;
         }()},
        {"past", f32({"9", "4"})}},
       {{"y", f32({"9", "4"})}, {"present", f32({"9", "4"})}}},
      {node("ScatterND", {"past", "at", "x"}, {"present"}), node("Neg", {"present"}, {"y"})});
}

Model load(const std::string& bytes, const Options& options = {}) {
  return Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()), options);
}

OwnedTensor numbers(std::vector<int64_t> shape, int64_t seed) {
  OwnedTensor t(DType::f32, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) t.as<float>()[i] = static_cast<float>((i * 7 + seed * 13) % 17) - 8;
  return t;
}

void expect_equal(const Tensor& got, const Tensor& expected) {
  ASSERT_EQ(got.shape, expected.shape);
  for (int64_t i = 0; i < got.count(); ++i) ASSERT_EQ(got.as<float>()[i], expected.as<float>()[i]) << i;
}

// Runs of the tied session against one that is handed the state by the caller.
void compare(const std::string& bytes, std::vector<int64_t> x_shape, std::vector<int64_t> first, const char* in, const char* out, int runs,
             const Options& options, bool in_place) {
  const Model model = load(bytes, options), plain = load(bytes);
  Session tied(model), by_hand(plain);
  if (options.ties.empty()) tied.tie(out, in);
  OwnedTensor state(DType::f32, std::move(first));
  std::fill_n(state.as<float>(), state.count(), 0.f);
  for (int i = 0; i < runs; ++i) {
    const OwnedTensor x = numbers(x_shape, i);
    const std::vector<Tensor> got = tied.run({{"x", x}}), expected = by_hand.run({{"x", x}, {in, state}});
    ASSERT_NO_FATAL_FAILURE(expect_equal(got[0], expected[0])) << "run " << i;
    for (size_t k = 2; k < got.size(); ++k) ASSERT_NO_FATAL_FAILURE(expect_equal(got[k], expected[k])) << "run " << i;
    ASSERT_NO_FATAL_FAILURE(expect_equal(tied.state(out), expected[1])) << "run " << i;
    EXPECT_EQ(got[1].shape, expected[1].shape);
    EXPECT_EQ(got[1].data == nullptr, in_place && !options.reference);
    state = OwnedTensor(expected[1]);
  }
}

TEST(State, appends_in_place) {
  compare(cache(), {2, 3, 1, 4}, {2, 3, 0, 4}, "past", "present", 150, {}, true);
  compare(cache(), {2, 3, 5, 4}, {2, 3, 0, 4}, "past", "present", 40, {}, true);
}

TEST(State, appends_as_the_options_say) {
  Options o;
  o.ties = {{"present", "past"}};
  compare(cache(), {1, 3, 1, 4}, {1, 3, 0, 4}, "past", "present", 80, o, true);
  EXPECT_NE(load(cache(), o).dump().find("append("), std::string::npos);
  EXPECT_EQ(load(cache()).dump().find("append("), std::string::npos);
}

TEST(State, swaps_what_does_not_append) {
  compare(sum(), {2, 3}, {2, 3}, "state", "stateN", 10, {}, false);
  compare(stack(), {2, 3}, {0, 3}, "past", "present", 40, {}, false);
}

TEST(State, a_cache_that_a_scatter_updates_stays_where_it_is) {
  const Model model = load(scattered());
  Session tied(model), by_hand(model);
  tied.tie("present", "past");
  OwnedTensor past(DType::f32, {9, 4});
  std::fill_n(past.as<float>(), past.count(), 0.f);
  const void* memory = nullptr;
  for (int i = 0; i < 6; ++i) {
    const OwnedTensor x = numbers({2, 4}, i);
    OwnedTensor at(DType::s64, {2, 1});
    at.as<int64_t>()[0] = i, at.as<int64_t>()[1] = 8 - i;
    const std::vector<Tensor> got = tied.run({{"x", x}, {"at", at}}),
                              expected = by_hand.run({{"x", x}, {"at", at}, {"past", past}});
    for (size_t k = 0; k < 2; ++k)
      ASSERT_NO_FATAL_FAILURE(expect_equal(got[k], expected[k])) << "run " << i;
    ASSERT_NO_FATAL_FAILURE(expect_equal(tied.state("present"), expected[1]));
    if (i) {
      EXPECT_EQ(got[1].data, memory) << "the cache has moved";
    }
    memory = got[1].data;
    past = OwnedTensor(expected[1]);
  }
  EXPECT_EQ(tied.counters().state_bytes_copied, 0);
}

TEST(State, is_kept_by_the_reference_too) {
  Options o;
  o.reference = true;
  compare(cache(), {2, 3, 1, 4}, {2, 3, 0, 4}, "past", "present", 4, o, true);
  compare(sum(), {2, 3}, {2, 3}, "state", "stateN", 4, o, false);
}

TEST(State, a_run_that_appends_plans_nothing_and_copies_nothing) {
  const Model model = load(cache());
  Session s(model);
  s.tie();
  s.reserve_state(200);
  const OwnedTensor x = numbers({1, 3, 1, 4}, 1);
  s.bind_input("x", x);
  for (int i = 0; i < 3; ++i) s.run();
  const Session::Counters before = s.counters();
  for (int i = 3; i < 200; ++i) s.run();
  const Session::Counters after = s.counters();
  EXPECT_EQ(after.runs - before.runs, 197);
  EXPECT_EQ(after.binds - before.binds, 197);
  EXPECT_EQ(after.plans, before.plans);
  EXPECT_EQ(after.state_bytes_copied, before.state_bytes_copied);
  EXPECT_EQ(s.state("present").shape(), (std::vector<int64_t>{1, 3, 200, 4}));
  s.run();  // one more than there is room for
  EXPECT_EQ(s.counters().state_bytes_copied - after.state_bytes_copied, 3 * 200 * 4 * 4);
}

TEST(State, memory_grows_by_doubling) {
  const Model model = load(cache());
  Session s(model);
  s.tie("present", "past");
  const OwnedTensor x = numbers({1, 3, 1, 4}, 1);
  s.bind_input("x", x);
  for (int i = 0; i < 1000; ++i) s.run();
  EXPECT_LE(s.counters().state_bytes_copied, 2 * 1000 * 3 * 4 * 4);
}

TEST(State, begins_again) {
  const Model model = load(cache());
  Session s(model);
  s.tie();
  const OwnedTensor x = numbers({1, 3, 2, 4}, 3);
  const OwnedTensor first(s.run({{"x", x}})[0]);
  for (int i = 0; i < 100; ++i) s.run({{"x", x}});
  s.reset_state();
  expect_equal(s.run({{"x", x}})[0], first);
  // With another batch, too.
  s.reset_state();
  const OwnedTensor wide = numbers({4, 3, 2, 4}, 3);
  EXPECT_EQ(s.run({{"x", wide}})[0].shape, (std::vector<int64_t>{4, 3, 2, 2}));
}

TEST(State, a_failed_run_leaves_it_as_it_was) {
  const Model model = load(cache());
  Session s(model);
  s.tie();
  const OwnedTensor x = numbers({2, 3, 1, 4}, 3), other = numbers({1, 3, 1, 4}, 3);
  s.run({{"x", x}});
  const OwnedTensor before = s.state("present");
  EXPECT_THROW(s.run({{"x", other}}), Error);
  expect_equal(s.state("present"), before);
  EXPECT_EQ(s.run({{"x", x}})[0].shape, (std::vector<int64_t>{2, 3, 1, 2}));
}

TEST(State, is_found_by_names_and_shapes) {
  EXPECT_EQ(load(cache()).ties(), (std::vector<StateTie>{{"present", "past"}}));
  EXPECT_EQ(load(sum()).ties(), (std::vector<StateTie>{{"stateN", "state"}}));
  // The same names, but two axes change.
  EXPECT_TRUE(
      load(model_of({{{"past", f32({"a", "b"})}}, {{"present", f32({"c", "d"})}}}, {node("Transpose", {"past"}, {"present"})})).ties().empty());
}

std::string refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) { return e.what(); }
  return "";
}

TEST(State, refuses_what_cannot_be) {
  const std::string bytes = cache();
  const Model model = load(bytes);
  Session s(model);
  EXPECT_NE(refusal([&] { s.tie("presents", "past"); }).find("no output \"presents\""), std::string::npos);
  EXPECT_NE(refusal([&] { s.state("present"); }).find("not tied"), std::string::npos);
  s.tie("present", "past");
  EXPECT_NE(refusal([&] { s.tie("doubled", "past"); }).find("tied already"), std::string::npos);
  EXPECT_NE(refusal([&] { s.state("present"); }).find("before the first run"), std::string::npos);
  const OwnedTensor past = numbers({1, 3, 1, 4}, 1);
  EXPECT_NE(refusal([&] { s.bind_input("past", past); }).find("is tied"), std::string::npos);
  EXPECT_NE(refusal([&] { s.bind_output("present", past.data(), 4); }).find("is tied"), std::string::npos);
  Options o;
  o.ties = {{"present", "pest"}};
  EXPECT_NE(refusal([&] { load(bytes, o); }).find("no input \"pest\""), std::string::npos);
}

TEST(State, the_memory_limit_holds) {
  Options o;
  o.memory_limit = 100000;
  const Model model = load(cache(), o);
  Session s(model);
  s.tie();
  const OwnedTensor x = numbers({1, 3, 5, 4}, 1);
  s.bind_input("x", x);
  std::string said;
  for (int i = 0; i < 1000 && said.empty(); ++i) said = refusal([&] { s.run(); });
  EXPECT_NE(said.find("memory_limit"), std::string::npos);
}

// The plan for the ties is made by whoever needs it first, while others run.
TEST(State, is_of_each_session_alone) {
  const Model model = load(cache());
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Session s(model);
      if (t % 2) s.tie();
      OwnedTensor past = numbers({1, 3, 2, 4}, t);
      for (int i = 0; i < 100; ++i) {
        const OwnedTensor x = numbers({1, 3, 1, 4}, t);
        const std::vector<Tensor> out = t % 2 ? s.run({{"x", x}}) : s.run({{"x", x}, {"past", past}});
        const int64_t length = t % 2 ? i + 1 : 3;
        wrong += out[0].shape[3] != length;
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace tenon
