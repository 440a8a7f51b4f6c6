#pragma once

#include <cstdint>

namespace tenon {

// An axis or index among n, which counts from the end where it is negative, as one that counts from the front.
constexpr int64_t from_front(int64_t i, int64_t n) { return i < 0 ? i + n : i; }

}  // namespace tenon
