// The algorithms of the sealed format, over OpenSSL 3; AES-GCM also over Intel's IPsec Multi-Buffer library. Algorithms are fetched
// once. A failure inside a library that is not a verdict on the data (no memory, no provider) is Error(resource).
#pragma once

#include <initializer_list>
#include <memory>

#include "formats/seal/secret.h"

struct evp_md_ctx_st;

namespace tenon::seal {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  Sha256& update(View bytes);
  Block<32> finish();  // and starts anew

 private:
  evp_md_ctx_st* context_;
};

Block<32> sha256(std::initializer_list<View> parts);

// HMAC and HKDF (RFC 2104, RFC 5869). OpenSSL 3.0's own HKDF takes at most 2 KiB of info and the slot of an external key is
// longer, so the expansion is written here over HMAC.
enum class Hash { sha256, sha384 };
size_t hash_size(Hash hash);
void hmac(Hash hash, View key, std::initializer_list<View> parts, std::span<uint8_t> out);  // out: hash_size bytes
void hkdf_extract(Hash hash, View salt, View ikm, std::span<uint8_t> prk);
void hkdf_expand(Hash hash, View prk, std::initializer_list<View> info, std::span<uint8_t> out);  // out: at most 255 hash_size bytes

// AES-256-GCM with a 12-byte nonce and a 16-byte tag. The object holds the key until it is destroyed or set again.
class Gcm {
 public:
  virtual ~Gcm() = default;
  Gcm() = default;
  Gcm(const Gcm&) = delete;
  Gcm& operator=(const Gcm&) = delete;
  virtual void set_key(View key) = 0;
  virtual void seal(View nonce, View aad, View plain, uint8_t* cipher, uint8_t* tag) = 0;
  // False if the tag does not fit; `plain` then holds bytes that must not be used. `plain` may be where `cipher` begins.
  [[nodiscard]] virtual bool open(View nonce, View aad, View cipher, View tag, uint8_t* plain) = 0;
};

std::unique_ptr<Gcm> make_openssl_gcm();
// More than twice as fast as OpenSSL 3.0 where the processor has AVX-512 with vector AES. Null where it has not, and in a build
// without the library.
std::unique_ptr<Gcm> make_ipsec_mb_gcm();
// The faster one that there is.
std::unique_ptr<Gcm> make_gcm();

// r = 8, p = 1, 32 bytes; memory is 2^log_n KiB.
Secret scrypt(View passphrase, View salt, int log_n);

Block<32> x25519_public(View secret);
// The shared secret, 32 bytes; empty if it is all zero.
Secret x25519(View secret, View public_key);

Block<32> ed25519_public(View seed);
Block<64> ed25519_sign(View seed, View message);
bool ed25519_verify(View public_key, View message, View signature);
// A public key of 32 bytes under which anybody can make signatures: a point of order 1, 2, 4 or 8, however it is encoded.
bool ed25519_low_order(View public_key);

bool equal_constant_time(View a, View b);

}  // namespace tenon::seal
