// Between element types, one by one: what the vector kernels of convert.cc leave. cast of all
// numbers; quantize and dequantize with scales along any axis or by blocks, of 16-bit floats, and
// of integers of 2 to 16 bits; bit_cast. Plain operands without gaps. Bitwise equal to the
// references.
#include <cmath>
#include <limits>

#include "kernels/cpu/box.h"
#include "kernels/cpu/element.h"
#include "ops/cast.h"
#include "ops/quantize.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kChunk = 8192;  // elements

template <class A>
const A& attributes(const Step& s) {
  return *static_cast<const A*>(s.attributes);
}

Needs plain(const Step&) { return {}; }
float cost(const Step& s) { return 100 + 4 * static_cast<float>(count(*s.dst)); }

// ---- stored integers of any width
int bits_of(const Operand& o) {
  switch (static_cast<DType>(o.dtype)) {
    case DType::s2:
    case DType::u2: return 2;
    case DType::s4:
    case DType::u4: return 4;
    default: return 8;  // or more
  }
}

// A stored integer of 2 bits or more.
bool is_code(const Operand& o) {
  switch (static_cast<DType>(o.dtype)) {
    case DType::s2:
    case DType::u2:
    case DType::s4:
    case DType::u4:
    case DType::s8:
    case DType::u8:
    case DType::s16:
    case DType::u16:
    case DType::s32: return true;
    default: return false;
  }
}
int64_t code(const Operand& o, int64_t i) {
  const auto part = [&](int width) {
    const int each = 8 / width;
    return data<uint8_t>(o)[i / each] >> i % each * width & ((1 << width) - 1);
  };
  switch (static_cast<DType>(o.dtype)) {
    case DType::s2: return (part(2) ^ 2) - 2;
    case DType::u2: return part(2);
    case DType::s4: return (part(4) ^ 8) - 8;
    case DType::u4: return part(4);
    case DType::s8: return data<int8_t>(o)[i];
    case DType::u8: return data<uint8_t>(o)[i];
    case DType::s16: return data<int16_t>(o)[i];
    case DType::u16: return data<uint16_t>(o)[i];
    default: return data<int32_t>(o)[i];
  }
}
// ---- cast. Real to integer cuts towards zero within s32 (of u32 and of 64 bits within s64) and
// keeps the low bits; NaN is 0.
const char* reject_cast(const Step& s) {
  if ((!is_number(*s.src) && bits_of(*s.src) >= 8) || !is_number(*s.dst))
    return "src is no number, or dst is of no number of 8 bits or more";
  if (s.src->scale || s.dst->scale) return "an operand is quantised";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

template <class To>
To whole(double v) {
  if (v != v) return 0;
  if constexpr (std::is_same_v<To, uint64_t>)
    if (v >= 0x1p63) return v >= 0x1p64 ? ~uint64_t{0} : static_cast<uint64_t>(v);
  if constexpr (sizeof(To) < 4 || std::is_same_v<To, int32_t>) {
    const double cut = v >= 0x1p31 ? 0x1p31 - 1 : v < -0x1p31 ? -0x1p31 : v;
    return static_cast<To>(static_cast<int64_t>(cut));
  }
  return static_cast<To>(v >= 0x1p63    ? INT64_MAX
                         : v <= -0x1p63 ? INT64_MIN
                                        : static_cast<int64_t>(v));
}

template <class To, class From>
To converted(From v) {
  const auto x = static_cast<Wide<From>>(v);
  if constexpr (is_real_type<To>) {
    if constexpr (std::is_same_v<To, float>) return static_cast<float>(x);
    else return from_double<To>(static_cast<double>(x));
  } else if constexpr (is_real_type<From>) {
    return whole<To>(static_cast<double>(x));
  } else {
    return static_cast<To>(x);
  }
}

void run_cast(const Step& s, const Context& context) noexcept {
  const Operand &src = *s.src, &dst = *s.dst;
  const bool truth = is(dst, DType::boolean), of_truth = is(src, DType::boolean);
  if (bits_of(src) < 8)
    return by_number(dst, [&](auto to) {
      parallel(context, count(dst), kChunk, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t v = code(src, i);
          mutable_data<decltype(to)>(dst)[i] = converted<decltype(to)>(truth ? int64_t{v != 0} : v);
        }
      });
    });
  by_number(src, [&](auto from) {
    by_number(dst, [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      parallel(context, count(dst), kChunk, [&](int64_t begin, int64_t end, int) {
        const From* in = data<From>(src);
        To* out = mutable_data<To>(dst);
        if (truth || of_truth)
          for (int64_t i = begin; i < end; ++i)
            out[i] = converted<To>(static_cast<uint8_t>(static_cast<Wide<From>>(in[i]) != 0));
        else
          for (int64_t i = begin; i < end; ++i) out[i] = converted<To>(in[i]);
      });
    });
  });
}

