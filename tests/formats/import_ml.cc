// Operators of ai.onnx.ml but trees. Numbers that are no plain arithmetic are ONNX Runtime 1.32's.
#include <gtest/gtest.h>

#include "exec/compare.h"
#include "harness/onnx_text.h"
#include "ops/arrays.h"
#include "tenon.h"

namespace tenon::onnx {
namespace {

using Inputs = std::map<std::string, Array>;

std::vector<Array> run_by(const std::string& bytes, const Inputs& inputs, bool reference) {
  Options options;
  options.threads = 1;
  options.reference = reference;
  const Model model = Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()), options);
  Session session(model);
  std::map<std::string, OwnedTensor> owners;
  std::map<std::string, Tensor> views;
  for (const auto& [name, array] : inputs)
    views[name] = owners.emplace(name, owned(array)).first->second.view();
  std::vector<Array> out;
  for (const Tensor& t : session.run(views)) out.push_back(array_of(t));
  return out;
}

// The outputs by the reference; those of a plan must agree.
std::vector<Array> answers(const std::string& body, const Inputs& inputs) {
  const std::string bytes = model_from_text("opset 17, ai.onnx.ml 3\n" + body);
  std::vector<Array> expected = run_by(bytes, inputs, true);
  const std::vector<Array> planned = run_by(bytes, inputs, false);
  EXPECT_EQ(planned.size(), expected.size());
  for (size_t i = 0; i < std::min(planned.size(), expected.size()); ++i) {
    const Difference d = compare(planned[i], expected[i], {1e-5, 1e-6});
    EXPECT_TRUE(d.same) << "output " << i << " by plan: " << d.reason;
  }
  return expected;
}

// A node of ai.onnx.ml with the outputs y (and z) on input x of the given type.
std::vector<Array> node(const std::string& type, const Array& x, const std::string& op,
                        const std::string& attributes, int outputs = 1) {
  const std::string names = outputs == 2 ? "y, z" : "y";
  return answers("in x: " + type + "\n" + names + " = ai.onnx.ml." + op + "(x) {" + attributes +
                     "}\nout " + names,
                 {{"x", x}});
}

void expect_refused(const std::string& words, const std::string& type, const Array& x,
                    const std::string& op, const std::string& attributes, int outputs = 1) {
  expect_error(Code::bad_model, words, [&] { node(type, x, op, attributes, outputs); });
}

const Array kRows = reals({3, 2}, {1, 2, -3, 1, 0, 0});

TEST(ImportMl, scaler) {
  const auto scaled = [&](const std::string& a) {
    return node("f32[n, 2]", kRows, "Scaler", a)[0];
  };
  expect_reals(scaled("scale = [2.0, 3.0], offset = [1.0, 1.0]"), {3, 2}, {0, 3, -8, 0, -2, -3});
  expect_reals(scaled("scale = [2.0], offset = [1.0]"), {3, 2}, {0, 2, -8, 0, -2, -2});
  expect_reals(scaled("scale = [2.0]"), {3, 2}, {2, 4, -6, 2, 0, 0});
  const Array whole = integers({1, 2}, {3, -1});
  const Array out = node("s64[n, 2]", whole, "Scaler", "scale = [0.5], offset = [1.0]")[0];
  expect_reals(out, {1, 2}, {1, -1});
  EXPECT_EQ(out.dtype, DType::f32);
  const Array wide = reals({1, 1}, {1e9 + 1}, DType::f64);
  expect_reals(node("f64[n, 1]", wide, "Scaler", "offset = [1000000000.0]")[0], {1, 1}, {1});
  expect_refused("scale has 3 numbers, input 0 has 2 features", "f32[n, 2]", kRows, "Scaler",
                 "scale = [1.0, 2.0, 3.0]");
  expect_refused("offset has 1 numbers and scale has 2", "f32[n, 2]", kRows, "Scaler",
                 "scale = [1.0, 2.0], offset = [1.0]");
  const std::string symbolic = model_from_text(
      "opset 17, ai.onnx.ml 3\nin x: f32[n, m]\ny = ai.onnx.ml.Scaler(x) {scale = [1.0, 2.0, "
      "3.0]}\nout y");
  expect_error(Code::bad_input, "scale and features", [&] {
    run_by(symbolic, {{"x", kRows}}, false);
  });
}

