// The only contract between the runtime and its kernels: plain structs and function pointers, the same for kernels built in and
// for those of a plug-in library.
//
// A kernel is one way to run one op on one device. While planning, `data` is null and a symbolic size is kUnknown; when a frame is
// bound every field holds. Kernels never allocate, log, lock or fail: every doubt is settled in `reject`.
#pragma once

#include <cstdint>

#include "base/scalar.h"

namespace tenon {

inline constexpr int64_t kUnknown = INT64_MIN;  // a size or stride that is not known yet
inline constexpr int kMaxRank = 8;

enum class Device : uint8_t { cpu, cuda };

// Ordered: a level is preferred over those before it where costs are equal.
enum class Isa : uint8_t { reference, baseline, avx2, avx512, avx512vnni, neon };

// A resolved tensor. Sizes and strides are of the logical axes, strides in elements. A blocked axis (block > 1) is cut into blocks
// that form the innermost axis: element i of it lies at (i / block) * stride + i % block, and the stride of every other axis
// counts whole blocks. Padding lanes of the last block hold unspecified values.
struct Operand {
  void* data;
  int64_t size[kMaxRank], stride[kMaxRank];
  const float* scale;   // null: not quantised. One value, or one for each index of the axis of the quantisation
  const int32_t* zero;  // as many as scale
  int32_t rank;
  uint8_t dtype;      // a DType
  int8_t block_axis;  // -1: plain
  int16_t block;      // 1: plain
  int8_t scale_axis;  // meaningful when per_axis
  bool constant, dense, per_axis;
};

// How an epilogue reads one of its operands.
enum class Reads : uint8_t { scalar, channel, like_dst };

// A program over the elements of dst as they are stored. Value 0 is the op's result, values 1 .. operands-1 are
// src[first_source], src[first_source + 1] ...; see Scalar. `channel` is axis 1 for conv and pool, the last axis for gemm and norm.
struct Epilogue {
  const Scalar* rows;
  const Reads* reads;  // of values 1 .. operands-1
  int16_t count;       // 0: no epilogue
  int16_t operands;    // values before the rows, the op's own result included
  int16_t first_source;
};

struct Kernel;

struct Step {
  const Kernel* kernel;
  Operand *src, *dst;
  int32_t sources, destinations;  // an omitted optional source has dtype none (0)
  const void* attributes;         // the op's struct
  const void* packed;             // what `pack` wrote, aligned to 64 bytes; null without packing
  Epilogue epilogue;
};

enum class Wants : uint8_t {
  plain,    // every axis as it is, no blocks; strides may be any unless the kernel rejects them
  blocked,  // axis 1 in blocks of `block`
  any,      // plain or blocked; every operand that it applies to, and dst, alike
};

struct Needs {
  Wants src = Wants::plain;  // of source 0, constant or not; the other sources are plain
  Wants dst = Wants::plain;
  int16_t block = 1;
  bool all_sources = false;  // `src` holds for every source of the op. Scalars (no axis longer than 1) have no layout
  const char* packing = nullptr;  // the name of the layout that `pack` writes; equal names over equal sources share one copy
  int64_t packed_bytes = 0;
  int64_t pack_grain = 0;            // the rows of Kernel::pack_rows begin at multiples of it; 0: the source is packed whole
  int64_t scratch_bytes = 0;         // shared by all workers of the step
  int64_t worker_scratch_bytes = 0;  // for each worker
  bool in_place = false;             // dst may be the memory of src[0]
};

// Work for the pool: calls body(closure, begin, end, worker) for ranges that cover [0, count), each at most `grain` long and starting
// at a multiple of it; worker < workers tells which scratch is the caller's. Returns when all are done.
struct Context {
  void (*fork)(const Context&, int64_t count, int64_t grain, void (*body)(void*, int64_t, int64_t, int), void* closure);
  void* pool;
  char* scratch;         // Needs::scratch_bytes, aligned to 64 bytes
  char* worker_scratch;  // workers * worker_stride bytes
  int64_t worker_stride;
  int32_t workers;
  // Reports content that an op refuses, such as an index out of range; the run ends with an error after the step. `what` is a
  // sentence in static memory, `value` and `bound` the numbers it speaks of. Any worker may call it.
  void (*fault)(const Context&, const char* what, int64_t value, int64_t bound);
};

// Cuts [0, count) into ranges of `grain` by shape alone, so that results do not depend on the number of workers.
template <class Body>
void parallel(const Context& context, int64_t count, int64_t grain, const Body& body) {
  if (count <= 0) return;
  if (grain < 1) grain = 1;
  if (context.workers == 1 || count <= grain) {
    for (int64_t begin = 0; begin < count; begin += grain) body(begin, begin + grain < count ? begin + grain : count, 0);
    return;
  }
  context.fork(
      context, count, grain, [](void* closure, int64_t begin, int64_t end, int worker) { (*static_cast<const Body*>(closure))(begin, end, worker); },
      const_cast<Body*>(&body));
}

struct Kernel {
  const char* name;  // <op>_<types>_<shape or method>_<isa>
  const char* op;
  Device device = Device::cpu;
  Isa isa = Isa::reference;
  // Planning. Null to accept, else the reason in words. Looks at types, attributes and known sizes, never at layouts; accepting
  // kUnknown promises every value. An epilogue is part of the step: a kernel that cannot apply it rejects it.
  const char* (*reject)(const Step&);
  // Planning, and again at binding for the scratch of steps whose sizes were unknown.
  Needs (*needs)(const Step&);
  // Binding. Expected time in nanoseconds on one core of about 3.5 GHz; arithmetic on known sizes only.
  float (*cost)(const Step&);
  // Once, when the sources it reads are constant. Writes Needs::packed_bytes.
  void (*pack)(const Step&, void* packed);
  // The same for the part that indices [begin, end) of the first axis of source 1 make; that operand's data begin at index `begin`.
  // Parts may come in any order, and at once. Null where Needs::pack_grain is 0.
  void (*pack_rows)(const Step&, int64_t begin, int64_t end, void* packed) = nullptr;
  // Of an op whose result is as large as data decide, before each run: sets the sizes of dst that the types do not tell. What it finds
  // may stay in Context::scratch for `run`. Null where inference tells all sizes.
  void (*size)(const Step&, const Context&) noexcept = nullptr;
  void (*run)(const Step&, const Context&) noexcept;
};

struct KernelTable {
  const Kernel* kernels;
  int32_t count;
};

}  // namespace tenon
