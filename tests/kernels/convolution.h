// Convolutions as problems, shared by the families that compute them.
#pragma once

#include <algorithm>

#include "harness/problem.h"
#include "ops/conv.h"

namespace tenon {

struct Convolution {
  int64_t batch = 1, channels, outputs, group = 1;
  std::vector<int64_t> in, taps;  // spatial
};

// Strides, dilations and pads at random, such that the window fits the padded source.
inline Conv random_window(Random& r, Convolution& c, bool plain = false) {
  Conv a;
  a.group = c.group;
  std::vector<int64_t> ends;
  for (size_t i = 0; i < c.in.size(); ++i) {
    a.strides.push_back(plain ? 1 : r.pick<int64_t>({1, 1, 2, 3})), a.dilations.push_back(plain ? 1 : r.pick<int64_t>({1, 1, 1, 2}));
    const int64_t reach = (c.taps[i] - 1) * a.dilations[i] + 1;
    const int64_t most = r.chance(0.2) ? c.taps[i] + 1 : c.taps[i] - 1;  // from the number of taps on, windows of pads alone
    a.pads.push_back(r.in(0, most)), ends.push_back(r.in(0, most));
    c.in[i] = std::max(c.in[i], reach - a.pads[i] - ends[i]);
  }
  a.pads.insert(a.pads.end(), ends.begin(), ends.end());
  if (r.chance(0.1)) a.pads = {}, a.auto_pad = r.pick({AutoPad::same_upper, AutoPad::same_lower});
  return a;
}

inline std::vector<int64_t> result_shape(const Conv& a, const Convolution& c) {
  std::vector<int64_t> shape{c.batch, c.outputs};
  for (size_t i = 0; i < c.in.size(); ++i)
    shape.push_back((c.in[i] + a.before(i, c.in[i], c.taps[i]) + a.after(i, c.in[i], c.taps[i]) - a.extent(i, c.taps[i])) / a.stride(i) + 1);
  return shape;
}

// One number for each channel, as an epilogue reads it.
inline Source by_channel(const Convolution& c) {
  std::vector<int64_t> shape{c.outputs};
  shape.resize(1 + c.in.size(), 1);
  return constant(f32(shape));
}

inline Problem convolution(Random& r, Convolution c, bool plain = false) {
  const Conv a = random_window(r, c, plain);
  std::vector<int64_t> src{c.batch, c.channels}, weight{c.outputs, c.channels / c.group};
  src.insert(src.end(), c.in.begin(), c.in.end()), weight.insert(weight.end(), c.taps.begin(), c.taps.end());
  Problem p{"conv", a, {f32(src), constant(f32(weight))}};
  if (r.chance(0.4)) p.sources.push_back(constant(f32({c.outputs})));
  const std::vector<int64_t> dst = result_shape(a, c);
  switch (r.in(0, 5)) {
    case 0: p.after = {{row(Function::relu, 0)}, {}}; break;
    case 1: p.after = {{row(Function::add, 0, 1), row(Function::clip, 4, 2, 3)}, {by_channel(c), scalar(0), scalar(6)}}; break;
    case 2: p.after = {{row(Function::add, 0, 1), row(Function::add, 3, 2), row(Function::relu, 4)}, {by_channel(c), f32(dst)}}; break;
    case 3: p.after = {{row(Function::mul, 0, 1), row(Function::sigmoid, 2), row(Function::mul, 2, 3)}, {by_channel(c)}}; break;
    default: break;
  }
  return p;
}

inline std::vector<int64_t> spatial(Random& r, size_t axes, int64_t low, int64_t high) {
  std::vector<int64_t> out;
  for (size_t i = 0; i < axes; ++i) out.push_back(r.in(low, high));
  return out;
}

inline Source random_bytes(Random& r, const std::vector<int64_t>& shape) {
  const float scale = static_cast<float>(r.real(0.005, 0.05));
  return r.chance(0.5) ? u8(shape, scale, static_cast<int32_t>(r.in(0, 255))) : s8(shape, scale, static_cast<int32_t>(r.in(-128, 127)));
}

// The same with src and weight in eight bits, and mostly dst too.
inline Problem quantised_convolution(Random& r, Convolution c) {
  const Conv a = random_window(r, c);
  std::vector<int64_t> src{c.batch, c.channels}, weight{c.outputs, c.channels / c.group};
  src.insert(src.end(), c.in.begin(), c.in.end()), weight.insert(weight.end(), c.taps.begin(), c.taps.end());
  Source w = random_bytes(r, weight);
  if (r.chance(0.7)) {  // what every level takes
    const DType type = r.pick({DType::u8, DType::s8});
    const size_t scales = r.chance(0.6) ? static_cast<size_t>(c.outputs) : 1;
    std::vector<float> scale;
    for (size_t i = 0; i < scales; ++i) scale.push_back(static_cast<float>(r.real(0.005, 0.05)));
    w = quantised(type, weight, scale, std::vector<int32_t>(scales, type == DType::u8 ? 128 : 0), scales > 1 ? 0 : -1);
  }
  Problem p{"conv", a, {random_bytes(r, src), constant(w)}};
  if (r.chance(0.3)) p.sources.push_back(constant(f32({c.outputs})));
  else if (r.chance(0.5)) {
    Source bias = constant(quantised(DType::s32, {c.outputs}, {0.0004f}, {0}, -1));
    bias.low = -9999, bias.high = 9999;
    p.sources.push_back(bias);
  }
  if (r.chance(0.75)) {
    const Source stored = random_bytes(r, {});
    int64_t terms = c.channels / c.group;
    for (int64_t t : c.taps) terms *= t;
    p.stored = stored.type;
    p.stored.quantisation = std::make_shared<Quantisation>(Quantisation{{0.01f * static_cast<float>(terms)}, stored.type.quantisation->zero, -1});
  }
  const std::vector<int64_t> dst = result_shape(a, c);
  switch (r.in(0, 6)) {
    case 0: p.after = {{row(Function::relu, 0)}, {}}; break;
    case 1: p.after = {{row(Function::clip, 0, 1, 2)}, {scalar(0), scalar(6)}}; break;
    case 2: p.after = {{row(Function::add, 0, 1), row(Function::relu, 2)}, {by_channel(c)}}; break;
    case 3: p.after = {{row(Function::add, 0, 1), row(Function::relu, 2)}, {random_bytes(r, dst)}}; break;
    case 4: p.after = {{row(Function::add, 0, 1)}, {f32(dst)}}; break;
    default: break;
  }
  return p;
}

// The same with numbers as operands: conv_integer, or dynamic_conv, whose src is f32 and which may have an epilogue.
inline Problem integer_convolution(Random& r, Convolution c) {
  const bool dynamic = r.chance(0.6);
  const Conv a = random_window(r, c);
  std::vector<int64_t> src{c.batch, c.channels}, weight{c.outputs, c.channels / c.group};
  src.insert(src.end(), c.in.begin(), c.in.end()), weight.insert(weight.end(), c.taps.begin(), c.taps.end());
  const auto whole = [](DType t, const std::vector<int64_t>& shape) {
    return of(t, shape, static_cast<double>(lowest(t)), static_cast<double>(highest(t)));
  };
  const auto numbers = [&] { return r.chance(0.5) ? std::vector<int64_t>{} : std::vector<int64_t>{c.outputs}; };
  const DType source = r.pick({DType::u8, DType::s8}), type = r.pick({DType::u8, DType::s8});
  Problem p{dynamic ? "dynamic_conv" : "conv_integer",
            a,
            {dynamic ? f32(src, r.real(-3, 0.5), r.real(1, 3)) : whole(source, src), constant(whole(type, weight))}};
  p.sources.push_back(dynamic ? constant(f32(numbers(), 0.005, 0.05)) : r.chance(0.8) ? whole(source, {}) : omitted_source());
  Source zero = constant(whole(type, numbers()));
  if (r.chance(0.2)) zero.values = {static_cast<double>(r.chance(0.5) ? lowest(type) : type == DType::u8 ? 128 : 0)};
  if (r.chance(0.8)) p.sources.push_back(zero);
  if (!dynamic) return p;
  switch (r.in(0, 3)) {
    case 0: p.after = {{row(Function::relu, 0)}, {}}; break;
    case 1: p.after = {{row(Function::add, 0, 1), row(Function::clip, 4, 2, 3)}, {by_channel(c), scalar(0), scalar(6)}}; break;
    case 2: p.after = {{row(Function::add, 0, 1), row(Function::add, 3, 2)}, {by_channel(c), f32(result_shape(a, c))}}; break;
    default: break;
  }
  return p;
}

}  // namespace tenon
