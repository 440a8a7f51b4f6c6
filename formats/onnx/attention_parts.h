// What the importers of attention and of rotary embeddings share.
#pragma once

#include <cmath>
#include <vector>

#include "base/axis.h"
#include "formats/onnx/constants.h"
#include "ops/concat.h"
#include "ops/gather.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/reshape.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "ops/squeeze.h"
#include "ops/transpose.h"

namespace tenon::onnx {

inline int rank_of(const Import& n, ValueId v) { return n.graph().value(v).type.shape.rank(); }
inline Dim size_of(const Import& n, ValueId v, int axis) {
  const Shape& s = n.graph().value(v).type.shape;
  return s[from_front(axis, s.rank())];
}

inline ValueId transposed(const Import& n, ValueId v, std::vector<int64_t> perm) { return n.emit("transpose", Transpose{std::move(perm)}, {v}); }
inline ValueId reshaped(const Import& n, ValueId v, const std::vector<int64_t>& shape) {
  return n.emit("reshape", Reshape{}, {v, n.constant(shape)});
}
inline ValueId unsqueezed(const Import& n, ValueId v, std::vector<int64_t> axes) { return n.emit("unsqueeze", Unsqueeze{std::move(axes)}, {v}); }
inline ValueId concat(const Import& n, std::vector<ValueId> parts, int64_t axis) { return n.emit("concat", Concat{axis}, std::move(parts)); }
// The size of an axis as s64[1].
inline ValueId size_value(const Import& n, ValueId v, int64_t axis) { return n.emit("shape", ShapeOf{axis, axis + 1}, {v}); }
// Elements [from, to) of the last axis.
inline ValueId columns(const Import& n, ValueId v, int64_t from, int64_t to) {
  return n.emit("slice", None{}, {v, n.constant({from}), n.constant({to}), n.constant({-1})});
}

inline ValueId product(const Import& n, std::vector<ValueId> matrices) { return n.emit("matmul", Matmul{}, std::move(matrices)); }

// [batch, length, heads * size] as [batch, heads, length, size].
inline ValueId split_heads(const Import& n, ValueId v, int64_t heads) {
  expect(heads > 0, "attention on inputs of three axes names the number of heads");
  return transposed(n, reshaped(n, v, {0, 0, heads, -1}), {0, 2, 1, 3});
}
inline ValueId join_heads(const Import& n, ValueId v) { return reshaped(n, transposed(n, v, {0, 2, 1, 3}), {0, 0, -1}); }

// Each key-value head serves as many query heads in a row as there are for one.
inline ValueId repeat_heads(const Import& n, ValueId v, ValueId query) {
  const Dim own = size_of(n, v, 1), wanted = size_of(n, query, 1);
  if (own == wanted) return v;
  if (!own.known() || !wanted.known()) n.refuse("attention whose numbers of heads are not known");
  expect(own.number() > 0 && wanted.number() % own.number() == 0, "the number of query heads is a multiple of that of key heads");
  std::vector<int64_t> heads;
  for (int64_t h = 0; h < wanted.number(); ++h) heads.push_back(h * own.number() / wanted.number());
  return n.emit("gather", Gather{1}, {v, n.constant(heads)});
}

// 0, 1 ... as many as s64[1] `count` says, shaped as given.
inline ValueId counted(const Import& n, ValueId count, const std::vector<int64_t>& shape) {
  return reshaped(n, n.emit("range", None{}, {n.scalar(0, DType::s64), reshaped(n, count, {}), n.scalar(1, DType::s64)}), shape);
}

// Which keys each query may see, by rules on places: bool that broadcasts to the scores; kNone where all may.
struct Sight {
  const Import& n;
  ValueId allowed = kNone;
  void only(ValueId also) { allowed = allowed == kNone ? also : n.emit("logical_and", None{}, {allowed, also}); }
};

// softmax over the last axis, in which a row of -inf alone gives zeros.
inline ValueId guarded_softmax(const Formula& f, ValueId scores) {
  const ValueId top = f.n.emit("reduce", Reduce{.kind = Reduction::max, .axes = {-1}}, {scores});
  const ValueId blind = f("equal", {top, f.number(-INFINITY)});
  const ValueId p = f.n.emit("softmax", Softmax{}, {f("where", {blind, f.number(0), scores})});
  return f("where", {blind, f.number(0), p});
}

// Pairs of channels of x [batch, length, heads, size] turned by angles, whose cosines and sines are [batch or 1, length, 1, dim / 2]:
// (a cos - b sin, b cos + a sin). A pair is channels c and c + dim / 2, or interleaved 2 c and 2 c + 1; channels from `dim` on stay.
ValueId turned(const Import& n, ValueId x, ValueId cos, ValueId sin, int64_t dim, bool interleaved);

}  // namespace tenon::onnx
