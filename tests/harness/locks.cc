#include "harness/locks.h"

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TENON_SANITIZED 1
#else
#define TENON_SANITIZED 0
#endif

namespace tenon::harness {

std::atomic<int64_t> lock_count{0};

bool counts_locks() { return !TENON_SANITIZED; }
int64_t locks() { return lock_count.load(std::memory_order_relaxed); }

}  // namespace tenon::harness

#if !TENON_SANITIZED
namespace {

template <class F>
F* real(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

int counted(int (*lock)(pthread_mutex_t*), pthread_mutex_t* m) {
  tenon::harness::lock_count.fetch_add(1, std::memory_order_relaxed);
  return lock(m);
}

}  // namespace

extern "C" int pthread_mutex_lock(pthread_mutex_t* m) noexcept {
  static int (*const lock)(pthread_mutex_t*) = real<int(pthread_mutex_t*)>("pthread_mutex_lock");
  return counted(lock, m);
}

extern "C" int pthread_mutex_trylock(pthread_mutex_t* m) noexcept {
  static int (*const lock)(pthread_mutex_t*) = real<int(pthread_mutex_t*)>("pthread_mutex_trylock");
  return counted(lock, m);
}
#endif
