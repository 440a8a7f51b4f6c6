// fuse_activations, fuse_norms, fuse_softmax: each in the spellings of several exporters.
#include <gtest/gtest.h>

#include "harness/pass.h"

namespace tenon {
namespace {

std::string of(std::string_view body) { return "graph(%x: f32[n, 4])\n" + std::string(body) + "\nreturn %y"; }

void expect_all(std::string_view pass, std::initializer_list<std::string_view> spellings, std::string_view meaning) {
  for (std::string_view spelling : spellings) expect_pass(pass, of(spelling), of(meaning), 1e-4);
}

TEST(FuseActivations, gelu) {
  expect_all("fuse_activations",
             {
                 R"(%a = div(%x, f32 1.4142135) %e = erf(%a) %p = add(%e, f32 1) %m = mul(%x, %p) %y = mul(%m, f32 0.5))",
                 R"(%a = div(%x, f32 1.4142135) %e = erf(%a) %p = add(%e, f32 1) %h = mul(%x, f32 0.5) %y = mul(%h, %p))",
                 R"(%a = mul(%x, f32 0.70710677) %e = erf(%a) %p = add(f32 1, %e) %h = mul(f32 0.5, %p) %y = mul(%x, %h))",
                 R"(%a = mul(%x, f32 0.70710677) %e = erf(%a) %h = mul(%e, f32 0.5) %p = add(%h, f32 0.5) %y = mul(%p, %x))",
             },
             "%y = gelu(%x)");
}

TEST(FuseActivations, gelu_of_a_biased_value) {
  expect_pass("fuse_activations", R"(
graph(%x: f32[n, 4], %b: f32[4])
  %t = add(%x, %b)
  %a = div(%t, f32 1.4142135)
  %e = erf(%a)
  %p = add(%e, f32 1)
  %m = mul(%t, %p)
  %y = mul(%m, f32 0.5)
  return %y
)",
              R"(
graph(%x: f32[n, 4], %b: f32[4])
  %t = add(%x, %b)
  %y = gelu(%t)
  return %y
)");
}

TEST(FuseActivations, gelu_with_tanh) {
  expect_all(
      "fuse_activations",
      {
          R"(%q = mul(%x, %x) %c = mul(%q, %x) %d = mul(%c, f32 0.044715) %s = add(%x, %d) %u = mul(%s, f32 0.7978846) %t = tanh(%u)
       %p = add(%t, f32 1) %h = mul(%x, f32 0.5) %y = mul(%h, %p))",
          R"(%q = mul(%x, %x) %d = mul(%q, f32 0.044715) %o = add(%d, f32 1) %k = mul(%x, f32 0.7978845) %u = mul(%k, %o) %t = tanh(%u)
       %p = add(%t, f32 1) %m = mul(%p, %x) %y = mul(%m, f32 0.5))",
          R"(%q = mul(%x, %x) %c = mul(%x, %q) %d = mul(f32 0.044715, %c) %s = add(%d, %x) %u = mul(%s, f32 1.5957691) %t = sigmoid(%u) %y = mul(%x, %t))",
      },
      "%y = gelu_tanh(%x)");
}

TEST(FuseActivations, swish_and_sigmoid) {
  expect_all("fuse_activations",
             {
                 "%s = sigmoid(%x) %y = mul(%x, %s)",
                 "%s = sigmoid(%x) %y = mul(%s, %x)",
                 "%m = neg(%x) %e = exp(%m) %d = add(%e, f32 1) %y = div(%x, %d)",
             },
             "%y = swish(%x, f32 1)");
  expect_all("fuse_activations", {"%k = mul(%x, f32 1.702) %s = sigmoid(%k) %y = mul(%x, %s)"}, "%y = swish(%x, f32 1.702)");
  expect_all("fuse_activations",
             {
                 "%m = neg(%x) %e = exp(%m) %d = add(f32 1, %e) %y = div(f32 1, %d)",
                 "%m = mul(%x, f32 -1) %e = exp(%m) %d = add(%e, f32 1) %y = reciprocal(%d)",
             },
             "%y = sigmoid(%x)");
}

TEST(FuseActivations, hard_forms) {
  expect_all("fuse_activations",
             {
                 "%h = hard_sigmoid(%x, f32 0.16666667, f32 0.5) %y = mul(%x, %h)",
                 "%a = add(%x, f32 3) %c = clip(%a, f32 0, f32 6) %d = div(%c, f32 6) %y = mul(%x, %d)",
                 "%a = add(%x, f32 3) %c = clip(%a, f32 0, f32 6) %m = mul(%x, %c) %y = mul(%m, f32 0.16666667)",
             },
             "%y = hard_swish(%x)");
  expect_all("fuse_activations", {"%k = mul(%x, f32 0.2) %a = add(%k, f32 0.5) %c = clip(%a, f32 0, f32 1) %y = mul(%c, f32 1)"},
             "%y = hard_sigmoid(%x, f32 0.2, f32 0.5)");
}

TEST(FuseActivations, softplus_mish_and_leaky_relu) {
  expect_all("fuse_activations",
             {
                 "%e = exp(%x) %a = add(%e, f32 1) %s = log(%a) %t = tanh(%s) %y = mul(%x, %t)",
                 "%e = exp(%x) %s = log1p(%e) %t = tanh(%s) %y = mul(%t, %x)",
             },
             "%y = mish(%x)");
  expect_all("fuse_activations",
             {
                 "%a = mul(%x, f32 0.1) %y = max(%x, %a)",
                 "%r = relu(%x) %m = neg(%x) %q = relu(%m) %s = mul(%q, f32 0.1) %y = sub(%r, %s)",
                 "%r = relu(%x) %m = neg(%x) %q = relu(%m) %s = mul(%q, f32 -0.1) %y = add(%r, %s)",
             },
             "%y = leaky_relu(%x, f32 0.1)");
}

