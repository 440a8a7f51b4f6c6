#include "cli/compare.h"

#include <algorithm>
#include <cmath>

namespace tenon::cli {

Difference compare(const Tensor& got, const Tensor& expected, double relative, double absolute) {
  Difference d;
  if (got.container != expected.container || got.dtype != expected.dtype || got.shape != expected.shape)
    return {false, text(got) + " where " + text(expected) + " is expected", 0, 0};
  if (got.container != Container::tensor) {
    for (int64_t i = 0; i < got.count(); ++i) {
      const Difference item = compare(got.as<Tensor>()[i], expected.as<Tensor>()[i], relative, absolute);
      d.largest = std::max(d.largest, item.largest);
      d.of_range = std::max(d.of_range, item.of_range);
      if (!item.same && d.same) d.same = false, d.reason = "item " + std::to_string(i) + ": " + item.reason;
    }
    return d;
  }
  const int64_t n = got.count() * (is_complex(got.dtype) ? 2 : 1);
  if (got.dtype == DType::string) {
    for (int64_t i = 0; i < n && d.same; ++i)
      if (got.as<std::string>()[i] != expected.as<std::string>()[i]) d.same = false, d.reason = "element " + std::to_string(i);
    return d;
  }
  const bool real = is_real(got.dtype) || is_complex(got.dtype);
  double range = 0;
  for (int64_t i = 0; i < n; ++i) {
    const Cell a = load_cell(got.dtype, got.data, i), b = load_cell(expected.dtype, expected.data, i);
    const double x = real ? a.real : static_cast<double>(a.integer), y = real ? b.real : static_cast<double>(b.integer);
    bool same = x == y || (std::isnan(x) && std::isnan(y));
    if (!same && real) {
      const double error = std::abs(x - y);
      same = error <= absolute + relative * std::abs(y);
      if (std::isfinite(error)) d.largest = std::max(d.largest, error);
    } else if (!same) {
      d.largest = std::max(d.largest, std::abs(x - y));
    }
    if (std::isfinite(y)) range = std::max(range, std::abs(y));
    if (!same && d.same) d.same = false, d.reason = "element " + std::to_string(i) + " is " + std::to_string(x) + ", expected " + std::to_string(y);
  }
  d.of_range = range > 0 ? d.largest / range : d.largest;
  return d;
}

}  // namespace tenon::cli
