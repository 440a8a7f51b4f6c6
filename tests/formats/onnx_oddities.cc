// Files that break a rule of ONNX without harm: they load, and a note says what is odd.
#include <gtest/gtest.h>

#include "formats/onnx_models.h"
#include "harness/onnx_text.h"
#include "ops/arrays.h"
#include "tenon.h"

namespace tenon::onnx {
namespace {

// A model from bytes, and what it makes of x = {1, -2}.
struct Loaded {
  explicit Loaded(std::string file) : bytes(std::move(file)), model(load()) {}
  Loaded(const Model& m) : Loaded(write_model(m)) {}

  tenon::Model load() const {
    return tenon::Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()));
  }
  Array run(const Array& x = reals({2}, {1, -2})) const {
    Session session(model);
    return array_of(session.run({{model.inputs().at(0).name, owned(x).view()}}).at(0));
  }
  std::string notes() const {
    std::string out;
    for (const std::string& note : model.notes()) out += note + "\n";
    return out;
  }

  std::string bytes;
  tenon::Model model;
};

void expect_note(const Loaded& loaded, const std::string& words) {
  EXPECT_NE(loaded.notes().find(words), std::string::npos) << loaded.notes();
}

Model relu() { return small_model({node("Relu", {"x"}, {"y"})}); }

TEST(OnnxOddities, none_in_a_plain_file) { EXPECT_EQ(Loaded(relu()).notes(), ""); }

// ReduceSum has the attribute axes until opset 12. ONNX Runtime takes the last version too.
TEST(OnnxOddities, of_opsets_imported_repeatedly_the_last_counts) {
  NodeView sum = node("ReduceSum", {"x"}, {"y"});
  AttributeView axes;
  axes.name = "axes", axes.type = AttributeView::kInts, axes.ints = {0};
  sum.attributes.push_back(axes);
  Model m = small_model({sum});
  m.opsets = {{.domain = "", .version = 17}, {.domain = "ai.onnx", .version = 12}};
  const Loaded loaded(m);
  expect_reals(loaded.run(), {1}, {-1});
  expect_note(loaded, "is imported as version 17 and as 12; the last one counts");
  m = relu();
  m.opsets = {{.domain = "", .version = 17}, {.domain = "", .version = 17}};
  EXPECT_EQ(Loaded(m).notes(), "");
  m = small_model({sum});
  m.opsets = {{.domain = "", .version = 12}, {.domain = "", .version = 17}};
  expect_error(Code::not_supported, "attribute axes of ReduceSum", [&] { Loaded{m}; });
}

TEST(OnnxOddities, nodes_in_any_order) {
  const Model m = small_model(
      {node("Add", {"b", "a"}, {"y"}), node("Neg", {"a"}, {"b"}), node("Relu", {"x"}, {"a"})});
  expect_reals(Loaded(m).run(), {2}, {0, 0});
  // A branch reads what stands behind its node.
  const std::string late = R"(
opset 17
in x: f32[2]
yes: bool[] = [1]
y = If(yes)
  then_branch:
    a = Neg(late)
    return a
  else_branch:
    b = Identity(x)
    return b
late = Relu(x)
out y
)";
  expect_reals(Loaded(model_from_text(late)).run(), {2}, {-1, 0});
}

TEST(OnnxOddities, a_cycle_is_named) {
  NodeView first = node("Add", {"x", "c"}, {"b"}), second = node("Neg", {"b"}, {"c"});
  first.name = "one";
  expect_error(Code::bad_model,
               "the nodes \"one\" (Add), \"c\" (Neg) form a cycle: each reads what the next gives",
               [&] {
                 Loaded{small_model({first, second, node("Relu", {"c"}, {"y"})})};
               });
  expect_error(Code::bad_model, "the node \"y\" (Neg) reads its own output",
               [&] { Loaded{small_model({node("Neg", {"y"}, {"y"})})}; });
}

TEST(OnnxOddities, declared_types_are_compared) {
  Model m = relu();
  m.graph.outputs[0].type = tensor_type(DType::f32, {3});
  const Loaded loaded(m);
  expect_reals(loaded.run(), {2}, {1, 0});
  expect_note(loaded, "output \"y\" is declared as element type 1 [3] and is f32[2]");
  m = small_model({node("Relu", {"x"}, {"a"}), node("Neg", {"a"}, {"y"})});
  m.graph.values.push_back({.name = "a", .type = tensor_type(DType::s64, {2, 1})});
  expect_note(Loaded(m), "value \"a\" is declared as element type 7 [2, 1] and is f32[2]");
  // A size of 0 stands for an unknown one in old files.
  m.graph.values[0].type = tensor_type(DType::f32, {0});
  EXPECT_EQ(Loaded(m).notes(), "");
}

TEST(OnnxOddities, without_types_names_and_initialisers_apart) {
  Model m = small_model({node("Add", {"x", "w"}, {"y"})});
  m.graph.name = "";
  m.graph.outputs[0].type = {};
  const float one[] = {1, 1};
  m.graph.initializers.push_back(
      raw_tensor("w", DType::f32, {2}, {reinterpret_cast<const char*>(one), sizeof one}));
  m.graph.inputs.push_back({.name = "w", .type = tensor_type(DType::f32, {2})});
  const Loaded loaded(m);
  EXPECT_EQ(loaded.model.inputs().size(), 1u);
  expect_reals(loaded.run(), {2}, {2, -1});
  EXPECT_EQ(loaded.notes(), "");
}

