// Mutexes locked by the process, counted.
#pragma once

#include <cstdint>

namespace tenon::harness {

// False where a sanitizer has taken the place of the lock.
bool counts_locks();
int64_t locks();

}  // namespace tenon::harness