TEST(ImportMl, normalizer) {
  const auto by = [&](const std::string& norm) {
    return node("f32[n, 2]", kRows, "Normalizer", norm)[0];
  };
  expect_reals(by("norm = \"MAX\""), {3, 2}, {0.5, 1, -3, 1, 0, 0});
  expect_reals(by("norm = \"L1\""), {3, 2}, {1. / 3, 2. / 3, -0.75, 0.25, 0, 0});
  expect_reals(by("norm = \"L2\""), {3, 2},
               {1 / std::sqrt(5), 2 / std::sqrt(5), -3 / std::sqrt(10), 1 / std::sqrt(10), 0, 0});
  const Array row = integers({2}, {-1, -2});
  expect_reals(node("s64[2]", row, "Normalizer", "")[0], {2}, {1, 2});
  expect_refused("norm \"L3\" is none of", "f32[n, 2]", kRows, "Normalizer", "norm = \"L3\"");
  expect_refused("rank 3", "f32[1, 1, 2]", reals({1, 1, 2}, {1, 2}), "Normalizer", "");
}

TEST(ImportMl, imputer) {
  const Array gaps = reals({2, 2}, {1, NAN, 0, 2});
  const std::string nan = ", replaced_value_float = -nan";
  expect_reals(node("f32[n, 2]", gaps, "Imputer", "imputed_value_floats = [7.0, 8.0]" + nan)[0],
               {2, 2}, {1, 8, 0, 2});
  expect_reals(node("f32[n, 2]", gaps, "Imputer", "imputed_value_floats = [7.0]" + nan)[0], {2, 2},
               {1, 7, 0, 2});
  const Array whole = integers({2, 2}, {1, 2, 0, 2});
  expect_integers(node("s64[n, 2]", whole, "Imputer",
                       "imputed_value_int64s = [9007199254740993], replaced_value_int64 = 2")[0],
                  {2, 2}, {1, 9007199254740993, 0, 9007199254740993});
  expect_refused("imputed_value_floats is empty", "f32[n, 2]", gaps, "Imputer",
                 "imputed_value_int64s = [1]");
  expect_refused("has 3 numbers", "f32[n, 2]", gaps, "Imputer",
                 "imputed_value_floats = [1.0, 2.0, 3.0]");
}

TEST(ImportMl, binarizer) {
  const Array whole = integers({4}, {-2, -1, 1, 2});
  expect_integers(node("s64[4]", whole, "Binarizer", "threshold = -1.5")[0], {4}, {0, 1, 1, 1});
  expect_integers(node("s64[4]", whole, "Binarizer", "threshold = 1.0")[0], {4}, {0, 0, 0, 1});
  expect_reals(node("f32[n, 2]", kRows, "Binarizer", "")[0], {3, 2}, {1, 1, 0, 1, 0, 0});
}

TEST(ImportMl, one_hot_encoder) {
  expect_reals(
      node("s64[n, 1]", integers({2, 1}, {1, 7}), "OneHotEncoder", "cats_int64s = [5, 1]")[0],
      {2, 1, 2}, {0, 1, 0, 0});
  expect_reals(node("f32[n]", reals({2}, {1.7, 5}), "OneHotEncoder", "cats_int64s = [5, 1]")[0],
               {2, 2}, {0, 1, 1, 0});
  // Of a category that is listed twice the later place counts.
  expect_reals(node("s64[1]", list({5}), "OneHotEncoder", "cats_int64s = [5, 1, 5]")[0], {1, 3},
               {0, 0, 1});
  const Array words = strings({1, 2}, {"b", "z"});
  const std::string cats = "cats_strings = [\"a\", \"b\"]";
  expect_reals(node("string[n, 2]", words, "OneHotEncoder", cats)[0], {1, 2, 2}, {0, 1, 0, 0});
  expect_error(Code::bad_input, "\"z\", is none of the 2 keys",
               [&] { node("string[n, 2]", words, "OneHotEncoder", cats + ", zeros = 0"); });
  expect_refused("cats_strings is empty", "string[n, 2]", words, "OneHotEncoder",
                 "cats_int64s = [1]");
}

