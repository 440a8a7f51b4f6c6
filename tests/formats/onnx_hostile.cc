// Models that are well-formed bytes and hostile graphs: names, functions, opsets, operators. The
// identifier in a test's name (X33 ...) is a case of docs/loader_attacks.md.
#include <gtest/gtest.h>

#include "formats/formats.h"
#include "formats/hostile.h"
#include "formats/onnx_models.h"

namespace tenon::onnx {
namespace {

void read(const std::string& file) { read_model(make_view_source(file.data(), static_cast<int64_t>(file.size())), "", {}); }

testing::AssertionResult refuses(const Model& model, std::string_view word) {
  const std::string file = write_model(model);
  return hostile::refused(word, file.size(), [&] { read(file); });
}

// The graph may take 2 KiB a node.
testing::AssertionResult loads(const Model& model) {
  const std::string file = write_model(model);
  const hostile::Outcome o = hostile::outcome(
      file.size(), [&] { read(file); }, model.graph.nodes.size() * 2048);
  if (o.code || !o.failure.empty()) return testing::AssertionFailure() << o.text << o.failure;
  return testing::AssertionSuccess();
}

FunctionView function(std::string_view name, std::vector<NodeView> nodes) {
  FunctionView f;
  f.name = name, f.domain = "local", f.inputs = {"a"}, f.outputs = {"b"}, f.nodes = std::move(nodes);
  f.opsets = {{.domain = "", .version = 17}, {.domain = "local", .version = 1}};
  return f;
}

NodeView call(std::string_view name, std::string_view in, std::string_view out) {
  NodeView n = node(name, {in}, {out});
  n.domain = "local";
  return n;
}

Model calling(std::string_view name, std::vector<FunctionView> functions) {
  Model m = small_model({call(name, "x", "y")});
  m.opsets.push_back({.domain = "local", .version = 1});
  m.functions = std::move(functions);
  return m;
}

TEST(OnnxHostile, X33_functions_that_call_themselves) {
  EXPECT_TRUE(loads(calling("F", {function("F", {node("Relu", {"a"}, {"b"})})})));
  EXPECT_TRUE(refuses(calling("F", {function("F", {call("F", "a", "b")})}), "the function F calls itself"));
  EXPECT_TRUE(refuses(calling("F", {function("F", {call("G", "a", "b")}), function("G", {call("F", "a", "b")})}), "the function F calls itself"));
  GraphView branch;
  branch.nodes = {call("F", "a", "z")};
  branch.outputs.push_back({.name = "z", .type = {}});
  NodeView choice = node("If", {"c"}, {"b"});
  choice.attributes = {graph_attribute("then_branch", branch), graph_attribute("else_branch", branch)};
  Model m = calling("F", {function("F", {choice})});
  m.functions[0].inputs = {"a", "c"};
  m.graph.nodes[0].inputs = {"x", "p"};
  m.graph.inputs.push_back({.name = "p", .type = tensor_type(DType::boolean, {})});
  m.functions[0].nodes[0].attributes[0].graphs[0].nodes[0].inputs = {"a", "c"};
  m.functions[0].nodes[0].attributes[1].graphs[0].nodes[0].inputs = {"a", "c"};
  EXPECT_TRUE(refuses(m, "the function F calls itself"));
}

TEST(OnnxHostile, X33_chains_and_trees_of_functions) {
  std::vector<std::string> names;
  for (int i = 0; i <= 100000; ++i) names.push_back("F" + std::to_string(i));
  std::vector<FunctionView> chain, tree;
  for (size_t i = 0; i + 1 < names.size(); ++i) chain.push_back(function(names[i], {call(names[i + 1], "a", "b")}));
  EXPECT_TRUE(refuses(calling("F0", std::move(chain)), "limit calls"));
  for (size_t i = 0; i < 30; ++i) tree.push_back(function(names[i], {call(names[i + 1], "a", "h"), call(names[i + 1], "h", "b")}));
  tree.push_back(function(names[30], {node("Relu", {"a"}, {"b"})}));
  EXPECT_TRUE(refuses(calling("F0", std::move(tree)), "limit nodes"));
  EXPECT_TRUE(refuses(calling("F", {function("F", {node("Relu", {"a"}, {"b"})}), function("F", {})}), "defined twice"));
}

TEST(OnnxHostile, references_to_attributes_of_no_function) {
  NodeView n = node("LeakyRelu", {"x"}, {"y"});
  AttributeView alpha;
  alpha.name = "alpha", alpha.type = AttributeView::kFloat, alpha.reference = "a";
  n.attributes = {alpha};
  EXPECT_TRUE(refuses(small_model({n}), "the node is in none"));
}

TEST(OnnxHostile, X34_names) {
  EXPECT_TRUE(refuses(small_model({node("Relu", {"y"}, {"y"})}), "\"y\" (Relu) reads its own output"));
  EXPECT_TRUE(refuses(small_model({node("Relu", {"b"}, {"a"}), node("Relu", {"a"}, {"b"})}), "form a cycle"));
  EXPECT_TRUE(refuses(small_model({node("Relu", {"x"}, {"y"}), node("Relu", {"x"}, {"y"})}), "given to two values"));
  EXPECT_TRUE(refuses(small_model({node("Relu", {"x"}, {"x"})}), "\"x\" (Relu) reads its own output"));
  EXPECT_TRUE(refuses(small_model({node("Relu", {"absent"}, {"y"})}), "\"absent\" is used before"));
  EXPECT_TRUE(refuses(small_model({node("Relu", {"x"}, {"z"})}), "\"y\" is used before"));
  EXPECT_TRUE(refuses(small_model({node("Add", {"x"}, {"y"})}), "Add"));
  EXPECT_TRUE(refuses(small_model({node("Add", {"x", ""}, {"y"})}), "Add"));
  EXPECT_TRUE(refuses(small_model({node("Relu", {}, {"y"})}), "Relu"));
  EXPECT_TRUE(refuses(small_model({node("Relu", {"x"}, {""})}), "\"y\" is used before"));
  EXPECT_TRUE(refuses(small_model({node("Relu", {"x"}, {"y", "z"})}), "Relu"));
  EXPECT_TRUE(refuses(small_model({}), "\"y\" is used before"));
}

TEST(OnnxHostile, X34_fan_out) {
  std::vector<std::string> names;
  for (int i = 0; i < 100000; ++i) names.push_back("v" + std::to_string(i));
  Model m = small_model({});
  for (const std::string& n : names) m.graph.nodes.push_back(node("Relu", {"x"}, {n}));
  m.graph.outputs[0].name = names.back();
  EXPECT_TRUE(loads(m));
}

TEST(OnnxHostile, X35_a_chain_of_100000_nodes) {
  std::vector<std::string> names{"x"};
  Model m = small_model({});
  for (int i = 0; i < 100000; ++i) names.push_back("v" + std::to_string(i));
  for (size_t i = 0; i + 1 < names.size(); ++i) m.graph.nodes.push_back(node("Relu", {names[i]}, {names[i + 1]}));
  m.graph.outputs[0].name = names.back();
  EXPECT_TRUE(loads(m));
}

TEST(OnnxHostile, X37_opsets) {
  const auto with = [](std::vector<OpsetView> opsets) {
    Model m = small_model({node("Relu", {"x"}, {"y"})});
    m.opsets = std::move(opsets);
    return m;
  };
  EXPECT_TRUE(loads(with({{.domain = "", .version = 17}})));
  EXPECT_TRUE(loads(with({{.domain = "ai.onnx", .version = 17}})));
  EXPECT_TRUE(refuses(with({{.domain = "", .version = 0}}), "opset 0 of domain"));
  EXPECT_TRUE(refuses(with({{.domain = "", .version = -1}}), "opset -1 of domain"));
  EXPECT_TRUE(refuses(with({{.domain = "", .version = 999}}), "opset 999 of domain ai.onnx"));
  EXPECT_TRUE(refuses(with({{.domain = "", .version = INT64_MAX}}), "of domain ai.onnx"));
  EXPECT_TRUE(refuses(with({{.domain = "", .version = 17}, {.domain = "com.x", .version = INT64_MIN}}), "of domain \"com.x\""));
  EXPECT_TRUE(loads(with({{.domain = "", .version = 17}, {.domain = "ai.onnx", .version = 17}})));
  EXPECT_TRUE(refuses(with({{.domain = "", .version = 17}, {.domain = "", .version = 0}}), "opset 0 of domain"));
}

TEST(OnnxHostile, X38_operators) {
  EXPECT_TRUE(refuses(small_model({node("Frobnicate", {"x"}, {"y"})}), "Frobnicate"));
  EXPECT_TRUE(refuses(small_model({node("", {"x"}, {"y"})}), "opset 17"));
  NodeView n = node("Relu", {"x"}, {"y"});
  n.domain = "evil\x1b[2J";
  EXPECT_TRUE(refuses(small_model({n}), "evil\\x1b[2J"));
  n = node("Relu", {"x"}, {"y"});
  AttributeView library;
  library.name = "library", library.type = AttributeView::kString, library.s = "/tmp/evil.so";
  n.attributes = {library};
  EXPECT_TRUE(refuses(small_model({n}), "attribute library of Relu"));
}

TEST(OnnxHostile, X16_initializers) {
  const std::string raw(8, 0);
  const auto with = [&](TensorView t) {
    Model m = small_model({node("Add", {"x", "w"}, {"y"})});
    m.graph.initializers = {std::move(t)};
    return m;
  };
  EXPECT_TRUE(loads(with(raw_tensor("w", DType::f32, {2}, raw))));
  EXPECT_TRUE(refuses(with(raw_tensor("w", DType::f32, {-2}, raw)), "tensor \"w\""));
  EXPECT_TRUE(refuses(with(raw_tensor("w", DType::f32, {INT64_MIN}, raw)), "tensor \"w\""));
  EXPECT_TRUE(refuses(with(raw_tensor("w", DType::f32, {int64_t{1} << 62, 8}, raw)), "2^62"));
  EXPECT_TRUE(refuses(with(raw_tensor("w", DType::f32, {1, 1, 1, 1, 1, 1, 1, 1, 2}, raw)), "8 dimensions"));
  EXPECT_TRUE(refuses(with(raw_tensor("w", DType::f32, {3}, raw)), "8 bytes, its shape asks for 12"));
}

TEST(OnnxHostile, X41_cut_or_changed_anywhere) {
  NodeView c = node("Conv", {"x4", "w"}, {"y"});
  AttributeView pads;
  pads.name = "pads", pads.type = AttributeView::kInts, pads.ints = {1, 1, 1, 1};
  c.attributes = {pads};
  const std::string raw(36, 0);
  Model m = small_model({c});
  m.graph.inputs[0] = {.name = "x4", .type = tensor_type(DType::f32, {1, 1, 4, 4})};
  m.graph.initializers = {raw_tensor("w", DType::f32, {1, 1, 3, 3}, raw)};
  hostile::mangle(write_model(m), [](std::string_view b) { read(std::string(b)); });
}

}  // namespace
}  // namespace tenon::onnx
