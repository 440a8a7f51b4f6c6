#include "formats/seal/age.h"

#include <algorithm>

#include "formats/seal/crypto.h"

namespace tenon::seal {
namespace {

constexpr std::string_view kAlphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
constexpr std::string_view kPublic = "age", kSecret = "age-secret-key-";
constexpr size_t kChecksum = 6, kData = 52;  // symbols; 52 * 5 = 256 + 4 pad bits
constexpr size_t kMostFile = size_t{64} << 10, kMostIdentities = 64;

[[noreturn]] void refuse(std::string_view what) { throw Error(Code::seal_key_source, "age key string: " + std::string(what)); }

uint32_t step(uint32_t sum, uint32_t value) {
  constexpr uint32_t kGenerator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
  const uint32_t top = sum >> 25;
  sum = (sum & 0x1ffffff) << 5 ^ value;
  for (int i = 0; i < 5; ++i) sum ^= top >> i & 1 ? kGenerator[i] : 0;
  return sum;
}

uint32_t sum_prefix(std::string_view prefix) {
  uint32_t sum = 1;
  for (char c : prefix) sum = step(sum, static_cast<unsigned char>(c) >> 5);
  sum = step(sum, 0);
  for (char c : prefix) sum = step(sum, static_cast<unsigned char>(c) & 31);
  return sum;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Says by name what other kind of age key this is; falls through for anything else.
void refuse_other_kinds(std::string_view prefix, bool want_secret) {
  if (prefix == "age1pq" || prefix == "age-secret-key-pq-") refuse("a post-quantum key (age1pq, AGE-SECRET-KEY-PQ-) is not supported, X25519 only");
  if (prefix.starts_with("age1") || prefix.starts_with("age-plugin-")) refuse("a key of an age plug-in is not supported, X25519 only");
  if (want_secret && prefix == kPublic) refuse("a public key stands where a secret key (AGE-SECRET-KEY-1...) is expected");
  if (!want_secret && prefix == kSecret) refuse("a secret key stands where a public key (age1...) is expected");
  refuse(want_secret ? "does not start with AGE-SECRET-KEY-1" : "does not start with age1");
}

// Decodes into 32 bytes.
void decode(std::string_view text, std::string_view prefix, uint8_t* dst) {
  bool upper_case = false, lower_case = false;
  for (char c : text) {
    if (c < 33 || c > 126) refuse("a character that cannot stand in it");
    upper_case |= c >= 'A' && c <= 'Z';
    lower_case |= c >= 'a' && c <= 'z';
  }
  if (upper_case && lower_case) refuse("mixes upper and lower case");
  const size_t separator = text.rfind('1');
  if (separator == std::string_view::npos || separator == 0) refuse("has no prefix");
  std::string found;
  for (char c : text.substr(0, separator)) found += lower(c);
  if (found != prefix) refuse_other_kinds(found, prefix == kSecret);
  const std::string_view symbols = text.substr(separator + 1);
  if (symbols.size() != kData + kChecksum) refuse("is not 32 bytes of data");
  Secret values(symbols.size());
  uint32_t sum = sum_prefix(prefix);
  for (size_t i = 0; i < symbols.size(); ++i) {
    const size_t value = kAlphabet.find(lower(symbols[i]));
    if (value == std::string_view::npos) refuse("a character that is not of the Bech32 alphabet");
    values.data()[i] = static_cast<uint8_t>(value);
    sum = step(sum, static_cast<uint32_t>(value));
  }
  if (sum != 1) refuse("the checksum does not fit");
  uint32_t bits = 0;
  int count = 0;
  size_t n = 0;
  for (size_t i = 0; i < kData; ++i) {
    bits = (bits << 5 | values.data()[i]) & 0xfff;
    count += 5;
    if (count >= 8) {
      count -= 8;
      dst[n++] = static_cast<uint8_t>(bits >> count);
    }
  }
  if (bits & ((1u << count) - 1)) refuse("the pad bits are not zero");
}

// Encodes 32 bytes, lower case: prefix, "1", 52 symbols, 6 symbols of checksum.
void encode(std::string_view prefix, View bytes, uint8_t* dst) {
  TENON_ASSERT(bytes.size() == 32);
  for (char c : prefix) *dst++ = static_cast<uint8_t>(c);
  *dst++ = '1';
  uint32_t sum = sum_prefix(prefix), bits = 0;
  int count = 0;
  const auto put = [&](uint32_t value) {
    sum = step(sum, value);
    *dst++ = static_cast<uint8_t>(kAlphabet[value]);
  };
  for (uint8_t b : bytes) {
    bits = (bits << 8 | b) & 0xfff;
    for (count += 8; count >= 5; count -= 5) put(bits >> (count - 5) & 31);
  }
  put(bits << (5 - count) & 31);
  for (size_t i = 0; i < kChecksum; ++i) sum = step(sum, 0);
  sum ^= 1;
  for (size_t i = 0; i < kChecksum; ++i) *dst++ = static_cast<uint8_t>(kAlphabet[sum >> (5 * (kChecksum - 1 - i)) & 31]);
}

}  // namespace

Block<32> parse_recipient(std::string_view text) {
  Block<32> out;
  decode(text, kPublic, out.data());
  return out;
}

Identity parse_identity(std::string_view text) {
  Identity out{Secret(32), {}};
  decode(text, kSecret, out.secret.data());
  out.recipient = x25519_public(out.secret);
  return out;
}

std::vector<Identity> parse_identity_file(std::string_view text) {
  if (text.size() > kMostFile) throw Error(Code::seal_limit, "identity file: larger than 64 KiB");
  std::vector<Identity> out;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (end != std::string_view::npos && line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    if (out.size() == kMostIdentities) throw Error(Code::seal_limit, "identity file: more than 64 identities");
    out.push_back(within([&] { return "identity file, line " + std::to_string(number); }, [&] { return parse_identity(line); }));
  }
  if (out.empty()) throw Error(Code::seal_key_source, "identity file: holds no identity");
  return out;
}

std::string recipient_string(View public_key) {
  std::string out(kPublic.size() + 1 + kData + kChecksum, '\0');
  encode(kPublic, public_key, reinterpret_cast<uint8_t*>(out.data()));
  return out;
}

Secret identity_string(View secret) {
  Secret out(kSecret.size() + 1 + kData + kChecksum);
  encode(kSecret, secret, out.data());
  for (uint8_t& c : out.span()) c = c >= 'a' && c <= 'z' ? static_cast<uint8_t>(c - 32) : c;
  return out;
}

bool is_recipient_string(std::string_view text) {
  if (std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; })) return false;
  try {
    parse_recipient(text);
    return true;
  } catch (const Error&) { return false; }
}

void check_recipient(View public_key) {
  // Little-endian p = 2^255 - 19 = ED FF .. FF 7F.
  const bool top = public_key[31] & 0x80;
  const bool full = (public_key[31] & 0x7f) == 0x7f && std::all_of(public_key.begin() + 1, public_key.end() - 1, [](uint8_t b) { return b == 0xff; });
  if (top || (full && public_key[0] >= 0xed)) throw Error(Code::seal_key_source, "recipient: not a canonical X25519 public key");
  // A secret is a multiple of 8 once clamped, so exactly the points of low order give zero.
  const Block<32> any{1};
  if (x25519(any, public_key).empty()) throw Error(Code::seal_key_source, "recipient: a point of low order, to which nothing is sealed");
}

}  // namespace tenon::seal