TEST(ImportMl, feature_vectorizer) {
  const std::string body = R"(
in a: f32[n, 2], b: f32[n, 1]
y = ai.onnx.ml.FeatureVectorizer(a, b) {inputdimensions = [2, 1]}
out y
)";
  expect_reals(answers(body, {{"a", kRows}, {"b", reals({3, 1}, {7, 8, 9})}})[0], {3, 3},
               {1, 2, 7, -3, 1, 8, 0, 0, 9});
  const Array row = integers({2}, {4, 5});
  expect_reals(node("s64[2]", row, "FeatureVectorizer", "")[0], {1, 2}, {4, 5});
  expect_refused("2 columns, inputdimensions says 3", "f32[n, 2]", kRows, "FeatureVectorizer",
                 "inputdimensions = [3]");
  expect_refused("2 numbers for 1 inputs", "f32[n, 2]", kRows, "FeatureVectorizer",
                 "inputdimensions = [1, 1]");
}

TEST(ImportMl, category_mapper) {
  const std::string lists = "cats_strings = [\"a\", \"b\", \"a\"], cats_int64s = [3, 4, 5]";
  expect_integers(node("string[2]", strings({2}, {"a", "q"}), "CategoryMapper", lists)[0], {2},
                  {5, -1});
  EXPECT_EQ(node("s64[3]", list({3, 5, 6}), "CategoryMapper", lists)[0].strings,
            (std::vector<std::string>{"a", "a", "_Unused"}));
  expect_refused("cats_int64s has 1 elements and cats_strings 0", "s64[1]", list({1}),
                 "CategoryMapper", "cats_int64s = [1]");
}

TEST(ImportMl, label_encoder_between_all_types) {
  const auto encoded = [](const std::string& type, const Array& x, const std::string& a) {
    return node(type, x, "LabelEncoder", a)[0];
  };
  const Array words = strings({2}, {"a", "b"}), whole = list({1, 2}), real = reals({2}, {NAN, 2});
  expect_reals(encoded("string[2]", words, "keys_strings = [\"a\"], values_floats = [1.5]"), {2},
               {1.5, 0});
  expect_integers(encoded("s64[2]", whole, "keys_int64s = [1, 1], values_int64s = [5, 6]"), {2},
                  {5, -1});
  expect_integers(encoded("f32[2]", real, "keys_floats = [nan], values_int64s = [5]"), {2},
                  {5, -1});
  EXPECT_EQ(encoded("f32[2]", real, "keys_floats = [2.0], values_strings = [\"two\"]").strings,
            (std::vector<std::string>{"_Unused", "two"}));
  expect_refused("keys and values", "s64[2]", whole, "LabelEncoder",
                 "keys_int64s = [1, 2], values_int64s = [5]");
  expect_refused("there is no values_strings", "s64[2]", whole, "LabelEncoder",
                 "keys_int64s = [1]");
  const auto tensors = [](const std::string& type, const Array& x) {
    const std::string bytes =
        model_from_text("opset 17, ai.onnx.ml 4\nin x: " + type +
                        "\ny = ai.onnx.ml.LabelEncoder(x) {keys_tensor = s32[2] "
                        "[1, 3], values_tensor = f64[2] [1.5, 3.5], "
                        "default_tensor = f64[1] [9]}\nout y");
    return run_by(bytes, {{"x", x}}, false)[0];
  };
  expect_reals(tensors("s32[2]", list({3, 2}, DType::s32)), {2}, {3.5, 9});
  const std::string old = model_from_text(
      "opset 17, ai.onnx.ml 1\nin x: string[2]\ny = ai.onnx.ml.LabelEncoder(x) {classes_strings = "
      "[\"b\", \"a\"], default_int64 = 7}\nout y");
  expect_integers(run_by(old, {{"x", strings({2}, {"a", "c"})}}, false)[0], {2}, {1, 7});
}

