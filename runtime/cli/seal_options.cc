#include "cli/seal_options.h"

#include <sys/prctl.h>

#include <fstream>

#include "cli/model_options.h"
#include "cli/usage.h"

namespace tenon::cli {

using namespace seal;

void protect_process() { prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

void SealOptions::add(CLI::App& app) {
  const char* const group = "Sealed models";
  app.add_option("--key-file", key_files, "a raw key: 32 bytes or 64 hex digits, a file or pipe (may repeat, as may the other keys)")
      ->group(group)
      ->allow_extra_args(false);
  app.add_option("--key-env", key_variables, "an environment variable that holds a raw key as hex; it is unset")
      ->group(group)
      ->allow_extra_args(false);
  app.add_option("--identity", identities, "a file of age secret keys")->group(group)->allow_extra_args(false);
  app.add_option("--passphrase-file", passphrase_files, "a file or pipe that holds a passphrase")->group(group)->allow_extra_args(false);
  app.add_option("--key-command", key_commands, "PROVIDER=COMMAND: asks a key service, without a shell")->group(group)->allow_extra_args(false);
  app.add_option("--signer", signers, "a trusted signer: PEM file or 64 hex digits (may repeat), or: any")->group(group)->allow_extra_args(false);
  app.add_option("--expect-model", expect_model, "refuse any other model than this name of the policy")->group(group);
  app.add_option("--min-release", min_release, "refuse releases before this one")->group(group)->check(at_least(0));
  app.add_option("--host-policy", host_policy, "a policy of this host, which must allow too")->group(group);
  app.add_flag("--require-sealed", require_sealed, "refuse all that is not a sealed file")->group(group);
  app.add_option("--audit-log", audit_log, "where records go that a policy asks for")->group(group);
  app.add_option("--audit-key", audit_key, "the Ed25519 key that signs that log")->group(group);
  app.add_flag("--shared-key-files", shared_key_files, "allow key files that group or others can read")->group(group);
  app.add_option("--max-logn", most_log_n, "the most scrypt work a passphrase slot may ask for: 2^N KiB")
      ->group(group)
      ->check(whole(kMostLogN, kMostLogNByOption));
}

KeyCommand key_command(const std::string& text) {
  const auto [provider, command] = pair_of(text, "--key-command");
  KeyCommand out{provider, {}};
  check_provider(provider);
  std::string word;
  bool within_word = false;
  char quote = 0;
  for (char c : command) {
    if (quote) {
      if (c == quote) quote = 0;
      else word += c;
    } else if (c == '"' || c == '\'') {
      quote = c;
      within_word = true;
    } else if (c == ' ' || c == '\t') {
      if (within_word) out.arguments.push_back(std::move(word));
      word.clear();
      within_word = false;
    } else {
      word += c;
      within_word = true;
    }
  }
  if (quote) throw Error(Code::bad_usage, "--key-command: a quote without end");
  if (within_word) out.arguments.push_back(std::move(word));
  if (out.arguments.empty()) throw Error(Code::bad_usage, "--key-command: no program is named");
  return out;
}

std::string why_unsigned(size_t signatures) {
  if (signatures == 0) return "holds no signature";
  return signatures == 1 ? "its signature is not checked, as no --signer is trusted"
                         : "its " + std::to_string(signatures) + " signatures are not checked, as no --signer is trusted";
}

std::string read_text(const std::string& path, size_t most) {
  const Secret bytes =
      within([&] { return "reading " + printable(path); }, [&] { return read_key_file(path, most, Code::limit, {.shared_file = true}); });
  return std::string(text(bytes));
}

SealedOptions SealOptions::sealed() const {
  if (has_keys() || !audit_key.empty()) protect_process();
  SealedOptions out;
  out.key_files = key_files;
  out.key_variables = key_variables;
  out.identities = identities;
  out.passphrase_files = passphrase_files;
  for (const std::string& c : key_commands) {
    KeyCommand command = key_command(c);
    out.key_commands.push_back({std::move(command.provider), std::move(command.arguments)});
  }
  out.shared_key_files = shared_key_files;
  out.most_log_n = most_log_n;
  const bool any = std::find(signers.begin(), signers.end(), "any") != signers.end();
  if (any && signers.size() > 1) throw Error(Code::bad_usage, "--signer any does not go with other signers");
  if (!any) out.signers = signers;
  out.expect_model = expect_model;
  out.min_release = min_release;
  out.require_sealed = require_sealed;
  out.host_policy = host_policy;
  if (audit_log.empty() != audit_key.empty()) throw Error(Code::bad_usage, "--audit-log and --audit-key go together");
  if (!audit_log.empty()) out.audit = open_audit_log(audit_log, audit_key);
  return out;
}

void NewSlotOptions::add(CLI::App& app, const std::string& prefix) {
  const char* const group = "To whom it is sealed";
  app.add_option(prefix + "key-file", key_files, "a raw key: 32 bytes or 64 hex digits, a file or pipe (may repeat, as may the others)")
      ->group(group)
      ->allow_extra_args(false);
  app.add_option(prefix + "passphrase-file", passphrase_files, "a file or pipe that holds a passphrase")->group(group)->allow_extra_args(false);
  app.add_option("--recipient", recipients, "an age public key, age1...")->group(group)->allow_extra_args(false);
  app.add_option(prefix + "key-command", key_commands, "PROVIDER=COMMAND: a key service wraps the key, without a shell")
      ->group(group)
      ->allow_extra_args(false);
  app.add_option("--key-id", key_ids, "the service's name of its key: one for each command")->group(group)->allow_extra_args(false);
  app.add_option("--label", label, "shown to people, public")->group(group);
  app.add_option("--logn", log_n, "scrypt work of a passphrase: 2^N KiB")
      ->group(group)
      ->check(whole(kLeastLogN, kMostLogNByOption))
      ->capture_default_str();
}

std::vector<NewSlot> NewSlotOptions::slots(KeyFileOptions files) const {
  protect_process();
  std::vector<NewSlot> out;
  for (const std::string& f : key_files) out.push_back(NewSlot::raw(raw_key_from_file(f, files), label));
  for (const std::string& f : passphrase_files) out.push_back(NewSlot::passphrase(passphrase_from_file(f, files), label, log_n));
  for (const std::string& r : recipients) out.push_back(NewSlot::to(parse_recipient(r), label));
  if (key_commands.size() != key_ids.size()) throw Error(Code::bad_usage, "one --key-id for each key command");
  for (size_t i = 0; i < key_commands.size(); ++i) out.push_back(NewSlot::external(key_command(key_commands[i]), key_ids[i], label));
  return out;
}

}  // namespace tenon::cli
