// The numbers of a matrix product of any types, with its leading axes and strides.
#pragma once

#include "kernels/cpu/operand.h"
#include "kernels/cpu/tile_size.h"
#include "ops/matmul.h"

namespace tenon::cpu::TENON_ISA {
namespace {

struct Matrix {
  int64_t rows, columns, row, column;  // sizes, strides
  int lead;                            // axes before
};

inline Matrix matrix(const Operand& o, bool transposed, bool left) {
  if (o.rank == 1) return left ? Matrix{1, o.size[0], 0, o.stride[0], 0} : Matrix{o.size[0], 1, o.stride[0], 0, 0};
  const int r = o.rank - 2, c = o.rank - 1;
  if (transposed) return {o.size[c], o.size[r], o.stride[c], o.stride[r], r};
  return {o.size[r], o.size[c], o.stride[r], o.stride[c], r};
}

// The offset of item `i` of the leading axes of dst within an operand whose leading axes broadcast to them.
inline int64_t lead_offset(const Operand& o, int lead, const Operand& dst, int dst_lead, int64_t i) {
  int64_t offset = 0;
  for (int axis = dst_lead - 1; axis >= 0; --axis) {
    const int64_t at = i % dst.size[axis];
    i /= dst.size[axis];
    const int own = axis - dst_lead + lead;
    if (own >= 0 && o.size[own] != 1) offset += at * o.stride[own];
  }
  return offset;
}

struct Problem {
  Matrix a, b;
  int64_t m, n, k, batch;
  int64_t dst_row, dst_column;
  int dst_lead;

  explicit Problem(const Step& s) {
    const auto& t = *static_cast<const Matmul*>(s.attributes);
    const Operand &left = s.src[0], &right = s.src[1], &dst = s.dst[0];
    a = matrix(left, t.transpose_a, true), b = matrix(right, t.transpose_b, false);
    m = a.rows, n = b.columns, k = known(a.columns) ? a.columns : b.rows;
    dst_lead = dst.rank - (left.rank > 1) - (right.rank > 1);
    dst_row = left.rank > 1 ? dst.stride[dst_lead] : 0;
    dst_column = right.rank > 1 ? dst.stride[dst.rank - 1] : 1;
    if (right.rank == 1 && left.rank > 1) dst_row = dst.stride[dst.rank - 1];
    batch = known(dst) ? count(dst, 0, dst_lead) : kUnknown;
    if (batch > 1 && known(m) && one_item(right) && folds(s)) a.rows = m *= batch, batch = 1;
  }

  bool empty() const { return m == 0 || n == 0 || batch == 0; }
  int64_t vectors() const { return ceil_div(n, kLanes); }
  int64_t panels() const { return ceil_div(vectors(), kTileVectors); }
  int64_t b_items(const Step& s) const { return count(s.src[1], 0, b.lead); }

 private:
  bool one_item(const Operand& right) const {
    for (int axis = 0; axis < b.lead; ++axis)
      if (right.size[axis] != 1) return false;
    return true;
  }

  // Whether the leading axes are rows like any other: in a, in dst and in what the epilogue reads.
  bool folds(const Step& s) const {
    if (a.lead != dst_lead || s.src[0].rank < 2 || s.src[1].rank < 2) return false;
    const auto row_like = [&](const Operand& o, const Matrix& x) {
      if (!known(x.row) || !known(x.rows)) return false;
      int64_t step = x.row * x.rows;
      for (int axis = dst_lead - 1; axis >= 0; --axis) {
        if (o.size[axis] != s.dst->size[axis]) return false;
        if (o.size[axis] > 1 && o.stride[axis] != step) return false;
        step *= o.size[axis];
      }
      return true;
    };
    if (!row_like(s.src[0], a) || !row_like(*s.dst, matrix(*s.dst, false, true))) return false;
    for (int i = 1; i < s.epilogue.operands && s.epilogue.count; ++i) {
      const Operand& o = s.src[s.epilogue.first_source + i - 1];
      if (s.epilogue.reads[i - 1] == Reads::like_dst && (o.rank != s.dst->rank || !row_like(o, matrix(o, false, true)))) return false;
    }
    return true;
  }
};

// The index of the item of b that belongs to item i of dst.
inline int64_t b_item(const Step& s, const Problem& p, int64_t i) {
  int64_t item = 0, step = 1;
  for (int axis = p.dst_lead - 1; axis >= 0; --axis) {
    const int64_t at = i % s.dst->size[axis];
    i /= s.dst->size[axis];
    const int own = axis - p.dst_lead + p.b.lead;
    if (own < 0) continue;
    if (s.src[1].size[own] != 1) item += at * step;
    step *= s.src[1].size[own];
  }
  return item;
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