TEST(FuseActivations, what_is_none_of_them_stays) {
  for (const char* body :
       {"%s = sigmoid(%x) %y = add(%x, %s)", "%k = mul(%x, f32 0.8) %e = erf(%k) %p = add(%e, f32 1) %m = mul(%x, %p) %y = mul(%m, f32 0.5)",
        "%a = mul(%x, f32 1.5) %y = max(%x, %a)", "%e = exp(%x) %a = add(%e, f32 2) %y = log(%a)"})
    expect_unchanged("fuse_activations", of(body));
}

constexpr std::string_view kNorm = R"(
  %g = constant f32[4] [1, 2, 3, 4] %b = constant f32[4] [0.5, 0, -1, 2]
  %y = layer_norm(%x, %g, %b) {epsilon = 0.01}
)";

TEST(FuseNorms, layer_norm) {
  constexpr const char* parameters = "%g = constant f32[4] [1, 2, 3, 4] %b = constant f32[4] [0.5, 0, -1, 2] ";
  constexpr const char* mean = "%m = reduce(%x) {kind = mean, axes = [-1]} %d = sub(%x, %m) ";
  constexpr const char* deviation = "%q = mul(%d, %d) %v = reduce(%q) {kind = mean, axes = [1]} %w = add(%v, f32 0.01) %s = sqrt(%w) ";
  const std::string head = std::string(parameters) + mean + deviation;
  for (const std::string& spelling : {
           head + "%z = div(%d, %s) %k = mul(%z, %g) %y = add(%k, %b)",
           head + "%z = div(%d, %s) %k = mul(%g, %z) %y = add(%b, %k)",
           head + "%d2 = sub(%x, %m) %z = div(%d2, %s) %k = mul(%z, %g) %y = add(%k, %b)",
           head + "%r = reciprocal(%s) %z = mul(%d, %r) %k = mul(%z, %g) %y = add(%k, %b)",
           head + "%r = div(f32 1, %s) %z = mul(%r, %d) %k = mul(%z, %g) %y = add(%k, %b)",
           head + "%r = reciprocal(%s) %a = mul(%r, %g) %xa = mul(%x, %a) %ma = mul(%m, %a) %t = sub(%b, %ma) %y = add(%xa, %t)",
       })
    expect_pass("fuse_norms", of(spelling), of(kNorm), 1e-4);
}

TEST(FuseNorms, without_parameters) {
  expect_pass("fuse_norms", of(R"(
    %m = reduce(%x) {kind = mean, axes = [1]} %d = sub(%x, %m) %q = mul(%d, %d) %v = reduce(%q) {kind = mean, axes = [1]}
    %w = add(%v, f32 0.01) %s = sqrt(%w) %y = div(%d, %s))"),
              of("%g = constant f32[4] [1, 1, 1, 1] %y = layer_norm(%x, %g) {epsilon = 0.01}"), 1e-4);
}

TEST(FuseNorms, rms_norm) {
  const std::string head =
      "%g = constant f32[4] [1, 2, 3, 4] %q = mul(%x, %x) %v = reduce(%q) {kind = mean, axes = [-1]} %w = add(%v, f32 0.01) %s = sqrt(%w) ";
  for (const std::string& spelling : {
           head + "%z = div(%x, %s) %y = mul(%z, %g)",
           head + "%r = reciprocal(%s) %z = mul(%x, %r) %y = mul(%g, %z)",
           head + "%r = div(f32 1, %s) %z = mul(%x, %r) %y = mul(%z, %g)",
       })
    expect_pass("fuse_norms", of(spelling), of("%g = constant f32[4] [1, 2, 3, 4] %y = rms_norm(%x, %g) {epsilon = 0.01}"), 1e-4);
}

TEST(FuseNorms, other_axes_stay) {
  expect_unchanged("fuse_norms", R"(
graph(%x: f32[n, 4, 3])
  %q = mul(%x, %x)
  %v = reduce(%q) {kind = mean, axes = [1]}
  %w = add(%v, f32 0.01)
  %s = sqrt(%w)
  %y = div(%x, %s)
  return %y
)");
}

TEST(FuseSoftmax, with_and_without_the_maximum) {
  expect_all("fuse_softmax",
             {
                 "%m = reduce(%x) {kind = max, axes = [-1]} %d = sub(%x, %m) %e = exp(%d) %s = reduce(%e) {kind = sum, axes = [1]} %y = div(%e, %s)",
                 "%e = exp(%x) %s = reduce(%e) {kind = sum, axes = [-1]} %y = div(%e, %s)",
             },
             "%y = softmax(%x)");
  expect_all("fuse_softmax", {"%e = exp(%x) %s = reduce(%e) {kind = sum, axes = [0]} %y = div(%e, %s)"}, "%y = softmax(%x) {axis = 0}");
  expect_all("fuse_softmax", {"%p = softmax(%x) %y = log(%p)"}, "%y = log_softmax(%x)");
}

TEST(FuseSoftmax, a_sum_over_other_axes_stays) {
  expect_unchanged("fuse_softmax", of("%e = exp(%x) %s = reduce(%e) {kind = sum, axes = [0, 1]} %y = div(%e, %s)"));
}

}  // namespace
}  // namespace tenon
