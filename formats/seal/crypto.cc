#include "formats/seal/crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <memory>

namespace tenon::seal {
namespace {

struct Free {
  void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
  void operator()(EVP_MAC_CTX* p) const { EVP_MAC_CTX_free(p); }
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
  void operator()(EVP_KDF_CTX* p) const { EVP_KDF_CTX_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

[[noreturn]] void fail(const char* what) {
  ERR_clear_error();
  throw Error(Code::resource, std::string("OpenSSL failed: ") + what);
}

void require(bool ok, const char* what) {
  if (!ok) fail(what);
}

struct Algorithms {
  EVP_CIPHER* gcm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  EVP_MD* sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_MD* sha384 = EVP_MD_fetch(nullptr, "SHA384", nullptr);
  EVP_MAC* hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  EVP_KDF* scrypt = EVP_KDF_fetch(nullptr, "SCRYPT", nullptr);
  ~Algorithms() {
    EVP_CIPHER_free(gcm);
    EVP_MD_free(sha256);
    EVP_MD_free(sha384);
    EVP_MAC_free(hmac);
    EVP_KDF_free(scrypt);
  }
};

const Algorithms& algorithms() {
  static const Algorithms fetched = [] {
    Algorithms a;
    return a;
  }();
  return fetched;
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (context_ && EVP_DigestInit_ex2(context_, algorithms().sha256, nullptr) == 1) return;
  EVP_MD_CTX_free(context_);
  fail("SHA-256");
}

Sha256::~Sha256() { EVP_MD_CTX_free(context_); }

Sha256& Sha256::update(View bytes) {
  require(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1, "SHA-256");
  return *this;
}

Block<32> Sha256::finish() {
  Block<32> out;
  require(EVP_DigestFinal_ex(context_, out.data(), nullptr) == 1 && EVP_DigestInit_ex2(context_, nullptr, nullptr) == 1, "SHA-256");
  return out;
}

Block<32> sha256(std::initializer_list<View> parts) {
  Sha256 hash;
  for (View part : parts) hash.update(part);
  return hash.finish();
}

size_t hash_size(Hash hash) { return hash == Hash::sha256 ? 32 : 48; }

namespace {

// One keyed HMAC, used for several messages.
class Hmac {
 public:
  Hmac(Hash hash, View key) : context_(EVP_MAC_CTX_new(algorithms().hmac)), size_(hash_size(hash)) {
    char sha256[] = "SHA256", sha384[] = "SHA384";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash == Hash::sha256 ? sha256 : sha384, 0),
                                     OSSL_PARAM_construct_end()};
    static const uint8_t kNothing = 0;
    require(context_ && EVP_MAC_init(context_.get(), key.empty() ? &kNothing : key.data(), key.size(), parameters) == 1, "HMAC");
  }
  Hmac& update(View bytes) {
    require(EVP_MAC_update(context_.get(), bytes.data(), bytes.size()) == 1, "HMAC");
    return *this;
  }
  // And starts anew with the same key.
  void finish(uint8_t* out) {
    size_t written = 0;
    require(EVP_MAC_final(context_.get(), out, &written, size_) == 1 && written == size_, "HMAC");
    require(EVP_MAC_init(context_.get(), nullptr, 0, nullptr) == 1, "HMAC");
  }

 private:
  Owned<EVP_MAC_CTX> context_;
  size_t size_;
};

}  // namespace

void hmac(Hash hash, View key, std::initializer_list<View> parts, std::span<uint8_t> out) {
  TENON_ASSERT(out.size() == hash_size(hash));
  Hmac mac(hash, key);
  for (View part : parts) mac.update(part);
  mac.finish(out.data());
}

void hkdf_extract(Hash hash, View salt, View ikm, std::span<uint8_t> prk) {
  const Block<48> zeros{};
  hmac(hash, salt.empty() ? View(zeros).first(hash_size(hash)) : salt, {ikm}, prk);
}

void hkdf_expand(Hash hash, View prk, std::initializer_list<View> info, std::span<uint8_t> out) {
  const size_t size = hash_size(hash);
  if (out.size() > 255 * size) throw Error(Code::bad_usage, "HKDF: more than 255 blocks asked for");
  Hmac mac(hash, prk);
  Secret block(size);
  for (size_t done = 0, count = 1; done < out.size(); ++count) {
    if (count > 1) mac.update(block);
    for (View part : info) mac.update(part);
    const auto number = static_cast<uint8_t>(count);
    mac.update({&number, 1}).finish(block.data());
    const size_t n = std::min(size, out.size() - done);
    std::memcpy(out.data() + done, block.data(), n);
    done += n;
  }
}

namespace {

class OpensslGcm : public Gcm {
 public:
  OpensslGcm() : context_(EVP_CIPHER_CTX_new()) { require(context_ != nullptr, "AES-256-GCM"); }

  void set_key(View key) override {
    TENON_ASSERT(key.size() == 32);
    require(EVP_CipherInit_ex2(context_.get(), algorithms().gcm, key.data(), nullptr, 1, nullptr) == 1, "AES-256-GCM key");
  }

  void seal(View nonce, View aad, View plain, uint8_t* cipher, uint8_t* tag) override {
    uint8_t rest[16];
    int written = 0;
    start(true, nonce, aad);
    update(cipher, plain);
    require(EVP_CipherFinal_ex(context_.get(), rest, &written) == 1, "AES-256-GCM");
    require(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1, "AES-256-GCM tag");
    wipe_registers();
  }

