// FLOE, "Fast Lightweight Online Encryption" (C2SP; ePrint 2025/2275), with AES-256-GCM,
// HKDF-Expand-SHA-384 and a 32-byte IV: a stream of segments of E bytes, each of which can be
// opened alone. Implements docs/sealed_format.md, section 4.
#pragma once

#include "formats/seal/crypto.h"
#include "formats/seal/system.h"

namespace tenon::seal {

struct FloeParameters {
  uint32_t segment;       // E: bytes of an encrypted inner segment, at least 33
  int cleared_bits = 20;  // one AES key serves 2^cleared_bits segments
};

// The keys of one stream. Immutable once made; shared by the ciphers of several threads.
class Floe {
 public:
  static constexpr size_t kHeader = 74;
  static constexpr uint32_t kOverhead = 32;

  // To seal: writes the header of a stream with this IV.
  Floe(FloeParameters parameters, View key, View aad, const Block<32>& iv);
  // To open. Throws Error(seal_auth) if the header is not one of these parameters, this key and this associated data.
  Floe(FloeParameters parameters, View key, View aad, View header);

  const Block<kHeader>& header() const { return header_; }
  uint32_t plain_size() const { return parameters_.segment - kOverhead; }  // P
  uint64_t epoch(uint64_t i) const { return i >> parameters_.cleared_bits << parameters_.cleared_bits; }
  Secret segment_key(uint64_t i) const;

 private:
  Block<kHeader - 32> prefix(const Block<32>& iv) const;
  void expand(View key, std::initializer_list<View> purpose, std::span<uint8_t> out) const;

  FloeParameters parameters_;
  Bytes aad_;
  Block<kHeader> header_;
  Secret message_key_;
};

// Seals and opens segments of one stream for one thread; holds the AES key of 2^cleared_bits segments.
class FloeCipher {
 public:
  explicit FloeCipher(const Floe& floe) : floe_(floe) {}

  // `dst` gets plain.size() + 32 bytes. Inner segments have exactly P bytes, the last one at most P.
  void seal(uint64_t i, bool last, const Block<12>& nonce, View plain, uint8_t* dst);
  // `dst` gets segment.size() - 32 bytes. `i` and `last` come from the lengths of the stream, never from the segment. Throws
  // Error(seal_auth) that names the check; `dst` is then wiped.
  void open(uint64_t i, bool last, View segment, uint8_t* dst);

 private:
  void use_key(uint64_t i);

  const Floe& floe_;
  std::unique_ptr<Gcm> gcm_ = make_gcm();
  uint64_t epoch_ = 0;
  bool keyed_ = false;
};

// Seals a stream from its first segment to its last. IV and nonces are drawn from the system: each once, each for one use.
class FloeSealer {
 public:
  FloeSealer(System& system, FloeParameters parameters, View key, View aad);

  const Floe& floe() const { return floe_; }
  uint64_t count() const { return count_; }  // segments so far
  // The next segment; `dst` gets plain.size() + 32 bytes. Throws Error(resource) when the generator fails.
  void add(View plain, bool last, uint8_t* dst);

 private:
  System& system_;
  Floe floe_;
  FloeCipher cipher_;
  uint64_t count_ = 0;
};

}  // namespace tenon::seal
