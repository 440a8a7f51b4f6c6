#include "base/threads.h"

#include <algorithm>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace tenon {

void on_threads(int threads, const std::function<void()>& worker) {
  std::vector<std::jthread> others;
  try {
    others.reserve(static_cast<size_t>(std::max(threads - 1, 0)));
    for (int i = 1; i < threads; ++i) others.emplace_back(worker);
  } catch (const std::system_error&) {
  } catch (const std::bad_alloc&) {}
  worker();
}

}  // namespace tenon