  bool open(View nonce, View aad, View cipher, View tag, uint8_t* plain) override {
    if (tag.size() != 16) return false;
    uint8_t rest[16];
    int written = 0;
    start(false, nonce, aad);
    require(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, 16, const_cast<uint8_t*>(tag.data())) == 1, "AES-256-GCM tag");
    update(plain, cipher);
    const bool fits = EVP_CipherFinal_ex(context_.get(), rest, &written) == 1;
    wipe_registers();
    if (!fits) ERR_clear_error();
    return fits;
  }

 private:
  void start(bool sealing, View nonce, View aad) {
    TENON_ASSERT(nonce.size() == 12);
    require(EVP_CipherInit_ex2(context_.get(), nullptr, nullptr, nonce.data(), sealing, nullptr) == 1, "AES-256-GCM nonce");
    update(nullptr, aad);
  }

  void update(uint8_t* dst, View src) {
    int written = 0;
    require(src.empty() || EVP_CipherUpdate(context_.get(), dst, &written, src.data(), static_cast<int>(src.size())) == 1, "AES-256-GCM");
  }

  Owned<EVP_CIPHER_CTX> context_;
};

}  // namespace

std::unique_ptr<Gcm> make_openssl_gcm() { return std::make_unique<OpensslGcm>(); }

std::unique_ptr<Gcm> make_gcm() {
  std::unique_ptr<Gcm> vectors = make_ipsec_mb_gcm();
  return vectors ? std::move(vectors) : make_openssl_gcm();
}

Secret scrypt(View passphrase, View salt, int log_n) {
  const Owned<EVP_KDF_CTX> context(EVP_KDF_CTX_new(algorithms().scrypt));
  uint64_t n = uint64_t{1} << log_n, memory = (n << 10) + (uint64_t{64} << 10);
  uint32_t r = 8, p = 1;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, const_cast<uint8_t*>(passphrase.data()), passphrase.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<uint8_t*>(salt.data()), salt.size()),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
      OSSL_PARAM_construct_end()};
  Secret out(32);
  require(context && EVP_KDF_derive(context.get(), out.data(), out.size(), parameters) == 1, "scrypt");
  return out;
}

namespace {

Owned<EVP_PKEY> private_key(int type, View secret) {
  Owned<EVP_PKEY> key(EVP_PKEY_new_raw_private_key(type, nullptr, secret.data(), secret.size()));
  require(key != nullptr, "private key");
  return key;
}

Block<32> public_of(int type, View secret) {
  Block<32> out;
  size_t n = out.size();
  require(EVP_PKEY_get_raw_public_key(private_key(type, secret).get(), out.data(), &n) == 1 && n == out.size(), "public key");
  return out;
}

}  // namespace

Block<32> x25519_public(View secret) { return public_of(EVP_PKEY_X25519, secret); }

Secret x25519(View secret, View public_key) {
  const Owned<EVP_PKEY> mine = private_key(EVP_PKEY_X25519, secret);
  const Owned<EVP_PKEY> theirs(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, public_key.data(), public_key.size()));
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(mine.get(), nullptr));
  Secret out(32);
  size_t n = out.size();
  require(theirs && context && EVP_PKEY_derive_init(context.get()) == 1 && EVP_PKEY_derive_set_peer(context.get(), theirs.get()) == 1, "X25519");
  ERR_clear_error();
  if (EVP_PKEY_derive(context.get(), out.data(), &n) == 1) {
    if (all_zero(out)) return Secret();
    return out;
  }
  // OpenSSL refuses an all-zero shared secret by failing.
  const bool refused = ERR_GET_REASON(ERR_peek_error()) != ERR_R_MALLOC_FAILURE;
  ERR_clear_error();
  require(refused, "X25519");
  return Secret();
}

Block<32> ed25519_public(View seed) { return public_of(EVP_PKEY_ED25519, seed); }

Block<64> ed25519_sign(View seed, View message) {
  const Owned<EVP_PKEY> key = private_key(EVP_PKEY_ED25519, seed);
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  Block<64> out;
  size_t n = out.size();
  require(context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
              EVP_DigestSign(context.get(), out.data(), &n, message.data(), message.size()) == 1 && n == out.size(),
          "Ed25519");
  return out;
}

bool ed25519_verify(View public_key, View message, View signature) {
  if (public_key.size() != 32 || signature.size() != 64) return false;
  const Owned<EVP_PKEY> key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_key.data(), public_key.size()));
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  require(key && context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1, "Ed25519");
  const bool fits = EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
  wipe_registers();
  if (!fits) ERR_clear_error();
  return fits;
}

bool ed25519_low_order(View public_key) {
  // The y of those points, also as y + p; the highest bit is the sign of x.
  static constexpr const char* kY[] = {
      "0000000000000000000000000000000000000000000000000000000000000000", "0100000000000000000000000000000000000000000000000000000000000000",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"};
  Block<32> y;
  std::copy(public_key.begin(), public_key.end(), y.begin());
  y[31] &= 0x7f;
  return std::find(std::begin(kY), std::end(kY), hex(y)) != std::end(kY);
}

bool equal_constant_time(View a, View b) { return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

}  // namespace tenon::seal
