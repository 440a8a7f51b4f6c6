#include "formats/seal/keys.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "formats/seal/crypto.h"
#include "formats/seal/system.h"

namespace tenon::seal {
namespace {

constexpr size_t kMostIdentityFile = size_t{64} << 10, kMostPem = size_t{16} << 10;

[[noreturn]] void unusable(std::string_view what) { throw Error(Code::seal_key_source, std::string(what)); }

template <class Body>
auto at_file(const std::string& path, Body&& body) {
  return within([&] { return "key file " + printable(path); }, body);
}

}  // namespace

Secret read_key_file(const std::string& path, size_t most, Code over, KeyFileOptions options) {
  const File file(real_system(), retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY); }));
  char error[128];
  if (!file) unusable("cannot be opened: " + std::string(strerror_r(errno, error, sizeof error)));
  struct stat status;
  if (fstat(file.fd(), &status) != 0) fail_io("looking at a key file");
  if (S_ISDIR(status.st_mode)) unusable("is a folder");
  if (S_ISREG(status.st_mode) && (status.st_mode & 077) && !options.shared_file) {
    unusable("can be read by others than its owner; chmod 600 it, or allow that by option");
  }
  Secret out(most + 1);
  size_t n = 0;
  while (n < out.size()) {
    const ssize_t got = retry([&] { return ::read(file.fd(), out.data() + n, out.size() - n); });
    if (got < 0) unusable("cannot be read: " + std::string(strerror_r(errno, error, sizeof error)));
    if (got == 0) break;
    n += static_cast<size_t>(got);
  }
  if (n > most) throw Error(over, "holds more than " + std::to_string(most) + " bytes");
  out.shrink(n);
  return out;
}

Secret raw_key_from_bytes(View bytes) {
  if (bytes.size() == 32) return Secret(bytes);
  Secret out(32);
  if (bytes.size() == 65 && bytes.back() == '\n') bytes = bytes.first(64);
  if (!from_hex(text(bytes), out.span(), true)) unusable("a raw key is 32 bytes, or 64 hex digits and at most one LF");
  return out;
}

Secret raw_key_from_file(const std::string& path, KeyFileOptions options) {
  return at_file(path, [&] { return raw_key_from_bytes(read_key_file(path, 65, Code::seal_key_source, options)); });
}

Secret raw_key_from_environment(const std::string& variable) {
  return within([&] { return "environment variable " + printable(variable); },
                [&] {
                  char* value = getenv(variable.c_str());
                  if (!value) unusable("is not set");
                  Secret out(32);
                  const bool good = from_hex(value, out.span(), true);
                  wipe(value, std::strlen(value));
                  unsetenv(variable.c_str());
                  if (!good) unusable("does not hold 64 hex digits");
                  return out;
                });
}

Secret passphrase_from_bytes(View bytes) {
  if (!bytes.empty() && bytes.back() == '\n') bytes = bytes.first(bytes.size() - 1);
  check_passphrase(bytes);
  return Secret(bytes);
}

void check_passphrase(View bytes) {
  if (bytes.empty() || bytes.size() > kMostPassphrase) unusable("a passphrase is 1 to 1,024 bytes");
  if (std::find(bytes.begin(), bytes.end(), 0) != bytes.end()) unusable("a passphrase has no zero byte");
}

Secret passphrase_from_file(const std::string& path, KeyFileOptions options) {
  return at_file(path, [&] { return passphrase_from_bytes(read_key_file(path, kMostPassphrase + 1, Code::seal_key_source, options)); });
}

std::vector<Identity> identities_from_file(const std::string& path, KeyFileOptions options) {
  return at_file(path, [&] { return parse_identity_file(text(read_key_file(path, kMostIdentityFile, Code::seal_limit, options))); });
}

void check_provider(std::string_view provider) {
  const bool good = !provider.empty() && provider.size() <= 32 && std::all_of(provider.begin(), provider.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!good) throw Error(Code::bad_usage, "provider \"" + printable(provider) + "\": a provider is 1 to 32 of a-z 0-9 -");
}

namespace {

struct FreeKey {
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
};

int no_passphrase(char*, int, int, void*) { return -1; }

std::unique_ptr<EVP_PKEY, FreeKey> read_pem(View bytes, bool secret) {
  const std::unique_ptr<BIO, FreeKey> bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
  if (!bio) throw Error(Code::resource, "no memory to read a key");
  std::unique_ptr<EVP_PKEY, FreeKey> key(secret ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr)
                                                : PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) {
    unusable(secret ? "is neither an unencrypted PKCS#8 PEM of an Ed25519 key nor 64 hex digits"
                    : "is neither a PEM (SubjectPublicKeyInfo) of an Ed25519 key nor 64 hex digits");
  }
  return key;
}

View without_line_end(View bytes) { return !bytes.empty() && bytes.back() == '\n' ? bytes.first(bytes.size() - 1) : bytes; }

}  // namespace

Secret signing_key_from_file(const std::string& path, KeyFileOptions options) {
  return at_file(path, [&] {
    const Secret bytes = read_key_file(path, kMostPem, Code::seal_key_source, options);
    Secret out(32);
    if (from_hex(text(without_line_end(bytes)), out.span(), true)) return out;
    size_t n = out.size();
    if (EVP_PKEY_get_raw_private_key(read_pem(bytes, true).get(), out.data(), &n) != 1 || n != out.size()) unusable("has no private key");
    return out;
  });
}

Block<32> signer_from_text(std::string_view pem_or_hex) {
  Block<32> out;
  if (from_hex(text(without_line_end(ascii(pem_or_hex))), out, true)) return out;
  size_t n = out.size();
  if (EVP_PKEY_get_raw_public_key(read_pem(ascii(pem_or_hex), false).get(), out.data(), &n) != 1 || n != out.size()) unusable("has no public key");
  return out;
}

Block<32> signer_from_file_or_hex(const std::string& argument) {
  Block<32> out;
  if (!from_hex(argument, out, true)) {
    out = at_file(argument, [&] {
      const Secret bytes = read_key_file(argument, kMostPem, Code::seal_key_source, {.shared_file = true});
      return signer_from_text(text(bytes));
    });
  }
  if (ed25519_low_order(out))
    throw Error(Code::seal_key_source, "the signer " + hex(out) + " is a point of low order: anybody can sign for it; ask for the right key");
  return out;
}

std::string raw_key_principal(View key) { return "key:" + hex(View(sha256({ascii("TENON1 key name"), key})).first(16)); }

void KeyRing::count_one() const {
  if (count() == kMostKeys) throw Error(Code::seal_limit, "more than 64 keys are given");
}

void KeyRing::add_raw(Secret key) {
  count_one();
  if (key.size() != 32) unusable("a raw key is 32 bytes");
  raw_.push_back(std::move(key));
}

void KeyRing::add_identity(Identity identity) {
  count_one();
  identities_.push_back(std::move(identity));
}

void KeyRing::add_passphrase(Secret passphrase) {
  count_one();
  check_passphrase(passphrase);
  passphrases_.push_back(std::move(passphrase));
}

void KeyRing::add_command(KeyCommand command) {
  count_one();
  check_provider(command.provider);
  if (command.arguments.empty()) throw Error(Code::bad_usage, "provider " + command.provider + ": no command");
  for (const KeyCommand& other : commands_) {
    if (other.provider == command.provider) throw Error(Code::bad_usage, "provider " + command.provider + ": two commands");
  }
  commands_.push_back(std::move(command));
}

}  // namespace tenon::seal
