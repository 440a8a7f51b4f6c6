// Ops whose elements are decided by their place: range of numbers, and trilu of any type of 1, 2, 4
// or 8 bytes. Plain operands without gaps.
#include "kernels/cpu/box.h"
#include "kernels/cpu/element.h"
#include "ops/trilu.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kChunk = 16384;

Needs needs(const Step&) { return {}; }
float cost(const Step& s) { return 40 + static_cast<float>(count(*s.dst) * element_bytes(*s.dst)) / kBytes; }

// ---- range: start + i * delta, of integers wrapping, of floating point in double
const char* reject_range(const Step& s) {
  if (!is_number(*s.dst)) return "dst is of no number of 8 bits or more";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

void run_range(const Step& s, const Context& context) noexcept {
  by_number(*s.dst, [&](auto t) {
    using T = decltype(t);
    using W = std::conditional_t<is_real_type<T>, double, uint64_t>;
    const W start = static_cast<W>(static_cast<Wide<T>>(*data<T>(s.src[0]))),
            delta = static_cast<W>(static_cast<Wide<T>>(*data<T>(s.src[2])));
    parallel(context, s.dst->size[0], kChunk, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const W v = start + static_cast<W>(i) * delta;
        if constexpr (is_real_type<T>) mutable_data<T>(*s.dst)[i] = from_double<T>(v);
        else mutable_data<T>(*s.dst)[i] = static_cast<T>(v);
      }
    });
  });
}

// ---- trilu
const char* reject_trilu(const Step& s) {
  if (!element_bytes(*s.dst)) return "elements are not of 1, 2, 4 or 8 bytes";
  if (s.src->scale || s.dst->scale) return "an operand is quantised";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

void run_trilu(const Step& s, const Context& context) noexcept {
  const Operand &src = *s.src, &dst = *s.dst;
  const int64_t rows = src.size[src.rank - 2], columns = src.size[src.rank - 1], bytes = element_bytes(dst);
  const int64_t diagonal = has(s, 1) ? larger(smaller(*data<int64_t>(s.src[1]), columns), -rows) : 0;
  const bool upper = static_cast<const Trilu*>(s.attributes)->upper;
  parallel(context, count(src, 0, src.rank - 1), kChunk / (columns + 1) + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t cut = larger(int64_t{0}, smaller(r % rows + diagonal + (upper ? 0 : 1), columns));
      const char* from = data<char>(src) + r * columns * bytes;
      char* to = mutable_data<char>(dst) + r * columns * bytes;
      const int64_t kept = (upper ? columns - cut : cut) * bytes, first = upper ? cut * bytes : 0;
      std::memcpy(to + first, from + first, static_cast<size_t>(kept));
      std::memset(to + (upper ? 0 : kept), 0, static_cast<size_t>(columns * bytes - kept));
    }
  });
}

const Kernel kKernels[] = {
    {.name = "range_any_places_" TENON_ISA_NAME,
     .op = "range",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_range,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run_range},
    {.name = "trilu_any_rows_" TENON_ISA_NAME,
     .op = "trilu",
     .isa = TENON_ISA_LEVEL,
     .reject = reject_trilu,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run_trilu},
};

}  // namespace
extern const KernelTable fill_table{kKernels, 2};
}  // namespace tenon::cpu::TENON_ISA