TEST(ImportMl, array_feature_extractor) {
  const std::string body = R"(
in x: f32[n, 2]
k: s64[1, 2] = [1, 0]
y = ai.onnx.ml.ArrayFeatureExtractor(x, k)
out y
)";
  expect_reals(answers(body, {{"x", kRows}})[0], {3, 2}, {2, 1, 1, -3, 0, 0});
}

// ---- linear models

TEST(ImportMl, linear_regressor) {
  const auto by = [](const std::string& a) {
    return node("f32[n, 2]", kRows, "LinearRegressor", a)[0];
  };
  expect_reals(by("coefficients = [0.1, 0.2], intercepts = [0.05]"), {3, 1}, {0.55, -0.05, 0.05});
  expect_reals(by("coefficients = [0.1, 0.2]"), {3, 1}, {0.5, -0.1, 0});
  const std::string two =
      "targets = 2, coefficients = [0.1, 0.2, 0.3, 0.4], intercepts = [0.05, 0.2]";
  expect_reals(by(two), {3, 2}, {0.55, 1.3, -0.05, -0.3, 0.05, 0.2});
  expect_reals(by(two + ", post_transform = \"LOGISTIC\""), {3, 2},
               {0.6341356, 0.785835, 0.4875026, 0.4255575, 0.5124974, 0.549834});
  expect_reals(by(two + ", post_transform = \"SOFTMAX\""), {3, 2},
               {0.3208213, 0.6791787, 0.5621765, 0.4378235, 0.4625702, 0.5374298});
  // The standard transforms every score; ONNX Runtime leaves a single one as it is.
  expect_reals(by("coefficients = [0.1, 0.2], post_transform = \"LOGISTIC\""), {3, 1},
               {0.6224593, 0.4750208, 0.5});
  expect_refused("coefficients has 3 numbers", "f32[n, 2]", kRows, "LinearRegressor",
                 "targets = 2, coefficients = [0.1, 0.2, 0.3]");
  expect_refused("coefficients has 0 numbers", "f32[n, 2]", kRows, "LinearRegressor", "");
  expect_refused("intercepts has 2 numbers, expected 1", "f32[n, 2]", kRows, "LinearRegressor",
                 "coefficients = [0.1, 0.2], intercepts = [0.05, 1.0]");
  expect_refused("-1 targets", "f32[n, 2]", kRows, "LinearRegressor",
                 "targets = -1, coefficients = [0.1, 0.2]");
}

TEST(ImportMl, linear_classifier) {
  const auto by = [](const std::string& a) {
    return node("f32[n, 2]", kRows, "LinearClassifier", a, 2);
  };
  const std::string one =
      "coefficients = [0.1, 0.2], intercepts = [0.05], classlabels_ints = [4, 7]";
  std::vector<Array> out = by(one);
  expect_integers(out[0], {3}, {7, 4, 7});
  expect_reals(out[1], {3, 2}, {0.45, 0.55, 1.05, -0.05, 0.95, 0.05});
  expect_reals(by(one + ", post_transform = \"LOGISTIC\"")[1], {3, 2},
               {0.3658644, 0.6341356, 0.5124974, 0.4875026, 0.4875026, 0.5124974});
  expect_reals(by(one + ", post_transform = \"SOFTMAX\"")[1], {3, 2},
               {0.45, 0.55, 1.05, -0.05, 0.95, 0.05});
  out =
      by("coefficients = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], intercepts = [0.0, 0.0, 0.1], "
         "classlabels_strings = [\"a\", \"b\", \"c\"], post_transform = \"LOGISTIC\"");
  EXPECT_EQ(out[0].strings, (std::vector<std::string>{"c", "a", "c"}));
  expect_reals(
      out[1], {3, 3},
      {0.6224593, 0.7502601, 0.8581489, 0.4750208, 0.3775407, 0.3100256, 0.5, 0.5, 0.5249792});
  const std::string two =
      "coefficients = [0.1, 0.2, -0.3, 0.1], intercepts = [0.05, 0.1], "
      "classlabels_ints = [4, 7]";
  expect_reals(by(two + ", post_transform = \"SOFTMAX_ZERO\"")[1], {3, 2},
               {1, 0, 0.2404888, 0.7595109, 0.4875026, 0.5124974});
  expect_reals(by("coefficients = [0.1, 0.2, 0.3, 0.4], classlabels_ints = [1, 2]")[1], {3, 2},
               {0.5, 1.1, -0.1, -0.5, 0, 0});
  expect_refused("no class labels", "f32[n, 2]", kRows, "LinearClassifier",
                 "coefficients = [0.1, 0.2], intercepts = [0.05]", 2);
  expect_refused("1 intercepts and 3 class labels", "f32[n, 2]", kRows, "LinearClassifier",
                 "coefficients = [0.1, 0.2], intercepts = [0.05], classlabels_ints = [1, 2, 3]", 2);
  expect_refused("post_transform \"TANH\"", "f32[n, 2]", kRows, "LinearClassifier",
                 one + ", post_transform = \"TANH\"", 2);
}

