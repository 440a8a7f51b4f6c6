#include "harness/memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) (static_cast<void>(p))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) (static_cast<void>(p))
#endif

namespace tenon::harness {
namespace {

constexpr int64_t kFence = 256;
constexpr uint8_t kFenceByte = 0xc5;

}  // namespace

void Fenced::Free::operator()(char* p) const { std::free(p); }

Fenced::Fenced(int64_t bytes, int64_t alignment, uint8_t poison) : bytes_(bytes) {
  const int64_t room = (kFence + 64 + bytes + kFence + 63) / 64 * 64;
  block_.reset(static_cast<char*>(std::aligned_alloc(64, static_cast<size_t>(room))));
  if (!block_) throw std::bad_alloc();
  data_ = block_.get() + kFence + (alignment < 64 ? alignment : 0);
  std::memset(block_.get(), kFenceByte, static_cast<size_t>(room));
  std::memset(data_, poison, static_cast<size_t>(bytes));
  ASAN_POISON_MEMORY_REGION(data_ - kFence, kFence);
  ASAN_POISON_MEMORY_REGION(data_ + bytes, kFence);
}

Fenced::~Fenced() {
  if (!block_) return;
  ASAN_UNPOISON_MEMORY_REGION(data_ - kFence, kFence);
  ASAN_UNPOISON_MEMORY_REGION(data_ + bytes_, kFence);
}

bool Fenced::intact() const {
  if (!block_) return true;
  ASAN_UNPOISON_MEMORY_REGION(data_ - kFence, kFence);
  ASAN_UNPOISON_MEMORY_REGION(data_ + bytes_, kFence);
  const auto fence = [](const char* p) { return std::all_of(p, p + kFence, [](char c) { return static_cast<uint8_t>(c) == kFenceByte; }); };
  const bool whole = fence(data_ - kFence) && fence(data_ + bytes_);
  ASAN_POISON_MEMORY_REGION(data_ - kFence, kFence);
  ASAN_POISON_MEMORY_REGION(data_ + bytes_, kFence);
  return whole;
}

}  // namespace tenon::harness
