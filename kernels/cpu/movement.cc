// Ops that move elements, over plain operands of any type of 1, 2, 4 or 8 bytes: each is one box copy or a few. concat also joins
// channels of blocked operands where every part fills its blocks. gather copies whole rows and checks every index.
#include "kernels/cpu/box.h"
#include "kernels/cpu/element.h"
#include "kernels/cpu/simd.h"
#include "ops/boxes.h"
#include "ops/concat.h"
#include "ops/depth_to_space.h"
#include "ops/gather.h"
#include "ops/pad.h"
#include "ops/slice.h"
#include "ops/split.h"
#include "ops/transpose.h"

namespace tenon::cpu::TENON_ISA {
namespace {

template <class A>
const A& attributes(const Step& s) {
  return *static_cast<const A*>(s.attributes);
}

const char* reject_elements(const Step& s) {
  if (!element_bytes(*s.dst)) return "elements are not of 1, 2, 4 or 8 bytes";
  // Parts of a concat may be stored with scales of their own, and so may src and dst of anything.
  for (int i = 0; i < s.destinations; ++i) {
    if (!s.dst[i].dtype) continue;
    const int parts = s.dst[i].scale ? s.sources : 1;
    for (int k = 0; k < parts; ++k)
      if (s.src[k].scale || s.dst[i].scale) {
        if (s.src[k].dtype != s.dst[i].dtype || !s.src[k].scale || !s.dst[i].scale || s.src[k].per_axis || s.dst[i].per_axis ||
            s.src[k].scale[0] != s.dst[i].scale[0] || s.src[k].zero[0] != s.dst[i].zero[0])
          return "src and dst are stored with different scales";
      }
  }
  if (s.src->dtype != s.dst->dtype && s.dst->dtype) return "src and dst are stored in different types";
  if (s.epilogue.count) return "a copy has no epilogue";
  return nullptr;
}

const char* reject_flat(const Step& s) {
  const char* why = reject_elements(s);
  return why ? why : reject_gaps(s);
}

Needs plain(const Step&) { return {}; }

float cost(const Step& s) { return 60 + 2.f * static_cast<float>(count(*s.dst) * element_bytes(*s.dst)) / kBytes; }

// ---- transpose
void run_transpose(const Step& s, const Context& context) noexcept {
  const auto& perm = attributes<Transpose>(s).perm;
  const int rank = s.src->rank;
  Box b;
  for (int i = 0; i < rank; ++i) {
    const int64_t axis = perm.empty() ? rank - 1 - i : from_front(perm[static_cast<size_t>(i)], rank);
    b.add(s.dst->size[i], s.src->stride[axis], s.dst->stride[i]);
  }
  copy_box(b, *s.src, 0, *s.dst, 0, context);
}

// ---- expand and identity: a copy with broadcasting
void run_expand(const Step& s, const Context& context) noexcept {
  Box b;
  const int skip = s.dst->rank - s.src->rank;
  for (int i = 0; i < s.dst->rank; ++i) {
    const int own = i - skip;
    b.add(s.dst->size[i], own < 0 || s.src->size[own] == 1 ? 0 : s.src->stride[own], s.dst->stride[i]);
  }
  copy_box(b, *s.src, 0, *s.dst, 0, context);
}

// ---- the same elements in another shape
void run_flat(const Step& s, const Context& context) noexcept {
  Box b;
  b.add(count(*s.dst), 1, 1);
  copy_box(b, *s.src, 0, *s.dst, 0, context);
}

// ---- tile: every axis of dst is a number of repeats, which stand still in src, and the axis of src
void run_tile(const Step& s, const Context& context) noexcept {
  const Operand &src = *s.src, &dst = *s.dst;
  Box b;
  for (int i = 0; i < dst.rank; ++i) {
    b.add(src.size[i] ? dst.size[i] / src.size[i] : 0, 0, dst.stride[i] * src.size[i]);
    b.add(src.size[i], src.stride[i], dst.stride[i]);
  }
  copy_box(b, src, 0, dst, 0, context);
}

// ---- slice
const char* reject_slice(const Step& s) {
  for (int i = 1; i < s.sources; ++i)
    if (has(s, i) && !is(s.src[i], DType::s64) && !is(s.src[i], DType::s32)) return "starts, ends, axes and steps are neither s64 nor s32";
  return reject_elements(s);
}

void run_slice(const Step& s, const Context& context) noexcept {
  const Operand& src = *s.src;
  int64_t first[kMaxRank] = {}, step[kMaxRank];
  for (int i = 0; i < src.rank; ++i) step[i] = 1;
  const int64_t n = s.src[1].size[0];
  for (int64_t i = 0; i < n; ++i) {
    const int64_t axis = has(s, 3) ? from_front(integer(s.src[3], i), src.rank) : i;
    const SliceAxis a = SliceAxis::of(integer(s.src[1], i), integer(s.src[2], i), has(s, 4) ? integer(s.src[4], i) : 1, src.size[axis]);
    first[axis] = a.first, step[axis] = a.step;
  }
  Box b;
  int64_t offset = 0;
  for (int i = 0; i < src.rank; ++i) {
    offset += first[i] * src.stride[i];
    b.add(s.dst->size[i], step[i] * src.stride[i], s.dst->stride[i]);
  }
  copy_box(b, src, offset, *s.dst, 0, context);
}

// ---- split
const char* reject_split(const Step& s) {
  if (s.destinations < 1) return "no destination";
  return reject_elements(s);
}

float cost_split(const Step& s) { return 60 + 2.f * static_cast<float>(count(*s.src) * element_bytes(*s.src)) / kBytes; }

void run_split(const Step& s, const Context& context) noexcept {
  const int64_t axis = from_front(attributes<Split>(s).axis, s.src->rank);
  int64_t at = 0;
  for (int k = 0; k < s.destinations; ++k) {
    const Operand& dst = s.dst[k];
    if (!dst.dtype) continue;
    Box b;
    for (int i = 0; i < dst.rank; ++i) b.add(dst.size[i], s.src->stride[i], dst.stride[i]);
    copy_box(b, *s.src, at * s.src->stride[axis], dst, 0, context);
    at += dst.size[axis];
  }
}

// ---- concat
bool fills_blocks(const Step& s, int64_t block) {
  for (int i = 0; i < s.sources; ++i)
    if (!known(s.src[i].size[1]) || s.src[i].size[1] % block) return false;
  return true;
}

const char* reject_concat_blocked(const Step& s) {
  constexpr int64_t kBlock = static_cast<int16_t>(kLanes);
  if (s.dst->rank < 3 || from_front(attributes<Concat>(s).axis, s.dst->rank) != 1) return "the axis is not that of the channels";
  if (!fills_blocks(s, kBlock)) return "a part does not fill its blocks of channels";
  return reject_elements(s);
}

Needs blocked(const Step&) { return {.src = Wants::blocked, .dst = Wants::blocked, .block = static_cast<int16_t>(kLanes), .all_sources = true}; }

// The parts from `first` on, each where it belongs in dst.
void join(const Step& s, const Context& context, int first) {
  const Operand& dst = *s.dst;
  const int64_t axis = from_front(attributes<Concat>(s).axis, dst.rank);
  int64_t at = 0;
  for (int k = 0; k < s.sources; ++k) {
    const Operand& src = s.src[k];
    if (k >= first) {
      Box b;
      for (int i = 0; i < dst.rank; ++i) {
        const bool cut = i == dst.block_axis;
        b.add(cut ? ceil_div(src.size[i], dst.block) : src.size[i], src.stride[i], dst.stride[i]);
      }
      if (dst.block > 1) b.add(dst.block, 1, 1);
      copy_box(b, src, 0, dst, (axis == dst.block_axis ? at / dst.block : at) * dst.stride[axis], context);
    }
    at += src.size[axis];
  }
}

void run_concat(const Step& s, const Context& context) noexcept { join(s, context, 0); }

// ---- append: dst is src[0] with more rows in the same memory, so that only the others are written
float cost_append(const Step& s) {
  float bytes = 0;
  for (int i = 1; i < s.sources; ++i) bytes += static_cast<float>(count(s.src[i]) * element_bytes(*s.dst));
  return 60 + 2 * bytes / kBytes;
}

void run_append(const Step& s, const Context& context) noexcept { join(s, context, s.src->data == s.dst->data ? 1 : 0); }

// ---- depth_to_space and space_to_depth: the channel index is taken apart, one box copies all
template <bool to_depth>
void run_depth_and_space(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<DepthToSpace>(s);
  const Operand &deep = to_depth ? *s.dst : *s.src, &wide = to_depth ? *s.src : *s.dst;
  const int64_t block = a.blocksize, depth = wide.size[1];
  const int64_t of_depth = (a.channel(1, 0, 0, depth) - a.channel(0, 0, 0, depth)) * deep.stride[1];
  const int64_t of_row = (a.channel(0, 1, 0, depth) - a.channel(0, 0, 0, depth)) * deep.stride[1];
  const int64_t of_column =
      (a.channel(0, 0, 1, depth) - a.channel(0, 0, 0, depth)) * deep.stride[1];
  Box b;
  if (to_depth) {  // along rows of dst
    b.add(wide.size[0], wide.stride[0], deep.stride[0]);
    b.add(depth, wide.stride[1], of_depth);
    b.add(block, wide.stride[2], of_row);
    b.add(deep.size[2], wide.stride[2] * block, deep.stride[2]);
    b.add(block, wide.stride[3], of_column);
    b.add(deep.size[3], wide.stride[3] * block, deep.stride[3]);
    return copy_box(b, *s.src, 0, *s.dst, 0, context);
  }
  b.add(wide.size[0], deep.stride[0], wide.stride[0]);
  b.add(depth, of_depth, wide.stride[1]);
  b.add(deep.size[2], deep.stride[2], wide.stride[2] * block);
  b.add(block, of_row, wide.stride[2]);
  b.add(deep.size[3], deep.stride[3], wide.stride[3] * block);
  b.add(block, of_column, wide.stride[3]);
  copy_box(b, *s.src, 0, *s.dst, 0, context);
}

// ---- pad
const char* reject_pads(const Step& s) {
  if (!is(s.src[1], DType::s64)) return "pads are not s64";
  if (has(s, 3) && !is_index(s.src[3])) return "the axes are neither s64 nor s32";
  return reject_elements(s);
}

// Of each axis of src how many elements are taken away in front, and how many are left; and how many are added in front of those.
struct Edges {
  int64_t taken[kMaxRank] = {}, added[kMaxRank] = {}, left[kMaxRank];

