// pointwise on integers: a program of scalar functions over operands that broadcast, integers of any width and bool. Any layout, all
// operands alike. Exact: cells of 64 bits, each row rounded to its own type by keeping the low bits, as the reference does.
// Loops go by kGroup cells, a constant that the compiler makes vectors of; what is computed beyond the last element is not used.
#include "kernels/cpu/pointwise.h"
#include "kernels/cpu/simd.h"
#include "ops/elementwise.h"
#include "ops/whole.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int kRows = 8, kOperandsHere = 6;
constexpr int64_t kBlock = 512, kGroup = 16;

bool whole(DType t) { return is_integer(t) || t == DType::boolean; }

// Calls body(T{}) with the C++ type of an integer or bool.
template <class Body>
void with_type(DType t, const Body& body) {
  switch (t) {
    case DType::s64: return body(int64_t{});
    case DType::u64: return body(uint64_t{});
    case DType::s32: return body(int32_t{});
    case DType::u32: return body(uint32_t{});
    case DType::s16: return body(int16_t{});
    case DType::u16: return body(uint16_t{});
    case DType::s8: return body(int8_t{});
    default: return body(uint8_t{});
  }
}

// body(i) for i = 0 .. n-1.
template <class Body>
TENON_INLINE inline void groups(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + kGroup <= n; i += kGroup)
    for (int64_t k = 0; k < kGroup; ++k) body(i + k);
  for (; i < n; ++i) body(i);
}

void read(const Operand& o, int64_t at, int64_t step, int64_t n, int64_t* __restrict to) {
  const bool truth = is(o, DType::boolean);
  with_type(static_cast<DType>(o.dtype), [&](auto type) {
    const auto* p = data<decltype(type)>(o) + at;
    const auto value = [&](int64_t i) TENON_INLINE { return truth ? p[i] != 0 : static_cast<int64_t>(p[i]); };
    if (step == 0) {
      const int64_t all = value(0);
      groups(n, [&](int64_t i) TENON_INLINE { to[i] = all; });
    } else if (step == 1 && !truth) {
      groups(n, [&](int64_t i) TENON_INLINE { to[i] = static_cast<int64_t>(p[i]); });
    } else {
      for (int64_t i = 0; i < n; ++i) to[i] = value(i * step);
    }
  });
  for (int64_t i = n; i < round_up(n, kGroup); ++i) to[i] = 0;
}

void write(const int64_t* __restrict from, const Operand& o, int64_t at, int64_t step, int64_t n) {
  with_type(static_cast<DType>(o.dtype), [&](auto type) {
    auto* __restrict p = mutable_data<decltype(type)>(o) + at;
    if (step == 1) groups(n, [&](int64_t i) TENON_INLINE { p[i] = static_cast<decltype(type)>(from[i]); });
    else
      for (int64_t i = 0; i < n; ++i) p[i * step] = static_cast<decltype(type)>(from[i]);
  });
}

void narrow(int64_t* v, int64_t n, DType t) {
  if (t == DType::s64 || t == DType::u64 || t == DType::boolean) return;
  with_type(t, [&](auto type) { groups(n, [&](int64_t i) TENON_INLINE { v[i] = static_cast<int64_t>(static_cast<decltype(type)>(v[i])); }); });
}

template <class Body>
TENON_INLINE inline void each(const int64_t* a, const int64_t* b, const int64_t* c, int64_t* __restrict dst, int64_t n, Body body) {
  groups(round_up(n, kGroup), [&](int64_t i) TENON_INLINE { dst[i] = body(Whole(a[i]), Whole(b[i]), Whole(c[i])); });
}
TENON_INLINE inline int64_t number(Whole v) { return v.v; }
TENON_INLINE inline int64_t number(bool v) { return v; }