// ---- support vector machines

const Array kPoints = reals({2, 2}, {0.5, -1, 2, 0.25});
const std::string kVectors = "support_vectors = [1.0, 0.0, 0.5, -0.5, -1.0, 2.0], ";

double decision(const std::string& kernel, int64_t row) {
  constexpr double kSupport[3][2] = {{1, 0}, {0.5, -0.5}, {-1, 2}},
                   kWeights[3] = {0.5, -0.25, 0.75};
  double sum = 0.125;
  for (int i = 0; i < 3; ++i) {
    const double x = kPoints.real(2 * row), y = kPoints.real(2 * row + 1);
    const double dot = x * kSupport[i][0] + y * kSupport[i][1];
    const double dx = x - kSupport[i][0], dy = y - kSupport[i][1];
    double k = dot;
    if (kernel == "POLY") k = std::pow(0.5 * dot + 0.25, 3);
    if (kernel == "SIGMOID") k = std::tanh(0.5 * dot + 0.25);
    if (kernel == "RBF") k = std::exp(-0.5 * (dx * dx + dy * dy));
    sum += kWeights[i] * k;
  }
  return sum;
}

TEST(ImportMl, svm_regressor_of_every_kernel) {
  for (const char* kernel : {"LINEAR", "POLY", "RBF", "SIGMOID"}) {
    const std::string a = std::string("kernel_type = \"") + kernel + "\", " + kVectors +
                          "n_supports = 3, kernel_params = [0.5, 0.25, 3.0], coefficients = "
                          "[0.5, -0.25, 0.75], rho = [0.125]";
    expect_reals(node("f32[n, 2]", kPoints, "SVMRegressor", a)[0], {2, 1},
                 {decision(kernel, 0), decision(kernel, 1)}, 1e-5);
    expect_reals(node("f32[n, 2]", kPoints, "SVMRegressor", a + ", one_class = 1")[0], {2, 1},
                 {decision(kernel, 0) > 0 ? 1. : -1., decision(kernel, 1) > 0 ? 1. : -1.});
  }
  expect_reals(
      node("f32[n, 2]", kPoints, "SVMRegressor", "coefficients = [1.0, 2.0], rho = [0.5]")[0],
      {2, 1}, {-1, 3});
}

TEST(ImportMl, svm_far_from_the_origin) {
  const Array far = reals({1, 2}, {10000.5, -20001});
  const Array out = node(
      "f32[n, 2]", far, "SVMRegressor",
      "kernel_type = \"RBF\", support_vectors = [10001.0, -20000.0, 10000.0, -20002.0], "
      "n_supports = 2, kernel_params = [0.5, 0.0, 0.0], coefficients = [1.0, 2.0], rho = [0.0]")[0];
  expect_reals(out, {1, 1}, {3 * std::exp(-0.5 * 1.25)}, 1e-6);
}

