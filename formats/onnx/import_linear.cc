// Linear models and support vector machines of ai.onnx.ml, as matrix products.
#include <algorithm>
#include <cmath>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "formats/onnx/post_transform.h"
#include "ops/concat.h"
#include "ops/couple_probabilities.h"
#include "ops/gather.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/reshape.h"
#include "ops/split.h"

namespace tenon::onnx {
namespace {

// Features as [rows, features] in f32, whatever the input holds; a list is one row.
ValueId rows_of(const Import& n) {
  const DType t = n.element(0);
  if (!is_real(t) && !is_integer(t))
    throw Error(Code::bad_model, "input 0 holds " + std::string(name(t)) + ", expected numbers");
  const int rank = n.rank(0);
  if (rank != 1 && rank != 2)
    throw Error(Code::bad_model, "input 0 has rank " + std::to_string(rank) +
                                     ", expected [features] or [rows, features]");
  const ValueId v = cast(n, input(n, 0), DType::f32);
  return rank == 2 ? v : n.emit("reshape", Reshape{}, {v, n.constant({1, -1})});
}

std::vector<double> reals(const Import& n, const std::string& name) {
  const std::vector<float> values = n.reals(name);
  return {values.begin(), values.end()};
}

[[noreturn]] void refuse_count(const std::string& what, size_t count, const std::string& expected) {
  throw Error(Code::bad_model,
              what + " has " + std::to_string(count) + " numbers, expected " + expected);
}

// x * coefficients' + intercepts; one row of coefficients a target.
ValueId products(const Import& n, ValueId x, const std::vector<double>& coefficients,
                 int64_t targets, const std::vector<double>& intercepts) {
  const auto count = static_cast<int64_t>(coefficients.size());
  if (!count || targets < 1 || count % targets)
    refuse_count("coefficients", coefficients.size(),
                 "a row of them for each of " + std::to_string(targets) + " targets");
  const ValueId weight = add_constant(n, {targets, count / targets}, coefficients, DType::f32);
  const ValueId v = n.emit("matmul", Matmul{.transpose_b = true}, {x, weight});
  if (intercepts.empty()) return v;
  const auto added = static_cast<int64_t>(intercepts.size());
  if (added != targets) refuse_count("intercepts", intercepts.size(), std::to_string(targets));
  return n.emit("add", None{}, {v, add_constant(n, {added}, intercepts, DType::f32)});
}

ValueId best_place(const Import& n, ValueId scores) {
  return n.emit("arg_max", Arg{.axis = 1, .keepdims = false}, {scores});
}

// 1 where the only column is above 0, else 0; [rows].
ValueId is_positive(const Import& n, ValueId score) {
  const ValueId above = n.emit("greater", None{}, {score, n.scalar(0)});
  return cast(n, n.emit("reshape", Reshape{}, {above, n.constant({-1})}), DType::s64);
}

Values linear_classifier(const Import& n) {
  n.ignore("multi_class");  // how it was trained
  const std::vector<double> coefficients = reals(n, "coefficients"),
                            intercepts = reals(n, "intercepts");
  const PostTransform transform = post_transform(n);
  const Labels labels = read_labels(n);
  const ValueId x = rows_of(n);
  auto targets = static_cast<int64_t>(intercepts.size());
  if (!targets) {
    const Dim features = n.graph().value(x).type.shape[1];
    const bool one =
        labels.count == 2 && features == Dim(static_cast<int64_t>(coefficients.size()));
    targets = one ? 1 : labels.count;
  }
  if (targets != labels.count && !(targets == 1 && labels.count == 2))
    throw Error(Code::bad_model, std::to_string(targets) + " intercepts and " +
                                     std::to_string(labels.count) +
                                     " class labels; expected as many, or one of two classes");
  const ValueId scores = products(n, x, coefficients, targets, intercepts);
  if (targets == 1 && labels.count == 2)
    return Values(
        std::vector<ValueId>{labels_at(n, labels, is_positive(n, scores)),
                             two_scores(n, transform, OtherScore::rest, scores, DType::f32)});
  return Values(std::vector<ValueId>{labels_at(n, labels, best_place(n, scores)),
                                     transformed(n, transform, scores, DType::f32)});
}

Values linear_regressor(const Import& n) {
  const int64_t targets = n.integer("targets", 1);
  const PostTransform transform = post_transform(n);
  const ValueId scores =
      products(n, rows_of(n), reals(n, "coefficients"), targets, reals(n, "intercepts"));
  return transformed(n, transform, scores, DType::f32);
}

// The kernel of a support vector machine.
class SvmKernel {
 public:
  explicit SvmKernel(const Import& n) : n_(n), name_(n.text("kernel_type", "LINEAR")) {
    constexpr const char* kNames[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
    if (std::find(std::begin(kNames), std::end(kNames), name_) == std::end(kNames))
      throw Error(Code::bad_model,
                  "kernel_type \"" + printable(name_) + "\" is none of LINEAR, POLY, RBF, SIGMOID");
    const std::vector<double> parameters = reals(n, "kernel_params");
    if (!parameters.empty() && parameters.size() != 3)
      refuse_count("kernel_params", parameters.size(), "3 (gamma, coef0, degree) or none");
    if (!parameters.empty())
      gamma_ = parameters[0], offset_ = parameters[1], degree_ = parameters[2];
  }

  // Its value for each row of x and each of `count` vectors: [rows, count].
  ValueId values(ValueId x, std::vector<double> vectors, int64_t count) const {
    const int64_t features = static_cast<int64_t>(vectors.size()) / count;
    const Formula f{n_, DType::f32};
    if (name_ == "RBF") {
      const ValueId power = f("mul", {distances(x, std::move(vectors), count), f.number(-gamma_)});
      return f("exp", {power});
    }
    const ValueId points = add_constant(n_, {count, features}, vectors, DType::f32);
    const ValueId dots = n_.emit("matmul", Matmul{.transpose_b = true}, {x, points});
    if (name_ == "LINEAR") return dots;
    const ValueId inner = f("add", {f("mul", {dots, f.number(gamma_)}), f.number(offset_)});
    return name_ == "POLY" ? f("pow", {inner, f.number(degree_)}) : f("tanh", {inner});
  }

 private:
  // Squared distances |x|^2 - 2 x v + |v|^2. Both are first moved by the mean of the vectors, which
  // changes no distance, so that little cancels where features are far from 0.
  ValueId distances(ValueId x, std::vector<double> vectors, int64_t count) const {
    const auto features = vectors.size() / static_cast<size_t>(count);
    std::vector<double> mean(features), squares(static_cast<size_t>(count));
    for (size_t i = 0; i < vectors.size(); ++i)
      mean[i % features] += vectors[i] / static_cast<double>(count);
    for (double& m : mean) m = rounded(DType::f32, m);
    for (size_t i = 0; i < vectors.size(); ++i) {
      vectors[i] = rounded(DType::f32, vectors[i] - mean[i % features]);
      squares[i / features] += vectors[i] * vectors[i];
    }
    const Formula f{n_, DType::f32};
    const auto width = static_cast<int64_t>(features);
    const ValueId moved = f("sub", {x, add_constant(n_, {width}, mean, DType::f32)});
    const ValueId points = add_constant(n_, {count, width}, vectors, DType::f32);
    const ValueId dots = n_.emit("matmul", Matmul{.transpose_b = true}, {moved, points});
    const ValueId own =
        n_.emit("reduce", Reduce{.kind = Reduction::sum_square, .axes = {1}}, {moved});
    const ValueId sum = f("add", {own, add_constant(n_, {count}, squares, DType::f32)});
    const ValueId distance = f("sub", {sum, f("mul", {dots, f.number(2)})});
    return f("max", {distance, f.number(0)});
  }

  const Import& n_;
  std::string name_;
  double gamma_ = 0, offset_ = 0, degree_ = 0;
};

int64_t vectors_in(const std::vector<double>& support, int64_t count) {
  if (count < 1 || support.empty() || static_cast<int64_t>(support.size()) % count)
    refuse_count("support_vectors", support.size(),
                 "a row of them for each of " + std::to_string(count) + " vectors");
  return count;
}

// Without support vectors the coefficients are those of a linear model of one target.
Values svm_regressor(const Import& n) {
  const SvmKernel kernel(n);
  const std::vector<double> support = reals(n, "support_vectors"),
                            coefficients = reals(n, "coefficients"), rho = reals(n, "rho");
  const int64_t count = n.integer("n_supports", 0);
  const bool one_class = n.integer("one_class", 0) != 0;
  const PostTransform transform = post_transform(n);
  if (rho.size() != 1) refuse_count("rho", rho.size(), "1");
  const ValueId x = rows_of(n);
  ValueId v;
  if (count == 0 && support.empty()) {
    v = products(n, x, coefficients, 1, rho);
  } else {
    vectors_in(support, count);
    if (static_cast<int64_t>(coefficients.size()) != count)
      refuse_count("coefficients", coefficients.size(), std::to_string(count));
    v = products(n, kernel.values(x, support, count), coefficients, 1, rho);
  }
  if (!one_class) return transformed(n, transform, v, DType::f32);
  const Formula f{n, DType::f32};
  return f("where", {f("greater", {v, f.number(0)}), f.number(1), f.number(-1)});
}

// What the pairs of classes i < j say, each by vectors of both classes. All that is made here is as
// large as the lists of the file.
class Pairs {
 public:
  Pairs(const Import& n, std::vector<int64_t> sizes, std::vector<double> coefficients)
      : n_(n), sizes_(std::move(sizes)), coefficients_(std::move(coefficients)) {
    for (int64_t size : sizes_) {
      expect(size >= 0 && size <= INT32_MAX, "vectors_per_class are counts");
      vectors_ += size;
    }
    const auto expected = static_cast<size_t>((classes() - 1) * vectors_);
    if (coefficients_.size() != expected)
      refuse_count("coefficients", coefficients_.size(),
                   std::to_string(expected) + " (one for each vector and each other class)");
  }
  int64_t classes() const { return static_cast<int64_t>(sizes_.size()); }
  int64_t vectors() const { return vectors_; }
  int64_t count() const { return classes() * (classes() - 1) / 2; }

