// The scalar functions as ops, and their references: one body each for double, int64 and extents.
#include <cmath>
#include <limits>

#include "ops/op.h"
#include "ops/whole.h"

namespace tenon {
namespace {

// The words of elementwise.inc for double.
double where(bool c, double a, double b) { return c ? a : b; }
double least(double a, double b) { return std::isnan(a) || a < b ? a : b; }
double most(double a, double b) { return std::isnan(a) || a > b ? a : b; }
double quotient(double a, double b) { return a / b; }
double modulo(double a, double b) {
  const double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
double remainder_of(double a, double b) { return std::fmod(a, b); }
double power(double a, double b) { return std::pow(a, b); }
double round_even(double a) { return std::nearbyint(a); }
double sigmoid(double a) { return 1 / (1 + std::exp(-a)); }
double infinity(double) { return std::numeric_limits<double>::infinity(); }
using std::acos, std::acosh, std::asin, std::asinh, std::atan, std::atanh, std::ceil, std::cos, std::cosh, std::erf, std::exp, std::expm1, std::floor,
    std::log, std::log1p, std::sin, std::sinh, std::sqrt, std::tan, std::tanh;

// For extents: what no extent expresses becomes unknown.
struct Symbolic {
  Extent e;
  bool known = true;
  Symbolic(int64_t v) : e(v) {}
  Symbolic(Extent e) : e(e) {}
  static Symbolic unknown() {
    Symbolic s(0);
    s.known = false;
    return s;
  }
  Interval range() const { return e.known() ? Interval{e.dim().number(), e.dim().number()} : e.table()->range(e.dim()); }
};
enum class Truth { no, yes, unknown };
Truth truth(bool yes, bool no) { return yes ? Truth::yes : no ? Truth::no : Truth::unknown; }
template <class F>
Symbolic both(Symbolic a, Symbolic b, F f) {
  return a.known && b.known ? Symbolic(f(a.e, b.e)) : Symbolic::unknown();
}
Symbolic operator+(Symbolic a, Symbolic b) {
  return both(a, b, [](Extent x, Extent y) { return x + y; });
}
Symbolic operator-(Symbolic a, Symbolic b) {
  return both(a, b, [](Extent x, Extent y) { return x - y; });
}
Symbolic operator*(Symbolic a, Symbolic b) {
  return both(a, b, [](Extent x, Extent y) { return x * y; });
}
Symbolic operator-(Symbolic a) { return Symbolic(0) - a; }
Symbolic least(Symbolic a, Symbolic b) {
  return both(a, b, [](Extent x, Extent y) { return min(x, y); });
}
Symbolic most(Symbolic a, Symbolic b) {
  return both(a, b, [](Extent x, Extent y) { return max(x, y); });
}
Truth operator<(Symbolic a, Symbolic b) {
  if (!a.known || !b.known) return Truth::unknown;
  const Interval d = (a - b).range();
  return truth(d.high < 0, d.low >= 0);
}
Truth operator==(Symbolic a, Symbolic b) {
  if (!a.known || !b.known) return Truth::unknown;
  const Interval d = (a - b).range();
  return truth(d.low == 0 && d.high == 0, d.low > 0 || d.high < 0);
}
Truth negated(Truth t) { return t == Truth::unknown ? t : t == Truth::yes ? Truth::no : Truth::yes; }
Truth operator>(Symbolic a, Symbolic b) { return b < a; }
Truth operator<=(Symbolic a, Symbolic b) { return negated(b < a); }
Truth operator>=(Symbolic a, Symbolic b) { return negated(a < b); }
Truth operator!=(Symbolic a, Symbolic b) { return negated(a == b); }
Symbolic where(Truth c, Symbolic a, Symbolic b) {
  if (c == Truth::unknown) return a.known && b.known && a.e.dim() == b.e.dim() ? a : Symbolic::unknown();
  return c == Truth::yes ? a : b;
}
// Integer division cuts towards zero, that of extents towards minus infinity: the same where nothing is negative.
Symbolic quotient(Symbolic a, Symbolic b) {
  if (!a.known || !b.known || a.range().low < 0 || b.range().low <= 0) {
    if (a.known && b.known && a.e.known() && b.e.known()) return quotient(Whole(a.e.dim().number()), Whole(b.e.dim().number())).v;
    return Symbolic::unknown();
  }
  return a.e / b.e;
}
Symbolic modulo(Symbolic a, Symbolic b) { return a.known && b.known && b.range().low > 0 ? Symbolic(a.e % b.e) : Symbolic::unknown(); }
Symbolic remainder_of(Symbolic a, Symbolic b) { return a.known && a.range().low >= 0 ? modulo(a, b) : Symbolic::unknown(); }
Symbolic power(Symbolic a, Symbolic b) {
  if (!a.known || !b.known || !b.e.known() || b.e.dim().number() < 0 || b.e.dim().number() > 8) return Symbolic::unknown();
  Symbolic result = 1;
  for (int64_t i = 0; i < b.e.dim().number(); ++i) result = result * a;
  return result;
}

// Which arithmetic a row has a body for.
template <Kind kind, class T>
constexpr bool has_body = std::is_same_v<T, double>  ? kind != Kind::whole
                          : std::is_same_v<T, Whole> ? kind != Kind::real
                                                     : kind == Kind::row || kind == Kind::test || kind == Kind::logic || kind == Kind::pick;

template <class T>
T as_number(T v) {
  return v;
}
template <class T>
T as_number(bool v) {
  return T(v);
}
template <class T>
T as_number(Truth t) {
  return t == Truth::unknown ? Symbolic::unknown() : Symbolic(t == Truth::yes);
}

// Floating point has no NaN test among extents and integers.
#define TENON_ROW(kind_, name_, body_)                                                                                                           \
  case Function::name_:                                                                                                                          \
    if constexpr (has_body<Kind::kind_, T> && !(Function::name_ == Function::is_inf && std::is_same_v<T, Symbolic>)) return as_number<T>(body_); \
    break;
#define ROW(name, arity, body, ...) TENON_ROW(row, name, (body))
#define REAL(name, arity, body, ...) TENON_ROW(real, name, (body))
#define WHOLE(name, arity, body, ...) TENON_ROW(whole, name, (body))
#define TEST(name, arity, body, ...) TENON_ROW(test, name, (body))
#define LOGIC(name, arity, body, ...) TENON_ROW(logic, name, (body))
#define PICK(name, arity, body, ...) TENON_ROW(pick, name, (body))
template <class T>
T apply(Function f, T a, T b, T c) {
  static_cast<void>(b), static_cast<void>(c);
  switch (f) {
#include "ops/elementwise.inc"
  }
  throw Error(Code::not_supported, std::string(info(f).name) + " has no meaning for this element type");
}
#undef ROW
#undef REAL
#undef WHOLE
#undef TEST
#undef LOGIC
#undef PICK

DType result_dtype(const Inference& n, Kind kind) {
  return kind == Kind::test || kind == Kind::logic ? DType::boolean : n.dtype(kind == Kind::pick ? 1 : 0);
}

}  // namespace

double evaluate(Function f, double a, double b, double c) { return apply<double>(f, a, b, c); }
int64_t evaluate(Function f, int64_t a, int64_t b, int64_t c) { return apply<Whole>(f, a, b, c).v; }
std::optional<Extent> evaluate(Function f, Extent a, Extent b, Extent c) {
  const Symbolic s = apply<Symbolic>(f, a, b, c);
  return s.known ? std::optional(s.e) : std::nullopt;
}

void infer_function(Inference& n, Function f) {
  const FunctionInfo& row = info(f);
  n.expect_inputs(row.arity, row.arity);
  Shape shape = n.shape(0);
  for (int i = 1; i < row.arity; ++i) shape = n.broadcast(shape, n.shape(i));
  const DType first = n.dtype(row.kind == Kind::pick ? 1 : 0);
  for (int i = row.kind == Kind::pick ? 2 : 1; i < row.arity; ++i)
    if (f != Function::pow && f != Function::is_inf)
      n.expect(n.dtype(i) == first, "the operands of " + std::string(row.name) + " have one element type");
  if (row.kind == Kind::real) n.expect(tenon::is_real(first), std::string(row.name) + " has floating-point operands");
  if (row.kind == Kind::whole) n.expect(is_integer(first), std::string(row.name) + " has integer operands");
  if (row.kind == Kind::logic) n.expect(first == DType::boolean, std::string(row.name) + " has bool operands");
  if (row.kind == Kind::pick) n.expect(n.dtype(0) == DType::boolean, "the condition of where is bool");
  n.result(result_dtype(n, row.kind), shape);
}

namespace {

void reference_strings(Reference& n, Function f, const std::vector<std::vector<int64_t>>& strides) {
  Array& dst = n.out[0];
  for (Walk at(dst.shape); at.more(); at.next()) {
    if (f == Function::where)
      dst.move(at.flat(), n.in[0]->integer(at.offset(strides[0])) ? *n.in[1] : *n.in[2],
               at.offset(strides[n.in[0]->integer(at.offset(strides[0])) ? 1 : 2]));
    else if (f == Function::equal) dst.integer(at.flat()) = n.in[0]->strings[at.offset(strides[0])] == n.in[1]->strings[at.offset(strides[1])];
    else throw Error(Code::not_supported, std::string(info(f).name) + " has no meaning for strings");
  }
}

void reference(Reference& n) {
  const Function f = static_cast<Function>(n.node->op->function);
  const int arity = info(f).arity;
  Array& dst = n.out[0];
  std::vector<std::vector<int64_t>> strides;
  bool real = false, strings = false;
  for (int i = 0; i < arity; ++i) {
    strides.push_back(broadcast_strides(n.in[i]->shape, dst.shape));
    real |= n.in[i]->is_real();
    strings |= n.in[i]->dtype == DType::string;
  }
  if (strings) return reference_strings(n, f, strides);
  for (Walk at(dst.shape); at.more(); at.next()) {
    int64_t from[3] = {};
    for (int i = 0; i < arity; ++i) from[i] = at.offset(strides[i]);
    const int64_t to = at.flat();
    if (n.extents) {
      Extent x[3];
      for (int i = 0; i < arity; ++i) x[i] = {Dim(n.in[i]->integer(from[i])), n.extents};
      const std::optional<Extent> r = evaluate(f, x[0], x[1], x[2]);
      if (!r) throw Error(Code::not_supported, std::string(info(f).name) + " of extents is no extent");
      dst.integer(to) = r->dim().bits;
    } else if (real) {
      double x[3] = {};
      for (int i = 0; i < arity; ++i) x[i] = n.in[i]->number(from[i]);
      const double r = evaluate(f, x[0], x[1], x[2]);
      if (dst.is_real()) dst.real(to) = r;
      else dst.integer(to) = static_cast<int64_t>(r);
    } else {
      int64_t x[3] = {};
      for (int i = 0; i < arity; ++i) x[i] = n.in[i]->integer(from[i]);
      dst.integer(to) = evaluate(f, x[0], x[1], x[2]);
    }
  }
}

// Strings are compared and picked, never computed with.
constexpr uint8_t takes(Function f) { return f == Function::equal || f == Function::where ? kStrings : 0; }

constexpr Exactness exactness(float ulp) { return ulp == 0 ? Exactness{Exactness::bitwise, 0} : Exactness{Exactness::ulp, ulp}; }

}  // namespace

#define TENON_OP(name_, ulp_)                                                            \
  const Op ops::name_{.name = #name_,                                                    \
                      .infer = [](Inference& n) { infer_function(n, Function::name_); }, \
                      .reference = reference,                                            \
                      .exactness = exactness(ulp_),                                      \
                      .function = static_cast<int>(Function::name_),                     \
                      .takes = takes(Function::name_)};
#define ROW(name, arity, body, low, high, ulp) TENON_OP(name, ulp)
#define REAL(name, arity, body, low, high, ulp) TENON_OP(name, ulp)
#define WHOLE(name, arity, body, low, high, ulp) TENON_OP(name, ulp)
#define TEST(name, arity, body, low, high, ulp) TENON_OP(name, ulp)
#define LOGIC(name, arity, body, low, high, ulp) TENON_OP(name, ulp)
#define PICK(name, arity, body, low, high, ulp) TENON_OP(name, ulp)
#include "ops/elementwise.inc"

}  // namespace tenon
