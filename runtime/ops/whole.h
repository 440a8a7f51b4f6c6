// The words of elementwise.inc for integers: int64 that wraps, where a division by zero gives zero. Kernels include this header too.
#pragma once

#include <compare>
#include <cstdint>

namespace tenon {
namespace {

struct Whole {
  int64_t v;
  Whole(int64_t v) : v(v) {}
  friend Whole operator+(Whole a, Whole b) { return static_cast<int64_t>(static_cast<uint64_t>(a.v) + static_cast<uint64_t>(b.v)); }
  friend Whole operator-(Whole a, Whole b) { return static_cast<int64_t>(static_cast<uint64_t>(a.v) - static_cast<uint64_t>(b.v)); }
  friend Whole operator*(Whole a, Whole b) { return static_cast<int64_t>(static_cast<uint64_t>(a.v) * static_cast<uint64_t>(b.v)); }
  friend Whole operator-(Whole a) { return Whole(0) - a; }
  friend bool operator==(Whole a, Whole b) { return a.v == b.v; }
  friend auto operator<=>(Whole a, Whole b) { return a.v <=> b.v; }
};
inline Whole where(bool c, Whole a, Whole b) { return c ? a : b; }
inline Whole least(Whole a, Whole b) { return a < b ? a : b; }
inline Whole most(Whole a, Whole b) { return a > b ? a : b; }
inline Whole quotient(Whole a, Whole b) {
  if (b.v == 0) return 0;
  return b.v == -1 ? -a : Whole(a.v / b.v);
}
inline Whole remainder_of(Whole a, Whole b) { return b.v == 0 || b.v == -1 ? Whole(0) : Whole(a.v % b.v); }
inline Whole modulo(Whole a, Whole b) {
  const Whole r = remainder_of(a, b);
  return r.v != 0 && (r.v < 0) != (b.v < 0) ? r + b : r;
}
inline Whole power(Whole a, Whole b) {
  if (b.v < 0) return a.v == 1 ? Whole(1) : a.v == -1 ? Whole(b.v % 2 ? -1 : 1) : Whole(0);
  Whole result = 1;
  for (int64_t e = b.v; e; e >>= 1, a = a * a)
    if (e & 1) result = result * a;
  return result;
}
inline Whole bits_and(Whole a, Whole b) { return a.v & b.v; }
inline Whole bits_or(Whole a, Whole b) { return a.v | b.v; }
inline Whole bits_xor(Whole a, Whole b) { return a.v ^ b.v; }
inline Whole bits_not(Whole a) { return ~a.v; }
inline Whole shifted_left(Whole a, Whole b) { return b.v < 0 || b.v > 63 ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a.v) << b.v); }
inline Whole shifted_right(Whole a, Whole b) { return b.v < 0 || b.v > 63 ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a.v) >> b.v); }
inline Whole infinity(Whole) { return INT64_MAX; }

}  // namespace
}  // namespace tenon
