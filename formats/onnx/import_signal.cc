// Fourier transforms, windows, spectra.
#include <numbers>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "ops/gather.h"
#include "ops/reshape.h"
#include "ops/shape.h"
#include "ops/signal.h"
#include "ops/squeeze.h"

namespace tenon::onnx {
namespace {

Values dft(const Import& n) {
  Dft a{.axis = n.opset < 20 ? n.integer("axis", 1) : -2, .inverse = n.integer("inverse", 0) != 0, .onesided = n.integer("onesided", 0) != 0};
  if (n.has(2)) {
    const auto axis = n.numbers(2);
    if (!axis) throw NeedsSizes(Code::not_supported, "a DFT whose axis is not known before the model runs");
    expect(axis->size() == 1, "the axis of DFT is one number");
    a.axis = axis->front();
  }
  std::vector<ValueId> in{input(n, 0)};
  if (n.has(1)) in.push_back(n.in[1]);
  return n.emit("dft", a, in);
}

ValueId scalar_of(const Import& n, ValueId v) { return cast(n, n.emit("reshape", Reshape{}, {v, n.constant({})}), DType::s64); }

// Frames by their indices, each times the window, each transformed.
Values stft(const Import& n) {
  const Formula f{n, DType::s64};
  expect(n.rank(0) == 3, "the signal of STFT has a batch, a length and parts");
  const auto size = [&](ValueId v, int64_t axis) {
    return n.emit("reshape", Reshape{}, {n.emit("shape", ShapeOf{axis, axis + 1}, {v}), n.constant({})});
  };
  const ValueId signal = input(n, 0), step = scalar_of(n, input(n, 1)), length = size(signal, 1);
  const ValueId frame = n.has(3) ? scalar_of(n, input(n, 3)) : n.has(2) ? size(input(n, 2), 0) : length;
  const ValueId frames = f("add", {f("div", {f("sub", {length, frame}), step}), f.number(1)});
  const auto count = [&](ValueId limit, ValueId delta, const std::vector<int64_t>& shape) {
    return n.emit("reshape", Reshape{}, {f("range", {f.number(0), limit, delta}), n.constant(shape)});
  };
  const ValueId places = f("add", {count(f("mul", {frames, step}), step, {-1, 1}), count(frame, f.number(1), {1, -1})});
  ValueId parts = n.emit("gather", Gather{1}, {signal, places});  // [batch, frames, frame, parts]
  if (n.has(2)) parts = f("mul", {parts, n.emit("unsqueeze", Unsqueeze{{1}}, {input(n, 2)})});
  return n.emit("dft", Dft{.axis = 2, .onesided = n.integer("onesided", 1) != 0}, {parts});
}

// first - second cos(x) + third cos(2 x), x = 2 pi i / size, or size - 1 for a symmetric window.
Values window(const Import& n, double first, double second, double third) {
  const Formula f{n, DType::f64};
  const DType dtype = n.dtype("output_datatype", DType::f32);
  const bool periodic = n.integer("periodic", 1) != 0;
  const Formula whole{n, DType::s64};
  const ValueId size = scalar_of(n, input(n, 0));
  const ValueId places = cast(n, whole("range", {whole.number(0), size, whole.number(1)}), DType::f64);
  const ValueId whole_turn = cast(n, periodic ? size : whole("sub", {size, whole.number(1)}), DType::f64);
  const ValueId angle = f("div", {f("mul", {places, f.number(2 * std::numbers::pi)}), whole_turn});
  const auto wave = [&](double factor, ValueId at) { return f("mul", {f("cos", {at}), f.number(factor)}); };
  ValueId value = f("sub", {f.number(first), wave(second, angle)});
  if (third != 0) value = f("add", {value, wave(third, f("mul", {angle, f.number(2)}))});
  return cast(n, value, dtype);
}

Values mel_weight_matrix(const Import& n) {
  const DType dtype = n.dtype("output_datatype", DType::f32);
  return cast(n, n.emit("mel_weights", None{}, n.in), dtype);
}

constexpr ImportRow kRows[] = {
    {"DFT", dft, 17},
    {"STFT", stft, 17},
    {"HannWindow", [](const Import& n) -> Values { return window(n, 0.5, 0.5, 0); }, 17},
    {"HammingWindow", [](const Import& n) -> Values { return window(n, 25.0 / 46, 21.0 / 46, 0); }, 17},
    {"BlackmanWindow", [](const Import& n) -> Values { return window(n, 0.42, 0.5, 0.08); }, 17},
    {"MelWeightMatrix", mel_weight_matrix, 17},
};

}  // namespace
const ImportTable kSignalRows = kRows;
}  // namespace tenon::onnx
