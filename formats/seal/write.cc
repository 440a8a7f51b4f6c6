// Sealing, and changing slots and signatures: docs/sealed_format.md, sections 8.3 and 8.4.
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>

#include "formats/seal/open.h"
#include "formats/seal/save.h"

namespace tenon::seal {
namespace {

// Encrypts one stream, segment by segment, and writes it.
class StreamWriter {
 public:
  StreamWriter(System& system, Save& save, const FileIdentity& identity, View key, std::string_view name, std::string_view root_label,
               uint64_t offset)
      : save_(save),
        name_(name),
        offset_(offset),
        log2_(identity.segment_log2()),
        sealer_(system, {.segment = (uint32_t{1} << log2_) + Floe::kOverhead}, key, identity.bytes),
        root_(root_label, sealer_.floe().header()) {
    save_.write(sealer_.floe().header(), offset_, name_);
  }

  // The segment's digest.
  Block<32> add(View plain, bool last) {
    const uint64_t at = offset_ + segment_offset(log2_, sealer_.count());
    bytes_.resize(plain.size() + Floe::kOverhead);
    sealer_.add(plain, last, bytes_.data());
    save_.write(bytes_, at, name_);
    const Block<32> digest = sha256({bytes_});
    root_.add(digest);
    return digest;
  }

  Block<32> root() { return root_.finish(); }

 private:
  Save& save_;
  std::string_view name_;
  uint64_t offset_;
  int log2_;
  FloeSealer sealer_;
  RootHash root_;
  Bytes bytes_;
};

// Hands out the data plaintext in order: blobs, with zeros between them.
class Plaintext {
 public:
  Plaintext(const SealInput& input, const std::vector<Blob>& blobs) : input_(input), blobs_(blobs) {}

  void fill(std::span<uint8_t> destination) {
    std::fill(destination.begin(), destination.end(), uint8_t{0});
    const uint64_t end = at_ + destination.size();
    while (blob_ < blobs_.size() && blobs_[blob_].offset < end) {
      const Blob& blob = blobs_[blob_];
      const uint64_t first = std::max(at_, blob.offset), last = std::min(end, blob.offset + blob.length);
      if (first < last) input_.read(blob_, first - blob.offset, destination.subspan(first - at_, last - first));
      if (blob.offset + blob.length > end) break;
      ++blob_;
    }
    at_ = end;
  }

 private:
  const SealInput& input_;
  const std::vector<Blob>& blobs_;
  size_t blob_ = 0;
  uint64_t at_ = 0;
};

// What is decided before a byte is encrypted.
struct Preparation {
  FileIdentity identity;
  std::vector<Blob> blobs;
  ManifestPlan manifest;
  Secret file_key;
  FileKeys keys;
  std::vector<Slot> slots;
};

Preparation prepare(System& system, const SealInput& input, const SealOptions& options) {
  const int log2 = options.segment_log2;
  if (log2 < kLeastSegmentLog2 || log2 > kMostSegmentLog2)
    throw Error(Code::bad_usage, "seal: segments of 2^12 to 2^20 bytes, not 2^" + std::to_string(log2));
  if (options.slots.empty()) throw Error(Code::bad_usage, "seal: no key is given to whom the file is sealed");
  if (options.slots.size() > kMostSlots) throw Error(Code::seal_limit, "more than 64 key slots");
  if (options.signers.size() > kMostSignatures) throw Error(Code::seal_limit, "more than 8 signatures");
  std::vector<Block<32>> signers;
  for (const Secret& seed : options.signers) signers.push_back(ed25519_public(seed));
  std::sort(signers.begin(), signers.end());
  if (std::adjacent_find(signers.begin(), signers.end()) != signers.end()) throw Error(Code::bad_usage, "seal: one signer is given twice");
  Preparation out;
  uint64_t data_plain = 0;
  out.blobs = place_blobs(input.blobs, data_plain);
  out.manifest = plan_manifest(segments(data_plain, log2), input.blobs, input.model, input.policy, input.metadata);
  Block<32> file_id;
  random_bytes(system, file_id);
  out.identity = make_identity(file_id, log2, data_plain, out.manifest.plain.size());
  out.file_key = Secret(32);
  random_private_bytes(system, out.file_key.span());
  out.keys = derive_keys(file_id, out.file_key);
  for (const NewSlot& spec : options.slots) {
    out.slots.push_back(
        within([&] { return "key slot " + std::to_string(out.slots.size()); }, [&] { return make_slot(system, file_id, out.file_key, spec); }));
  }
  return out;
}

Block<32> write_data(System& system, Save& save, const SealInput& input, Preparation& p, uint64_t offset) {
  StreamWriter writer(system, save, p.identity, p.keys.data, "data stream", kDataRoot, offset);
  Plaintext plaintext(input, p.blobs);
  const uint64_t size = uint64_t{1} << p.identity.segment_log2(), count = p.identity.data_segments();
  WipedBytes segment;
  for (uint64_t i = 0; i < count; ++i) {
    segment.resize(std::min(size, p.identity.data_plain() - i * size));
    plaintext.fill(segment);
    const Block<32> digest = writer.add(segment, i + 1 == count);
    std::copy(digest.begin(), digest.end(), p.manifest.plain.begin() + static_cast<ptrdiff_t>(p.manifest.digests + 32 * i));
  }
  return writer.root();
}

Block<32> write_manifest(System& system, Save& save, const Preparation& p, uint64_t offset) {
  StreamWriter writer(system, save, p.identity, p.keys.manifest, "manifest stream", kManifestRoot, offset);
  const uint64_t size = uint64_t{1} << p.identity.segment_log2(), count = p.identity.manifest_segments();
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t start = i * size;
    writer.add(View(p.manifest.plain).subspan(start, std::min(size, p.manifest.plain.size() - start)), i + 1 == count);
  }
  return writer.root();
}

Block<32> seal_to(System& system, const std::string& path, const SealInput& input, const SealOptions& options) {
  Preparation p = prepare(system, input, options);
  // Made once with roots of zero: its size, and what a reader would refuse, are known before anything is written.
  const std::vector<SignatureRecord> placeholders(options.signers.size());
  Bytes core(kCore);
  std::copy(p.identity.bytes.begin(), p.identity.bytes.end(), core.begin());
  const size_t header = build_header(core, p.slots, placeholders, p.keys.header).size();

  Save save(system, path);
  const Block<32> data_root = write_data(system, save, input, p, header);
  const uint64_t manifest_offset = header + floe_length(p.identity.data_plain(), p.identity.segment_log2());
  const Block<32> manifest_root = write_manifest(system, save, p, manifest_offset);
  std::copy(data_root.begin(), data_root.end(), core.begin() + 64);
  std::copy(manifest_root.begin(), manifest_root.end(), core.begin() + 96);
  std::vector<SignatureRecord> signatures;
  for (const Secret& seed : options.signers) signatures.push_back(sign_core(core, seed));
  save.write(build_header(core, p.slots, signatures, p.keys.header), 0, "header");
  save.commit();
  Block<32> file_id;
  std::copy(p.identity.file_id().begin(), p.identity.file_id().end(), file_id.begin());
  return file_id;
}

}  // namespace

