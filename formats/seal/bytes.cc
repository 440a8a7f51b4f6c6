#include "formats/seal/bytes.h"

namespace tenon::seal {

std::string hex(View bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (uint8_t b : bytes) {
    out += kDigits[b >> 4];
    out += kDigits[b & 15];
  }
  return out;
}

namespace {

// The value of a hex digit, or a negative number. Arithmetic alone: keys pass through here.
int digit(int c, bool upper_case_too) {
  const auto within = [](int x, int low, int high) { return ((low - 1 - x) & (x - high - 1)) >> 31; };  // all ones or zero
  const int number = within(c, '0', '9'), lower = within(c, 'a', 'f'), upper = within(c, 'A', 'F') & -static_cast<int>(upper_case_too);
  return (number & (c - '0')) | (lower & (c - 'a' + 10)) | (upper & (c - 'A' + 10)) | ~(number | lower | upper);
}

}  // namespace

bool from_hex(std::string_view text, std::span<uint8_t> dst, bool upper_case_too) {
  if (text.size() != dst.size() * 2) return false;
  int bad = 0;
  for (size_t i = 0; i < dst.size(); ++i) {
    const int high = digit(static_cast<unsigned char>(text[2 * i]), upper_case_too);
    const int low = digit(static_cast<unsigned char>(text[2 * i + 1]), upper_case_too);
    bad |= high | low;
    dst[i] = static_cast<uint8_t>((high & 15) << 4 | (low & 15));
  }
  return bad >= 0;
}

void Cursor::fail(Code code, std::string_view field, std::string_view what) const {
  throw Error(code, place_ + ": " + std::string(field) + " " + std::string(what));
}

}  // namespace tenon::seal
