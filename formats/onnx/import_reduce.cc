// Reductions over axes, and sums along one.
#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "ops/reduce.h"

namespace tenon::onnx {
namespace {

// `since` is the opset from which the axes are an input.
Values reduce(const Import& n, Reduction kind, int since) {
  Reduce a{.kind = kind, .keepdims = n.integer("keepdims", 1) != 0};
  std::vector<ValueId> in{input(n, 0)};
  if (n.opset < since) {
    a.axes = n.integers("axes");
    return n.emit("reduce", a, in);
  }
  a.noop_with_empty_axes = n.integer("noop_with_empty_axes", 0) != 0;
  if (const auto axes = n.numbers(1)) a.axes = *axes;
  else if (n.has(1)) in.push_back(n.in[1]);
  const bool nothing_alone =
      kind == Reduction::sum || kind == Reduction::mean || kind == Reduction::max || kind == Reduction::min || kind == Reduction::prod;
  if (a.axes.empty() && a.noop_with_empty_axes && in.size() == 1 && nothing_alone) return in[0];
  return n.emit("reduce", a, in);
}

// The axis is input 1.
Values cumulate(const Import& n, const char* op) {
  Cumulate a{.exclusive = n.integer("exclusive", 0) != 0, .reverse = n.integer("reverse", 0) != 0};
  n.type(1);
  std::vector<ValueId> in{input(n, 0)};
  if (const auto axis = n.numbers(1)) {
    expect(axis->size() == 1, "the axis is one number");
    a.axis = axis->front();
  } else {
    in.push_back(n.in[1]);
  }
  return n.emit(op, a, in);
}

#define REDUCE(onnx, kind, since)                                                     \
  {                                                                                   \
    onnx, [](const Import& n) -> Values { return reduce(n, Reduction::kind, since); } \
  }

constexpr ImportRow kRows[] = {
    REDUCE("ReduceSum", sum, 13),
    REDUCE("ReduceMean", mean, 18),
    REDUCE("ReduceMax", max, 18),
    REDUCE("ReduceMin", min, 18),
    REDUCE("ReduceProd", prod, 18),
    REDUCE("ReduceL1", l1, 18),
    REDUCE("ReduceL2", l2, 18),
    REDUCE("ReduceSumSquare", sum_square, 18),
    REDUCE("ReduceLogSum", log_sum, 18),
    REDUCE("ReduceLogSumExp", log_sum_exp, 18),
    TENON_AS("ArgMax", "arg_max", Arg),
    TENON_AS("ArgMin", "arg_min", Arg),
    {"CumSum", [](const Import& n) -> Values { return cumulate(n, "cum_sum"); }, 11},
    {"CumProd", [](const Import& n) -> Values { return cumulate(n, "cum_prod"); }, 26},
};

}  // namespace

extern const ImportTable kReduceRows{kRows};

}  // namespace tenon::onnx
