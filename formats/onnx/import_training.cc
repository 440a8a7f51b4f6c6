// Losses and optimisers.
#include <cmath>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "ops/gather.h"
#include "ops/reduce.h"
#include "ops/softmax.h"
#include "ops/squeeze.h"

namespace tenon::onnx {
namespace {

ValueId sum(const Import& n, ValueId v) { return n.emit("reduce", Reduce{.kind = Reduction::sum, .keepdims = false}, {v}); }

// -log_p at the target class, weighted by class; `log_p` [batch, classes, ...], targets [batch, ...].
ValueId likelihood_loss(const Import& n, ValueId log_p) {
  const Formula f{n, n.element(0)};
  const std::string reduction = n.text("reduction", "mean");
  expect(reduction == "none" || reduction == "sum" || reduction == "mean", "the reduction is none, sum or mean");
  ValueId target = cast(n, input(n, 1), DType::s64), ignored = kNone;
  if (n.find("ignore_index")) {
    ignored = f("equal", {target, n.scalar(static_cast<double>(n.integer("ignore_index", 0)), DType::s64)});
    target = f("where", {ignored, n.scalar(0, DType::s64), target});
  }
  const ValueId picked = n.emit("gather_elements", Gather{1}, {log_p, n.emit("unsqueeze", Unsqueeze{{1}}, {target})});
  ValueId loss = f("neg", {n.emit("squeeze", Squeeze{{1}}, {picked})}), weight = kNone;
  if (n.has(2)) weight = n.emit("gather", Gather{0}, {input(n, 2), target});
  if (ignored != kNone) {
    loss = f("where", {ignored, f.number(0), loss});
    weight = f("where", {ignored, f.number(0), weight == kNone ? f.number(1) : weight});
  }
  if (n.has(2)) loss = f("mul", {loss, weight});
  if (reduction == "none") return loss;
  if (reduction == "sum") return sum(n, loss);
  return weight == kNone ? n.emit("reduce", Reduce{.kind = Reduction::mean, .keepdims = false}, {loss}) : f("div", {sum(n, loss), sum(n, weight)});
}

Values negative_log_likelihood(const Import& n) { return likelihood_loss(n, input(n, 0)); }

Values softmax_cross_entropy(const Import& n) {
  const ValueId log_p = n.emit("log_softmax", Softmax{1}, {input(n, 0)});
  const ValueId loss = likelihood_loss(n, log_p);
  return Values(std::vector<ValueId>{loss, log_p});
}

// One optimiser for several tensors: inputs are the rate, the number of the update, then all tensors, all gradients, and so on.
// step(i) takes `kinds` values of one tensor and gives its new ones.
template <class Step>
Values for_each_tensor(const Import& n, size_t kinds, Step step) {
  expect(n.in.size() > 2 && (n.in.size() - 2) % kinds == 0, "each tensor comes with its gradient and its state");
  const size_t count = (n.in.size() - 2) / kinds;
  std::vector<ValueId> out((kinds - 1) * count);
  for (size_t i = 0; i < count; ++i) {
    std::vector<ValueId> values;
    for (size_t k = 0; k < kinds; ++k) values.push_back(input(n, static_cast<int>(2 + k * count + i)));
    const std::vector<ValueId> results = step(Formula{n, n.graph().value(values[0]).type.dtype}, values);
    for (size_t k = 0; k < results.size(); ++k) out[k * count + i] = results[k];
  }
  return Values(std::move(out));
}

ValueId scaled(const Formula& f, ValueId v, double factor) { return f("mul", {v, f.number(factor)}); }

// The gradient with that of norm * x^2 / 2.
ValueId regularised(const Formula& f, ValueId x, ValueId gradient, double norm) { return f("add", {scaled(f, x, norm), gradient}); }

Values momentum(const Import& n) {
  const double alpha = static_cast<double>(n.real("alpha", 0)), beta = static_cast<double>(n.real("beta", 0)),
               norm = static_cast<double>(n.real("norm_coefficient", 0));
  const std::string mode = n.text("mode", "standard");
  expect(mode == "standard" || mode == "nesterov", "the mode of Momentum is standard or nesterov");
  const Formula whole{n, DType::s64};
  const ValueId later = whole("greater", {input(n, 1), whole.number(0)});
  return for_each_tensor(n, 3, [&](const Formula& f, const std::vector<ValueId>& v) {
    const ValueId g = regularised(f, v[0], v[1], norm);
    const ValueId state = f("add", {scaled(f, v[2], alpha), f("mul", {g, f("where", {later, f.number(beta), f.number(1)})})});
    const ValueId way = mode == "standard" ? state : f("add", {g, scaled(f, state, alpha)});
    return std::vector<ValueId>{f("sub", {v[0], f("mul", {input(n, 0), way})}), state};
  });
}

Values adagrad(const Import& n) {
  const double decay = static_cast<double>(n.real("decay_factor", 0)), epsilon = static_cast<double>(n.real("epsilon", 0)),
               norm = static_cast<double>(n.real("norm_coefficient", 0));
  return for_each_tensor(n, 3, [&](const Formula& f, const std::vector<ValueId>& v) {
    const ValueId updates = f("add", {scaled(f, cast(n, input(n, 1), f.dtype), decay), f.number(1)});
    const ValueId rate = f("div", {input(n, 0), updates}), g = regularised(f, v[0], v[1], norm);
    const ValueId state = f("add", {v[2], f("mul", {g, g})});
    return std::vector<ValueId>{f("sub", {v[0], f("div", {f("mul", {rate, g}), f("add", {f("sqrt", {state}), f.number(epsilon)})})}), state};
  });
}

Values adam(const Import& n) {
  const double alpha = static_cast<double>(n.real("alpha", 0.9f)), beta = static_cast<double>(n.real("beta", 0.999f)),
               epsilon = static_cast<double>(n.real("epsilon", 0));
  const double norm = static_cast<double>(n.real("norm_coefficient", 0)), norm_after = static_cast<double>(n.real("norm_coefficient_post", 0));
  const Formula whole{n, DType::s64};
  const ValueId later = whole("greater", {input(n, 1), whole.number(0)});
  return for_each_tensor(n, 4, [&](const Formula& f, const std::vector<ValueId>& v) {
    const ValueId g = regularised(f, v[0], v[1], norm), updates = cast(n, input(n, 1), f.dtype);
    const ValueId first = f("add", {scaled(f, v[2], alpha), scaled(f, g, 1 - alpha)});
    const ValueId second = f("add", {scaled(f, v[3], beta), scaled(f, f("mul", {g, g}), 1 - beta)});
    const auto correction = [&](double factor) { return f("sub", {f.number(1), f("pow", {f.number(factor), updates})}); };
    const ValueId corrected = f("div", {f("mul", {input(n, 0), f("sqrt", {correction(beta)})}), correction(alpha)});
    const ValueId rate = f("where", {later, corrected, input(n, 0)});
    const ValueId x = f("sub", {v[0], f("div", {f("mul", {rate, first}), f("add", {f("sqrt", {second}), f.number(epsilon)})})});
    return std::vector<ValueId>{scaled(f, x, 1 - norm_after), first, second};
  });
}

constexpr std::string_view kDomain = "ai.onnx.preview.training";

constexpr ImportRow kRows[] = {
    {"NegativeLogLikelihoodLoss", negative_log_likelihood, 12},
    {"SoftmaxCrossEntropyLoss", softmax_cross_entropy, 12},
    {"Momentum", momentum, 1, kDomain},
    {"Adagrad", adagrad, 1, kDomain},
    {"Adam", adam, 1, kDomain},
};

}  // namespace
const ImportTable kTrainingRows = kRows;
}  // namespace tenon::onnx
