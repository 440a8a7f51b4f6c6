#include "harness/allocations.h"

#include <openssl/crypto.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace tenon::harness {
namespace {

constexpr int64_t kNever = -1;
thread_local int64_t count = 0, fail_at = kNever;
std::atomic<int64_t> count_of_all{0};

bool fails() {
  count_of_all.fetch_add(1, std::memory_order_relaxed);
  return count++ == fail_at;
}

void* allocate(size_t n) {
  void* p = fails() ? nullptr : std::malloc(n ? n : 1);
  if (!p) throw std::bad_alloc();
  return p;
}

void* allocate(size_t n, std::align_val_t alignment) {
  void* p = nullptr;
  if (fails() || posix_memalign(&p, static_cast<size_t>(alignment) < sizeof(void*) ? sizeof(void*) : static_cast<size_t>(alignment), n ? n : 1) != 0)
    throw std::bad_alloc();
  return p;
}

// OpenSSL takes these only before its first allocation.
[[gnu::constructor(101)]] void replace_openssl_allocator() {
  CRYPTO_set_mem_functions([](size_t n, const char*, int) -> void* { return fails() ? nullptr : std::malloc(n); },
                           [](void* p, size_t n, const char*, int) -> void* { return fails() ? nullptr : std::realloc(p, n); },
                           [](void* p, const char*, int) { std::free(p); });
}

}  // namespace

int64_t allocations() { return count; }
int64_t allocations_of_all_threads() { return count_of_all.load(std::memory_order_relaxed); }
FailingAllocation::FailingAllocation(int64_t n) { fail_at = count + n; }
FailingAllocation::~FailingAllocation() { fail_at = kNever; }

}  // namespace tenon::harness

void* operator new(size_t n) { return tenon::harness::allocate(n); }
void* operator new[](size_t n) { return tenon::harness::allocate(n); }
void* operator new(size_t n, std::align_val_t a) { return tenon::harness::allocate(n, a); }
void* operator new[](size_t n, std::align_val_t a) { return tenon::harness::allocate(n, a); }
void* operator new(size_t n, const std::nothrow_t&) noexcept { return tenon::harness::fails() ? nullptr : std::malloc(n ? n : 1); }
void* operator new[](size_t n, const std::nothrow_t&) noexcept { return tenon::harness::fails() ? nullptr : std::malloc(n ? n : 1); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t, std::align_val_t) noexcept { std::free(p); }
