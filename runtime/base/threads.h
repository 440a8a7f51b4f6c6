// Work for a few threads that live as long as it does: loading, reading, packing. Runs of a model use the pool of exec.
#pragma once

#include <functional>

namespace tenon {

// Runs `worker`, which must not throw, on `threads` threads, the caller's among them; on fewer where the system gives no more.
void on_threads(int threads, const std::function<void()>& worker);

}  // namespace tenon