  // [rows, pairs] of the values of the kernel [rows, vectors]. Of the pair i < j, vectors of class
  // i have their coefficient in row j - 1, those of j in row i.
  ValueId decisions(ValueId values, const std::vector<double>& rho) const {
    const int64_t others = classes() - 1;
    const Values parts =
        n_.emit("split", Split{1}, {values, n_.constant(sizes_)}, static_cast<int>(classes()));
    std::vector<ValueId> sums;  // of each class [rows, others], one a row of coefficients
    int64_t first = 0;
    for (size_t c = 0; c < parts.size(); first += sizes_[c], ++c) {
      std::vector<double> own;
      for (int64_t row = 0; row < others; ++row)
        for (int64_t k = first; k < first + sizes_[c]; ++k)
          own.push_back(coefficients_[static_cast<size_t>(row * vectors_ + k)]);
      const ValueId weight = add_constant(n_, {others, sizes_[c]}, own, DType::f32);
      sums.push_back(n_.emit("matmul", Matmul{.transpose_b = true}, {parts[c], weight}));
    }
    const ValueId all = n_.emit("concat", Concat{1}, sums);
    std::vector<int64_t> of_first, of_second;
    for (int64_t i = 0; i < classes(); ++i)
      for (int64_t j = i + 1; j < classes(); ++j) {
        of_first.push_back(i * others + j - 1);
        of_second.push_back(j * others + i);
      }
    const Formula f{n_, DType::f32};
    const ValueId sum = f("add", {columns(all, of_first), columns(all, of_second)});
    return f("add", {sum, add_constant(n_, {count()}, rho, DType::f32)});
  }