Block<32> seal(const std::string& path, const SealInput& input, const SealOptions& options) {
  System& system = options.system ? *options.system : real_system();
  return guarded("cannot seal", path, [&] { return seal_to(system, path, input, options); });
}

namespace {

// The file at `path`, locked; taken again until the path names what is locked, so that a change made meanwhile is not undone.
File lock_file(System& system, const std::string& path) {
  for (;;) {
    File file = open_file(system, path);
    if (retry([&] { return system.flock(file.fd(), LOCK_EX); }) != 0) fail_io("locking the file");
    struct stat locked, named;
    if (system.fstat(file.fd(), &locked) != 0) fail_io("looking at the file");
    if (system.fstatat(AT_FDCWD, path.c_str(), &named, 0) != 0) fail_io("looking at the file");
    if (locked.st_dev == named.st_dev && locked.st_ino == named.st_ino) return file;
  }
}

std::vector<Slot> changed_slots(System& system, const SealedFile::Open& open, const SlotChange& change) {
  std::vector<Slot> out = open.header.slots;
  for (const Block<16>& id : change.remove) {
    if (!std::erase_if(out, [&](const Slot& s) { return s.id == id; })) throw Error(Code::bad_usage, "no slot has the id " + hex(id));
  }
  for (const NewSlot& spec : change.add) out.push_back(make_slot(system, open.header.identity.file_id(), open.unlocked.file_key, spec));
  return out;
}

std::vector<SignatureRecord> changed_signatures(const SealedFile::Open& open, const SlotChange& change) {
  std::vector<SignatureRecord> out = open.header.signatures;
  for (const Block<32>& key : change.remove_signatures) {
    if (!std::erase_if(out, [&](const SignatureRecord& s) { return s.key == key; })) throw Error(Code::bad_usage, "no signature is by " + hex(key));
  }
  const auto add = [&](const SignatureRecord& record) {
    const bool twice = std::any_of(out.begin(), out.end(), [&](const SignatureRecord& s) { return s.key == record.key; });
    if (twice) throw Error(Code::bad_usage, "a signature by " + hex(record.key) + " is there already");
    out.push_back(record);
  };
  for (const Secret& seed : change.sign) add(sign_core(open.header.core(), seed));
  for (const SignatureRecord& record : change.records) {
    if (!signature_fits(open.header.core(), record))
      throw Error(Code::seal_bad_signature, "the signature by " + hex(record.key) + " does not verify");
    add(record);
  }
  return out;
}

void change_file(System& system, const std::string& path, const OpenOptions& options, const SlotChange& change) {
  auto open = open_steps(lock_file(system, path), options, true);
  SealedFile::Open& o = *open;
  const SealedFile file(std::move(open));
  if (options.admit) options.admit(file);
  const std::vector<Slot> slots = changed_slots(system, o, change);
  const Bytes header = build_header(o.header.core(), slots, changed_signatures(o, change), o.unlocked.keys.header);
  Save save(system, path);
  uint64_t at = header.size();
  for (const Stream& stream : {data_stream(o.header), manifest_stream(o.header)}) {
    read_stream(o.file, o.header, stream, [&](View bytes) {
      save.write(bytes, at, stream.name);
      at += bytes.size();
    });
  }
  save.write(header, 0, "header");
  save.commit();
}

}  // namespace

void change(const std::string& path, const OpenOptions& options, const SlotChange& change) {
  guarded("cannot change", path, [&] { change_file(system_of(options), path, options, change); });
}

}  // namespace tenon::seal
