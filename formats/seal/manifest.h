// The manifest: digests of the data segments, lengths of the blobs, the model, policy and metadata.
// Implements docs/sealed_format.md, section 5.
#pragma once

#include <optional>

#include "formats/seal/crypto.h"
#include "formats/seal/header.h"
#include "formats/seal/json.h"
#include "formats/seal/policy.h"

namespace tenon::seal {

inline constexpr size_t kMostBlobs = size_t{1} << 20, kMostPolicy = size_t{256} << 10, kMostMetadata = size_t{1} << 20;

struct Blob {
  uint64_t offset, length;  // in the plaintext of the data stream
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

// Views into the plaintext that was parsed, which must outlive it.
struct Manifest {
  View digests;  // 32 bytes for each data segment
  View model;
  std::vector<Blob> blobs;
  std::string_view policy_text, metadata_text;
  std::optional<Policy> policy;
  std::optional<Metadata> metadata;
};

// Throws Error(seal_format), Error(seal_limit), Error(policy_format).
Manifest parse_manifest(View plain, const FileIdentity& identity);

// Where each blob lies, and data_plain. Throws Error(seal_limit) for too many blobs or too many bytes.
std::vector<Blob> place_blobs(const std::vector<uint64_t>& lengths, uint64_t& data_plain);

Metadata parse_metadata(std::string_view text);  // Error(seal_format)

// The plaintext with the digests left zero, and where they lie in it. A null policy or metadata leaves the section out.
struct ManifestPlan {
  WipedBytes plain;
  size_t digests;
};
uint64_t manifest_size(uint64_t data_segments, size_t blobs, size_t model, std::optional<size_t> policy, std::optional<size_t> metadata);
ManifestPlan plan_manifest(uint64_t data_segments, const std::vector<uint64_t>& lengths, View model, const std::optional<std::string>& policy,
                           const std::optional<std::string>& metadata);

// root(label, stream): SHA-256 over the label, the hash of the FLOE header and the hash of each segment.
class RootHash {
 public:
  RootHash(std::string_view label, View floe_header);
  void add(View digest) { hash_.update(digest); }  // SHA-256 of the next segment, or of several
  Block<32> finish() { return hash_.finish(); }

 private:
  Sha256 hash_;
};
inline constexpr std::string_view kDataRoot = "TENON1 data root", kManifestRoot = "TENON1 manifest root";

}  // namespace tenon::seal
