#include "ops/signal.h"

#include <cmath>
#include <numbers>

#include "ops/op.h"

namespace tenon {
namespace {

// What sums over all pairs do in a moment.
constexpr int64_t kMostLength = 1 << 16;

void infer_dft(Inference& n) {
  const auto& a = n.attributes<Dft>();
  n.expect_inputs(1, 2);
  n.expect(is_real(n.dtype(0)), "dft is of floating-point numbers");
  const int rank = n.rank(0), axis = n.axis(a.axis, rank);
  n.expect(rank >= 2 && axis != rank - 1, "the axis of dft is not the last, which holds the parts of complex numbers");
  const Dim parts = n.shape(0)[rank - 1];
  n.expect(!parts.known() || parts.number() == 2 || (parts.number() == 1 && !(a.inverse && a.onesided)),
           "the last axis of the source of dft has one part or two");
  Shape shape = n.shape(0);
  const bool to_real = a.inverse && a.onesided;
  Extent length;
  if (n.has(1)) {
    n.expect_integers(1);
    n.equal(n.count(n.shape(1)), 1, "elements of the length of dft");
    length = n.known(1) ? n.extent(n.content(1)[0]) : n.data();
    if (length.known()) n.expect(length.dim().number() > 0, "the length of dft is positive");
  } else {
    length = to_real ? (n.size(0, axis) - 1) * 2 : n.size(0, axis);
  }
  shape[axis] = a.onesided && !a.inverse ? (n.has(1) && !n.known(1) ? n.data() : length / 2 + 1) : length;
  shape[rank - 1] = to_real ? 1 : 2;
  n.result(n.dtype(0), shape);
}

void reference_dft(Reference& n) {
  const auto& a = n.attributes<Dft>();
  const Array& src = *n.in[0];
  Array& dst = n.out[0];
  const bool to_real = a.inverse && a.onesided;
  const auto axis = static_cast<size_t>(from_front(a.axis, src.rank()));
  const int64_t size = src.shape[axis], parts = src.shape.back();
  const int64_t length = n.has(1) ? n.in[1]->integer(0) : to_real ? 2 * (size - 1) : size;
  if (length < 0 || length > kMostLength)
    throw Error(Code::not_supported, "a dft of length " + std::to_string(length) + "; Tenon does up to " + std::to_string(kMostLength));
  std::vector<int64_t> shape = src.shape;
  shape[axis] = a.onesided && !a.inverse ? length / 2 + 1 : length;
  shape.back() = to_real ? 1 : 2;
  dst.resize(shape);
  std::vector<double> cosine, sine;
  for (int64_t i = 0; i < length; ++i) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(length);
    cosine.push_back(std::cos(angle)), sine.push_back(a.inverse ? std::sin(angle) : -std::sin(angle));
  }
  // Lines along the axis, for pairs of parts.
  std::vector<int64_t> from_shape(src.shape.begin(), src.shape.end() - 1), to_shape(shape.begin(), shape.end() - 1);
  const std::vector<Line> from = lines(from_shape, static_cast<int64_t>(axis)), to = lines(to_shape, static_cast<int64_t>(axis));
  const auto count = static_cast<size_t>(length);
  for (size_t l = 0; l < to.size(); ++l) {
    std::vector<double> re(count), im(count);
    for (int64_t t = 0; t < std::min(size, length); ++t) {
      re[static_cast<size_t>(t)] = src.real(from[l][t] * parts);
      if (parts == 2) im[static_cast<size_t>(t)] = src.real(from[l][t] * parts + 1);
    }
    if (to_real)  // what the other side mirrors
      for (int64_t t = length / 2 + 1; t < length; ++t)
        re[static_cast<size_t>(t)] = re[static_cast<size_t>(length - t)], im[static_cast<size_t>(t)] = -im[static_cast<size_t>(length - t)];
    for (int64_t k = 0; k < to[l].count; ++k) {
      double x = 0, y = 0;
      for (int64_t t = 0, turn = 0; t < length; ++t, turn = (turn + k) % length) {
        const auto i = static_cast<size_t>(t), w = static_cast<size_t>(turn);
        x += re[i] * cosine[w] - im[i] * sine[w];
        y += re[i] * sine[w] + im[i] * cosine[w];
      }
      const double scale = a.inverse ? 1 / static_cast<double>(length) : 1;
      const int64_t at = to[l][k] * shape.back();
      dst.real(at) = x * scale;
      if (!to_real) dst.real(at + 1) = y * scale;
    }
  }
}

void infer_mel(Inference& n) {
  n.expect_inputs(5, 5);
  for (int i = 0; i < 5; ++i) {
    n.equal(n.count(n.shape(i)), 1, "elements of input " + std::to_string(i) + " of mel_weights");
    n.expect(i < 3 ? is_integer(n.dtype(i)) : is_real(n.dtype(i)), "mel_weights takes three integers and two frequencies");
  }
  const Extent bands = n.known(0) ? n.extent(n.content(0)[0]) : n.data();
  const Extent bins = n.known(1) ? n.extent(n.content(1)[0]) / 2 + 1 : n.data();
  n.result(DType::f32, {bins, bands});
}

void reference_mel(Reference& n) {
  const int64_t bands = n.in[0]->integer(0), length = n.in[1]->integer(0), rate = n.in[2]->integer(0), bins = length / 2 + 1;
  if (bands < 0 || length < 0 || rate <= 0 || bands > (int64_t{1} << 20) || length > (int64_t{1} << 24))
    throw Error(Code::bad_input, "mel_weights of such sizes");
  const auto mel = [](double f) { return 2595 * std::log10(1 + f / 700); };
  const double low = mel(n.in[3]->real(0)), step = (mel(n.in[4]->real(0)) - low) / static_cast<double>(bands + 2);
  std::vector<int64_t> edges;
  for (int64_t i = 0; i < bands + 2; ++i) {
    const double f = 700 * (std::pow(10, (low + static_cast<double>(i) * step) / 2595) - 1);
    const double bin = std::floor(static_cast<double>(length + 1) * f / static_cast<double>(rate));
    if (!(bin >= 0 && bin <= static_cast<double>(bins))) throw Error(Code::bad_input, "a band of mel_weights lies outside the spectrum");
    edges.push_back(static_cast<int64_t>(bin));
  }
  Array& dst = n.out[0];
  dst.resize({bins, bands});
  for (int64_t b = 0; b < bands; ++b) {
    const int64_t left = edges[static_cast<size_t>(b)], centre = edges[static_cast<size_t>(b + 1)], right = edges[static_cast<size_t>(b + 2)];
    for (int64_t i = left; i <= centre && i < bins; ++i)
      dst.real(i * bands + b) = centre == left ? 1 : static_cast<double>(i - left) / static_cast<double>(centre - left);
    for (int64_t i = centre; i < right && i < bins; ++i)
      dst.real(i * bands + b) = static_cast<double>(right - i) / static_cast<double>(right - centre);
  }
}

}  // namespace
const Op ops::dft{
    .name = "dft", .attributes = Attributes::make<Dft>, .infer = infer_dft, .reference = reference_dft, .exactness = {Exactness::relative, 1e-6}};
const Op ops::mel_weights{.name = "mel_weights", .infer = infer_mel, .reference = reference_mel, .exactness = {Exactness::relative, 1e-6}};
}  // namespace tenon
