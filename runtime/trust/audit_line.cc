#include "runtime/trust/audit_line.h"

#include <algorithm>
#include <cstdio>

#include "formats/seal/crypto.h"
#include "formats/seal/json.h"

namespace tenon::trust {

using seal::ascii;

namespace {

constexpr std::string_view kEvents[] = {"start", "stop", "load", "unload", "share", "export", "deny", "run", "recover", "checkpoint"};

bool skip(std::string_view& rest, std::string_view expected) {
  if (!rest.starts_with(expected)) return false;
  rest.remove_prefix(expected.size());
  return true;
}

bool integer(std::string_view& rest, uint64_t& out) {
  const size_t digits = static_cast<size_t>(std::find_if(rest.begin(), rest.end(), [](char c) { return c < '0' || c > '9'; }) - rest.begin());
  if (digits == 0 || digits > 16 || (digits > 1 && rest[0] == '0')) return false;
  out = 0;
  for (char c : rest.substr(0, digits)) out = out * 10 + static_cast<uint64_t>(c - '0');
  rest.remove_prefix(digits);
  return out < (uint64_t{1} << 53);
}

bool is_json(std::string_view line) {
  try {
    seal::parse_json(line, Code::bad_input, "audit line");
    return true;
  } catch (const Error&) { return false; }
}

}  // namespace

bool parse_line(std::string_view line, LineFront& out) {
  if (line.size() >= kMostLine || std::any_of(line.begin(), line.end(), [](char c) { return c < 0x20 || c > 0x7E; })) return false;
  std::string_view rest = line;
  uint64_t time = 0;
  if (!skip(rest, "{\"n\":") || !integer(rest, out.n) || !skip(rest, ",\"prev\":\"")) return false;
  if (!seal::from_hex(rest.substr(0, 64), out.previous, false)) return false;
  rest.remove_prefix(64);
  if (!skip(rest, "\",\"t\":") || !integer(rest, time) || !skip(rest, ",\"ev\":\"")) return false;
  out.event = rest.substr(0, std::min(rest.find('"'), rest.size()));
  rest.remove_prefix(out.event.size());
  if (std::find(std::begin(kEvents), std::end(kEvents), out.event) == std::end(kEvents)) return false;
  if (out.event == "checkpoint") {
    seal::Block<64> signature;
    return skip(rest, "\",\"sig\":\"") && rest.size() == 130 && seal::from_hex(rest.substr(0, 128), signature, false) && rest.substr(128) == "\"}";
  }
  return skip(rest, "\"") && is_json(line);
}

seal::Block<32> line_hash(std::string_view line) { return seal::sha256({ascii("TENON1 audit"), ascii(line)}); }

namespace {

constexpr uint32_t kReplacement = 0xFFFD;

// The next character of UTF-8 text; U+FFFD for a byte that begins none.
uint32_t next_character(std::string_view& text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto continues = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  uint32_t out = kReplacement;
  size_t n = 1;
  if (byte(0) < 0x80) {
    out = byte(0);
  } else if (byte(0) >= 0xC2 && byte(0) < 0xE0 && continues(1)) {
    out = (byte(0) & 31) << 6 | (byte(1) & 63), n = 2;
  } else if (byte(0) >= 0xE0 && byte(0) < 0xF0 && continues(1) && continues(2)) {
    out = (byte(0) & 15) << 12 | (byte(1) & 63) << 6 | (byte(2) & 63), n = 3;
    if (out < 0x800 || (out >= 0xD800 && out < 0xE000)) out = kReplacement, n = 1;
  } else if (byte(0) >= 0xF0 && byte(0) < 0xF5 && continues(1) && continues(2) && continues(3)) {
    out = (byte(0) & 7) << 18 | (byte(1) & 63) << 12 | (byte(2) & 63) << 6 | (byte(3) & 63), n = 4;
    if (out < 0x10000 || out > 0x10FFFF) out = kReplacement, n = 1;
  }
  text.remove_prefix(n);
  return out;
}

void append_escape(std::string& out, uint32_t unit) {
  char escape[7];
  std::snprintf(escape, sizeof escape, "\\u%04x", unit);
  out += escape;
}

}  // namespace

void append_json(std::string& out, std::string_view text, size_t most) {
  out += '"';
  for (size_t count = 0; !text.empty() && count < most; ++count) {
    const uint32_t c = next_character(text);
    if (c == '"' || c == '\\') (out += '\\') += static_cast<char>(c);
    else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\t') out += "\\t";
    else if (c >= 0x20 && c < 0x7F) out += static_cast<char>(c);
    else if (c < 0x10000) append_escape(out, c);
    else append_escape(out, 0xD800 + ((c - 0x10000) >> 10)), append_escape(out, 0xDC00 + ((c - 0x10000) & 0x3FF));
  }
  out += '"';
}

}  // namespace tenon::trust
