#include "formats/seal/header.h"

#include <algorithm>

#include "formats/seal/crypto.h"

namespace tenon::seal {
namespace {

constexpr Block<8> kMagic = {0x89, 0x54, 0x4E, 0x4E, 0x0D, 0x0A, 0x1A, 0x0A};
constexpr std::string_view kSignatureLabel = "TENON1 signature";

bool printable_range(View bytes, uint8_t low, uint8_t high) {
  return std::all_of(bytes.begin(), bytes.end(), [=](uint8_t b) { return b >= low && b <= high; });
}

Bytes signed_message(View core) {
  Bytes out(ascii(kSignatureLabel).begin(), ascii(kSignatureLabel).end());
  out.insert(out.end(), core.begin(), core.end());
  return out;
}

bool is_provider(View bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

}  // namespace

uint64_t segments(uint64_t n, int segment_log2) {
  const uint64_t size = uint64_t{1} << segment_log2;
  return n == 0 ? 1 : (n - 1) / size + 1;
}

uint64_t floe_length(uint64_t n, int segment_log2) { return 74 + n + 32 * segments(n, segment_log2); }

FileIdentity make_identity(const Block<32>& file_id, int segment_log2, uint64_t data_plain, uint64_t manifest_plain) {
  FileIdentity out{};
  uint8_t* p = out.bytes.data();
  std::copy(kMagic.begin(), kMagic.end(), p);
  store<uint16_t>(p + 8, 1);
  p[10] = 1;
  p[11] = static_cast<uint8_t>(segment_log2);
  std::copy(file_id.begin(), file_id.end(), p + 16);
  store<uint64_t>(p + 48, data_plain);
  store<uint64_t>(p + 56, manifest_plain);
  return out;
}

std::string_view name(SlotKind kind) {
  switch (kind) {
    case SlotKind::raw: return "raw key";
    case SlotKind::passphrase: return "passphrase";
    case SlotKind::recipient: return "recipient";
    case SlotKind::external: return "external";
  }
  return "unknown";
}

bool has_magic(View bytes) { return equal(bytes.first(8), kMagic); }

size_t check_front(View front) {
  Cursor c(front, Code::seal_format, "header");
  if (front.size() < kLeastHeader) throw Error(Code::not_sealed, "shorter than 4,096 bytes");
  if (!equal(c.take(8, "magic"), kMagic)) throw Error(Code::not_sealed, "does not start as a sealed file does");
  if (c.u16("version") != 1) c.fail(Code::seal_version, "version", "is not 1; a newer Tenon is needed");
  if (c.u8("suite") != 1) c.fail(Code::seal_version, "suite", "is not 1; a newer Tenon is needed");
  const int segment_log2 = c.u8("seg_log2");
  if (segment_log2 < kLeastSegmentLog2 || segment_log2 > kMostSegmentLog2) c.fail("seg_log2", "is not 12 to 20");
  c.zeros(4, "field at 12");
  c.take(32, "file id");
  if (c.u64("data_plain") > kMostData) c.fail(Code::seal_limit, "data_plain", "is above 2^44");
  const uint64_t manifest_plain = c.u64("manifest_plain");
  if (manifest_plain > kMostManifest) c.fail(Code::seal_limit, "manifest_plain", "is above 2^30");
  if (manifest_plain == 0) c.fail("manifest_plain", "is 0");
  c.take(64, "roots");
  const uint32_t size = c.u32("H");
  if (size > kMostHeader) c.fail(Code::seal_limit, "H", "is above 1 MiB");
  if (size < kLeastHeader || size % 4096) c.fail("H", "is not a multiple of 4,096");
  const unsigned slots = c.u16("slot_count"), signatures = c.u16("signature_count");
  if (slots > kMostSlots) c.fail(Code::seal_limit, "slot_count", "is above 64");
  if (slots == 0) c.fail("slot_count", "is 0");
  if (signatures > kMostSignatures) c.fail(Code::seal_limit, "signature_count", "is above 8");
  c.zeros(8, "field at 136");
  return size;
}

namespace {

void parse_external(Slot& slot, View params) {
  Cursor c(params, Code::seal_format, "slot of an external key");
  const size_t provider = c.u8("length of the provider");
  if (provider < 1 || provider > kMostProvider) c.fail("length of the provider", "is not 1 to 32");
  const View name = c.take(provider, "provider");
  if (!is_provider(name)) c.fail("provider", "has other characters than a-z 0-9 -");
  const size_t key_id = c.u16("length of the key id");
  if (key_id < 1 || key_id > kMostKeyId) c.fail("length of the key id", "is not 1 to 256");
  const View id = c.take(key_id, "key id");
  if (!printable_range(id, 0x21, 0x7E)) c.fail("key id", "has other bytes than 21 to 7E");
  const size_t blob = c.u16("length of the blob");
  if (blob < 1 || blob > kMostWrapped) c.fail("length of the blob", "is not 1 to 8,192");
  c.take(blob, "blob");
  if (c.left()) c.fail("params", "are longer than their fields");
  slot.provider = text(name);
  slot.key_id = text(id);
}

void parse_params(Slot& slot, View params, int most_log_n, const Cursor& where) {
  switch (slot.kind) {
    case SlotKind::raw: return;
    case SlotKind::recipient: return;
    case SlotKind::passphrase:
      slot.log_n = params[0];
      if (slot.log_n < kLeastLogN || slot.log_n > most_log_n) {
        where.fail(Code::seal_limit, "logN", "is " + std::to_string(slot.log_n) + ", not 14 to " + std::to_string(most_log_n));
      }
      if (!all_zero(params.subspan(1, 7))) where.fail("field after logN", "is not zero");
      return;
    case SlotKind::external: parse_external(slot, params); return;
  }
}

size_t params_size(SlotKind kind) { return kind == SlotKind::raw ? 0 : kind == SlotKind::passphrase ? 24 : 32; }

}  // namespace

Slot parse_slot(Cursor& slots, int most_log_n, std::span<const Slot> before) {
  Slot out;
  const View kind_and_size = slots.take(4, "kind and length");
  const unsigned kind = load16(kind_and_size.data());
  const size_t n = load16(kind_and_size.data() + 2);
  if (kind < 1 || kind > 4) slots.fail("kind", "is not 1 to 4");
  out.kind = static_cast<SlotKind>(kind);
  const auto same_kind = std::count_if(before.begin(), before.end(), [&](const Slot& s) { return s.kind == out.kind; });
  if (out.kind == SlotKind::passphrase && same_kind == int{kMostPassphraseSlots}) {
    slots.fail(Code::seal_limit, "kind", "is passphrase for the fifth time; 4 are allowed");
  }
  const size_t most_external = 5 + kMostProvider + kMostKeyId + kMostWrapped;
  if (out.kind == SlotKind::external ? n < 8 || n > most_external : n != params_size(out.kind))
    slots.fail("length of params", "does not fit the kind");
  slots.zeros(4, "field at 4");
  const View id = slots.take(16, "slot id");
  std::copy(id.begin(), id.end(), out.id.begin());
  if (std::any_of(before.begin(), before.end(), [&](const Slot& s) { return s.id == out.id; })) slots.fail("slot id", "stands twice");
  const View label = slots.take(32, "label");
  const size_t length = static_cast<size_t>(std::find(label.begin(), label.end(), 0) - label.begin());
  if (!printable_range(label.first(length), 0x20, 0x7E)) slots.fail("label", "has other bytes than 20 to 7E");
  if (!all_zero(label.subspan(length))) slots.fail("label", "has bytes after its end");
  out.label = text(label.first(length));
  const View params = slots.take(n, "params");
  parse_params(out, params, most_log_n, slots);
  slots.take(kSlotBack, "check and wrapped key");
  out.bytes = {kind_and_size.data(), kSlotFront + n + kSlotBack};
  return out;
}

View Slot::blob() const { return params().subspan(5 + provider.size() + key_id.size()); }

Header parse_header(Bytes bytes, int most_log_n) {
  Header out;
  out.bytes = std::move(bytes);
  const View all = out.bytes;
  std::copy_n(all.begin(), kIdentity, out.identity.bytes.begin());
  if (!equal(sha256({all.first(all.size() - 64)}), out.digest())) throw Error(Code::seal_damaged, "header: the digest does not fit");

  Cursor c(all.first(all.size() - 64).subspan(kSlotsStart), Code::seal_format, "header");
  const size_t slots = load16(all.data() + 132), signatures = load16(all.data() + 134);
  for (size_t i = 0; i < slots; ++i) {
    within([&] { return "slot " + std::to_string(i); }, [&] { out.slots.push_back(parse_slot(c, most_log_n, out.slots)); });
  }
  for (size_t i = 0; i < signatures; ++i) {
    const View record = c.take(kSignature, "signature " + std::to_string(i));
    SignatureRecord& s = out.signatures.emplace_back();
    std::copy_n(record.begin(), 32, s.key.begin());
    std::copy_n(record.begin() + 32, 64, s.signature.begin());
    for (size_t j = 0; j < i; ++j) {
      if (out.signatures[j].key == s.key) c.fail("public key of signature " + std::to_string(i), "stands twice");
    }
  }
  c.zeros(c.left(), "space after the signatures");
  return out;
}

std::vector<Block<32>> check_signatures(const Header& header, const std::vector<Block<32>>& signers) {
  if (signers.empty()) return {};
  std::vector<Block<32>> good;
  for (const SignatureRecord& record : header.signatures) {
    if (std::find(signers.begin(), signers.end(), record.key) == signers.end()) continue;
    if (!signature_fits(header.core(), record)) { throw Error(Code::seal_bad_signature, "the signature by " + hex(record.key) + " does not verify"); }
    good.push_back(record.key);
  }
  if (good.empty()) throw Error(Code::seal_unsigned, "no signature by a trusted signer");
  return good;
}

SignatureRecord sign_core(View core, View seed) {
  TENON_ASSERT(core.size() == kCore && seed.size() == 32);
  return {ed25519_public(seed), ed25519_sign(seed, signed_message(core))};
}

bool signature_fits(View core, const SignatureRecord& record) { return ed25519_verify(record.key, signed_message(core), record.signature); }

bool mac_fits(const Header& header, View header_key) {
  Block<32> mac;
  hmac(Hash::sha256, header_key, {View(header.bytes).first(header.bytes.size() - 32)}, mac);
  return equal_constant_time(mac, header.mac());
}

size_t header_size(const std::vector<Slot>& slots, size_t signatures) {
  size_t n = kSlotsStart + signatures * kSignature + 64;
  for (const Slot& slot : slots) n += slot.bytes.size();
  return (n + 4095) / 4096 * 4096;
}

Bytes build_header(View core, const std::vector<Slot>& slots, const std::vector<SignatureRecord>& signatures, View header_key) {
  if (slots.empty()) throw Error(Code::seal_format, "at least one key slot must remain");
  if (slots.size() > kMostSlots) throw Error(Code::seal_limit, "more than 64 key slots");
  if (std::count_if(slots.begin(), slots.end(), [](const Slot& s) { return s.kind == SlotKind::passphrase; }) > int{kMostPassphraseSlots}) {
    throw Error(Code::seal_limit, "more than 4 passphrase slots");
  }
  if (signatures.size() > kMostSignatures) throw Error(Code::seal_limit, "more than 8 signatures");
  const size_t size = header_size(slots, signatures.size());
  if (size > kMostHeader) throw Error(Code::seal_limit, "the header would be larger than 1 MiB");
  Bytes out(size);
  std::copy(core.begin(), core.end(), out.begin());
  store<uint32_t>(out.data() + 128, static_cast<uint32_t>(size));
  store<uint16_t>(out.data() + 132, static_cast<uint16_t>(slots.size()));
  store<uint16_t>(out.data() + 134, static_cast<uint16_t>(signatures.size()));
  uint8_t* p = out.data() + kSlotsStart;
  for (const Slot& slot : slots) p = std::copy(slot.bytes.begin(), slot.bytes.end(), p);
  for (const SignatureRecord& s : signatures) p = std::copy(s.signature.begin(), s.signature.end(), std::copy(s.key.begin(), s.key.end(), p));
  const Block<32> digest = sha256({View(out).first(size - 64)});
  std::copy(digest.begin(), digest.end(), out.end() - 64);
  hmac(Hash::sha256, header_key, {View(out).first(size - 32)}, std::span(out).last(32));
  return out;
}

void check_label(std::string_view label) {
  if (label.size() > 32 || !printable_range(ascii(label), 0x20, 0x7E)) throw Error(Code::bad_usage, "a slot label is at most 32 bytes of 20 to 7E");
}

}  // namespace tenon::seal
