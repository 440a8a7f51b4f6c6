#include "formats/seal/policy.h"

#include <algorithm>

#include "formats/seal/age.h"
#include "formats/seal/header.h"
#include "formats/seal/json.h"

namespace tenon::seal {
namespace {

constexpr std::string_view kOperations[] = {"run", "serve", "inspect", "share", "export"};
constexpr size_t kMostGrants = 1024, kMostWho = 256, kMostMay = 5, kMostName = 128;

[[noreturn]] void fail(std::string_view where, std::string_view what) {
  throw Error(Code::policy_format, "policy: " + std::string(where) + " " + std::string(what));
}

bool in_range(std::string_view text, size_t most) {
  return !text.empty() && text.size() <= most && std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x21 && c <= 0x7E; });
}

uint64_t integer(const Json& value, std::string_view where) {
  if (value.kind != Json::integer) fail(where, "is not an integer");
  return value.number;
}

const std::vector<Json>& array(const Json& value, std::string_view where, size_t least, size_t most) {
  if (value.kind != Json::array) fail(where, "is not an array");
  if (value.items.size() < least || value.items.size() > most)
    fail(where, "has not " + std::to_string(least) + " to " + std::to_string(most) + " entries");
  return value.items;
}

bool time_field(Times& times, const std::string& key, const Json& value) {
  if (key == "not_before") times.not_before = integer(value, key);
  else if (key == "not_after") times.not_after = integer(value, key);
  else return false;
  return true;
}

Grant parse_grant(const Json& json, size_t i) {
  const std::string where = "grant " + std::to_string(i);
  if (json.kind != Json::object) fail(where, "is not an object");
  Grant out;
  for (const auto& [key, value] : json.fields) {
    if (time_field(out.times, key, value)) continue;
    if (key == "who") {
      for (const Json& entry : array(value, where + ": who", 1, kMostWho)) {
        if (entry.kind != Json::string || !is_principal(entry.text)) fail(where + ": who", "has an entry that is not a principal");
        out.who.push_back(entry.text);
      }
    } else if (key == "may") {
      for (const Json& entry : array(value, where + ": may", 1, kMostMay)) {
        const auto operation = entry.kind == Json::string ? operation_of(entry.text) : std::nullopt;
        if (!operation) fail(where + ": may", "has an entry that is not an operation");
        out.may.push_back(*operation);
      }
    } else {
      fail(where, "has the unknown key \"" + printable(key) + "\"");
    }
  }
  if (out.who.empty()) fail(where, "has no who");
  if (out.may.empty()) fail(where, "has no may");
  return out;
}

AuditLevel parse_audit(const Json& value) {
  if (value.kind == Json::string && value.text == "none") return AuditLevel::none;
  if (value.kind == Json::string && value.text == "load") return AuditLevel::load;
  if (value.kind == Json::string && value.text == "run") return AuditLevel::run;
  fail("audit", "is not \"none\", \"load\" or \"run\"");
}

void set_field(Policy& out, const std::string& key, const Json& value, PolicyPlace place) {
  if (key == "v") {
    if (integer(value, key) != 1) fail(key, "is not 1");
  } else if (key == "model" || key == "release") {
    if (place == PolicyPlace::host) fail(key, "does not stand in a host policy");
    if (key == "release") out.release = integer(value, key);
    else if (value.kind == Json::string && in_range(value.text, kMostName)) out.model = value.text;
    else fail(key, "is not a name of 1 to 128 bytes of 21 to 7E");
  } else if (key == "audit") {
    out.audit = parse_audit(value);
  } else if (key == "grants") {
    out.grants.emplace();
    for (const Json& grant : array(value, key, 0, kMostGrants)) out.grants->push_back(parse_grant(grant, out.grants->size()));
  } else if (!time_field(out.times, key, value)) {
    fail("it", "has the unknown key \"" + printable(key) + "\"");
  }
}

}  // namespace

std::string_view name(Operation operation) { return kOperations[static_cast<size_t>(operation)]; }

std::optional<Operation> operation_of(std::string_view name) {
  const auto found = std::find(std::begin(kOperations), std::end(kOperations), name);
  if (found == std::end(kOperations)) return std::nullopt;
  return static_cast<Operation>(found - std::begin(kOperations));
}

Policy parse_policy(std::string_view text, PolicyPlace place) {
  const Json json = parse_json(text, Code::policy_format, "policy");
  if (json.kind != Json::object) fail("it", "is not an object");
  Policy out;
  for (const auto& [key, value] : json.fields) set_field(out, key, value, place);
  if (!json.find("v")) fail("v", "is missing");
  if (place == PolicyPlace::file && !json.find("model")) fail("model", "is missing");
  if (place == PolicyPlace::file && !json.find("release")) fail("release", "is missing");
  return out;
}

bool is_principal(std::string_view text) {
  if (text == "any" || text == "pass") return true;
  const auto after = [&](std::string_view prefix) { return text.starts_with(prefix) ? text.substr(prefix.size()) : std::string_view(); };
  if (text.starts_with("key:age1")) return is_recipient_string(after("key:"));
  if (text.starts_with("key:")) {
    Block<16> digits;
    return from_hex(after("key:"), digits, false);
  }
  if (text.starts_with("user:")) return in_range(after("user:"), kMostName);
  if (text.starts_with("group:")) return in_range(after("group:"), kMostName);
  if (!text.starts_with("cmd:")) return false;
  const std::string_view rest = after("cmd:");
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos || slash < 1 || slash > kMostProvider) return false;
  const std::string_view provider = rest.substr(0, slash);
  return std::all_of(provider.begin(), provider.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }) &&
         in_range(rest.substr(slash + 1), kMostKeyId);
}

Decision decide(const Policy* policy, std::span<const std::string> principals, Operation operation, uint64_t now) {
  Decision out{true, "", "", UINT64_MAX};
  if (!policy) return out;
  const auto changes_at = [&](const std::optional<uint64_t>& time) {
    if (time && *time > now) out.until = std::min(out.until, *time);
  };
  const auto changes = [&](const Times& times) { changes_at(times.not_before), changes_at(times.not_after); };
  changes(policy->times);
  if (!policy->times.valid(now)) {
    out.allow = false;
    out.reason = policy->times.not_before && now < *policy->times.not_before ? "the policy is not valid yet" : "the policy is no longer valid";
    return out;
  }
  if (!policy->grants) return out;
  bool granted = false, in_time = false;
  for (const Grant& grant : *policy->grants) {
    if (std::find(grant.may.begin(), grant.may.end(), operation) == grant.may.end()) continue;
    const auto shared = std::find_if(principals.begin(), principals.end(),
                                     [&](const std::string& p) { return std::find(grant.who.begin(), grant.who.end(), p) != grant.who.end(); });
    if (shared == principals.end()) continue;
    changes(grant.times);
    granted = true;
    if (grant.times.valid(now) && !in_time) {
      in_time = true;
      out.who = *shared;
    }
  }
  out.allow = in_time;
  if (!in_time)
    out.reason = granted ? "no grant for " + std::string(name(operation)) + " is valid now" : "no grant for " + std::string(name(operation));
  return out;
}

}  // namespace tenon::seal