  explicit Edges(const Step& s) {
    const auto& named = attributes<Pad>(s).axes;
    const Operand& src = *s.src;
    const int64_t* pads = data<int64_t>(s.src[1]);
    const int64_t axes = s.src[1].size[0] / 2;
    for (int i = 0; i < src.rank; ++i) left[i] = src.size[i];
    for (int64_t i = 0; i < axes; ++i) {
      const int64_t axis = from_front(has(s, 3)       ? integer(s.src[3], i)
                                      : named.empty() ? i
                                                      : named[static_cast<size_t>(i)],
                                      src.rank);
      if (axis < 0 || axis >= src.rank) continue;
      taken[axis] = larger(-pads[i], 0), added[axis] = larger(pads[i], 0);
      left[axis] = larger(left[axis] - taken[axis] - larger(-pads[axes + i], 0), 0);
    }
  }
};

// dst full of one value.
void fill(const Operand& dst, const Operand& value, const Context& context) {
  Box all;
  for (int i = 0; i < dst.rank; ++i) all.add(dst.size[i], 0, dst.stride[i]);
  copy_box(all, value, 0, dst, 0, context);
}

// By a constant: dst full of it, then src where it belongs.
const char* reject_pad(const Step& s) {
  if (attributes<Pad>(s).mode != PadMode::constant) return "the mode is not constant";
  return reject_pads(s);
}

void run_pad(const Step& s, const Context& context) noexcept {
  const Operand &src = *s.src, &dst = *s.dst;
  uint64_t nothing = 0;
  Operand value = src;
  value.data = has(s, 2) ? s.src[2].data : &nothing;
  fill(dst, value, context);
  const Edges edges(s);
  Box b;
  int64_t from = 0, to = 0;
  for (int i = 0; i < src.rank; ++i) {
    from += edges.taken[i] * src.stride[i], to += edges.added[i] * dst.stride[i];
    b.add(edges.left[i], src.stride[i], dst.stride[i]);
  }
  copy_box(b, src, from, dst, to, context);
}

// By elements of src: row by row, the middle of each as one run.
const char* reject_pad_rows(const Step& s) {
  if (attributes<Pad>(s).mode == PadMode::constant) return "the mode is constant";
  if (s.dst->rank < 1) return "there is no axis";
  return reject_pads(s);
}

template <class T>
void pad_rows(const Step& s, const Context& context) {
  const PadMode mode = attributes<Pad>(s).mode;
  const Operand &src = *s.src, &dst = *s.dst;
  const Edges edges(s);
  const int64_t *taken = edges.taken, *added = edges.added, *left = edges.left;
  const int last = dst.rank - 1;
  const int64_t elements = count(dst), row = dst.size[last];
  for (int i = 0; i <= last; ++i)
    if (left[i] == 0 && elements) return context.fault(context, "pad has nothing to extend along an axis", i, 0);
  if (!elements) return;
  parallel(context, elements / row, larger(1, 16384 / row), [&](int64_t begin, int64_t end, int) {
    for (int64_t u = begin; u < end; ++u) {
      int64_t rest = u, to = 0, from = taken[last] * src.stride[last];
      for (int i = last - 1; i >= 0; --i) {
        const int64_t at = rest % dst.size[i];
        rest /= dst.size[i];
        to += at * dst.stride[i];
        from += (Pad::source(mode, at - added[i], left[i]) + taken[i]) * src.stride[i];
      }
      const T* in = data<T>(src) + from;
      T* out = mutable_data<T>(dst) + to;
      const auto extend = [&](int64_t j) { out[j * dst.stride[last]] = in[Pad::source(mode, j - added[last], left[last]) * src.stride[last]]; };
      for (int64_t j = 0; j < added[last]; ++j) extend(j);
      copy_run(in, out + added[last] * dst.stride[last], left[last], src.stride[last], dst.stride[last]);
      for (int64_t j = added[last] + left[last]; j < row; ++j) extend(j);
    }
  });
}

void run_pad_rows(const Step& s, const Context& context) noexcept {
  switch (element_bytes(*s.dst)) {
    case 1: return pad_rows<uint8_t>(s, context);
    case 2: return pad_rows<uint16_t>(s, context);
    case 4: return pad_rows<uint32_t>(s, context);
    default: return pad_rows<uint64_t>(s, context);
  }
}

// ---- center_crop_pad: the middle of src into the middle of dst
void run_crop(const Step& s, const Context& context) noexcept {
  const Operand &src = *s.src, &dst = *s.dst;
  uint64_t nothing = src.scale ? static_cast<uint8_t>(src.zero[0]) : 0;
  Operand value = src;
  value.data = &nothing;
  bool grows = false;
  int64_t from = 0, to = 0;
  Box b;
  for (int i = 0; i < src.rank; ++i) {
    grows |= dst.size[i] > src.size[i];
    from += larger((src.size[i] - dst.size[i]) / 2, int64_t{0}) * src.stride[i],
        to += larger((dst.size[i] - src.size[i]) / 2, int64_t{0}) * dst.stride[i];
    b.add(smaller(src.size[i], dst.size[i]), src.stride[i], dst.stride[i]);
  }
  if (grows) fill(dst, value, context);
  copy_box(b, src, from, dst, to, context);
}

// ---- gather
const char* reject_gather(const Step& s) {
  if (!is(s.src[1], DType::s64) && !is(s.src[1], DType::s32)) return "indices are neither s64 nor s32";
  return reject_flat(s);
}

void run_gather(const Step& s, const Context& context) noexcept {
  const Operand &src = *s.src, &indices = s.src[1];
  const int axis = static_cast<int>(from_front(attributes<Gather>(s).axis, src.rank));
  const int64_t outer = count(src, 0, axis), n = src.size[axis], rows = count(indices);
  const int64_t bytes = count(src, axis + 1, src.rank) * element_bytes(src);
  parallel(context, outer * rows, larger(1, 16384 / larger(bytes, int64_t{1})), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t index = integer(indices, i % rows);
      if (index < -n || index >= n) return context.fault(context, "an index of gather is outside its axis", index, n);
      if (index < 0) index += n;
      std::memcpy(mutable_data<char>(*s.dst) + i * bytes, data<char>(src) + (i / rows * n + index) * bytes, static_cast<size_t>(bytes));
    }
  });
}

