#include "formats/onnx/post_transform.h"

#include "formats/onnx/constants.h"
#include "ops/concat.h"
#include "ops/gather.h"
#include "ops/reduce.h"
#include "ops/softmax.h"

namespace tenon::onnx {
namespace {

// softmax in which a score of 0 counts for nothing.
ValueId softmax_zero(const Formula& f, ValueId v) {
  const ValueId top = f.n.emit("reduce", Reduce{.kind = Reduction::max, .axes = {-1}}, {v});
  const ValueId is_zero = f("less_equal", {f("abs", {v}), f.number(1e-7)});
  const ValueId small = f("mul", {v, f("exp", {f("neg", {top})})});
  const ValueId powers = f("where", {is_zero, small, f("exp", {f("sub", {v, top})})});
  const ValueId sum = f.n.emit("reduce", Reduce{.kind = Reduction::sum, .axes = {-1}}, {powers});
  return f("div", {powers, sum});
}

// sqrt(2) * erfinv(2 v - 1), with the inverse of the error function after S. Winitzki, a = 0.147.
ValueId probit(const Formula& f, ValueId v) {
  const ValueId x = f("sub", {f("mul", {v, f.number(2)}), f.number(1)});
  const ValueId log =
      f("log", {f("mul", {f("sub", {f.number(1), x}), f("add", {f.number(1), x})})});
  const ValueId half =
      f("add", {f("mul", {log, f.number(0.5)}), f.number(2 / (3.14159265358979 * 0.147))});
  const ValueId square = f("sub", {f("mul", {half, half}), f("mul", {log, f.number(1 / 0.147)})});
  const ValueId size = f("sqrt", {f("sub", {f("sqrt", {square}), half})});
  return f("mul", {f("mul", {f("sign", {x}), size}), f.number(1.41421356)});
}

}  // namespace

PostTransform post_transform(const Import& n) {
  constexpr const char* kNames[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  const std::string name = n.text("post_transform", "NONE");
  for (int i = 0; i < 5; ++i)
    if (name == kNames[i]) return static_cast<PostTransform>(i);
  throw Error(Code::bad_model, "post_transform \"" + printable(name) +
                                   "\" is none of NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO, PROBIT");
}

ValueId transformed(const Import& n, PostTransform transform, ValueId v, DType dtype) {
  const Formula f{n, dtype};
  switch (transform) {
    case PostTransform::softmax: return n.emit("softmax", Softmax{-1}, {v});
    case PostTransform::logistic: return f("sigmoid", {v});
    case PostTransform::softmax_zero: return softmax_zero(f, v);
    case PostTransform::probit: return probit(f, v);
    default: return v;
  }
}

ValueId two_scores(const Import& n, PostTransform transform, OtherScore other, ValueId score,
                   DType dtype) {
  const Formula f{n, dtype};
  const bool rest = other == OtherScore::rest && transform != PostTransform::logistic;
  const ValueId first = rest ? f("sub", {f.number(1), score}) : f("neg", {score});
  const ValueId both = n.emit("concat", Concat{1}, {first, score});
  const bool each = transform == PostTransform::logistic || transform == PostTransform::probit;
  return each ? transformed(n, transform, both, dtype) : both;
}

Labels read_labels(const Import& n, const char* integers) {
  const std::vector<int64_t> numbers = n.integers(integers);
  const std::vector<std::string> strings = n.texts("classlabels_strings");
  if (numbers.empty() == strings.empty())
    throw Error(Code::bad_model,
                std::string("there are ") + (numbers.empty() ? "no" : "two lists of") +
                    " class labels; one of " + integers + " and classlabels_strings is expected");
  if (strings.empty()) return {n.constant(numbers), static_cast<int64_t>(numbers.size())};
  return {add_strings(n, strings), static_cast<int64_t>(strings.size())};
}

ValueId labels_at(const Import& n, const Labels& labels, ValueId places) {
  return n.emit("gather", Gather{0}, {labels.list, places});
}

}  // namespace tenon::onnx
