#include "runtime/trust/opening.h"

#include <algorithm>

namespace tenon::trust {

using namespace seal;

Host host_of(const SealedOptions& o) {
  Host host;
  host.expect_model = o.expect_model;
  if (o.min_release >= 0) host.min_release = static_cast<uint64_t>(o.min_release);
  host.require_sealed = o.require_sealed;
  if (!o.host_policy.empty()) {
    host.policy = within([&] { return "host policy " + printable(o.host_policy); },
                         [&] {
                           const Secret bytes = read_key_file(o.host_policy, kMostPolicy, Code::seal_limit, {.shared_file = true});
                           return parse_policy(text(bytes), PolicyPlace::host);
                         });
  }
  host.vouched = o.vouched;
  host.audit = o.audit;
  return host;
}

Opening opening_of(const SealedOptions& o, Host host) {
  Opening out;
  const KeyFileOptions files{.shared_file = o.shared_key_files};
  for (const std::string& f : o.key_files) out.keys.add_raw(raw_key_from_file(f, files));
  for (const std::string& v : o.key_variables) out.keys.add_raw(raw_key_from_environment(v));
  for (const uint8_t* key : o.keys) out.keys.add_raw(raw_key_from_bytes({key, 32}));
  for (const std::string& f : o.identities) {
    for (Identity& identity : identities_from_file(f, files)) out.keys.add_identity(std::move(identity));
  }
  for (const std::string& f : o.passphrase_files) out.keys.add_passphrase(passphrase_from_file(f, files));
  for (const SealedOptions::Command& c : o.key_commands) {
    check_provider(c.provider);
    if (c.arguments.empty()) throw Error(Code::bad_usage, "the key command of provider " + c.provider + " names no program");
    out.keys.add_command({c.provider, c.arguments});
  }
  for (const std::string& s : o.signers) out.signers.push_back(signer_from_file_or_hex(s));
  out.most_log_n = o.most_log_n;
  out.host = std::move(host);
  return out;
}

Operation operation_of(Right right) {
  return right == Right::run ? Operation::run : right == Right::inspect ? Operation::inspect : Operation::export_;
}

}  // namespace tenon::trust

namespace tenon {

std::shared_ptr<trust::AuditLog> open_audit_log(const std::string& path, const std::string& key_file) {
  return std::make_shared<trust::AuditLog>(path, seal::signing_key_from_file(key_file), trust::AuditOptions{.build = "tenon " + version()});
}

}  // namespace tenon
