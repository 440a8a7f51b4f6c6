// Operators that move elements and make shapes, as older and newer opsets spell them.
#include <gtest/gtest.h>

#include "formats/onnx/reader.h"
#include "formats/onnx_models.h"
#include "ops/arrays.h"

namespace tenon::onnx {
namespace {

AttributeView ints(std::string_view name, std::vector<int64_t> values) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kInts, a.ints = std::move(values);
  return a;
}
AttributeView integer(std::string_view name, int64_t value) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kInt, a.i = value;
  return a;
}
AttributeView real(std::string_view name, float value) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kFloat, a.f = value;
  return a;
}
AttributeView text(std::string_view name, std::string_view value) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kString, a.s = value;
  return a;
}
AttributeView reals_of(std::string_view name, std::vector<float> values) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kFloats, a.floats = std::move(values);
  return a;
}
AttributeView tensor_of(std::string_view name, TensorView t) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kTensor;
  a.tensors.push_back(std::move(t));
  return a;
}

// A model of one node.
struct OneNode {
  int64_t opset;
  std::string_view op;
  std::vector<AttributeView> attributes;
  int outputs = 1;

  // Runs it. Inputs from number `given` on are initializers.
  std::vector<Array> operator()(const std::vector<Array>& inputs, size_t given = 1) const {
    static constexpr std::string_view kIn[] = {"a", "b", "c", "d", "e"}, kOut[] = {"v", "w", "x", "y"};
    Model m;
    m.ir_version = 8;
    m.opsets.push_back({.domain = "", .version = opset});
    m.graph.name = "g";
    std::vector<std::string> raw(inputs.size());
    std::vector<Array> run;
    NodeView n;
    n.op = op, n.attributes = attributes;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Array& a = inputs[i];
      n.inputs.push_back(a.dtype == DType::none ? "" : kIn[i]);
      if (a.dtype == DType::none) continue;
      if (i < given) {
        TypeView t;
        t.kind = TypeView::tensor, t.element = data_type_of(a.dtype), t.has_shape = true;
        for (int64_t d : a.shape) t.shape.push_back({.value = d, .symbol = {}});
        m.graph.inputs.push_back({.name = kIn[i], .type = std::move(t)});
        run.push_back(a);
        continue;
      }
      raw[i].resize(static_cast<size_t>(storage_bytes(a.dtype, a.count())));
      store(a, a.dtype, raw[i].data());
      m.graph.initializers.push_back(raw_tensor(kIn[i], a.dtype, a.shape, raw[i]));
    }
    for (int i = 0; i < outputs; ++i) {
      n.outputs.push_back(kOut[i]);
      m.graph.outputs.push_back({.name = kOut[i], .type = {}});
    }
    m.graph.nodes.push_back(std::move(n));
    const std::string file = write_model(m);
    const ReadModel model = read(make_memory_source(file.data(), static_cast<int64_t>(file.size())), "", {});
    return run_reference(model.graph, run);
  }
};

