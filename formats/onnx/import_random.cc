// Random numbers, and what is made of them.
#include <bit>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "ops/concat.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/reshape.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "ops/squeeze.h"

namespace tenon::onnx {
namespace {

// The attribute `seed` is a float, of Dropout an integer.
ValueId random(const Import& n, Random a, ValueId shape, bool whole_seed = false) {
  a.seeded = n.find("seed");
  if (a.seeded) a.seed = whole_seed ? n.integer("seed", 0) : std::bit_cast<int32_t>(n.real("seed", 0));
  return n.emit("random", a, {shape});
}

ValueId shape_of(const Import& n, int i) { return n.emit("shape", ShapeOf{}, {input(n, i)}); }

Random numbers(const Import& n, Distribution d, DType dtype) {
  if (d == Distribution::uniform) return {d, dtype, n.real("low", 0), n.real("high", 1)};
  return {d, dtype, n.real("mean", 0), n.real("scale", 1)};
}

template <Distribution d>
Values of_shape(const Import& n) {
  return random(n, numbers(n, d, n.dtype("dtype", DType::f32)), n.constant(n.integers("shape")));
}

template <Distribution d>
Values like(const Import& n) {
  return random(n, numbers(n, d, n.dtype("dtype", n.element(0))), shape_of(n, 0));
}

// 1 with the probability that each element is.
Values bernoulli(const Import& n) {
  const ValueId drawn = random(n, {.dtype = DType::f64}, shape_of(n, 0));
  return cast(n, n.emit("less", None{}, {drawn, cast(n, input(n, 0), DType::f64)}), n.dtype("dtype", n.element(0)));
}

// Places in rows of log-probabilities: as many cumulative probabilities as a uniform number reaches, the last of which is 1.
Values multinomial(const Import& n) {
  const DType dtype = n.dtype("dtype", DType::s32);
  const int64_t samples = n.integer("sample_size", 1);
  if (samples < 1) throw Error(Code::bad_model, "sample_size is " + std::to_string(samples) + ", expected at least 1");
  if (n.rank(0) != 2) throw Error(Code::bad_model, "input 0 has rank " + std::to_string(n.rank(0)) + ", expected [rows, classes]");
  if (!is_integer(dtype)) throw Error(Code::bad_model, "dtype is " + std::string(name(dtype)) + ", expected int32 or int64");
  const ValueId likely = n.emit("softmax", Softmax{-1}, {cast(n, input(n, 0), DType::f64)});
  const ValueId reached = n.emit("cum_sum", Cumulate{.axis = 1}, {likely});
  const ValueId but_last = n.emit("slice", None{}, {reached, n.constant({0}), n.constant({-1}), n.constant({1})});
  const ValueId rows = n.emit("shape", ShapeOf{.start = 0, .end = 1}, {input(n, 0)});
  const ValueId shape = n.emit("concat", Concat{0}, {rows, n.constant({samples, 1})});
  const ValueId drawn = random(n, {.dtype = DType::f64}, shape);
  const ValueId limits = n.emit("unsqueeze", Unsqueeze{{1}}, {but_last});
  const ValueId passed = cast(n, n.emit("less_equal", None{}, {limits, drawn}), DType::f32);
  return cast(n, n.emit("reduce", Reduce{.kind = Reduction::sum, .axes = {2}, .keepdims = false}, {passed}), dtype);
}

// While training, elements become zero with probability `ratio`, and the others grow so that their mean stays.
Values training_dropout(const Import& n) {
  const Formula f{n, n.element(0)};
  const ValueId training = n.emit("reshape", Reshape{}, {input(n, 2), n.constant({})});
  const ValueId ratio = n.has(1) ? cast(n, n.emit("reshape", Reshape{}, {n.in[1], n.constant({})}), DType::f64) : n.scalar(0.5, DType::f64);
  const ValueId drawn = random(n, {.dtype = DType::f64}, shape_of(n, 0), true);
  const ValueId kept = f("logical_or", {f("logical_not", {training}), f("greater_equal", {drawn, ratio})});
  const ValueId grown = f("div", {n.scalar(1, DType::f64), f("sub", {n.scalar(1, DType::f64), ratio})});
  const ValueId factor = cast(n, f("where", {training, grown, n.scalar(1, DType::f64)}), n.element(0));
  return Values(std::vector<ValueId>{f("where", {kept, f("mul", {input(n, 0), factor}), f.number(0)}), kept});
}

Values dropout(const Import& n) {
  n.ignore("consumed_inputs"), n.ignore("ratio"), n.ignore("seed");
  if (n.opset < 7 && n.integer("is_test", 0) == 0) n.refuse("Dropout that trains; export the model for inference");
  if (n.has(2)) {
    const auto training = n.numbers(2);
    const auto ratio = constant_input(n, 1);
    const bool keeps_all = n.has(1) && ratio && ratio->cells.size() == 1 && ratio->number(0) == 0;
    if (!keeps_all && !(training && training->size() == 1 && (*training)[0] == 0)) return training_dropout(n);
  }
  Values out = n.emit("identity", None{}, {input(n, 0)});
  if (!n.wants(1)) return out;
  const ValueId all = n.scalar(1, n.opset < 10 ? n.element(0) : DType::boolean);
  out.push_back(n.emit("expand", None{}, {all, n.emit("shape", ShapeOf{}, {input(n, 0)})}));
  return out;
}

constexpr ImportRow kRows[] = {
    {"RandomUniform", of_shape<Distribution::uniform>},
    {"RandomNormal", of_shape<Distribution::normal>},
    {"RandomUniformLike", like<Distribution::uniform>},
    {"RandomNormalLike", like<Distribution::normal>},
    {"Bernoulli", bernoulli, 15},
    {"Multinomial", multinomial, 7},
    {"Dropout", dropout},
};

}  // namespace
const ImportTable kRandomRows = kRows;
}  // namespace tenon::onnx
