// reorder: a copy between layouts, f32 and bytes: plain to channels in blocks, back, and plain to plain.
// Plain windows of larger memory, and blocks of another size too. Work goes by (batch, block of channels): a block of the blocked side is contiguous,
// and its channels are rows of the plain side.
#include "kernels/cpu/box.h"

namespace tenon::cpu::TENON_ISA {
namespace {

const char* reject(const Step& s) {
  if (!element_bytes(*s.src)) return "elements are not of 1, 2, 4 or 8 bytes";
  if (s.epilogue.count) return "a copy has no epilogue";
  return s.src->block == 1 && s.dst->block == 1 ? nullptr : reject_gaps(s);
}

Needs needs(const Step& s) {
  Needs n;
  n.src = s.src->block > 1 ? Wants::blocked : Wants::plain;
  n.dst = s.dst->block > 1 ? Wants::blocked : Wants::plain;
  n.block = s.src->block > s.dst->block ? s.src->block : s.dst->block;
  return n;
}

float cost(const Step& s) { return 30 + static_cast<float>(count(*s.src) * element_bytes(*s.src)) * 2 / kBytes; }

// dst[pixel * block + c] = src[c * channel + pixel] for `channels` channels; the lanes above them become zero.
template <class T>
void to_block(const T* src, T* dst, int64_t pixels, int64_t channels, int64_t channel, int64_t block) {
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < channels; ++c) dst[p * block + c] = src[c * channel + p];
    for (int64_t c = channels; c < block; ++c) dst[p * block + c] = T{};
  }
}

template <class T>
void from_block(const T* src, T* dst, int64_t pixels, int64_t channels, int64_t channel, int64_t block) {
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t p = 0; p < pixels; ++p) dst[c * channel + p] = src[p * block + c];
}

// Between blocks of two sizes: for each block of dst and pixel, runs of channels that are neighbours on both sides.
template <class T>
void run_between(const Step& s, const Context& context) {
  const Operand &src = *s.src, &dst = *s.dst;
  const int64_t channels = src.size[1], blocks = ceil_div(channels, dst.block), pixels = count(src, 2, src.rank);
  const int64_t run = smaller(src.block, dst.block);
  parallel(context, src.size[0] * blocks, larger(int64_t{1}, 4096 / larger(int64_t{1}, pixels)), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / blocks, b = i % blocks;
      T* to = mutable_data<T>(dst) + n * dst.stride[0] + b * dst.stride[1];
      for (int64_t c = 0; c < dst.block; c += run) {
        const int64_t channel = b * dst.block + c;
        if (channel >= channels) {
          for (int64_t p = 0; p < pixels; ++p) std::memset(to + p * dst.block + c, 0, static_cast<size_t>(run) * sizeof(T));
          continue;
        }
        const T* from = data<T>(src) + n * src.stride[0] + channel / src.block * src.stride[1] + channel % src.block;
        for (int64_t p = 0; p < pixels; ++p) std::memcpy(to + p * dst.block + c, from + p * src.block, static_cast<size_t>(run) * sizeof(T));
      }
    }
  });
}

template <class T>
void run_blocks(const Step& s, const Context& context) {
  const Operand &src = *s.src, &dst = *s.dst;
  if (src.block > 1 && dst.block > 1) return run_between<T>(s, context);
  const bool in = dst.block > 1;
  const Operand &plain = in ? src : dst, &blocked = in ? dst : src;
  const int64_t block = blocked.block, channels = plain.size[1], blocks = ceil_div(channels, block);
  const int64_t pixels = count(plain, 2, plain.rank);
  // Tiles of pixels keep both sides in L1.
  constexpr int64_t kPixels = 128;
  const int64_t tiles = ceil_div(pixels, kPixels);
  parallel(context, plain.size[0] * blocks * tiles, larger(1, 16384 / (block * kPixels)), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / (blocks * tiles), b = i / tiles % blocks, first = i % tiles * kPixels, here = smaller(kPixels, pixels - first);
      const int64_t at_plain = n * plain.stride[0] + b * block * plain.stride[1] + first;
      const int64_t at_blocked = n * blocked.stride[0] + b * blocked.stride[1] + first * block;
      const int64_t count = smaller(block, channels - b * block);
      if (in) to_block(data<T>(src) + at_plain, mutable_data<T>(dst) + at_blocked, here, count, plain.stride[1], block);
      else from_block(data<T>(src) + at_blocked, mutable_data<T>(dst) + at_plain, here, count, plain.stride[1], block);
    }
  });
}

void run(const Step& s, const Context& context) noexcept {
  const int64_t size = element_bytes(*s.src);
  if (s.src->block == s.dst->block) {
    Box b;
    for (int i = 0; i < s.src->rank; ++i)
      b.add(i == s.src->block_axis ? ceil_div(s.src->size[i], s.src->block) : s.src->size[i], s.src->stride[i], s.dst->stride[i]);
    if (s.src->block > 1) b.add(s.src->block, 1, 1);
    return copy_box(b, *s.src, 0, *s.dst, 0, context);
  }
  if (size == 1) run_blocks<uint8_t>(s, context);
  if (size == 2) run_blocks<uint16_t>(s, context);
  if (size == 4) run_blocks<uint32_t>(s, context);
  if (size == 8) run_blocks<uint64_t>(s, context);
}

const Kernel kKernels[] = {
    {.name = "reorder_any_blocks_" TENON_ISA_NAME,
     .op = "reorder",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run},
};
}  // namespace
extern const KernelTable reorder_table{kKernels, 1};
}  // namespace tenon::cpu::TENON_ISA