TEST(ImportMovement, axes_as_attributes_and_as_inputs) {
  EXPECT_EQ((OneNode{1, "Squeeze", {ints("axes", {0})}}({counting({1, 2, 1})})[0].shape), (std::vector<int64_t>{2, 1}));
  EXPECT_EQ((OneNode{11, "Squeeze", {}}({counting({1, 2, 1})})[0].shape), (std::vector<int64_t>{2}));
  EXPECT_EQ((OneNode{13, "Squeeze", {}}({counting({1, 2, 1}), list({-1})})[0].shape), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ((OneNode{25, "Squeeze", {}}({counting({1, 2, 1}), list({-1})}, 2)[0].shape), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ((OneNode{11, "Unsqueeze", {ints("axes", {-1})}}({counting({2})})[0].shape), (std::vector<int64_t>{2, 1}));
  EXPECT_EQ((OneNode{13, "Unsqueeze", {}}({counting({2}), list({0, 2})}, 2)[0].shape), (std::vector<int64_t>{1, 2, 1}));
  expect_error(Code::bad_model, "Unsqueeze names axes", [] { OneNode{13, "Unsqueeze", {}}({counting({2})}); });
}

TEST(ImportMovement, split_by_attribute_input_and_number) {
  for (const OneNode& n : {OneNode{2, "Split", {ints("split", {1, 3})}, 2}, OneNode{11, "Split", {ints("split", {1, 3}), integer("axis", 0)}, 2}})
    expect_reals(n({counting({4})})[1], {3}, {1, 2, 3});
  expect_reals(OneNode{13, "Split", {}, 2}({counting({4}), list({1, 3})})[1], {3}, {1, 2, 3});
  expect_reals(OneNode{13, "Split", {}, 2}({counting({4})})[1], {2}, {2, 3});
  expect_reals(OneNode{18, "Split", {integer("num_outputs", 2)}, 2}({counting({5})})[1], {2}, {3, 4});
}

TEST(ImportMovement, slice_of_every_opset) {
  expect_reals(OneNode{1, "Slice", {ints("starts", {1}), ints("ends", {INT64_MAX}), ints("axes", {0})}}({counting({3})})[0], {2}, {1, 2});
  expect_reals(OneNode{10, "Slice", {}}({counting({3}), list({-2}), list({-1})})[0], {1}, {1});
  // Backwards to before the first element, as PyTorch and TensorFlow write it.
  for (int64_t end : {INT64_MIN, INT64_MIN + 1, int64_t{INT32_MIN}})
    expect_reals(OneNode{13, "Slice", {}}({counting({3}), list({-1}), list({end}), list({0}), list({-1})})[0], {3}, {2, 1, 0});
  expect_reals(OneNode{13, "Slice", {}}({counting({3}), list({-1}), list({INT64_MIN}), list({0}), list({-1})}, 3)[0], {3}, {2, 1, 0});
}

TEST(ImportMovement, pad_of_every_opset) {
  expect_reals(OneNode{1, "Pad", {ints("paddings", {1, 0}), real("value", 7)}}({counting({2})})[0], {3}, {7, 0, 1});
  expect_reals(OneNode{2, "Pad", {ints("pads", {1, 0}), text("mode", "reflect")}}({counting({2})})[0], {3}, {1, 0, 1});
  expect_reals(OneNode{11, "Pad", {}}({counting({2}), list({0, 1}), reals({}, {5})})[0], {3}, {0, 1, 5});
  expect_reals(OneNode{19, "Pad", {text("mode", "wrap")}}({counting({1, 2}), list({1, 0}), omitted(), list({-1})})[0], {1, 3}, {1, 0, 1});
  expect_reals(OneNode{19, "Pad", {}}({counting({2}), list({}), omitted(), list({})})[0], {2}, {0, 1});
  expect_error(Code::bad_model, "it is one of constant, reflect, edge, wrap", [] {
    OneNode{11, "Pad", {text("mode", "mirror")}}({counting({2}), list({0, 1})});
  });
}

TEST(ImportMovement, resize_and_upsample) {
  const std::vector<double> twice{0, 0, 1, 1};
  expect_reals(OneNode{1, "Upsample", {real("height_scale", 1), real("width_scale", 2)}}({counting({1, 1, 1, 2})})[0], {1, 1, 1, 4}, twice);
  expect_reals(OneNode{7, "Upsample", {reals_of("scales", {2})}}({counting({2})})[0], {4}, twice);
  expect_reals(OneNode{9, "Upsample", {}}({counting({2}), reals({1}, {2})})[0], {4}, twice);
  expect_reals(OneNode{10, "Resize", {text("mode", "linear")}}({counting({2}), reals({1}, {2})})[0], {4}, {0, 0.5, 1, 1});
  expect_reals(
      OneNode{11, "Resize", {text("coordinate_transformation_mode", "tf_half_pixel_for_nn")}}({counting({2}), reals({0}, {}), reals({1}, {2})})[0],
      {4}, {0, 1, 1, 1});
  expect_reals(OneNode{11, "Resize", {}}({counting({2}), reals({0}, {}), reals({0}, {}), list({4})})[0], {4}, twice);
  expect_reals(OneNode{19, "Resize", {ints("axes", {1})}}({counting({1, 2}), omitted(), omitted(), list({4})})[0], {1, 4}, twice);
  expect_error(Code::bad_model, "either scales or sizes", [] { OneNode{13, "Resize", {}}({counting({2})}); });
}

TEST(ImportMovement, other_old_spellings) {
  EXPECT_EQ((OneNode{1, "Reshape", {ints("shape", {2, -1}), ints("consumed_inputs", {0})}}({counting({4})})[0].shape), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ((OneNode{14, "Reshape", {integer("allowzero", 1)}}({counting({0, 3}), list({3, 0})})[0].shape), (std::vector<int64_t>{3, 0}));
  EXPECT_EQ((OneNode{1, "Concat", {}}({counting({1, 2}), counting({1, 2})})[0].shape), (std::vector<int64_t>{1, 4}));
  expect_reals(OneNode{1, "Tile", {}}({counting({2}), integers({}, {2}), integers({}, {0})})[0], {4}, {0, 1, 0, 1});
  expect_reals(OneNode{1, "TopK", {integer("k", 1)}, 2}({counting({3})})[0], {1}, {2});
  expect_reals(OneNode{11, "TopK", {integer("largest", 0)}, 2}({counting({3}), list({1})})[0], {1}, {0});
  expect_integers(OneNode{1, "Cast", {text("to", "INT32")}}({counting({2})})[0], {2}, {0, 1});
  expect_integers(OneNode{6, "Cast", {integer("to", 7)}}({counting({2})})[0], {2}, {0, 1});
  EXPECT_EQ((OneNode{15, "CastLike", {}}({counting({2}), list({1}, DType::u8)})[0].dtype), DType::u8);
  expect_reals(OneNode{9, "Scatter", {}}({counting({3}), list({1}), reals({1}, {9})})[0], {3}, {0, 9, 2});
  expect_integers(OneNode{15, "Shape", {integer("start", 1)}}({counting({2, 3})})[0], {1}, {3});
  expect_reals(OneNode{9, "Compress", {}}({counting({2, 2}), list({0, 1, 1}, DType::boolean)})[0], {2}, {1, 2});
}

TEST(ImportMovement, dropout_is_the_identity) {
  expect_reals(OneNode{6, "Dropout", {integer("is_test", 1)}}({counting({2})})[0], {2}, {0, 1});
  auto out = OneNode{7, "Dropout", {real("ratio", 0.3f)}, 2}({counting({2})});
  expect_reals(out[1], {2}, {1, 1});
  EXPECT_EQ(out[1].dtype, DType::f32);
  out = OneNode{13, "Dropout", {}, 2}({counting({2}), reals({}, {0.5})});
  EXPECT_EQ(out[1].dtype, DType::boolean);
  expect_integers(out[1], {2}, {1, 1});
  EXPECT_EQ((OneNode{13, "Dropout", {}}({counting({2}), reals({}, {0}), integers({}, {1}, DType::boolean)})[0].shape), std::vector<int64_t>{2});
  expect_error(Code::not_supported, "Dropout that trains", [] { OneNode{6, "Dropout", {}}({counting({2})}); });
}

TEST(ImportRandom, dropout_that_trains_doubles_what_it_keeps) {
  const std::vector<double> ones(1000, 1);
  const auto out = OneNode{13, "Dropout", {integer("seed", 3)}, 2}({reals({1000}, ones), reals({}, {0.5}), integers({}, {1}, DType::boolean)});
  int64_t kept = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(out[0].real(i), out[1].integer(i) ? 2 : 0);
    kept += out[1].integer(i);
  }
  EXPECT_NEAR(static_cast<double>(kept), 500, 80);
}

TEST(ImportRandom, multinomial_draws_by_log_probabilities) {
  const Array rows = reals({2, 3}, {-100, 0, -100, std::log(0.25), std::log(0.5), std::log(0.25)});
  const OneNode n{22, "Multinomial", {integer("sample_size", 1000), real("seed", 1)}};
  const Array out = n({rows})[0];
  EXPECT_EQ(out.dtype, DType::s32);
  EXPECT_EQ(out.shape, (std::vector<int64_t>{2, 1000}));
  double counts[3] = {};
  for (int64_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(out.integer(i), 1);
    ASSERT_TRUE(out.integer(1000 + i) >= 0 && out.integer(1000 + i) < 3);
    ++counts[out.integer(1000 + i)];
  }
  EXPECT_NEAR(counts[0], 250, 60);
  EXPECT_NEAR(counts[1], 500, 60);
  expect_error(Code::bad_model, "sample_size is 0", [&] { OneNode{22, "Multinomial", {integer("sample_size", 0)}}({rows}); });
}

// As opset 28 says of signed numbers and of amounts out of range.
TEST(ImportMath, shifts_of_signed_numbers) {
  const auto shifted = [](const char* direction, const Array& x, const Array& by) {
    return OneNode{28, "BitShift", {text("direction", direction)}}({x, by})[0];
  };
  const Array x = list({-128, -3, 127, 5}, DType::s8);
  expect_integers(shifted("RIGHT", x, list({1}, DType::s8)), {4}, {-64, -2, 63, 2});
  expect_integers(shifted("RIGHT", x, list({8}, DType::s8)), {4}, {-1, -1, 0, 0});
  expect_integers(shifted("RIGHT", x, list({-1}, DType::s8)), {4}, {-1, -1, 0, 0});
  expect_integers(shifted("LEFT", x, list({1}, DType::s8)), {4}, {0, -6, -2, 10});
  expect_integers(shifted("LEFT", x, list({8}, DType::s8)), {4}, {0, 0, 0, 0});
  expect_integers(shifted("RIGHT", list({INT64_MIN}), list({63, 64})), {2}, {-1, -1});
  expect_integers(shifted("RIGHT", list({-1}, DType::u64), list({63, 64}, DType::u64)), {2}, {1, 0});
}

TEST(ImportShape, constants_of_every_kind) {
  expect_reals(OneNode{13, "Constant", {real("value_float", 2.5f)}}({})[0], {}, {2.5});
  expect_integers(OneNode{13, "Constant", {integer("value_int", -3)}}({})[0], {}, {-3});
  expect_reals(OneNode{13, "Constant", {reals_of("value_floats", {1, 2})}}({})[0], {2}, {1, 2});
  expect_integers(OneNode{13, "Constant", {ints("value_ints", {4, 5})}}({})[0], {2}, {4, 5});
  EXPECT_EQ((OneNode{13, "Constant", {text("value_string", "hi")}}({})[0].strings), std::vector<std::string>{"hi"});
  AttributeView words;
  words.name = "value_strings", words.type = AttributeView::kStrings, words.strings = {"a", "b"};
  EXPECT_EQ((OneNode{13, "Constant", {words}}({})[0].strings), (std::vector<std::string>{"a", "b"}));
  const float four = 4;
  const int64_t place = 2;
  AttributeView sparse;
  sparse.name = "sparse_value", sparse.type = AttributeView::kSparse;
  sparse.sparse.push_back({raw_tensor("", DType::f32, {1}, {reinterpret_cast<const char*>(&four), sizeof four}),
                           raw_tensor("", DType::s64, {1}, {reinterpret_cast<const char*>(&place), sizeof place}),
                           {3}});
  expect_reals(OneNode{13, "Constant", {sparse}}({})[0], {3}, {0, 0, 4});
  const int32_t seven = 7;
  const std::string_view raw(reinterpret_cast<const char*>(&seven), sizeof seven);
  expect_integers(OneNode{1, "Constant", {tensor_of("value", raw_tensor("", DType::s32, {}, raw))}}({})[0], {}, {7});
  expect_integers(OneNode{9, "ConstantOfShape", {tensor_of("value", raw_tensor("", DType::s32, {1}, raw))}}({list({2})}, 0)[0], {2}, {7, 7});
  expect_reals(OneNode{9, "ConstantOfShape", {}}({list({2})})[0], {2}, {0, 0});
  expect_error(Code::bad_model, "one attribute", [] { OneNode{13, "Constant", {}}({}); });
  expect_error(Code::bad_model, "one element", [&] {
    const std::string both = std::string(raw) + std::string(raw);
    OneNode{9, "ConstantOfShape", {tensor_of("value", raw_tensor("", DType::s32, {2}, both))}}({list({2})});
  });
}

}  // namespace
}  // namespace tenon::onnx
