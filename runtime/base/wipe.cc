#include "base/wipe.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>

namespace tenon {
namespace {
constexpr uintptr_t kPage = 4096;  // or a part of one: larger pages make madvise refuse
constexpr size_t kLarge = size_t{256} << 10;
}  // namespace

void wipe_memory(void* p, size_t n) {
  if (n == 0) return;
  auto* at = static_cast<char*>(p);
  const auto begin = reinterpret_cast<uintptr_t>(p), first = (begin + kPage - 1) / kPage * kPage, last = (begin + n) / kPage * kPage;
  if (n < kLarge || madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED) != 0) return explicit_bzero(at, n);
  explicit_bzero(at, first - begin);
  explicit_bzero(reinterpret_cast<void*>(last), begin + n - last);
}

}  // namespace tenon
