#include "ops/softmax.h"

#include <cmath>

#include "ops/op.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  n.expect_inputs(1, 1);
  n.expect(is_real(n.dtype(0)), "src of softmax, log_softmax and hardmax is floating point");
  n.axis(n.attributes<Softmax>().axis, n.rank(0));
  n.result(n.dtype(0), n.shape(0));
}

void softmax_reference(Reference& n) {
  const Array& src = *n.in[0];
  Array& dst = n.out[0];
  for (const Line& line : lines(src.shape, n.attributes<Softmax>().axis)) {
    double top = -INFINITY, sum = 0;
    for (int64_t i : line) top = std::max(top, src.real(i));
    for (int64_t i : line) sum += std::exp(src.real(i) - top);
    for (int64_t i : line) dst.real(i) = std::exp(src.real(i) - top) / sum;
  }
}

void log_softmax_reference(Reference& n) {
  const Array& src = *n.in[0];
  for (const Line& line : lines(src.shape, n.attributes<Softmax>().axis)) {
    double top = -INFINITY, sum = 0;
    for (int64_t i : line) top = std::max(top, src.real(i));
    for (int64_t i : line) sum += std::exp(src.real(i) - top);
    for (int64_t i : line) n.out[0].real(i) = src.real(i) - top - std::log(sum);
  }
}

void hardmax_reference(Reference& n) {
  const Array& src = *n.in[0];
  for (const Line& line : lines(src.shape, n.attributes<Softmax>().axis)) {
    int64_t best = line.first;
    for (int64_t i : line)
      if (src.real(i) > src.real(best)) best = i;
    if (line.count) n.out[0].real(best) = 1;
  }
}

}  // namespace
const Op ops::softmax{.name = "softmax",
                      .attributes = Attributes::make<Softmax>,
                      .infer = infer,
                      .reference = softmax_reference,
                      .exactness = {Exactness::relative, 1e-6}};
const Op ops::log_softmax{.name = "log_softmax",
                          .attributes = Attributes::make<Softmax>,
                          .infer = infer,
                          .reference = log_softmax_reference,
                          .exactness = {Exactness::relative, 2e-6}};
const Op ops::hardmax{.name = "hardmax", .attributes = Attributes::make<Softmax>, .infer = infer, .reference = hardmax_reference};
}  // namespace tenon
