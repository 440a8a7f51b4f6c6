// What readers must withstand: each case runs in a process of its own that may use the time and memory a reader is allowed.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace tenon::hostile {

struct Outcome {
  std::optional<Code> code;  // of the Error; none where the case was accepted
  std::string text;          // of the Error
  std::string failure;       // a crash, another exception, or a limit overrun
};

// Runs `read` on an input of `bytes` bytes with 64 MiB, twice the input and `more` beyond what is in use, and one second of processor time for each
// MiB begun (sanitizers: no memory limit, twenty times the time).
Outcome outcome(size_t bytes, const std::function<void()>& read, size_t more = 0);

// Succeeds when the outcome is an Error with one of the codes that a bad file has and `word` in its text.
testing::AssertionResult refused(std::string_view word, size_t bytes, const std::function<void()>& read);

// Runs `read` here on the input cut at each byte, and with each byte flipped in three ways: it must accept or throw Error.
void mangle(const std::string& input, const std::function<void(std::string_view)>& read, size_t stride = 1);

}  // namespace tenon::hostile