// dst[i] = f(a[i], b[i], c[i]); operands that f does not use may be any.
void apply(Function f, const int64_t* a, const int64_t* b, const int64_t* c, int64_t* dst, int64_t n) {
  using T = Whole;
#define TENON_BODY(name, arity, body, ...) \
  case Function::name:                     \
    return each(a, b, c, dst, n,           \
                []([[maybe_unused]] Whole a, [[maybe_unused]] Whole b, [[maybe_unused]] Whole c) TENON_INLINE { return number(body); });
#define ROW TENON_BODY
#define WHOLE TENON_BODY
#define TEST TENON_BODY
#define LOGIC TENON_BODY
#define PICK TENON_BODY
#define REAL(...)
  switch (f) {
#include "ops/elementwise.inc"
    default: return;  // REAL, which reject refuses
  }
#undef TENON_BODY
#undef ROW
#undef WHOLE
#undef TEST
#undef LOGIC
#undef PICK
#undef REAL
}

// The type of what a row gives, from those of the values before it.
DType type_of(const Scalar& row, const DType* types) {
  const FunctionInfo& f = info(row.function);
  return f.kind == Kind::test || f.kind == Kind::logic ? DType::boolean : types[row.operand[f.kind == Kind::pick ? 1 : 0]];
}

void run_block(const Step& s, const Axes& a, const int64_t* at, int64_t n) {
  const Program& p = program(s);
  int64_t cells[kOperandsHere + kRows][kBlock];
  DType types[kOperandsHere + kRows];
  const int axis = a.rank - 1;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t here = smaller(n - begin, kBlock);
    for (int i = 0; i < s.sources; ++i) {
      const int64_t step = a.step[i + 1][axis];
      types[i] = static_cast<DType>(s.src[i].dtype);
      if (begin == 0 || step != 0) read(s.src[i], at[i + 1] + begin * step, step, here, cells[i]);
    }
    for (size_t r = 0; r < p.rows.size(); ++r) {
      const auto& o = p.rows[r].operand;
      int64_t* to = cells[s.sources + static_cast<int>(r)];
      apply(p.rows[r].function, cells[o[0]], cells[o[1] < 0 ? o[0] : o[1]], cells[o[2] < 0 ? o[0] : o[2]], to, here);
      types[s.sources + static_cast<int>(r)] = type_of(p.rows[r], types);
      narrow(to, here, types[s.sources + static_cast<int>(r)]);
    }
    write(cells[s.sources + static_cast<int>(p.rows.size()) - 1], *s.dst, at[0] + begin * a.step[0][axis], a.step[0][axis], here);
  }
}

const char* reject(const Step& s) {
  const Program& p = program(s);
  if (s.sources > kOperandsHere || p.rows.size() > kRows) return "more than 6 operands or 8 rows";
  if (s.epilogue.count) return "the program is the attribute, not an epilogue";
  const auto taken = [](const Operand& o) { return whole(static_cast<DType>(o.dtype)) && !o.scale; };
  if (!taken(*s.dst)) return "dst is neither an integer nor bool";
  for (int i = 0; i < s.sources; ++i)
    if (!taken(s.src[i])) return "an operand is neither an integer nor bool";
  for (const Scalar& row : p.rows)
    if (info(row.function).kind == Kind::real) return "the program works on reals";
  return nullptr;
}

Needs needs(const Step&) { return {.src = Wants::any, .dst = Wants::any, .all_sources = true}; }

float cost(const Step& s) {
  return 40 + static_cast<float>(count(*s.dst)) * (static_cast<float>(s.sources) * 0.5f + static_cast<float>(program(s).rows.size()));
}

void run(const Step& s, const Context& context) noexcept {
  const Axes a = axes(s);
  walk(s, context, a, [&](const int64_t* at, int64_t n) { run_block(s, a, at, n); });
}

const Kernel kKernels[] = {
    {.name = "pointwise_integer_program_" TENON_ISA_NAME,
     .op = "pointwise",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run},
};

}  // namespace
extern const KernelTable pointwise_whole_table{kKernels, 1};
}  // namespace tenon::cpu::TENON_ISA