// Clip without bounds gives its input as it is.
TEST(OnnxOddities, outputs_that_are_the_same_value) {
  Model m = small_model({node("Clip", {"x"}, {"y"}), node("Clip", {"y"}, {"z"})});
  m.graph.outputs.push_back({.name = "z", .type = {}});
  const Loaded loaded(m);
  EXPECT_EQ(loaded.model.inputs()[0].name, "x");
  EXPECT_EQ(loaded.model.outputs()[0].name, "y");
  EXPECT_EQ(loaded.model.outputs()[1].name, "z");
  expect_reals(loaded.run(), {2}, {1, -2});
}

TEST(OnnxOddities, a_newer_ir_version) {
  Model m = relu();
  m.ir_version = 99;
  const Loaded loaded(m);
  expect_reals(loaded.run(), {2}, {1, 0});
  expect_note(loaded, "IR version 99 is newer than 14");
}

TEST(OnnxOddities, huge_metadata) {
  const std::string text(4 << 20, 'm');
  Model m = relu();
  for (int i = 0; i < 100; ++i) m.metadata.emplace_back("key", i ? std::string_view() : text);
  expect_reals(Loaded(m).run(), {2}, {1, 0});
}

TEST(OnnxOddities, names_with_any_characters) {
  const std::string odd("a\n\"b\"/\t\0\xc3\xa9 %s", 13);
  Model m = small_model({node("Relu", {odd}, {"y/\x1b[2J"})});
  m.graph.inputs[0].name = odd;
  m.graph.outputs[0].name = "y/\x1b[2J";
  const Loaded loaded(m);
  EXPECT_EQ(loaded.model.inputs()[0].name, odd);
  expect_reals(loaded.run(), {2}, {1, 0});
}

TEST(OnnxOddities, functions_that_nobody_calls) {
  Model m = relu();
  FunctionView f;
  f.name = "F", f.domain = "local", f.inputs = {"a"}, f.outputs = {"b"};
  f.nodes = {node("Frobnicate", {"a"}, {"b"})};
  f.opsets = {{.domain = "", .version = 17}};
  m.functions.push_back(f);
  expect_reals(Loaded(m).run(), {2}, {1, 0});
}

TEST(OnnxOddities, attributes_that_no_version_has) {
  AttributeView a;
  a.name = "epsion", a.type = AttributeView::kFloat, a.f = 3;
  NodeView n = node("Relu", {"x"}, {"y"});
  n.attributes.push_back(a);
  const Loaded loaded(small_model({n}));
  expect_reals(loaded.run(), {2}, {1, 0});
  expect_note(loaded, "no version of Relu has an attribute \"epsion\"; it is ignored");
  // One that another version has changes the result, and of other domains nothing is known.
  n.attributes[0].name = "consumed_inputs";
  expect_error(Code::not_supported, "attribute consumed_inputs of Relu",
               [&] { Loaded{small_model({n})}; });
  // A text could name code or a file.
  AttributeView word = a;
  word.name = "epsion", word.type = AttributeView::kString, word.s = "x.so";
  n.attributes = {word};
  expect_error(Code::not_supported, "attribute epsion of Relu", [&] { Loaded{small_model({n})}; });
  n.attributes = {a};
  n.op = "Gelu", n.domain = "com.microsoft", n.attributes[0].name = "epsion";
  expect_error(Code::not_supported, "attribute epsion of Gelu", [&] { Loaded{small_model({n})}; });
}

TEST(OnnxOddities, a_note_a_kind_and_not_without_end) {
  std::vector<NodeView> nodes;
  std::vector<std::string> names{"x"};
  for (int i = 0; i < 200; ++i) names.push_back("v" + std::to_string(i));
  names.push_back("y");
  AttributeView a;
  a.name = "odd", a.type = AttributeView::kInt;
  for (size_t i = 0; i + 1 < names.size(); ++i) {
    nodes.push_back(node("Relu", {names[i]}, {names[i + 1]}));
    nodes.back().attributes.push_back(a);
  }
  EXPECT_EQ(Loaded(small_model(nodes)).model.notes().size(), 64u);
}

// ---- inputs whose rank the file does not tell

TEST(OnnxOddities, inputs_of_any_rank) {
  const std::string bytes = model_from_text(R"(
opset 17
in x: f32, w: f32[k]
s = Softmax(x) {axis = -1}
y = Add(s, w)
out y
)");
  const tenon::Model model =
      tenon::Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()));
  EXPECT_TRUE(model.inputs()[0].any_rank);
  EXPECT_EQ(text(model.inputs()[0]), "f32");
  EXPECT_TRUE(model.inspect().open);
  Session session(model);
  const Array w = reals({2}, {1, 2});
  const auto run = [&](const Array& x) {
    const OwnedTensor a = owned(x), b = owned(w);
    return array_of(session.run({{"x", a.view()}, {"w", b.view()}}).at(0));
  };
  expect_reals(run(reals({2}, {0, 0})), {2}, {1.5, 2.5});
  expect_reals(run(reals({1, 2}, {0, 0})), {1, 2}, {1.5, 2.5});
  const int64_t plans = session.counters().plans;
  expect_reals(run(reals({2, 2}, {0, 0, 0, 0})), {2, 2}, {1.5, 2.5, 1.5, 2.5});
  expect_reals(run(reals({2}, {0, 0})), {2}, {1.5, 2.5});
  EXPECT_GE(session.counters().plans, plans);
  expect_error(Code::bad_input, "given s64[1]", [&] { run(list({1})); });

  Options options;
  options.ranks["x"] = 3;
  const tenon::Model planned =
      tenon::Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()), options);
  EXPECT_FALSE(planned.inputs()[0].any_rank);
  EXPECT_EQ(planned.inputs()[0].shape.size(), 3u);
}

}  // namespace
}  // namespace tenon::onnx