TEST(ImportMl, svm_classifier_of_two_classes) {
  const std::string a =
      "kernel_type = \"RBF\", " + kVectors +
      "vectors_per_class = [2, 1], kernel_params = [0.5, 0.25, 3.0], coefficients = "
      "[0.5, -0.25, 0.75], rho = [0.125], classlabels_ints = [5, 9]";
  const double p = decision("RBF", 0), q = decision("RBF", 1);
  std::vector<Array> out = node("f32[n, 2]", kPoints, "SVMClassifier", a, 2);
  expect_integers(out[0], {2}, {p > 0 ? 5 : 9, q > 0 ? 5 : 9});
  expect_reals(out[1], {2, 2}, {-p, p, -q, q}, 1e-5);
  out = node("f32[n, 2]", kPoints, "SVMClassifier", a + ", post_transform = \"SOFTMAX\"", 2);
  expect_reals(out[1], {2, 2}, {1 - p, p, 1 - q, q}, 1e-5);
  out = node("f32[n, 2]", kPoints, "SVMClassifier", a + ", prob_a = [-1.2], prob_b = [0.1]", 2);
  EXPECT_NEAR(out[1].real(0) + out[1].real(1), 1, 1e-6);
  EXPECT_NEAR(out[1].real(0), 1 / (1 + std::exp(-1.2 * p + 0.1)), 0.005);
}

// x itself is the value of the kernel, so that the decisions are the weighted rows.
TEST(ImportMl, svm_classifier_votes_of_three_classes) {
  const Array x = reals({2, 3}, {1, 0, 0, 0, 0, 1});
  const std::string a =
      "support_vectors = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], "
      "vectors_per_class = [1, 1, 1], coefficients = [1.0, -2.0, -3.0, 4.0, 5.0, -6.0], "
      "rho = [0.5, -0.5, 0.25], classlabels_strings = [\"a\", \"b\", \"c\"]";
  // Pairs (a, b), (a, c), (b, c): of vector a the coefficients 1 and 4, of b -2 and 5, of c -3 and
  // -6.
  std::vector<Array> out = node("f32[n, 3]", x, "SVMClassifier", a, 2);
  expect_reals(out[1], {2, 3}, {1.5, 3.5, 0.25, 0.5, -3.5, -5.75});
  EXPECT_EQ(out[0].strings, (std::vector<std::string>{"a", "c"}));
  out = node("f32[n, 3]", x, "SVMClassifier",
             a + ", prob_a = [-1.0, -2.0, -0.5], prob_b = [0.1, 0.2, 0.3]", 2);
  for (int64_t row : {0, 1})
    EXPECT_NEAR(out[1].real(3 * row) + out[1].real(3 * row + 1) + out[1].real(3 * row + 2), 1,
                1e-6);
  EXPECT_GT(out[1].real(0), 0.7);
  EXPECT_GT(out[1].real(5), 0.7);
}

TEST(ImportMl, svm_without_vectors_is_linear) {
  const std::vector<Array> out =
      node("f32[n, 2]", kPoints, "SVMClassifier",
           "coefficients = [1.0, 2.0, 3.0, 4.0], rho = [0.5, 9.0], classlabels_ints = [5, 9]", 2);
  expect_reals(out[1], {2, 2}, {-1, -2, 3, 7.5});
  expect_integers(out[0], {2}, {5, 9});
}

