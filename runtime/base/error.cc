#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace tenon {

std::string_view name(Code code) {
  switch (code) {
    case Code::bad_usage: return "bad_usage";
    case Code::bad_model: return "bad_model";
    case Code::bad_input: return "bad_input";
    case Code::not_supported: return "not_supported";
    case Code::limit: return "limit";
    case Code::resource: return "resource";
    case Code::io: return "kIo";
    case Code::internal: return "internal";
    case Code::not_sealed: return "kNotSealed";
    case Code::seal_version: return "kSealVersion";
    case Code::seal_format: return "kSealFormat";
    case Code::seal_limit: return "kSealLimit";
    case Code::seal_truncated: return "kSealTruncated";
    case Code::seal_trailing: return "kSealTrailing";
    case Code::seal_damaged: return "kSealDamaged";
    case Code::seal_auth: return "kSealAuth";
    case Code::seal_no_key: return "kSealNoKey";
    case Code::seal_key_source: return "kSealKeySource";
    case Code::seal_unsigned: return "kSealUnsigned";
    case Code::seal_bad_signature: return "kSealBadSignature";
    case Code::policy_format: return "kPolicyFormat";
    case Code::policy_denied: return "kPolicyDenied";
    case Code::audit_failed: return "kAuditFailed";
  }
  return "unknown";
}

int exit_status(Code code) {
  switch (code) {
    case Code::bad_usage: return 2;
    case Code::not_supported: return 4;
    case Code::limit:
    case Code::resource:
    case Code::io:
    case Code::internal:
    case Code::audit_failed: return 5;
    default: return 3;
  }
}

Error::Error(Code code, std::string text) : code_(code), chain_{text}, what_(std::move(text)) {}

Error& Error::within(std::string place) {
  chain_.push_back(std::move(place));
  what_.clear();
  // Of many places, as when functions call functions, the outermost and the innermost are shown.
  constexpr size_t kShown = 8;
  const size_t places = chain_.size(), hidden = places > 2 * kShown + 1 ? places - 2 * kShown : 0;
  std::string indent;
  for (size_t i = 0; i < places; ++i) {
    if (hidden && i == kShown) {
      what_ += '\n' + indent + "... (" + std::to_string(hidden) + " more places)";
      i += hidden;
    }
    if (!what_.empty()) what_ += '\n';
    for (char c : chain_[places - 1 - i]) {
      if (what_.empty() || what_.back() == '\n') what_ += indent;
      what_ += c;
    }
    indent += "  ";
  }
  return *this;
}

std::string printable(std::string_view text) {
  constexpr size_t kMost = 256;
  std::string out;
  for (char c : text) {
    if (out.size() >= kMost) return out + "...";
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      out += escaped;
    }
  }
  return out;
}

void assertion_failed(const char* condition, const char* file, int line, const char* function) {
  std::fprintf(stderr, "tenon: internal error: %s does not hold at %s:%d (%s)\n", condition, file, line, function);
  std::abort();
}

}  // namespace tenon
