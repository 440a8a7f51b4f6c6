#include "exec/compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tenon {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string out;
  for (int64_t n : shape) out += (out.empty() ? "" : ", ") + std::to_string(n);
  return "[" + out + "]";
}

std::string text_of(const Array& a) {
  if (a.container != Container::tensor) return "a list of " + std::to_string(a.items.size());
  return std::string(name(a.dtype)) + shape_text(a.shape);
}

std::string number_text(double v) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", v);
  return text;
}

// Integers as they are stored: u64 uses all 64 bits of a cell.
std::string integer_text(const Array& a, int64_t i) {
  return a.dtype == DType::u64 ? std::to_string(static_cast<uint64_t>(a.integer(i))) : std::to_string(a.integer(i));
}

double distance(const Array& a, const Array& b, int64_t i) {
  if (a.dtype == DType::u64)
    return static_cast<double>(std::max<uint64_t>(a.integer(i), b.integer(i)) - std::min<uint64_t>(a.integer(i), b.integer(i)));
  return std::abs(static_cast<double>(static_cast<__int128>(a.integer(i)) - b.integer(i)));
}

void differ(Difference& d, int64_t i, const std::string& got, const std::string& expected) {
  if (!d.same) return;
  d.same = false;
  d.reason = "element " + std::to_string(i) + " is " + got + ", expected " + expected;
}

void compare_reals(const Array& got, const Array& expected, const Tolerance& tolerance, Difference& d) {
  double range = 0;
  for (const Cell& c : expected.cells)
    if (std::isfinite(c.real)) range = std::max(range, std::abs(c.real));
  for (int64_t i = 0; i < static_cast<int64_t>(got.cells.size()); ++i) {
    const double x = got.real(i), y = expected.real(i);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const bool finite = std::isfinite(x) && std::isfinite(y);
    const double error = finite ? std::abs(x - y) : INFINITY;
    d.largest = std::max(d.largest, error);
    if (!(error <= tolerance.absolute + tolerance.relative * std::abs(y) + tolerance.of_range * range) || !finite)
      differ(d, i, number_text(x), number_text(y));
  }
  d.of_range = range > 0 ? d.largest / range : d.largest;
}

void compare_integers(const Array& got, const Array& expected, Difference& d) {
  double range = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(got.cells.size()); ++i) {
    range = std::max(range, std::abs(expected.number(i)));
    if (got.integer(i) == expected.integer(i)) continue;
    d.largest = std::max(d.largest, distance(got, expected, i));
    differ(d, i, integer_text(got, i), integer_text(expected, i));
  }
  d.of_range = range > 0 ? d.largest / range : d.largest;
}

void compare_strings(const Array& got, const Array& expected, Difference& d) {
  for (size_t i = 0; i < got.strings.size(); ++i)
    if (got.strings[i] != expected.strings[i])
      differ(d, static_cast<int64_t>(i), "\"" + printable(got.strings[i]) + "\"", "\"" + printable(expected.strings[i]) + "\"");
}

}  // namespace

Difference compare(const Array& got, const Array& expected, const Tolerance& tolerance) {
  Difference d;
  const bool lists = got.container != Container::tensor;
  if (got.container != expected.container || got.items.size() != expected.items.size() ||
      (!lists && (got.dtype != expected.dtype || got.shape != expected.shape)))
    return {false, text_of(got) + " where " + text_of(expected) + " is expected", INFINITY, INFINITY};
  for (size_t i = 0; i < got.items.size(); ++i) {
    const Difference item = compare(got.items[i], expected.items[i], tolerance);
    d.largest = std::max(d.largest, item.largest);
    d.of_range = std::max(d.of_range, item.of_range);
    if (!item.same && d.same) d.same = false, d.reason = "item " + std::to_string(i) + ": " + item.reason;
  }
  if (lists) return d;
  if (got.dtype == DType::string) compare_strings(got, expected, d);
  else if (got.is_real()) compare_reals(got, expected, tolerance, d);
  else compare_integers(got, expected, d);
  return d;
}

Difference compare(const Tensor& got, const Tensor& expected, const Tolerance& tolerance) {
  return compare(array_of(got), array_of(expected), tolerance);
}

}  // namespace tenon
