// The header of a sealed file: identity, core, key slots, signature records, digest and MAC.
// Implements docs/sealed_format.md, sections 2, 6 and 7; the steps below are those of its section
// 8.1.
#pragma once

#include <memory>

#include "formats/seal/secret.h"

namespace tenon::seal {

inline constexpr size_t kLeastHeader = 4096, kMostHeader = size_t{1} << 20;
inline constexpr size_t kIdentity = 64, kCore = 128, kSlotsStart = 144;
inline constexpr size_t kSlotFront = 56, kSlotBack = 80;  // before and after the params of a slot
inline constexpr size_t kMostSlots = 64, kMostPassphraseSlots = 4, kMostSignatures = 8, kSignature = 96;
inline constexpr uint64_t kMostData = uint64_t{1} << 44, kMostManifest = uint64_t{1} << 30;
inline constexpr int kLeastLogN = 14, kMostLogN = 18, kMostLogNByOption = 22, kDefaultLogN = 17;
inline constexpr int kLeastSegmentLog2 = 12, kMostSegmentLog2 = 20, kDefaultSegmentLog2 = 18;
inline constexpr size_t kMostProvider = 32, kMostKeyId = 256, kMostWrapped = 8192;

// Segments and bytes of a stream of n plaintext bytes.
uint64_t segments(uint64_t n, int segment_log2);
uint64_t floe_length(uint64_t n, int segment_log2);

// The first 64 bytes, which never change and bind both streams.
struct FileIdentity {
  Block<kIdentity> bytes;

  View file_id() const { return View(bytes).subspan(16, 32); }
  int segment_log2() const { return bytes[11]; }
  uint64_t data_plain() const { return load64(bytes.data() + 48); }
  uint64_t manifest_plain() const { return load64(bytes.data() + 56); }
  uint64_t data_segments() const { return segments(data_plain(), segment_log2()); }
  uint64_t manifest_segments() const { return segments(manifest_plain(), segment_log2()); }
};

FileIdentity make_identity(const Block<32>& file_id, int segment_log2, uint64_t data_plain, uint64_t manifest_plain);

enum class SlotKind : uint16_t { raw = 1, passphrase = 2, recipient = 3, external = 4 };
std::string_view name(SlotKind kind);

// A slot as it stands in the header.
struct Slot {
  SlotKind kind;
  Block<16> id;
  std::string label;
  View bytes;                          // all of it: front, params, check, wrapped key. In the header that was parsed, which outlives this,
  std::shared_ptr<const Bytes> owned;  // or here, in a slot that was made
  // From the params, as the kind has them.
  int log_n = 0;
  std::string provider, key_id;
  View blob() const;  // external

  View params() const { return bytes.subspan(kSlotFront, bytes.size() - kSlotFront - kSlotBack); }
  View salted() const { return bytes.first(bytes.size() - kSlotBack); }  // what `wrap` and `check` are derived from
  View check() const { return bytes.subspan(bytes.size() - kSlotBack, 32); }
  View wrapped() const { return bytes.last(48); }
};

struct SignatureRecord {
  Block<32> key;
  Block<64> signature;
};

// Not copied: slots look into its bytes.
struct Header {
  Header() = default;
  Header(Header&&) = default;
  Header& operator=(Header&&) = default;

  Bytes bytes;  // H of them
  FileIdentity identity;
  std::vector<Slot> slots;
  std::vector<SignatureRecord> signatures;

  View core() const { return View(bytes).first(kCore); }
  View data_root() const { return View(bytes).subspan(64, 32); }
  View manifest_root() const { return View(bytes).subspan(96, 32); }
  View digest() const { return View(bytes).subspan(bytes.size() - 64, 32); }
  View mac() const { return View(bytes).last(32); }
  uint64_t data_offset() const { return bytes.size(); }
  uint64_t manifest_offset() const { return data_offset() + floe_length(identity.data_plain(), identity.segment_log2()); }
  uint64_t file_size() const { return manifest_offset() + floe_length(identity.manifest_plain(), identity.segment_log2()); }
};

bool has_magic(View bytes);  // the first 8
// Section 8.1, step 2, the part that sees only the first 4,096 bytes: every field before the slots.
// Returns H.
size_t check_front(View front);
// The rest of section 8.1, steps 2 and 3: digest, slots, signatures, zeros. `bytes` are H bytes
// whose front has been checked.
Header parse_header(Bytes bytes, int most_log_n);
// One slot at the cursor, after the slots `before` it.
Slot parse_slot(Cursor& slots, int most_log_n, std::span<const Slot> before);

// Section 8.1, step 4: Error(seal_unsigned) if no record is by one of `signers`,
// Error(seal_bad_signature) if one of theirs does not verify. Returns the signers whose records
// verify.
std::vector<Block<32>> check_signatures(const Header& header, const std::vector<Block<32>>& signers);
SignatureRecord sign_core(View core, View seed);
bool signature_fits(View core, const SignatureRecord& record);

// Whether the MAC fits. K_header is 32 bytes.
bool mac_fits(const Header& header, View header_key);

// A header of the smallest legal size with a new digest and MAC. Throws Error(seal_limit) or Error(seal_format) for what a reader
// would refuse.
Bytes build_header(View core, const std::vector<Slot>& slots, const std::vector<SignatureRecord>& signatures, View header_key);
size_t header_size(const std::vector<Slot>& slots, size_t signatures);

void check_label(std::string_view label);  // at most 32 bytes of 20..7E, else Error(bad_usage)

}  // namespace tenon::seal