TEST(ImportMl, svm_of_lists_that_do_not_fit) {
  const auto refused = [](const std::string& words, const std::string& a) {
    expect_refused(words, "f32[n, 2]", kPoints, "SVMClassifier", "classlabels_ints = [1, 2], " + a,
                   2);
  };
  const std::string rest = ", coefficients = [1.0, 1.0, 1.0], rho = [0.0]";
  refused(
      "support_vectors has 6 numbers, expected a row of them for each of 4 vectors",
      kVectors + "vectors_per_class = [2, 2], coefficients = [1.0, 1.0, 1.0, 1.0], rho = [0.0]");
  refused("coefficients has 3 numbers, expected 2", kVectors + "vectors_per_class = [1, 1]" + rest);
  refused("vectors_per_class has 3 numbers", kVectors + "vectors_per_class = [1, 1, 1]" + rest);
  refused("vectors_per_class are counts", kVectors + "vectors_per_class = [4, -1]" + rest);
  refused("vectors_per_class has 0 numbers", kVectors + "coefficients = [1.0], rho = [0.0]");
  refused("rho has 0 numbers",
          kVectors + "vectors_per_class = [2, 1], coefficients = [1.0, 1.0, 1.0]");
  refused("prob_b has 0 numbers", kVectors + "vectors_per_class = [2, 1], prob_a = [1.0]" + rest);
  refused("kernel_params has 1 numbers",
          kVectors + "vectors_per_class = [2, 1], kernel_params = [1.0]" + rest);
  refused("kernel_type \"COSINE\"", "kernel_type = \"COSINE\"" + rest);
  expect_refused("input 0 has rank 3", "f32[1, 1, 2]", reals({1, 1, 2}, {1, 2}), "SVMRegressor",
                 "coefficients = [1.0, 1.0], rho = [0.0]");
  expect_refused("support_vectors has 6 numbers", "f32[n, 2]", kPoints, "SVMRegressor",
                 kVectors + "n_supports = -2, coefficients = [1.0], rho = [0.0]");
}

// ---- maps

Array map_of(const Array& keys, const Array& values) {
  Array m;
  m.dtype = values.dtype;
  m.container = Container::map;
  m.items = {keys, values};
  return m;
}

TEST(ImportMl, zip_map) {
  std::vector<Array> out = node("f32[n, 2]", kRows, "ZipMap", "classlabels_int64s = [9, 2]");
  ASSERT_EQ(out[0].container, Container::map_sequence);
  ASSERT_EQ(out[0].items.size(), 3u);
  EXPECT_EQ(out[0].items[1].container, Container::map);
  expect_integers(out[0].items[1].items[0], {2}, {2, 9});
  expect_reals(out[0].items[1].items[1], {2}, {1, -3});
  // A list is one row; of equal keys the last one counts.
  out = node("f32[3]", reals({3}, {1, 2, 3}), "ZipMap",
             "classlabels_strings = [\"z\", \"b\", \"z\"]");
  ASSERT_EQ(out[0].items.size(), 1u);
  EXPECT_EQ(out[0].items[0].items[0].strings, (std::vector<std::string>{"b", "z"}));
  expect_reals(out[0].items[0].items[1], {2}, {2, 3});
  expect_refused("keys of zip_map: 2 is not 3", "f32[n, 2]", kRows, "ZipMap",
                 "classlabels_int64s = [1, 2, 3]");
  expect_refused("no class labels", "f32[n, 2]", kRows, "ZipMap", "");
}

TEST(ImportMl, zip_map_has_a_type_that_tells_the_keys) {
  const std::string bytes = model_from_text(
      "opset 17, ai.onnx.ml 1\nin x: f32[n, 1]\ny = ai.onnx.ml.ZipMap(x) {classlabels_strings = "
      "[\"a\"]}\nout y");
  const Model model = Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()));
  EXPECT_EQ(text(model.outputs()[0]), "sequence(map(string, f32))");
}

TEST(ImportMl, dict_vectorizer) {
  const Array words = map_of(strings({2}, {"a", "q"}), reals({2}, {1.5, 2}));
  expect_reals(
      node("map(string, f32)", words, "DictVectorizer", "string_vocabulary = [\"b\", \"a\"]")[0],
      {1, 2}, {0, 1.5});
  const Array whole = map_of(list({1, 7}), strings({2}, {"one", "seven"}));
  EXPECT_EQ(
      node("map(s64, string)", whole, "DictVectorizer", "int64_vocabulary = [7, 2, 1]")[0].strings,
      (std::vector<std::string>{"seven", "", "one"}));
  expect_refused("the map has keys of the type", "map(string, f32)", words, "DictVectorizer",
                 "int64_vocabulary = [1]");
  expect_refused("one vocabulary", "map(string, f32)", words, "DictVectorizer", "");
  expect_refused("input 0 is a map", "f32[n, 2]", kRows, "DictVectorizer",
                 "int64_vocabulary = [1]");
}

