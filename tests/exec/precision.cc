// Options::precision on the network that ships with the project.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tenon.h"

namespace tenon {
namespace {

const std::string kDigits = std::string(TENON_SOURCE_DIR) + "/bench/zoo/digits/digits.onnx";

std::vector<float> answers(const Options& options) {
  const Model model = Model::load(kDigits, options);
  OwnedTensor picture(DType::f32, {1, 1, 8, 8});
  for (int i = 0; i < 64; ++i) static_cast<float*>(picture.view().data)[i] = static_cast<float>(i * 7 % 17) / 16.f;
  Session session(model);
  const Tensor out = session.run({{model.inputs()[0].name, picture.view()}})[0];
  const float* p = static_cast<const float*>(out.data);
  return {p, p + out.count()};
}

std::string refusal(const Options& options) {
  try {
    Model::load(kDigits, options);
  } catch (const Error& e) { return std::string(name(e.code())); }
  return "loaded";
}

TEST(Precision, is_asked_for_and_reported) {
  const std::vector<float> own = answers({});
  double before = 1;
  for (Precision p : {Precision::bf16, Precision::fp16}) {
    const std::vector<float> got = answers({.precision = p});
    double error = 0;
    for (size_t i = 0; i < own.size(); ++i) error = std::max(error, std::abs(static_cast<double>(own[i]) - got[i]));
    EXPECT_GT(error, 0) << "weights were rounded";
    EXPECT_LT(error, p == Precision::bf16 ? 1e-2 : 1e-3);
    EXPECT_LT(error, before) << "fp16 has more bits than bf16";
    before = error;

    const Model model = Model::load(kDigits, {.precision = p});
    const PlanReport plan = model.explain();
    EXPECT_EQ(plan.rounded_weights, 1) << "the second product has too few weights";
    EXPECT_GT(plan.rounding_error, 0);
    EXPECT_EQ(std::count_if(plan.steps.begin(), plan.steps.end(), [](const StepReport& s) { return s.rounding_error > 0; }), 1);
    EXPECT_EQ(model.inspect().rounded_weights, 1);
    EXPECT_NE(model.dump("passes").find("cast"), std::string::npos);
    EXPECT_EQ(model.dump("fold").find("error"), std::string::npos);
  }
  EXPECT_EQ(Model::load(kDigits).explain().rounded_weights, 0);
}

TEST(Precision, every_step_agrees_with_the_reference) {
  for (Precision p : {Precision::bf16, Precision::fp16}) {
    const Model model = Model::load(kDigits, {.precision = p});
    OwnedTensor picture(DType::f32, {2, 1, 8, 8});
    for (int i = 0; i < 128; ++i) static_cast<float*>(picture.view().data)[i] = static_cast<float>(i * 7 % 17) / 16.f;
    Session session(model);
    session.bind_input(model.inputs()[0].name, picture.view());
    EXPECT_TRUE(session.check().ok);
  }
}

TEST(Precision, refuses_what_has_no_meaning) {
  EXPECT_EQ(refusal({.precision = Precision::int8}), "not_supported") << "nothing is quantised";
  EXPECT_EQ(refusal({.reference = true, .precision = Precision::bf16}), "bad_usage");
}

}  // namespace
}  // namespace tenon
