// libFuzzer target of the sealed container (docs/sealed_format.md, case E36 included): what a file,
// a sender who knows the file key, or a log may hold. The first byte picks the parser. Anything but
// a tenon::Error that leaves one is a finding. Built with clang's
// -fsanitize=fuzzer,address,undefined. Where TENON_FUZZ_SEEDS names a folder, it first writes one
// good input of each kind there.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "formats/seal/age.h"
#include "formats/seal/seal.h"
#include "runtime/trust/audit.h"

namespace tenon::seal {
namespace {

constexpr uint8_t kKinds = 10;

KeyRing keys() {
  KeyRing out;
  out.add_raw(Secret(32));
  return out;
}

void fix_digest(std::span<uint8_t> header) {
  const Block<32> digest = sha256({View(header).first(header.size() - 64)});
  std::copy(digest.begin(), digest.end(), header.end() - 64);
}

// The header as it stands, and with the digest that makes the rest of it count.
void fuzz_header(View input, bool fixed_up) {
  Bytes bytes(input.begin(), input.end());
  bytes.resize(std::max(bytes.size(), kLeastHeader));
  bytes.resize(check_front(View(bytes).first(kLeastHeader)));
  if (fixed_up) fix_digest(bytes);
  const Header header = parse_header(std::move(bytes), kMostLogN);
  unlock(header, keys(), std::chrono::milliseconds(1));
}

// All of a file, with the digest that makes the rest of it count: opened and read to its end.
void fuzz_container(View input) {
  Bytes bytes(input.begin(), input.end());
  if (bytes.size() < kLeastHeader) return;
  if (const uint32_t size = load32(bytes.data() + 128); size >= kLeastHeader && size <= bytes.size()) fix_digest(std::span(bytes).first(size));
  const KeyRing ring = keys();
  const auto file = SealedFile::open(View(bytes), {.keys = &ring, .threads = 1});
  Bytes all(file->data_size());
  file->read(0, all);
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
  static const Block<32> key = ed25519_public(sha256({ascii("not the key of the seed")}));
  trust::AuditVerifier verifier(key);
  const size_t cut = input.size() / 2;
  verifier.add_witness(input.substr(cut));
  verifier.start_file();
  verifier.add(input.substr(0, cut));
  verifier.start_file();
  verifier.add(input);
  if (verifier.finish().exit == 0) std::abort();  // nothing here is signed by this key
}

void fuzz_one(uint8_t which, View input) {
  switch (which % kKinds) {
    case 0: return fuzz_header(input, false);
    case 1: return fuzz_header(input, true);
    case 2: return fuzz_slots(input);
    case 3: return fuzz_manifest(input);
    case 4: return fuzz_policy(text(input), PolicyPlace::file);
    case 5: return fuzz_policy(text(input), PolicyPlace::host);
    case 6: return fuzz_audit(text(input));
    case 7: return static_cast<void>(parse_metadata(text(input)));
    case 8: return fuzz_container(input);
    default: return static_cast<void>(parse_identity_file(text(input)));
  }
}

Bytes slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

void write_seeds(const std::string& folder) {
  const auto write = [&](uint8_t which, View input) {
    std::ofstream out(folder + "/made" + std::to_string(which), std::ios::binary);
    out.put(static_cast<char>(which));
    out.write(reinterpret_cast<const char*>(input.data()), static_cast<std::streamsize>(input.size()));
    out.close();
    if (!out) std::abort();
    fuzz_one(which, input);  // which takes it
  };
  const std::string policy = R"({"v":1,"model":"acme/ocr","release":7,"not_before":1,"not_after":1798761600,"audit":"load",)"
                             R"("grants":[{"who":["any","user:alice"],"may":["run","serve","inspect","share","export"],"not_after":1790000000}]})",
                    host = R"({"v":1,"grants":[{"who":["group:ocr"],"may":["run"]}]})", metadata = R"({"title":"a \u00e4 b","":"c"})";
  const std::vector<uint64_t> blobs = {5000, 0, 300};
  const std::string path = folder + "/scratch-" + std::to_string(getpid());
  SealInput input{.model = ascii("model"), .policy = policy, .metadata = metadata, .blobs = blobs, .read = {}};
  input.read = [](size_t, uint64_t, std::span<uint8_t> to) { std::fill(to.begin(), to.end(), uint8_t{7}); };
  SealOptions options;
  options.slots.push_back(NewSlot::raw(Secret(32), "raw"));
  options.slots.push_back(NewSlot::passphrase(Secret(ascii("words")), "people", kLeastLogN));
  options.slots.push_back(NewSlot::to(x25519_public(Secret(ascii("a secret key of thirty-two bytes")))));
  options.slots.push_back(NewSlot::external({"kms", {"/bin/echo", "-n"}}, "key/7"));
  options.signers.push_back(Secret(32));
  options.segment_log2 = kLeastSegmentLog2;
  seal(path, input, options);
  const Bytes container = slurp(path);
  ::unlink(path.c_str());
  write(8, container);
  const KeyRing ring = keys();
  const auto file = SealedFile::open(View(container), {.keys = &ring, .threads = 1});
  const View header = View(container).first(load32(container.data() + 128));
  write(0, header), write(1, header);
  size_t slots = 0;
  for (const Slot& s : file->slots()) slots += s.bytes.size();
  write(2, header.subspan(144, slots));
  Bytes manifest(8);
  store<uint64_t>(manifest.data(), file->data_size());
  const ManifestPlan plan = plan_manifest(segments(file->data_size(), kLeastSegmentLog2), blobs, input.model, policy, metadata);
  manifest.insert(manifest.end(), plan.plain.begin(), plan.plain.end());
  write(3, manifest);
  write(4, ascii(policy)), write(5, ascii(host)), write(7, ascii(metadata));
  {
    trust::AuditLog log(path, Secret(32), {.sync = false});
    log.write({.event = trust::AuditRecord::load, .file = std::string(64, 'a'), .model = "acme/ocr", .who = "any", .operation = "run"});
    log.checkpoint();
    log.write({.event = trust::AuditRecord::run, .who = "user:\"\n", .request = "7", .bytes_in = 1, .ok = false, .error = "kIo"});
  }
  write(6, slurp(path));
  ::unlink(path.c_str());
  const Secret identity = identity_string(Secret(ascii("a secret key of thirty-two bytes")));
  const View comment = ascii("# made\r\n\n");
  Bytes identities(comment.begin(), comment.end());
  identities.insert(identities.end(), identity.data(), identity.data() + identity.size());
  write(9, identities);
}

}  // namespace
}  // namespace tenon::seal

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  if (const char* folder = std::getenv("TENON_FUZZ_SEEDS")) tenon::seal::write_seeds(folder);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  try {
    tenon::seal::fuzz_one(data[0], {data + 1, size - 1});
  } catch (const tenon::Error&) {}
  return 0;
}
