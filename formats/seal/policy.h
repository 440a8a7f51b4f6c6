// The policy of a sealed model and of a host: its grammar and its one function, decide. Implements
// docs/sealed_format.md, section 9; runtime/trust enforces it and supplies the principals and the
// clock.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::seal {

enum class Operation { run, serve, inspect, share, export_ };
std::string_view name(Operation operation);
std::optional<Operation> operation_of(std::string_view name);

struct Times {
  std::optional<uint64_t> not_before, not_after;  // seconds since 1970

  bool valid(uint64_t now) const { return (!not_before || *not_before <= now) && (!not_after || now < *not_after); }
};

struct Grant {
  std::vector<std::string> who;
  std::vector<Operation> may;
  Times times;
};

enum class AuditLevel { none, load, run };

struct Policy {
  std::string model;     // a file's policy; empty in a host's
  uint64_t release = 0;  // a file's policy
  Times times;
  AuditLevel audit = AuditLevel::none;
  std::optional<std::vector<Grant>> grants;  // absent: whoever opens may do everything
};

enum class PolicyPlace { file, host };

// Throws Error(policy_format).
Policy parse_policy(std::string_view text, PolicyPlace place);

// Whether `text` has the form of a principal; names of users and groups included.
bool is_principal(std::string_view text);

struct Decision {
  bool allow;
  std::string reason;  // of a denial: the time or the grant
  std::string who;     // the principal that a grant names; empty where no grant decided
  uint64_t until;      // the decision is the same for every time from `now` to before this, seconds
};

// A null policy allows everything.
Decision decide(const Policy* policy, std::span<const std::string> principals, Operation operation, uint64_t now);

}  // namespace tenon::seal