  // The class with most votes; a pair votes for its first class where its decision is above 0.
  ValueId winner(ValueId decisions) const {
    const Formula f{n_, DType::f32};
    const ValueId won = cast(n_, f("greater", {decisions, f.number(0)}), DType::f32);
    const ValueId both = n_.emit("concat", Concat{1}, {won, f("sub", {f.number(1), won})});
    std::vector<int64_t> votes;  // of each class: where its pairs say whether it won
    for (int64_t c = 0; c < classes(); ++c)
      for (int64_t other = 0; other < classes(); ++other)
        if (other != c) votes.push_back(c < other ? pair(c, other) : count() + pair(other, c));
    const ValueId by_class = n_.emit(
        "reshape", Reshape{}, {columns(both, votes), n_.constant({-1, classes(), classes() - 1})});
    return best_place(
        n_, n_.emit("reduce", Reduce{.kind = Reduction::sum, .axes = {2}, .keepdims = false},
                    {by_class}));
  }

 private:
  // The place of the pair i < j.
  int64_t pair(int64_t i, int64_t j) const { return i * classes() - i * (i + 1) / 2 + j - i - 1; }
  ValueId columns(ValueId v, const std::vector<int64_t>& places) const {
    return n_.emit("gather", Gather{1}, {v, n_.constant(places)});
  }

