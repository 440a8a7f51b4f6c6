// Allocations of this thread, counted, and one of them made to fail: operator new and OpenSSL's allocator.
#pragma once

#include <cstdint>

namespace tenon::harness {

// Allocations of this thread so far.
int64_t allocations();
// The same of all threads together.
int64_t allocations_of_all_threads();

// While it lives, allocation `n` from now on (0 is the next) fails once, in this thread.
class FailingAllocation {
 public:
  explicit FailingAllocation(int64_t n);
  ~FailingAllocation();
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
};

}  // namespace tenon::harness
