// Bytes and integers of the sealed format: little-endian fields, hex, and a cursor that cannot leave its bytes.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace tenon::seal {

using Bytes = std::vector<uint8_t>;
using View = std::span<const uint8_t>;
template <size_t n>
using Block = std::array<uint8_t, n>;

inline View ascii(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
inline std::string_view text(View bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

inline uint16_t load16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | p[1] << 8); }
inline uint32_t load32(const uint8_t* p) { return load16(p) | static_cast<uint32_t>(load16(p + 2)) << 16; }
inline uint64_t load64(const uint8_t* p) { return load32(p) | static_cast<uint64_t>(load32(p + 4)) << 32; }

template <class T>
void store(uint8_t* p, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) p[i] = static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i));
}

template <class T>
void store_big(uint8_t* p, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) p[sizeof(T) - 1 - i] = static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i));
}

inline bool all_zero(View bytes) {
  for (uint8_t b : bytes) {
    if (b) return false;
  }
  return true;
}

inline bool equal(View a, View b) { return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0); }

inline uint64_t align64(uint64_t x) { return (x + 63) & ~uint64_t{63}; }

std::string hex(View bytes);  // lower case
// True if `text` is exactly 2 n hex digits; then `dst` holds the n bytes. Takes no branch and no table on the digits' values.
bool from_hex(std::string_view text, std::span<uint8_t> dst, bool upper_case_too);

// Reads fields in order. A field that does not fit is an error with `code` that names it.
class Cursor {
 public:
  Cursor(View bytes, Code code, std::string place) : bytes_(bytes), code_(code), place_(std::move(place)) {}

  View take(size_t n, std::string_view field) {
    if (n > bytes_.size() - position_) fail(field, "does not fit");
    position_ += n;
    return bytes_.subspan(position_ - n, n);
  }
  uint8_t u8(std::string_view field) { return take(1, field)[0]; }
  uint16_t u16(std::string_view field) { return load16(take(2, field).data()); }
  uint32_t u32(std::string_view field) { return load32(take(4, field).data()); }
  uint64_t u64(std::string_view field) { return load64(take(8, field).data()); }
  void zeros(size_t n, std::string_view field) {
    if (!all_zero(take(n, field))) fail(field, "is not zero");
  }

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  [[noreturn]] void fail(std::string_view field, std::string_view what) const { fail(code_, field, what); }
  [[noreturn]] void fail(Code code, std::string_view field, std::string_view what) const;

 private:
  View bytes_;
  size_t position_ = 0;
  Code code_;
  std::string place_;
};

}  // namespace tenon::seal
