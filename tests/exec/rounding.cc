// A value that is quantised and read back as real: however it is fused, each bit is what the two operators give, for -0,
// NaN, infinities and halfway cases too.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "device/cpu.h"
#include "harness/onnx_text.h"
#include "tenon.h"

namespace tenon {
namespace {

constexpr int64_t kColumns = 37, kRows = 24;

// Steps, halves of steps, their neighbours, and what no step is near to.
OwnedTensor odd_numbers(float scale) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), most = std::numeric_limits<float>::infinity();
  const float odd[] = {0.f, -0.f, nan, -nan, most, -most, 1e-45f, -1e-45f, 1e-30f, -1e-30f, 3e38f, -3e38f};
  OwnedTensor x(DType::f32, {kRows, kColumns});
  for (int64_t i = 0; i < kRows * kColumns; ++i) {
    const float half = static_cast<float>(i / 4 - 110) * 0.5f * scale;
    float& v = x.as<float>()[i];
    if (i % 4 == 0) v = odd[(i / 4) % 12];
    else v = i % 4 == 1 ? half : std::nextafter(half, i % 4 == 2 ? most : -most);
  }
  return x;
}

// y is computed from x: f32[24, 37] with d = DQ(Q(..)) on the way.
struct Graph {
  const char* name;
  const char* before;  // defines `v` of x
  const char* after;   // defines `y` of `d`
};

constexpr Graph kGraphs[] = {
    {"alone", "v = Identity(x)", "y = Identity(d)"},
    {"inverted", "v = Identity(x)", "y = Reciprocal(d)"},
    {"behind_relu", "v = Relu(x)", "y = Reciprocal(d)"},
    {"behind_clip", "v = Clip(x, minus, nine)", "y = Reciprocal(d)"},
    {"in_a_program", "n = Neg(x)\nv = Add(n, half)", "m = Mul(d, d)\ny = Reciprocal(m)"},
    {"twice", "v = Identity(x)", "n = Neg(d)\nq2 = QuantizeLinear(n, scale, zero)\nd2 = DequantizeLinear(q2, scale, zero)\ny = Reciprocal(d2)"},
    {"behind_a_product", "s = Reshape(x, square)\np = MatMul(s, one)\nv = Reshape(p, flat)", "y = Reciprocal(d)"},
    {"behind_a_convolution", "s = Reshape(x, picture)\np = Conv(s, kernel)\nv = Reshape(p, flat)", "y = Reciprocal(d)"},
    {"reduced", "v = Identity(x)", "y = ReduceMax(d, last) {keepdims = 0}"},
};

struct Steps {
  const char* type;
  const char *scale, *zero;
};
constexpr Steps kSteps[] = {{"u8", "0.5", "128"}, {"u8", "0.1", "0"}, {"s8", "0.02", "0"}, {"s8", "0.37", "-5"}};

TEST(Rounding, equals_the_two_operators_in_every_bit) {
  for (const Steps& steps : kSteps) {
    const OwnedTensor x = odd_numbers(std::strtof(steps.scale, nullptr));
    for (const Graph& graph : kGraphs) {
      const std::string bytes =
          onnx::model_from_text("opset 19\nin x: f32[24, 37]\nscale: f32[] = [" + std::string(steps.scale) + "]\nzero: " + steps.type + "[] = [" +
                                steps.zero + "]\nminus: f32[] = [-9]\nnine: f32[] = [9]\nhalf: f32[] = [0.25]\nsquare: s64[2] = [888, 1]\n" +
                                "one: f32[1, 1] = [1]\npicture: s64[4] = [1, 1, 24, 37]\nkernel: f32[1, 1, 1, 1] = [1]\nflat: s64[2] = [24, 37]\n" +
                                "last: s64[1] = [1]\n" + graph.before + "\nq = QuantizeLinear(v, scale, zero)\n" +
                                "d = DequantizeLinear(q, scale, zero)\n" + graph.after + "\nout y\n");
      Options options;
      options.threads = 1;
      options.pin_threads = false;
      options.reference = true;
      const auto size = static_cast<int64_t>(bytes.size());
      const Model reference = Model::from_memory(bytes.data(), size, options);
      Session expected_by(reference);
      const OwnedTensor expected(expected_by.run({{"x", x.view()}})[0]);
      options.reference = false;
      for (Isa level : isa_levels()) {
        if (level > best_isa()) continue;
        options.isa = std::string(name(level));
        const Model model = Model::from_memory(bytes.data(), size, options);
        Session session(model);
        const Tensor got = session.run({{"x", x.view()}})[0];
        ASSERT_EQ(got.shape, expected.shape());
        for (int64_t i = 0; i < expected.count(); ++i) {
          const float a = got.as<float>()[i], b = expected.as<float>()[i];
          if (std::isnan(a) && std::isnan(b)) continue;
          ASSERT_EQ(std::memcmp(&a, &b, sizeof a), 0) << graph.name << " by " << options.isa << ", " << steps.type << ": element " << i
                                                      << " of x = " << x.as<float>()[i % x.count()] << " is " << a << ", expected " << b;
        }
      }
    }
  }
}

}  // namespace
}  // namespace tenon
