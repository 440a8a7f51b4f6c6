// Options of every command that opens a sealed model: keys, trusted signers, what the host expects, where records go.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "trust/opening.h"

namespace tenon::cli {

struct SealOptions {
  std::vector<std::string> key_files, key_variables, identities, passphrase_files, key_commands, signers;
  std::string expect_model, host_policy, audit_log, audit_key;
  int64_t min_release = -1;
  int most_log_n = seal::kMostLogN;
  bool require_sealed = false, shared_key_files = false;

  void add(CLI::App& app);
  // As the public interface takes them; opens the audit log. Where keys are given, no core dump of this process will hold them.
  SealedOptions sealed() const;
  // Reads keys and policies too, for the commands that work on the container itself. Throws what the sources throw.
  trust::Opening given() const { return trust::opening_of(sealed()); }
  bool has_keys() const {
    return !key_files.empty() || !key_variables.empty() || !identities.empty() || !passphrase_files.empty() || !key_commands.empty();
  }
  seal::KeyFileOptions files() const { return {.shared_file = shared_key_files}; }
  bool any_signer() const { return signers == std::vector<std::string>{"any"}; }
};

// To whom something is sealed. The option names start with `prefix`: "--" where nothing is opened, else "--new-".
struct NewSlotOptions {
  std::vector<std::string> key_files, passphrase_files, recipients, key_commands, key_ids;
  std::string label;
  int log_n = seal::kDefaultLogN;

  void add(CLI::App& app, const std::string& prefix);
  std::vector<seal::NewSlot> slots(seal::KeyFileOptions files) const;
};

// "PROVIDER=COMMAND": words between spaces; quotes keep spaces together. Nothing else is special, no shell is run.
seal::KeyCommand key_command(const std::string& text);

// Why a file with so many signatures counts as unsigned where none is by a trusted signer: "holds no signature".
std::string why_unsigned(size_t signatures);

// A file of at most `most` bytes that is no secret.
std::string read_text(const std::string& path, size_t most);

// The process leaves no core dump and cannot be looked into by others of the same user.
void protect_process();

}  // namespace tenon::cli