#define TENON_MOVE(op_, name_, reject_, needs_, cost_, run_)                                                                                 \
  {                                                                                                                                          \
    .name = name_ "_" TENON_ISA_NAME, .op = op_, .isa = TENON_ISA_LEVEL, .reject = reject_, .needs = needs_, .cost = cost_, .pack = nullptr, \
    .run = run_                                                                                                                              \
  }

const Kernel kKernels[] = {
    TENON_MOVE("transpose", "transpose_any_box", reject_elements, plain, cost, run_transpose),
    TENON_MOVE("expand", "expand_any_box", reject_elements, plain, cost, run_expand),
    TENON_MOVE("slice", "slice_any_box", reject_slice, plain, cost, run_slice),
    TENON_MOVE("split", "split_any_box", reject_split, plain, cost_split, run_split),
    TENON_MOVE("concat", "concat_any_box", reject_elements, plain, cost, run_concat),
    TENON_MOVE("concat", "concat_any_blocks", reject_concat_blocked, blocked, cost, run_concat),
    TENON_MOVE("append", "append_any_box", reject_elements, plain, cost_append, run_append),
    TENON_MOVE("depth_to_space", "depth_to_space_any_box", reject_elements, plain, cost,
               run_depth_and_space<false>),
    TENON_MOVE("space_to_depth", "space_to_depth_any_box", reject_elements, plain, cost,
               run_depth_and_space<true>),
    TENON_MOVE("center_crop_pad", "center_crop_pad_any_box", reject_elements, plain, cost,
               run_crop),
    TENON_MOVE("pad", "pad_any_constant", reject_pad, plain, cost, run_pad),
    TENON_MOVE("pad", "pad_any_rows", reject_pad_rows, plain, cost, run_pad_rows),
    TENON_MOVE("tile", "tile_any_box", reject_elements, plain, cost, run_tile),
    TENON_MOVE("gather", "gather_any_rows", reject_gather, plain, cost, run_gather),
    TENON_MOVE("reshape", "reshape_any_flat", reject_flat, plain, cost, run_flat),
    TENON_MOVE("squeeze", "squeeze_any_flat", reject_flat, plain, cost, run_flat),
    TENON_MOVE("unsqueeze", "unsqueeze_any_flat", reject_flat, plain, cost, run_flat),
    TENON_MOVE("flatten", "flatten_any_flat", reject_flat, plain, cost, run_flat),
    TENON_MOVE("identity", "identity_any_box", reject_elements, plain, cost, run_expand),
};
}  // namespace
extern const KernelTable movement_table{kKernels, sizeof kKernels / sizeof *kKernels};
}  // namespace tenon::cpu::TENON_ISA
