// The numbers of a convolution, with spatial axes d, h, w: absent ones have one element and one tap.
#pragma once

#include "kernels/cpu/operand.h"
#include "ops/conv.h"

namespace tenon::cpu::TENON_ISA {
namespace {

struct ConvShape {
  int64_t n, c, o, group;
  int64_t in[3], out[3], taps[3], stride[3], dilation[3], pad[3];
  int64_t src_step[3], dst_step[3];  // of the spatial axes, in elements

  explicit ConvShape(const Step& s) : ConvShape(s, s.src[0], s.src[1], *s.dst, *static_cast<const Conv*>(s.attributes)) {
    if (known(s.src[1].size[0])) o = s.src[1].size[0];
    group = static_cast<const Conv*>(s.attributes)->group;
    if (known(s.src[1].size[1])) c = s.src[1].size[1] * group;
  }

  // For any op that moves a window: `weight` gives the taps. Sizes that are not known yet count as one.
  ConvShape(const Step&, const Operand& src, const Operand& weight, const Operand& dst, const Window& window) {
    const auto size = [](int64_t x) { return known(x) ? x : 1; };
    n = size(src.size[0]), c = size(src.size[1]), o = size(dst.size[1]), group = 1;
    const int spatial = src.rank - 2;
    for (int i = 0; i < 3; ++i) {
      const int axis = i - 3 + spatial;
      const bool there = axis >= 0;
      in[i] = there ? size(src.size[2 + axis]) : 1, out[i] = there ? size(dst.size[2 + axis]) : 1, taps[i] = there ? size(weight.size[2 + axis]) : 1;
      stride[i] = there ? window.stride(axis) : 1, dilation[i] = there ? window.dilation(axis) : 1;
      pad[i] = there ? window.before(axis, in[i], taps[i]) : 0;
      src_step[i] = there ? src.stride[2 + axis] : 0, dst_step[i] = there ? dst.stride[2 + axis] : 0;
    }
  }

  // The taps of axis i that meet the source at output position `at`.
  Range valid(int i, int64_t at) const {
    const int64_t first = at * stride[i] - pad[i];
    const int64_t begin = first >= 0 ? 0 : ceil_div(-first, dilation[i]);
    const int64_t end = first >= in[i] ? 0 : ceil_div(in[i] - first, dilation[i]);
    return {smaller(begin, taps[i]), larger(smaller(begin, taps[i]), smaller(end, taps[i]))};
  }
  int64_t source(int i, int64_t at, int64_t tap) const { return at * stride[i] - pad[i] + tap * dilation[i]; }
  // One past the last source position that the window of the last output meets, padding included.
  int64_t reach(int i) const { return (out[i] - 1) * stride[i] - pad[i] + (taps[i] - 1) * dilation[i] + 1; }
  // Whether every window along axis i lies in the source.
  bool inside(int i) const { return pad[i] <= 0 && reach(i) <= in[i]; }
  int64_t window() const { return taps[0] * taps[1] * taps[2]; }
  int64_t pixels() const { return out[0] * out[1] * out[2]; }
  // Whether every output pixel is made of the source pixel at its place.
  bool pointwise() const {
    for (int i = 0; i < 3; ++i)
      if (taps[i] != 1 || stride[i] != 1 || pad[i] != 0 || out[i] != in[i]) return false;
    return true;
  }
  float multiply_adds() const {
    return static_cast<float>(n * pixels()) * static_cast<float>(window()) * static_cast<float>(o) * static_cast<float>(c / group);
  }
};

// The own sources of an op, those of the epilogue left out.
inline int own_sources(const Step& s) { return s.epilogue.count ? s.epilogue.first_source : s.sources; }
// The cut of a convolution into units of work, about 16 of them: planes (images, depths, groups) x bands of rows, or pieces of an
// image that is one row, x blocks of panels. Weights of more than 1 MiB are cut before images are, so that each is read once.
struct Cut {
  int64_t bands = 1, columns = 1, blocks = 1;
};

inline void cut_panels(Cut& cut, int64_t& pieces, int64_t planes, int64_t most_pieces, int64_t panels, int64_t weight_bytes) {
  planes = larger(int64_t{1}, planes), pieces = larger(int64_t{1}, pieces);
  const int64_t wanted = ceil_div(16, planes * pieces);
  if (weight_bytes > 1 << 20) cut.blocks = smaller(panels, wanted);
  const int64_t more = ceil_div(wanted, cut.blocks);
  if (more > 1) pieces = larger(pieces, smaller(pieces * more, most_pieces));
  cut.blocks = smaller(panels, cut.blocks * ceil_div(16, planes * pieces * cut.blocks));
}
// Into bands of at most `most` rows.
inline Cut cut_rows(int64_t planes, int64_t rows, int64_t most, int64_t panels, int64_t weight_bytes) {
  Cut cut{.bands = ceil_div(rows, most)};
  cut_panels(cut, cut.bands, planes, ceil_div(rows, 4), panels, weight_bytes);
  return cut;
}
// Into pieces of at most `most` columns.
inline Cut cut_row(int64_t planes, int64_t columns, int64_t most, int64_t panels, int64_t weight_bytes) {
  Cut cut{.columns = ceil_div(columns, most)};
  cut_panels(cut, cut.columns, planes, ceil_div(columns, 28), panels, weight_bytes);
  return cut;
}

// Whether the pixels of a channel lie in memory as if they were one row.
inline bool one_row(const Operand& o) {
  int64_t step = o.stride[o.rank - 1];
  for (int i = o.rank - 1; i > 1; --i) {
    if (!known(o.size[i]) || !known(o.stride[i])) return false;
    if (o.size[i] > 1 && o.stride[i] != step) return false;
    step *= o.size[i];
  }
  return true;
}
// The same of dst and of what its epilogue reads like it.
inline bool one_row_of_dst(const Step& s) {
  for (int i = 1; i < s.epilogue.operands && s.epilogue.count; ++i)
    if (s.epilogue.reads[i - 1] == Reads::like_dst && !one_row(s.src[s.epilogue.first_source + i - 1])) return false;
  return one_row(*s.dst);
}

// What every f32 convolution asks.
inline const char* conv_reject(const Step& s) {
  for (int i = 0; i < own_sources(s); ++i)
    if (has(s, i) && !is_f32(s.src[i])) return "a source is not f32";
  if (!is_f32(*s.dst)) return "dst is not f32";
  if (s.src[0].rank < 3 || s.src[0].rank > 5) return "there are more than three spatial axes";
  return nullptr;
}

// The own bias of a convolution, or null.
inline const float* conv_bias(const Step& s) { return own_sources(s) > 2 && has(s, 2) ? data(s.src[2]) : nullptr; }

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
