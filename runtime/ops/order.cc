#include "ops/order.h"

#include <cmath>

namespace tenon {

int compare(const Array& a, int64_t i, int64_t k) {
  const auto sign = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  if (a.dtype == DType::string) return sign(a.strings[static_cast<size_t>(i)], a.strings[static_cast<size_t>(k)]);
  if (a.dtype == DType::u64) return sign(static_cast<uint64_t>(a.integer(i)), static_cast<uint64_t>(a.integer(k)));
  if (!a.is_real()) return sign(a.integer(i), a.integer(k));
  const double x = a.real(i), y = a.real(k);
  return std::isnan(x) || std::isnan(y) ? sign(std::isnan(x), std::isnan(y)) : sign(x, y);
}

}  // namespace tenon
