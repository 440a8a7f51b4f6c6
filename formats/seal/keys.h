// The keys that a caller gives to open a file, and where they come from. Secrets never come from a command line.
#pragma once

#include "formats/seal/age.h"
#include "formats/seal/command.h"

namespace tenon::seal {

inline constexpr size_t kMostKeys = 64, kMostCommands = 8, kMostScryptRuns = 4, kMostPassphrase = 1024;

// A file that group or others can read is refused unless `shared_file` is set. Pipes have no such mode.
struct KeyFileOptions {
  bool shared_file = false;
};

// Reads at most `most` bytes; more is Error(over). Unreadable sources are Error(seal_key_source).
Secret read_key_file(const std::string& path, size_t most, Code over, KeyFileOptions options = {});

// All throw Error(seal_key_source) for an unusable source and Error(seal_limit) for a size or count above a limit.
Secret raw_key_from_bytes(View bytes);  // 32 bytes, or 64 hex digits and at most one LF
Secret raw_key_from_file(const std::string& path, KeyFileOptions options = {});
Secret raw_key_from_environment(const std::string& variable);  // hex; the variable is wiped and unset
Secret passphrase_from_bytes(View bytes);                      // one trailing LF removed; 1..1,024 bytes, none of them 00
void check_passphrase(View bytes);                             // those rules, nothing removed
Secret passphrase_from_file(const std::string& path, KeyFileOptions options = {});
std::vector<Identity> identities_from_file(const std::string& path, KeyFileOptions options = {});
void check_provider(std::string_view provider);  // 1..32 of a-z 0-9 -

// Given as PEM (PKCS#8, SubjectPublicKeyInfo) or 64 hex digits with at most one LF.
Secret signing_key_from_file(const std::string& path, KeyFileOptions options = {});  // the 32-byte seed
Block<32> signer_from_text(std::string_view pem_or_hex);
Block<32> signer_from_file_or_hex(const std::string& argument);

// The principal of a raw key: "key:" and 32 hex digits.
std::string raw_key_principal(View key);

// At most 64 keys; a provider counts as one.
class KeyRing {
 public:
  void add_raw(Secret key);
  void add_identity(Identity identity);
  void add_passphrase(Secret passphrase);
  void add_command(KeyCommand command);  // one command a provider

  const std::vector<Secret>& raw() const { return raw_; }
  const std::vector<Identity>& identities() const { return identities_; }
  const std::vector<Secret>& passphrases() const { return passphrases_; }
  const std::vector<KeyCommand>& commands() const { return commands_; }
  bool empty() const { return count() == 0; }
  size_t count() const { return raw_.size() + identities_.size() + passphrases_.size() + commands_.size(); }

 private:
  void count_one() const;

  std::vector<Secret> raw_;
  std::vector<Identity> identities_;
  std::vector<Secret> passphrases_;
  std::vector<KeyCommand> commands_;
};

}  // namespace tenon::seal