TEST(ImportMl, cast_map) {
  const Array m = map_of(list({5, 2}), reals({2}, {1.5, 7}));
  const auto by = [&](const std::string& a) { return node("map(s64, f32)", m, "CastMap", a)[0]; };
  expect_reals(by(""), {1, 2}, {7, 1.5});
  expect_integers(by("cast_to = \"TO_INT64\""), {1, 2}, {7, 1});
  expect_reals(by("map_form = \"SPARSE\", max_map = 7"), {1, 7}, {0, 0, 7, 0, 0, 1.5, 0});
  expect_reals(by("map_form = \"SPARSE\", max_map = 3"), {1, 3}, {0, 0, 7});
  const Array words = map_of(list({5, 2}), strings({2}, {"1.5", "7"}));
  expect_reals(node("map(s64, string)", words, "CastMap", "")[0], {1, 2}, {7, 1.5});
  expect_refused("max_map is -1", "map(s64, f32)", m, "CastMap",
                 "map_form = \"SPARSE\", max_map = -1");
  expect_refused("map_form \"FLAT\"", "map(s64, f32)", m, "CastMap", "map_form = \"FLAT\"");
  expect_refused("cast_to \"TO_BOOL\"", "map(s64, f32)", m, "CastMap", "cast_to = \"TO_BOOL\"");
}

TEST(ImportMl, maps_that_callers_get_wrong) {
  const auto refused = [](const std::string& words, const Array& m) {
    expect_error(Code::bad_input, words, [&] {
      const std::string bytes = model_from_text(
          "opset 17, ai.onnx.ml 1\nin x: map(s64, f32)\ny = ai.onnx.ml.CastMap(x)\nout y");
      run_by(bytes, {{"x", m}}, false);
    });
  };
  Array none = map_of(list({1}), reals({1}, {1}));
  none.items.pop_back();
  refused("given 1 items", none);
  refused("2 keys and 1 values", map_of(list({1, 2}), reals({1}, {1})));
  refused("the keys are string", map_of(strings({1}, {"a"}), reals({1}, {1})));
  refused("are lists", map_of(integers({1, 1}, {1}), reals({1, 1}, {1})));
  refused("of another kind", reals({1}, {1}));
}

// ---- trees: what their classifiers say of two classes with one score

TEST(ImportMl, tree_classifier_of_two_classes_and_one_score) {
  const auto by = [](const std::string& weights, const std::string& transform) {
    return node(
        "f32[n, 1]", reals({2, 1}, {-1, 1}), "TreeEnsembleClassifier",
        "nodes_treeids = [0, 0, 0], nodes_nodeids = [0, 1, 2], nodes_featureids = [0, 0, 0], "
        "nodes_values = [0.0, 0.0, 0.0], nodes_modes = [\"BRANCH_LEQ\", \"LEAF\", \"LEAF\"], "
        "nodes_truenodeids = [1, 0, 0], nodes_falsenodeids = [2, 0, 0], class_treeids = [0, 0], "
        "class_nodeids = [1, 2], class_ids = [0, 0], classlabels_int64s = [4, 6], "
        "class_weights = " +
            weights + ", post_transform = \"" + transform + "\"",
        2);
  };
  std::vector<Array> out = by("[0.2, 0.7]", "NONE");
  expect_integers(out[0], {2}, {4, 6});
  expect_reals(out[1], {2, 2}, {0.8, 0.2, 0.3, 0.7});
  out = by("[0.2, 0.7]", "LOGISTIC");
  expect_integers(out[0], {2}, {4, 6});
  expect_reals(out[1], {2, 2}, {0.450166, 0.549834, 0.3318122, 0.6681878});
  expect_reals(by("[0.0, 0.7]", "SOFTMAX")[1], {2, 2}, {1, 0, 0.3, 0.7});
  out = by("[-0.2, 0.3]", "SOFTMAX");
  expect_integers(out[0], {2}, {4, 6});
  expect_reals(out[1], {2, 2}, {0.2, -0.2, -0.3, 0.3});
}

}  // namespace
}  // namespace tenon::onnx
