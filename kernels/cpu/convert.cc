// Between element types: cast, quantize, dequantize, dynamic_quantize. Bitwise equal to the references.
// Plain or blocked, since an element's place does not matter, but for scales along an axis, which take plain operands.
#include "kernels/cpu/quantise.h"
#include "ops/cast.h"
#include "ops/quantize.h"

namespace tenon::cpu::TENON_ISA {
namespace {

// ---- cast
bool small(DType t) { return t == DType::s32 || t == DType::u8 || t == DType::s8 || t == DType::boolean; }

const char* reject_cast(const Step& s) {
  const DType from = static_cast<DType>(s.src->dtype), to = static_cast<DType>(s.dst->dtype);
  if (s.src->scale || s.dst->scale) return "an operand is quantised";
  if (s.epilogue.count) return "no epilogue";
  const auto known_type = [](DType t) { return t == DType::f32 || t == DType::f64 || is_half(t) || small(t) || t == DType::s64; };
  if (!known_type(from) || !known_type(to)) return "a type other than f64, f32, f16, bf16, s64, s32, s8, u8, bool";
  if ((from == DType::f64 && is_half(to)) || (is_half(from) && to == DType::f64)) return "between f64 and 16 bits";
  return reject_gaps(s);
}

Needs any(const Step&) { return {.src = Wants::any, .dst = Wants::any}; }
float cost_elements(const Step& s) { return 40 + static_cast<float>(count(*s.src)) * 8.f / kBytes; }

// Real to integer cuts towards zero within s32 (of 64-bit targets within s64) and keeps the low bits; NaN is 0.
template <class To, class Real>
To integer_of(Real v) {
  if (!(v == v)) return 0;
  if constexpr (sizeof(To) == 8) return v >= Real(0x1p63) ? INT64_MAX : v < Real(-0x1p63) ? INT64_MIN : static_cast<To>(v);
  else return static_cast<To>(v >= Real(0x1p31) ? INT32_MAX : v < Real(-0x1p31) ? INT32_MIN : static_cast<int32_t>(v));
}

template <class To>
void store_as(const float* from, To* to, int64_t n, bool truth) {
  if (truth)
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<To>(from[i] != 0);
  else
    for (int64_t i = 0; i < n; ++i) to[i] = integer_of<To>(from[i]);
}

// A block of n elements as f32, exact for everything but s32 and s64.
void read_real(const Operand& o, int64_t at, float* to, int64_t n) {
  switch (static_cast<DType>(o.dtype)) {
    case DType::f32: return vectors(n, [&](int64_t i, int64_t lanes) { store(to + i, load(data(o) + at + i, lanes), lanes); });
    case DType::f16: return vectors(n, [&](int64_t i, int64_t lanes) { store(to + i, load_f16(data<uint16_t>(o) + at + i, lanes), lanes); });
    case DType::bf16: return vectors(n, [&](int64_t i, int64_t lanes) { store(to + i, load_bf16(data<uint16_t>(o) + at + i, lanes), lanes); });
    case DType::u8: return vectors(n, [&](int64_t i, int64_t lanes) { store(to + i, real(load(data<uint8_t>(o) + at + i, lanes)), lanes); });
    case DType::boolean:
      return vectors(n, [&](int64_t i, int64_t lanes) { store(to + i, real(least(load(data<uint8_t>(o) + at + i, lanes), I(1))), lanes); });
    case DType::s8: return vectors(n, [&](int64_t i, int64_t lanes) { store(to + i, real(load(data<int8_t>(o) + at + i, lanes)), lanes); });
    case DType::s32: return vectors(n, [&](int64_t i, int64_t lanes) { store(to + i, real(load(data<int32_t>(o) + at + i, lanes)), lanes); });
    default:
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<float>(data<int64_t>(o)[at + i]);
  }
}

void write_real(const float* from, const Operand& o, int64_t at, int64_t n) {
  switch (static_cast<DType>(o.dtype)) {
    case DType::f32: return vectors(n, [&](int64_t i, int64_t lanes) { store(mutable_data(o) + at + i, load(from + i, lanes), lanes); });
    case DType::f16:
      return vectors(n, [&](int64_t i, int64_t lanes) { store_f16(mutable_data<uint16_t>(o) + at + i, load(from + i, lanes), lanes); });
    case DType::bf16:
      return vectors(n, [&](int64_t i, int64_t lanes) { store_bf16(mutable_data<uint16_t>(o) + at + i, load(from + i, lanes), lanes); });
    case DType::u8: return store_as(from, mutable_data<uint8_t>(o) + at, n, false);
    case DType::boolean: return store_as(from, mutable_data<uint8_t>(o) + at, n, true);
    case DType::s8: return store_as(from, mutable_data<int8_t>(o) + at, n, false);
    case DType::s32: return store_as(from, mutable_data<int32_t>(o) + at, n, false);
    default: return store_as(from, mutable_data<int64_t>(o) + at, n, false);
  }
}

int64_t read_integer(const Operand& o, int64_t i) {
  switch (static_cast<DType>(o.dtype)) {
    case DType::s64: return data<int64_t>(o)[i];
    case DType::s32: return data<int32_t>(o)[i];
    case DType::s8: return data<int8_t>(o)[i];
    case DType::boolean: return data<uint8_t>(o)[i] != 0;
    default: return data<uint8_t>(o)[i];
  }
}

void write_integer(int64_t v, const Operand& o, int64_t i) {
  switch (static_cast<DType>(o.dtype)) {
    case DType::s64: mutable_data<int64_t>(o)[i] = v; return;
    case DType::s32: mutable_data<int32_t>(o)[i] = static_cast<int32_t>(v); return;
    case DType::boolean: mutable_data<uint8_t>(o)[i] = v != 0; return;
    default: mutable_data<uint8_t>(o)[i] = static_cast<uint8_t>(v);
  }
}

void write_double(double v, const Operand& o, int64_t i) {
  switch (static_cast<DType>(o.dtype)) {
    case DType::f64: mutable_data<double>(o)[i] = v; return;
    case DType::f32: mutable_data(o)[i] = static_cast<float>(v); return;
    case DType::s64: mutable_data<int64_t>(o)[i] = integer_of<int64_t>(v); return;
    case DType::s32: mutable_data<int32_t>(o)[i] = integer_of<int32_t>(v); return;
    case DType::boolean: mutable_data<uint8_t>(o)[i] = v != 0; return;
    default: mutable_data<uint8_t>(o)[i] = integer_of<uint8_t>(v);
  }
}

void run_cast(const Step& s, const Context& context) noexcept {
  const DType from = static_cast<DType>(s.src->dtype), to = static_cast<DType>(s.dst->dtype);
  const bool integers = !(from == DType::f32 || is_half(from)) && !(to == DType::f32 || is_half(to));
  parallel(context, memory_count(*s.src), kChunk, [&](int64_t begin, int64_t end, int) {
    if (from == DType::f64 || to == DType::f64) {
      for (int64_t i = begin; i < end; ++i)
        write_double(from == DType::f64   ? data<double>(*s.src)[i]
                     : from == DType::f32 ? static_cast<double>(data(*s.src)[i])
                                          : static_cast<double>(read_integer(*s.src, i)),
                     *s.dst, i);
      return;
    }
    if (integers) {
      for (int64_t i = begin; i < end; ++i) write_integer(read_integer(*s.src, i), *s.dst, i);
      return;
    }
    alignas(64) float block[512];
    for (int64_t i = begin; i < end; i += 512) {
      const int64_t n = smaller(int64_t{512}, end - i);
      read_real(*s.src, i, block, n);
      write_real(block, *s.dst, i, n);
    }
  });
}

// ---- quantize and dequantize
bool byte(const Operand& o) { return is(o, DType::u8) || is(o, DType::s8); }
int32_t zero_of(const Step& s, int64_t i) {
  if (!has(s, 2)) return 0;
  return is(s.src[2], DType::s8) ? data<int8_t>(s.src[2])[i] : is(s.src[2], DType::s32) ? data<int32_t>(s.src[2])[i] : data<uint8_t>(s.src[2])[i];
}
bool one_scale(const Step& s) { return s.src[1].rank == 0 || (s.src[1].rank == 1 && s.src[1].size[0] == 1); }

// How the scales lie along src: `inner` neighbours share one, and there are `axis` of them before they repeat.
struct Scales {
  int64_t inner, axis;
};
Scales scales(const Step& s, int64_t axis) {
  if (one_scale(s)) return {memory_count(*s.src), 1};
  if (axis < 0) axis += s.src->rank;
  return {count(*s.src, static_cast<int>(axis) + 1, s.src->rank), s.src->size[axis]};
}

Needs needs_scales(const Step& s) { return one_scale(s) ? any(s) : Needs{}; }

const char* reject_scales(const Step& s, int64_t block_size) {
  if (s.src->scale || s.dst->scale) return "an operand is quantised";
  if (block_size) return "scales go by blocks";
  if (!is_f32(s.src[1])) return "the scale is not f32";
  if (has(s, 2) && !byte(s.src[2]) && !is(s.src[2], DType::s32)) return "the zero point is not u8, s8 or s32";
  if (s.epilogue.count) return "no epilogue";
  if (s.src[1].rank > 1) return "the scale has more than one axis";
  return reject_gaps(s);
}

const char* reject_quantize(const Step& s) {
  const auto& a = *static_cast<const Quantize*>(s.attributes);
  if (!is_f32(*s.src)) return "src is not f32";
  if (!byte(*s.dst)) return "dst is neither u8 nor s8";
  if (a.precision != DType::none && a.precision != DType::f32) return "the precision is not f32";
  return reject_scales(s, a.block_size);
}

const char* reject_dequantize(const Step& s) {
  if (!byte(*s.src) && !is(*s.src, DType::s32)) return "src is not u8, s8 or s32";
  if (!is_f32(*s.dst)) return "dst is not f32";
  return reject_scales(s, static_cast<const Dequantize*>(s.attributes)->block_size);
}

// Calls body(index of the scale, first element, count) for runs that share a scale.
template <class Body>
void runs(const Scales& k, int64_t begin, int64_t end, const Body& body) {
  for (int64_t i = begin; i < end;) {
    const int64_t n = smaller(end - i, k.inner - i % k.inner);
    body(i / k.inner % k.axis, i, n);
    i += n;
  }
}

void run_quantize(const Step& s, const Context& context) noexcept {
  const Scales k = scales(s, static_cast<const Quantize*>(s.attributes)->axis);
  parallel(context, memory_count(*s.src), kChunk, [&](int64_t begin, int64_t end, int) {
    runs(k, begin, end, [&](int64_t c, int64_t i, int64_t n) {
      const float scale = data(s.src[1])[c];
      if (is(*s.dst, DType::u8)) quantise_run(data(*s.src) + i, mutable_data<uint8_t>(*s.dst) + i, n, scale, zero_of(s, c));
      else quantise_run(data(*s.src) + i, mutable_data<int8_t>(*s.dst) + i, n, scale, zero_of(s, c));
    });
  });
}

void run_dequantize(const Step& s, const Context& context) noexcept {
  const Scales k = scales(s, static_cast<const Dequantize*>(s.attributes)->axis);
  parallel(context, memory_count(*s.src), kChunk, [&](int64_t begin, int64_t end, int) {
    runs(k, begin, end, [&](int64_t c, int64_t i, int64_t n) {
      const V scale(data(s.src[1])[c]);
      const I zero(zero_of(s, c));
      float* to = mutable_data(*s.dst) + i;
      vectors(n, [&](int64_t x, int64_t lanes) {
        const I q = is(*s.src, DType::u8)   ? load(data<uint8_t>(*s.src) + i + x, lanes)
                    : is(*s.src, DType::s8) ? load(data<int8_t>(*s.src) + i + x, lanes)
                                            : load(data<int32_t>(*s.src) + i + x, lanes);
        store(to + x, real(q - zero) * scale, lanes);
      });
    });
  });
}

// ---- identity between a real value and the same in eight bits
bool stored_in_bytes(const Operand& o) { return byte(o) && o.scale && !o.per_axis; }

const char* reject_identity(const Step& s) {
  if (s.epilogue.count) return "no epilogue";
  if ((is_f32(*s.src) && stored_in_bytes(*s.dst)) || (stored_in_bytes(*s.src) && is_f32(*s.dst))) return reject_gaps(s);
  return "not between f32 and u8 or s8 with one scale";
}

void run_identity(const Step& s, const Context& context) noexcept {
  parallel(context, memory_count(*s.src), kChunk, [&](int64_t begin, int64_t end, int) {
    const int64_t n = end - begin;
    if (is(*s.dst, DType::u8)) return quantise_run(data(*s.src) + begin, mutable_data<uint8_t>(*s.dst) + begin, n, s.dst->scale[0], s.dst->zero[0]);
    if (is(*s.dst, DType::s8)) return quantise_run(data(*s.src) + begin, mutable_data<int8_t>(*s.dst) + begin, n, s.dst->scale[0], s.dst->zero[0]);
    const V scale(s.src->scale[0]);
    const I zero(s.src->zero[0]);
    const bool is_signed = is(*s.src, DType::s8);
    vectors(n, [&](int64_t i, int64_t lanes) {
      const I q = is_signed ? load(data<int8_t>(*s.src) + begin + i, lanes) : load(data<uint8_t>(*s.src) + begin + i, lanes);
      store(mutable_data(*s.dst) + begin + i, real(q - zero) * scale, lanes);
    });
  });
}

// ---- dynamic_quantize: the range of src in pieces of fixed size, then one quantize
const char* reject_dynamic(const Step& s) {
  if (!is_f32(*s.src)) return "src is not f32";
  if (s.epilogue.count) return "no epilogue";
  return reject_gaps(s);
}

Needs needs_dynamic(const Step& s) { return {.scratch_bytes = known(*s.src) ? range_scratch(count(*s.src)) : 0}; }

void run_dynamic(const Step& s, const Context& context) noexcept {
  const DynamicRange range = dynamic_range(*s.src, context);
  if (s.destinations > 1 && s.dst[1].dtype) *mutable_data(s.dst[1]) = range.scale;
  if (s.destinations > 2 && s.dst[2].dtype) *mutable_data<uint8_t>(s.dst[2]) = static_cast<uint8_t>(range.zero);
  quantise_by(range, *s.src, mutable_data<uint8_t>(*s.dst), context);
}

#define TENON_CONVERT(op_, name_, reject_, needs_, run_)                                                                                             \
  {                                                                                                                                                  \
    .name = name_ "_" TENON_ISA_NAME, .op = op_, .isa = TENON_ISA_LEVEL, .reject = reject_, .needs = needs_, .cost = cost_elements, .pack = nullptr, \
    .run = run_                                                                                                                                      \
  }
const Kernel kKernels[] = {
    TENON_CONVERT("cast", "cast_any_blocks", reject_cast, any, run_cast),
    TENON_CONVERT("quantize", "quantize_f32_rows", reject_quantize, needs_scales, run_quantize),
    TENON_CONVERT("dequantize", "dequantize_int_rows", reject_dequantize, needs_scales, run_dequantize),
    TENON_CONVERT("identity", "identity_int8_stored", reject_identity, any, run_identity),
    TENON_CONVERT("dynamic_quantize", "dynamic_quantize_f32_pieces", reject_dynamic, needs_dynamic, run_dynamic),
};
}  // namespace
extern const KernelTable convert_table{kKernels, sizeof kKernels / sizeof *kKernels};
}  // namespace tenon::cpu::TENON_ISA
