// The sealed model file (.tenon), format version 1: one model, encrypted and authenticated, with
// the keys of those who may open it, signatures, and a policy. The container knows blobs, not
// tensors. Implements docs/sealed_format.md to the byte; the sections named below are that
// document's.
//
// Every function throws tenon::Error with a code of docs/sealed_format.md, section 12. Bad files
// never crash, hang or take memory that section 8.1 does not allow; nothing unauthenticated is
// handed out.
#pragma once

#include <functional>
#include <memory>

#include "formats/seal/manifest.h"
#include "formats/seal/slots.h"

namespace tenon::seal {

class SealedFile;

struct OpenOptions {
  const KeyRing* keys = nullptr;   // null or empty: no slot opens
  std::vector<Block<32>> signers;  // trusted Ed25519 keys. Empty: signatures are not looked at, the file counts as unsigned
  int most_log_n = kMostLogN;      // up to 22 by choice of the caller
  std::chrono::milliseconds command_timeout{10'000};
  int threads = 0;  // that decrypt one read; 0: as many as there are cores
  // docs/sealed_format.md, section 8.1, step 8: throws to refuse. Called once, before the caller of
  // open can read anything of the model.
  std::function<void(const SealedFile&)> admit;
  System* system = nullptr;  // null: the real one; of files
};

// A part of the data plaintext, and where it goes.
struct Piece {
  uint64_t offset;
  std::span<uint8_t> destination;
};

// An open sealed file. Reads are lazy: only the segments that a range touches are read and decrypted. Many threads may read. After the
// first failed read the file is poisoned: this and every later read fails with the same error.
class SealedFile {
 public:
  static std::unique_ptr<SealedFile> open(const std::string& path, const OpenOptions& options);
  // The same of a container in memory, which outlives the result. As with a file, what is read is copied before it is looked at.
  static std::unique_ptr<SealedFile> open(View container, const OpenOptions& options);
  ~SealedFile();
  SealedFile(const SealedFile&) = delete;
  SealedFile& operator=(const SealedFile&) = delete;

  View model() const;  // the portable graph, opaque here
  const std::optional<Policy>& policy() const;
  const std::optional<Metadata>& metadata() const;
  std::optional<std::string_view> policy_text() const;
  std::optional<std::string_view> metadata_text() const;

  const std::vector<Blob>& blobs() const;
  uint64_t data_size() const;
  // A range of the data plaintext, decrypted straight into `destination`. On failure all destinations are wiped. Error(bad_usage)
  // for a range that leaves the data.
  void read(uint64_t offset, std::span<uint8_t> destination) const;
  // Several ranges: a segment that holds many of them is opened once. Cheaper than one call for each.
  void read(std::span<const Piece> pieces) const;
  // While the result lives, threads keep their keys and buffers from one read to the next.
  static std::shared_ptr<void> hold(std::shared_ptr<const SealedFile> file);

  const FileIdentity& identity() const;
  const std::vector<Slot>& slots() const;
  const std::vector<SignatureRecord>& signatures() const;
  const Slot& slot() const;                         // that opened the file
  const std::string& principal() const;             // who opened it: "key:...", "pass" or "cmd:..."
  const std::vector<Block<32>>& signed_by() const;  // trusted signers whose records verified; empty: unsigned
  View core() const;                                // what signatures cover
  uint64_t segments_opened() const;                 // data segments decrypted so far

  struct Open;  // the state after section 8.1, step 7; for the other functions of the container
  explicit SealedFile(std::unique_ptr<Open> open);
  // Section 8.1, step 8: the open file, if options.admit lets it.
  static std::unique_ptr<SealedFile> admitted(std::unique_ptr<Open> open, const OpenOptions& options);

 private:
  std::unique_ptr<Open> open_;
};

// The part that needs no key: docs/sealed_format.md, section 8.1, steps 1 to 3.
Header read_header(const std::string& path, const OpenOptions& options);

// True if the file starts as a sealed file does. False for anything else that can be read.
bool is_sealed(const std::string& path);

// Reads the whole file, as docs/sealed_format.md, section 8.2, says. Without keys: section 8.1,
// steps 1 to 4, then both roots. With keys: steps 1 to 7, then every segment, its digest compared.
// No policy is evaluated. Throws the first failure; returns the signers whose records verified.
std::vector<Block<32>> verify(const std::string& path, const OpenOptions& options);

// ---- Writing ----

// What is sealed. Blobs are asked for in order, in parts of at most one segment.
struct SealInput {
  View model;
  std::optional<std::string> policy, metadata;  // JSON texts, checked before anything is written
  std::vector<uint64_t> blobs;                  // lengths
  // Fills `destination` with the bytes of blob `blob` from `offset` on.
  std::function<void(size_t blob, uint64_t offset, std::span<uint8_t> destination)> read;
};

struct SealOptions {
  std::vector<NewSlot> slots;   // 1..64, at most 4 passphrases
  std::vector<Secret> signers;  // Ed25519 seeds
  int segment_log2 = kDefaultSegmentLog2;
  System* system = nullptr;
};

// Writes `path` anew: new file id, file key and IVs. One segment is in memory at a time. The old file or the new one is at `path`
// whatever happens. Returns the file id.
Block<32> seal(const std::string& path, const SealInput& input, const SealOptions& options);

// Whoever had a removed slot keeps access to the copies he has: the file key does not change. A reseal, given out as a new release,
// cuts him off.
struct SlotChange {
  std::vector<NewSlot> add;
  std::vector<Block<16>> remove;             // slot ids
  std::vector<Secret> sign;                  // Ed25519 seeds
  std::vector<SignatureRecord> records;      // made apart over the 128-byte core; verified before they are added
  std::vector<Block<32>> remove_signatures;  // public keys
};

// docs/sealed_format.md, section 8.4: a new header, the same core and streams; both roots are
// compared while copying. `options.admit` decides about `share`. Waits for another change of the
// same file to end. Throws Error(bad_usage) for a slot or signature that is not there.
void change(const std::string& path, const OpenOptions& options, const SlotChange& change);

}  // namespace tenon::seal
