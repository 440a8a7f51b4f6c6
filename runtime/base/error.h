// Errors that a user reads: what went wrong, where (outermost place first), and what to do next.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon {

enum class Code {
  bad_usage,      // the call itself is wrong: unknown option, unknown input name
  bad_model,      // a file or graph breaks its format's rules
  bad_input,      // a tensor given to run has a wrong type, shape or content
  not_supported,  // well formed, but Tenon does not do it
  limit,          // a load, memory or time limit was reached
  resource,       // memory, device or thread not to be had
  io,             // the system refused a read or a write
  internal,       // a check found a bug of Tenon before it could give a wrong answer
  // The codes of docs/sealed_format.md, section 12.
  not_sealed,
  seal_version,
  seal_format,
  seal_limit,
  seal_truncated,
  seal_trailing,
  seal_damaged,
  seal_auth,
  seal_no_key,
  seal_key_source,
  seal_unsigned,
  seal_bad_signature,
  policy_format,
  policy_denied,
  audit_failed,
};

// The name people and programs see, such as "bad_model" or "kSealAuth".
std::string_view name(Code code);

// The exit status of the tools: 2 bad usage, 3 bad input or model, 4 not supported, 5 resource, system or a bug of Tenon.
int exit_status(Code code);

class Error : public std::exception {
 public:
  Error(Code code, std::string text);

  // Adds the place around what is already said; the newest place is printed first.
  Error& within(std::string place);

  Code code() const { return code_; }
  // Outermost place first, the failure itself last.
  std::vector<std::string> chain() const { return {chain_.rbegin(), chain_.rend()}; }
  // The chain as printed: one line each, indented by two more spaces than the line before.
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  Code code_;
  std::vector<std::string> chain_;  // the failure first, each place after what it contains
  std::string what_;
};

// What cannot be decided while sizes are symbols, but can when they are numbers.
class NeedsSizes : public Error {
 public:
  using Error::Error;
};

// Runs `body`; an Error that leaves it gains the place that `place()` names.
template <class Body, class Place>
decltype(auto) within(Place&& place, Body&& body) {
  try {
    return body();
  } catch (Error& e) {
    e.within(place());
    throw;
  }
}

// Text from a model made safe to print: control characters escaped, cut at 256 bytes.
std::string printable(std::string_view text);

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line, const char* function);

// Guards our own invariants. Nothing in a file or an input may reach it.
#define TENON_ASSERT(condition) ((condition) ? void() : ::tenon::assertion_failed(#condition, __FILE__, __LINE__, __func__))

}  // namespace tenon
