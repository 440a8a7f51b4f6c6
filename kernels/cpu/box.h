// Copies of boxes: n-dimensional arrays of equal sizes and any strides, of elements of 1, 2, 4 or 8 bytes. What moves elements
// (transpose, slice, concat, expand ...) is one box, or a few.
#pragma once

#include <cstring>

#include "kernels/cpu/operand.h"
#include "kernels/cpu/simd.h"

namespace tenon::cpu::TENON_ISA {
namespace {

struct Box {
  static constexpr int kMost = 2 * kMaxRank;  // axes, each in two parts
  int rank = 0;
  int64_t size[kMost], src[kMost], dst[kMost];  // steps in elements
  bool empty = false;

  // Axes are added from the outermost to the innermost; those of one element fall away, and even neighbours become one.
  void add(int64_t n, int64_t src_step, int64_t dst_step) {
    empty |= n == 0;
    if (n == 1) return;
    if (rank && src[rank - 1] == src_step * n && dst[rank - 1] == dst_step * n) {
      size[rank - 1] *= n, src[rank - 1] = src_step, dst[rank - 1] = dst_step;
      return;
    }
    size[rank] = n, src[rank] = src_step, dst[rank] = dst_step;
    ++rank;
  }
};

// dst[i * dst_row + j * dst_column] = src[i * src_row + j * src_column], where rows are neighbours in src: in tiles that fit L1, elements
// of four bytes in squares of vectors.
template <class T>
void transpose_plane(const T* src, T* dst, int64_t rows, int64_t columns, int64_t src_row, int64_t src_column, int64_t dst_row, int64_t dst_column) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (src_row == 1 && dst_column == 1) {
      const float* from = reinterpret_cast<const float*>(src);
      float* to = reinterpret_cast<float*>(dst);
      for (int64_t i = 0; i < rows; i += kLanes)
        for (int64_t j = 0; j < columns; j += kLanes) {
          const int64_t high = smaller(kLanes, rows - i), wide = smaller(kLanes, columns - j);
          V square[kLanes];
          unroll<static_cast<int>(kLanes)>([&](auto c) TENON_INLINE { square[c] = c < wide ? load(from + i + (j + c) * src_column, high) : V(0.f); });
          transpose(square);
          unroll<static_cast<int>(kLanes)>([&](auto r) TENON_INLINE {
            if (r < high) store(to + (i + r) * dst_row + j, square[r], wide);
          });
        }
      return;
    }
  }
  constexpr int64_t kTile = 16;
  for (int64_t i0 = 0; i0 < rows; i0 += kTile)
    for (int64_t j0 = 0; j0 < columns; j0 += kTile) {
      const int64_t i1 = smaller(i0 + kTile, rows), j1 = smaller(j0 + kTile, columns);
      for (int64_t i = i0; i < i1; ++i)
        for (int64_t j = j0; j < j1; ++j) dst[i * dst_row + j * dst_column] = src[i * src_row + j * src_column];
    }
}

template <class T>
void copy_run(const T* src, T* dst, int64_t n, int64_t src_step, int64_t dst_step) {
  if (src_step == 1 && dst_step == 1) {
    std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
  } else if (src_step == 0 && dst_step == 1) {
    const T value = *src;
    for (int64_t i = 0; i < n; ++i) dst[i] = value;
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i * dst_step] = src[i * src_step];
  }
}

template <class T>
void copy_box(const Box& b, const T* src, T* dst, const Context& context) {
  if (b.empty) return;
  if (b.rank == 0) {
    *dst = *src;
    return;
  }
  // A plane is transposed when src is contiguous along an axis that is not the last, and not too
  // short for that.
  const int last = b.rank - 1;
  int across = -1;
  if (b.src[last] != 1 && b.src[last] != 0)
    for (int i = 0; i < last; ++i)
      if (b.src[i] == 1 && b.size[i] > 3) across = i;
  int64_t units = 1, each = b.size[last];
  for (int i = 0; i < last; ++i)
    if (i != across) units *= b.size[i];
  if (across >= 0) each *= b.size[across];
  // One long run is cut into pieces.
  const int64_t kPiece = 65536 / static_cast<int64_t>(sizeof(T));
  const int64_t pieces = across < 0 ? ceil_div(b.size[last], kPiece) : 1, piece = pieces > 1 ? kPiece : b.size[last];
  parallel(context, units * pieces, larger(1, int64_t{16384} / larger(1, pieces > 1 ? piece : each)), [&](int64_t begin, int64_t end, int) {
    int64_t index[Box::kMost] = {}, from = 0, to = 0, part = begin % pieces;
    for (int64_t i = last - 1, unit = begin / pieces; i >= 0; --i) {
      if (i == across) continue;
      index[i] = unit % b.size[i], unit /= b.size[i];
      from += index[i] * b.src[i], to += index[i] * b.dst[i];
    }
    for (int64_t u = begin; u < end; ++u) {
      if (across >= 0) {
        transpose_plane(src + from, dst + to, b.size[across], b.size[last], b.src[across], b.src[last], b.dst[across], b.dst[last]);
      } else {
        const int64_t first = part * piece;
        const int64_t n = smaller(piece, b.size[last] - first);
        copy_run(src + from + first * b.src[last], dst + to + first * b.dst[last], n, b.src[last], b.dst[last]);
      }
      if (++part < pieces) continue;
      part = 0;
      for (int i = last - 1; i >= 0; --i) {
        if (i == across) continue;
        from += b.src[i], to += b.dst[i];
        if (++index[i] < b.size[i]) break;
        from -= b.src[i] * b.size[i], to -= b.dst[i] * b.size[i], index[i] = 0;
      }
    }
  });
}

inline int element_bytes(const Operand& o) {
  switch (static_cast<DType>(o.dtype)) {
    case DType::f64:
    case DType::s64:
    case DType::u64:
    case DType::c64: return 8;
    case DType::f32:
    case DType::s32:
    case DType::u32: return 4;
    case DType::f16:
    case DType::bf16:
    case DType::s16:
    case DType::u16: return 2;
    case DType::s8:
    case DType::u8:
    case DType::boolean:
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz:
    case DType::f8e8m0: return 1;
    default: return 0;  // sub-byte, strings, sixteen bytes: not moved by boxes
  }
}

// Offsets are in elements.
inline void copy_box(const Box& b, const Operand& src, int64_t src_offset, const Operand& dst, int64_t dst_offset, const Context& context) {
  switch (element_bytes(dst)) {
    case 1: return copy_box(b, data<uint8_t>(src) + src_offset, mutable_data<uint8_t>(dst) + dst_offset, context);
    case 2: return copy_box(b, data<uint16_t>(src) + src_offset, mutable_data<uint16_t>(dst) + dst_offset, context);
    case 4: return copy_box(b, data<uint32_t>(src) + src_offset, mutable_data<uint32_t>(dst) + dst_offset, context);
    default: return copy_box(b, data<uint64_t>(src) + src_offset, mutable_data<uint64_t>(dst) + dst_offset, context);
  }
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
