#include "formats/onnx/wire.h"

#include <string>

#include "base/error.h"

namespace tenon::onnx {
namespace {

using protozero::pbf_wire_type;

const char* reason(const protozero::exception& e) {
  if (dynamic_cast<const protozero::end_of_buffer_exception*>(&e)) return "they end within a field";
  if (dynamic_cast<const protozero::unknown_pbf_wire_type_exception*>(&e)) return "a field has a wire type that protobuf does not know";
  if (dynamic_cast<const protozero::invalid_tag_exception*>(&e)) return "a field has a number that protobuf does not allow";
  if (dynamic_cast<const protozero::invalid_length_exception*>(&e)) return "a length does not fit what it counts";
  if (dynamic_cast<const protozero::varint_too_long_exception*>(&e)) return "a number has more than 10 bytes";
  return e.what();
}

// What protozero throws becomes an Error here and goes no further.
template <class F>
auto translated(const char* what, F f) {
  try {
    return f();
  } catch (const protozero::exception& e) {
    throw Error(Code::bad_model,
                std::string("the bytes of ") + what + " are no protobuf, or damaged: " + reason(e) + "; is this an ONNX file, and whole?");
  }
}

}  // namespace

bool Wire::next() {
  return translated(what_, [&] { return reader_.next(); });
}

void Wire::refuse(const char* why) const { throw Error(Code::bad_model, "field " + std::to_string(field()) + " of " + what_ + " " + why); }

void Wire::expect(pbf_wire_type wire) const {
  if (reader_.wire_type() != wire) refuse("has a wire type that does not fit its type");
}

uint64_t Wire::varint(const char** at, const char* end) const {
  return translated(what_, [&] { return protozero::decode_varint(at, end); });
}

int64_t Wire::integer() {
  expect(pbf_wire_type::varint);
  return translated(what_, [&] { return reader_.get_int64(); });
}

float Wire::real() {
  expect(pbf_wire_type::fixed32);
  return translated(what_, [&] { return reader_.get_float(); });
}

double Wire::wide_real() {
  expect(pbf_wire_type::fixed64);
  return translated(what_, [&] { return reader_.get_double(); });
}

Bytes Wire::bytes() {
  expect(pbf_wire_type::length_delimited);
  // protozero cuts lengths to 32 bits.
  const protozero::data_view rest = reader_.data();
  const char* at = rest.data();
  const uint64_t length = varint(&at, rest.data() + rest.size());
  if (length > rest.size()) refuse("is longer than what is left");
  if (length > UINT32_MAX) refuse("is longer than 4 GiB, which protobuf does not allow");
  const protozero::data_view v = translated(what_, [&] { return reader_.get_view(); });
  return {v.data(), v.size()};
}

std::string_view Wire::name() {
  const std::string_view text = bytes();
  if (text.size() > kMostName) refuse("is a name of more than 65536 bytes");
  if (!is_utf8(text)) refuse("is a name that is not UTF-8");
  return text;
}

void Wire::skip() {
  if (is_list()) return void(bytes());
  translated(what_, [&] { reader_.skip(); });
}

Bytes Wire::packed(size_t width) {
  const Bytes all = bytes();
  if (all.size() % width != 0) throw Error(Code::bad_model, std::string("a packed list of ") + what_ + " ends within a number");
  return all;
}

int64_t Wire::numbers(size_t width) const {
  if (!is_list()) return 1;
  Wire copy = *this;
  const Bytes all = copy.bytes();
  if (width) return static_cast<int64_t>(all.size() / width);
  int64_t count = 0;
  for (char c : all) count += static_cast<unsigned char>(c) < 0x80;
  return count;
}

std::array<int64_t, Wire::kCounted> Wire::count(Bytes message, const char* what) {
  std::array<int64_t, kCounted> counts{};
  for (Wire w(message, what); w.next(); w.skip()) ++counts[w.field() < kCounted ? w.field() : 0];
  return counts;
}

bool is_utf8(std::string_view text) {
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t length = lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (!length || length > text.size() - i) return false;
    uint32_t point = lead & (0x7f >> length);
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if (next >> 6 != 2) return false;
      point = point << 6 | (next & 0x3f);
    }
    if (point < kLeast[length] || point > 0x10ffff || point >> 11 == 0x1b) return false;
    i += length;
  }
  return true;
}

}  // namespace tenon::onnx