// ---- bit_cast: the same bytes
const char* reject_bits(const Step& s) {
  if (!element_bytes(*s.src) || element_bytes(*s.src) != element_bytes(*s.dst))
    return "elements are not of 1, 2, 4 or 8 bytes";
  if (s.src->scale || s.dst->scale) return "an operand is quantised";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

void run_bits(const Step& s, const Context& context) noexcept {
  Box b;
  b.add(count(*s.dst), 1, 1);
  copy_box(b, *s.src, 0, *s.dst, 0, context);
}

// ---- quantize and dequantize
// Where the scale of each element lies: of a run of `inner` elements at place `at` of an axis, in
// round `outer`.
struct Scales {
  int64_t outer = 1, axis = 1, inner = 1, block = 0, blocks = 0;
  bool one;

  Scales(const Step& s, int64_t at, int64_t block)
      : block(block), one(s.src[1].rank == 0 || (s.src[1].rank == 1 && s.src[1].size[0] == 1)) {
    if (one) {
      inner = count(*s.src);
      return;
    }
    const int k = static_cast<int>(from_front(at, s.src->rank));
    outer = count(*s.src, 0, k), axis = s.src->size[k], inner = count(*s.src, k + 1, s.src->rank);
    if (block) blocks = ceil_div(axis, block);
  }
  // Calls body(first element, count, first scale, step of the scale) for runs of elements [begin,
  // end).
  template <class Body>
  void runs(int64_t begin, int64_t end, const Body& body) const {
    for (int64_t i = begin; i < end;) {
      int64_t n = smaller(end - i, inner - i % inner);
      const int64_t row = i / inner, at = row % axis, round = row / axis;
      if (block && inner == 1) n = smaller(end - i, smaller(axis - at, block - at % block));
      if (one) body(i, n, int64_t{0}, int64_t{0});
      else if (block)
        body(i, n, (round * blocks + at / block) * inner + i % inner, int64_t{inner > 1});
      else body(i, n, at, int64_t{0});
      i += n;
    }
  }
};

bool is_scale(const Operand& o) {
  return is(o, DType::f32) || is(o, DType::f16) || is(o, DType::bf16);
}

const char* reject_scales(const Step& s) {
  if (s.src->scale || s.dst->scale) return "an operand is quantised";
  if (!is_scale(s.src[1])) return "the scale is not f32, f16 or bf16";
  if (has(s, 2) && !is_code(s.src[2])) return "the zero point is not an integer of 2 to 32 bits";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

const char* reject_quantize(const Step& s) {
  const DType precision = attributes<Quantize>(s).precision;
  if (!is_scale(*s.src) && !is(*s.src, DType::s32)) return "src is not f32, f16, bf16 or s32";
  if (!is(*s.dst, DType::u8) && !is(*s.dst, DType::s8) && !is(*s.dst, DType::u16) &&
      !is(*s.dst, DType::s16))
    return "dst is no integer of 8 or 16 bits";
  if (precision != DType::none && precision != DType::f32 && !is_half(precision))
    return "the precision is not f32, f16 or bf16";
  return reject_scales(s);
}
const char* reject_dequantize(const Step& s) {
  if (!is_code(*s.src)) return "src is not an integer of 2 to 32 bits";
  if (!is_scale(*s.dst)) return "dst is not f32, f16 or bf16";
  return reject_scales(s);
}

double rounded_to(DType precision, double v) {
  if (precision == DType::f16) return static_cast<double>(static_cast<float>(from_double<F16>(v)));
  if (precision == DType::bf16)
    return static_cast<double>(static_cast<float>(from_double<Bf16>(v)));
  return static_cast<double>(static_cast<float>(v));
}

void run_quantize(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<Quantize>(s);
  const Scales k(s, a.axis, a.block_size);
  const DType precision =
      a.precision != DType::none ? a.precision : static_cast<DType>(s.src[1].dtype);
  const bool whole = precision == DType::f32 && is_f32(*s.src) && is_f32(s.src[1]);
  by_number(*s.dst, [&](auto t) {
    using T = decltype(t);
    if constexpr (!is_real_type<T> && sizeof(T) <= 2) {
      parallel(context, count(*s.dst), kChunk, [&](int64_t begin, int64_t end, int) {
        k.runs(begin, end, [&](int64_t first, int64_t n, int64_t scale, int64_t step) {
          for (int64_t i = first; i < first + n; ++i, scale += step) {
            const double quotient =
                whole ? static_cast<double>(data(*s.src)[i] / data(s.src[1])[scale])
                      : rounded_to(precision, rounded_to(precision, number(*s.src, i)) /
                                                  number(s.src[1], scale));
            const int64_t zero = has(s, 2) ? code(s.src[2], scale) : 0,
                          least = std::numeric_limits<T>::lowest(),
                          most = std::numeric_limits<T>::max();
            const double low = static_cast<double>(least - zero),
                         high = static_cast<double>(most - zero);
            const int64_t rounded =
                static_cast<int64_t>(std::nearbyint(quotient < high ? quotient : high)) + zero;
            mutable_data<T>(*s.dst)[i] = static_cast<T>(quotient > low ? rounded : least);
          }
        });
      });
    }
  });
}

void run_dequantize(const Step& s, const Context& context) noexcept {
  const auto& a = attributes<Dequantize>(s);
  const Scales k(s, a.axis, a.block_size);
  const auto zero = [&](int64_t i) { return has(s, 2) ? code(s.src[2], i) : 0; };
  const auto factor = [&](int64_t i) {
    return is_f32(s.src[1]) ? data(s.src[1])[i] : static_cast<float>(number(s.src[1], i));
  };
  by_real(*s.dst, [&](auto t) {
    using T = decltype(t);
    const auto all = [&](const auto& read) {
      parallel(context, count(*s.dst), kChunk, [&](int64_t begin, int64_t end, int) {
        k.runs(begin, end, [&](int64_t first, int64_t n, int64_t scale, int64_t step) {
          T* to = mutable_data<T>(*s.dst) + first;
          int64_t less = zero(scale);
          float times = factor(scale);
          for (int64_t i = 0; i < n; ++i, scale += step) {
            if (step) less = zero(scale), times = factor(scale);
            to[i] = static_cast<T>(static_cast<float>(read(first + i) - less) * times);
          }
        });
      });
    };
    if (bits_of(*s.src) < 8) return all([&](int64_t i) { return code(*s.src, i); });
    by_number(*s.src, [&](auto from) {
      using From = decltype(from);
      if constexpr (!is_real_type<From>)
        all([codes = data<From>(*s.src)](int64_t i) { return static_cast<int64_t>(codes[i]); });
    });
  });
}

#define TENON_CODE(op_, name_, reject_, run_)                                               \
  {                                                                                         \
    .name = name_ "_" TENON_ISA_NAME, .op = op_, .isa = TENON_ISA_LEVEL, .reject = reject_, \
    .needs = plain, .cost = cost, .pack = nullptr, .run = run_                              \
  }

const Kernel kKernels[] = {
    TENON_CODE("cast", "cast_any_each", reject_cast, run_cast),
    TENON_CODE("bit_cast", "bit_cast_any_flat", reject_bits, run_bits),
    TENON_CODE("quantize", "quantize_any_each", reject_quantize, run_quantize),
    TENON_CODE("dequantize", "dequantize_any_each", reject_dequantize, run_dequantize),
};

}  // namespace
extern const KernelTable codes_table{kKernels, sizeof kKernels / sizeof *kKernels};
}  // namespace tenon::cpu::TENON_ISA
