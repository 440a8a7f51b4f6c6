#include <algorithm>

#include "ops/op.h"

namespace tenon {
namespace {

// Channels are axis 1 of what a window moves over, and the last axis of all else.
int channel_axis(const Op& op, int rank) {
  const bool windowed =
      &op == &ops::conv || &op == &ops::conv_transpose || &op == &ops::average_pool || &op == &ops::max_pool || &op == &ops::dynamic_conv;
  return windowed ? 1 : rank - 1;
}

}  // namespace

std::optional<Reads> reads_of(const Type& type, const Type& result, const Op& op) {
  const Shape &s = type.shape, &r = result.shape;
  if (std::all_of(s.begin(), s.end(), [](Dim d) { return d == Dim(1); })) return Reads::scalar;
  if (s == r) return Reads::like_dst;
  const int skip = r.rank() - s.rank(), axis = channel_axis(op, r.rank());
  if (skip < 0 || axis < skip) return std::nullopt;
  for (int i = 0; i < s.rank(); ++i)
    if (s[i] != (skip + i == axis ? r[axis] : Dim(1))) return std::nullopt;
  return Reads::channel;
}

}  // namespace tenon