  const Import& n_;
  std::vector<int64_t> sizes_;
  std::vector<double> coefficients_;
  int64_t vectors_ = 0;
};

// Platt's 1 / (1 + exp(a decision + b)) for each pair, kept off 0 and 1, and what all pairs say
// together.
ValueId probabilities(const Import& n, ValueId decisions, const std::vector<double>& a,
                      const std::vector<double>& b, int64_t classes) {
  const Formula f{n, DType::f32};
  const auto pairs = static_cast<int64_t>(a.size());
  std::vector<double> slopes = a, offsets = b;
  for (double& v : slopes) v = -v;
  for (double& v : offsets) v = -v;
  const ValueId scaled = f("mul", {decisions, add_constant(n, {pairs}, slopes, DType::f32)});
  const ValueId shifted = f("add", {scaled, add_constant(n, {pairs}, offsets, DType::f32)});
  constexpr double kLeast = 1e-7;  // LIBSVM's
  const ValueId kept = f("clip", {f("sigmoid", {shifted}), f.number(kLeast), f.number(1 - kLeast)});
  return n.emit("couple_probabilities", CoupleProbabilities{classes}, {kept});
}

// Without support vectors the coefficients are those of a linear model with one target a class, to
// all of which the first rho is added, as ONNX Runtime does.
Values linear_svm(const Import& n, const Labels& labels, const std::vector<double>& coefficients,
                  const std::vector<double>& rho, PostTransform transform) {
  if (rho.empty()) refuse_count("rho", 0, "at least 1");
  const std::vector<double> added(static_cast<size_t>(labels.count), rho[0]);
  const ValueId scores = products(n, rows_of(n), coefficients, labels.count, added);
  return Values(std::vector<ValueId>{labels_at(n, labels, best_place(n, scores)),
                                     transformed(n, transform, scores, DType::f32)});
}

Values svm_classifier(const Import& n) {
  const SvmKernel kernel(n);
  const Labels labels = read_labels(n);
  const std::vector<double> support = reals(n, "support_vectors"),
                            coefficients = reals(n, "coefficients"), rho = reals(n, "rho"),
                            a = reals(n, "prob_a"), b = reals(n, "prob_b");
  const std::vector<int64_t> sizes = n.integers("vectors_per_class");
  const PostTransform transform = post_transform(n);
  if (sizes.empty() && support.empty()) return linear_svm(n, labels, coefficients, rho, transform);
  constexpr int64_t kMostClasses = 1 << 12;
  if (static_cast<int64_t>(sizes.size()) != labels.count || labels.count < 2 ||
      labels.count > kMostClasses)
    refuse_count("vectors_per_class", sizes.size(),
                 "one for each of " + std::to_string(labels.count) + " classes, 2 to " +
                     std::to_string(kMostClasses));
  const Pairs pairs(n, sizes, coefficients);
  const auto count = static_cast<size_t>(pairs.count());
  if (rho.size() != count) refuse_count("rho", rho.size(), std::to_string(count));
  for (const auto& [what, list] : {std::pair("prob_a", &a), std::pair("prob_b", &b)})
    if (list->size() != count && !(a.empty() && b.empty()))
      refuse_count(what, list->size(), std::to_string(count) + ", as rho");
  const ValueId x = rows_of(n);
  const ValueId values = kernel.values(x, support, vectors_in(support, pairs.vectors()));
  const ValueId decisions = pairs.decisions(values, rho);
  const ValueId label = labels_at(n, labels, pairs.winner(decisions));
  ValueId scores;
  if (!a.empty())
    scores = transformed(n, transform, probabilities(n, decisions, a, b, labels.count), DType::f32);
  else if (labels.count == 2)
    scores = two_scores(n, transform,
                        transform == PostTransform::none ? OtherScore::negated : OtherScore::rest,
                        decisions, DType::f32);
  else scores = transformed(n, transform, decisions, DType::f32);
  return Values(std::vector<ValueId>{label, scores});
}

constexpr std::string_view kMl = "ai.onnx.ml";

constexpr ImportRow kRows[] = {
    {"LinearClassifier", linear_classifier, 1, kMl},
    {"LinearRegressor", linear_regressor, 1, kMl},
    {"SVMClassifier", svm_classifier, 1, kMl},
    {"SVMRegressor", svm_regressor, 1, kMl},
};

}  // namespace
const ImportTable kLinearRows = kRows;
}  // namespace tenon::onnx
