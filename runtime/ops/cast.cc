#include "ops/cast.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "ops/op.h"

namespace tenon {
namespace {

bool eight_bits(DType t) { return is_real(t) && bits(t) == 8; }

// The extent as an element of type `to`; no value where that depends on the symbols.
std::optional<Dim> converted(Extents& e, Dim d, DType to) {
  if (d.known()) {
    if (to == DType::boolean) return d.number() != 0;
    char memory[8] = {};
    store_cell(to, memory, 0, {.integer = d.number()});
    const Dim rounded = load_cell(to, memory, 0).integer;
    return rounded.known() ? std::optional(rounded) : std::nullopt;
  }
  const Interval r = e.range(d);
  if (to == DType::boolean) return r.low > 0 || r.high < 0 ? std::optional<Dim>(1) : std::nullopt;
  // Sizes are taken to fit 32 bits, as exporters do.
  const bool wide = bits(to) >= 32 && (is_signed(to) || r.low >= 0);
  return wide || (r.low >= lowest(to) && r.high <= highest(to)) ? std::optional(d) : std::nullopt;
}

void infer_cast(Inference& n) {
  const DType to = n.attributes<Cast>().to;
  n.expect_inputs(1, 1);
  n.expect(to != DType::none && !is_complex(to) && !is_complex(n.dtype(0)), "cast is between numbers, bool and strings");
  if (n.known(0) && (is_integer(to) || to == DType::boolean)) {
    std::vector<Dim> content;
    for (Dim d : n.content(0))
      if (const auto c = converted(*n.graph().extents, d, to)) content.push_back(*c);
    if (content.size() == n.content(0).size()) return n.result(to, n.shape(0), std::move(content));
  }
  n.result(to, n.shape(0));
}

int64_t whole(double v, DType to) {
  if (std::isnan(v)) return 0;
  v = std::trunc(v);
  if (to == DType::u64 && v >= 0x1p63) return v >= 0x1p64 ? -1 : static_cast<int64_t>(static_cast<uint64_t>(v));
  if (bits(to) < 32 || to == DType::s32) return static_cast<int64_t>(std::clamp(v, -0x1p31, 0x1p31 - 1));
  return v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : static_cast<int64_t>(v);
}

double power_of_two(double v, const Cast& a) {
  const uint32_t pattern = std::bit_cast<uint32_t>(static_cast<float>(v));
  const uint32_t exponent = pattern >> 23 & 0xff, fraction = pattern & 0x7fffff;
  bool up = false;
  if (a.round_mode == PowerRounding::up) up = fraction != 0;
  if (a.round_mode == PowerRounding::nearest) up = fraction > 0x400000 || (fraction == 0x400000 && exponent > 0);
  if (exponent == 0xff) return NAN;
  if (exponent == 0xfe && up) return a.saturate ? 0x1p127 : NAN;
  return std::ldexp(1.0, static_cast<int>(exponent) + up - 127);
}

double real_value(double v, const Cast& a) {
  if (a.to == DType::f8e8m0) return power_of_two(v, a);
  if (a.to == DType::f4e2m1 && std::isnan(v)) return -0.0;
  if (!a.saturate || !eight_bits(a.to)) return v;
  char memory[8] = {};
  store_cell(a.to, memory, 0, {.real = v}, true);
  return load_cell(a.to, memory, 0).real;
}

double real_of(int64_t v, DType from, DType to) {
  if (from == DType::u64) return to == DType::f32 ? static_cast<float>(static_cast<uint64_t>(v)) : static_cast<double>(static_cast<uint64_t>(v));
  return to == DType::f32 ? static_cast<float>(v) : static_cast<double>(v);
}

Cell number_of(Cell c, DType from, const Cast& a) {
  const bool real = is_real(from);
  if (a.to == DType::boolean) return {.integer = real ? c.real != 0 : c.integer != 0};
  if (is_real(a.to)) return {.real = real_value(real ? c.real : real_of(c.integer, from, a.to), a)};
  return {.integer = real ? whole(c.real, a.to) : c.integer};
}

[[noreturn]] void refuse(const std::string& text) { throw Error(Code::bad_input, "\"" + printable(text) + "\" is not a number"); }

Cell parsed(const std::string& text, const Cast& a) {
  std::string_view s = text;
  const auto space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!s.empty() && space(s.front())) s.remove_prefix(1);
  while (!s.empty() && space(s.back())) s.remove_suffix(1);
  if (s.size() > 1 && s[0] == '+' && s[1] != '-') s.remove_prefix(1);
  const auto read = [&](auto& v) {
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
    return error == std::errc() && end == s.data() + s.size();
  };
  if (int64_t v; is_integer(a.to) && read(v)) return {.integer = v};
  if (uint64_t v; a.to == DType::u64 && read(v)) return {.integer = static_cast<int64_t>(v)};
  double v;
  if (!read(v)) refuse(text);
  return number_of({.real = v}, DType::f64, a);
}

// Plain digits where numbers are neither large nor small, as people write them.
template <class T>
std::string written(T v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v < 0 ? "-INF" : "INF";
  char text[64];
  const double size = std::fabs(static_cast<double>(v));
  const auto format = size != 0 && (size < 1e-4 || size >= 1e16) ? std::chars_format::scientific : std::chars_format::fixed;
  return {text, std::to_chars(text, text + sizeof text, v, format).ptr};
}

std::string written(const Array& src, int64_t i) {
  if (src.dtype == DType::string) return src.strings[static_cast<size_t>(i)];
  if (src.dtype == DType::f64) return written(src.real(i));
  if (src.is_real()) return written(static_cast<float>(src.real(i)));
  return src.dtype == DType::u64 ? std::to_string(static_cast<uint64_t>(src.integer(i))) : std::to_string(src.integer(i));
}

void reference_cast(Reference& n) {
  const auto& a = n.attributes<Cast>();
  const Array& src = *n.in[0];
  Array& dst = n.out[0];
  for (int64_t i = 0, count = dst.count(); i < count; ++i) {
    const size_t k = static_cast<size_t>(i);
    if (a.to == DType::string) dst.strings[k] = written(src, i);
    else dst.cells[k] = src.dtype == DType::string ? parsed(src.strings[k], a) : number_of(src.cells[k], src.dtype, a);
  }
}

void infer_bit_cast(Inference& n) {
  const DType to = n.attributes<BitCast>().to;
  n.expect_inputs(1, 1);
  n.expect(to != DType::none && to != DType::string && n.dtype(0) != DType::string && bits(to) == bits(n.dtype(0)),
           "bit_cast is between types of one width");
  n.result(to, n.shape(0));
}

void reference_bit_cast(Reference& n) {
  const Array& src = *n.in[0];
  std::vector<uint64_t> memory(static_cast<size_t>(storage_bytes(src.dtype, src.count()) + 7) / 8);
  store(src, src.dtype, memory.data());
  // array_of makes the shape anew: complex elements have two cells, others one.
  n.out[0] = array_of(n.out[0].dtype, src.shape, memory.data());
}

}  // namespace
const Op ops::cast{.name = "cast", .attributes = Attributes::make<Cast>, .infer = infer_cast, .reference = reference_cast, .takes = kStrings};
const Op ops::bit_cast{.name = "bit_cast", .attributes = Attributes::make<BitCast>, .infer = infer_bit_cast, .reference = reference_bit_cast};
}  // namespace tenon
