// System calls of a test, counted from outside: the test program starts itself once more, for one test, and traces that process.
#pragma once

#include <cstdint>
#include <string>

namespace tenon::harness {

struct SystemCalls {
  bool traced = false;  // false: this system does not let a process be traced; `why` says so
  std::string why;
  int64_t futex_main = 0;  // by the thread that runs the test
  int64_t futex_others = 0;
  int64_t other = 0;  // of any other kind, by any thread
  std::string names;  // their numbers, for the message of a failure
};

// Runs the named test in a process of its own, with TENON_TRACED set, and counts what happens between its calls of begin_counting and
// end_counting.
SystemCalls count_system_calls(const char* test);

// In the traced process.
bool is_traced();
void begin_counting();
void end_counting();

}  // namespace tenon::harness
