// libFuzzer target of the sealed container: what a file, a sender who knows the file key, or a log may hold. The first byte picks the
// parser. Anything but a tenon::Error that leaves one is a finding. Built with clang's -fsanitize=fuzzer,address,undefined.
#include <cstdint>
#include <cstdlib>

#include "formats/seal/age.h"
#include "formats/seal/manifest.h"
#include "formats/seal/slots.h"
#include "runtime/trust/audit.h"

namespace tenon::seal {
namespace {

// The header as it stands, and with the digest that makes the rest of it count.
void fuzz_header(View input, bool fix_digest) {
  Bytes bytes(input.begin(), input.end());
  bytes.resize(std::max(bytes.size(), kLeastHeader));
  const size_t size = check_front(View(bytes).first(kLeastHeader));
  bytes.resize(size);
  if (fix_digest) {
    const Block<32> digest = sha256({View(bytes).first(size - 64)});
    std::copy(digest.begin(), digest.end(), bytes.end() - 64);
  }
  const Header header = parse_header(std::move(bytes), kMostLogN);
  KeyRing keys;
  keys.add_raw(Secret(32));
  unlock(header, keys, std::chrono::milliseconds(1));
}

// Slots alone, so that the fuzzer need not build a header around them.
void fuzz_slots(View input) {
  Cursor cursor(input, Code::seal_format, "slots");
  std::vector<Slot> slots;
  while (cursor.left() && slots.size() < kMostSlots) {
    slots.push_back(parse_slot(cursor, kMostLogN, slots));
    if (slots.back().kind == SlotKind::external && slots.back().blob().empty()) std::abort();
  }
}

void fuzz_manifest(View input) {
  if (input.size() < 9) return;
  const Block<32> file_id{};
  const FileIdentity identity = make_identity(file_id, 12, load64(input.data()) % (kMostData + 1), input.size() - 8);
  const Manifest manifest = parse_manifest(input.subspan(8), identity);
  for (const Blob& blob : manifest.blobs) {
    if (blob.offset + blob.length > identity.data_plain()) std::abort();
  }
}

void fuzz_policy(std::string_view input, PolicyPlace place) {
  const Policy policy = parse_policy(input, place);
  const std::string principals[] = {"any", "user:alice"};
  const Decision decision = decide(&policy, principals, Operation::run, 1000);
  if (decision.allow && decision.until <= 1000) std::abort();
}

void fuzz_audit(std::string_view input) {
  Block<32> key{};
  trust::AuditVerifier verifier(key);
  const size_t cut = input.size() / 2;
  verifier.add_witness(input.substr(cut));
  verifier.start_file();
  verifier.add(input.substr(0, cut));
  verifier.start_file();
  verifier.add(input);
  if (verifier.finish().exit == 0) std::abort();  // nothing here is signed by a key that anyone has
}

void fuzz_one(uint8_t which, View input) {
  switch (which % 9) {
    case 0: return fuzz_header(input, false);
    case 1: return fuzz_header(input, true);
    case 2: return fuzz_slots(input);
    case 3: return fuzz_manifest(input);
    case 4: return fuzz_policy(text(input), PolicyPlace::file);
    case 5: return fuzz_policy(text(input), PolicyPlace::host);
    case 6: return fuzz_audit(text(input));
    case 7: return static_cast<void>(parse_metadata(text(input)));
    default: return static_cast<void>(parse_identity_file(text(input)));
  }
}

}  // namespace
}  // namespace tenon::seal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  try {
    tenon::seal::fuzz_one(data[0], {data + 1, size - 1});
  } catch (const tenon::Error&) {}
  return 0;
}
