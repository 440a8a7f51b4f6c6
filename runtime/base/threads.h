// Work for a few threads that live as long as it does: loading, reading, packing. Runs of a model use the pool of exec.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <mutex>

namespace tenon {

// Runs `worker`, which must not throw, on `threads` threads, the caller's among them; on fewer where the system gives no more.
void on_threads(int threads, const std::function<void()>& worker);

// Calls body(state, i) for every i below count, on `threads` threads at most, each with a State of its own. After a failure no more is
// begun; the first is thrown when all have ended.
template <class State, class Body>
void each_on_threads(int threads, size_t count, const Body& body) {
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr failure;
  on_threads(static_cast<int>(std::min(static_cast<size_t>(std::max(threads, 1)), count)), [&] {
    try {
      State state;
      for (size_t i; !failed && (i = next.fetch_add(1)) < count;) body(state, i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tenon
