#include "plan/packing.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "base/threads.h"
#include "base/wipe.h"

namespace tenon {
namespace {
constexpr int64_t kCopied = int64_t{512} << 20;      // bytes of constants being packed that lie in buffers, unless two alone are more
constexpr int64_t kThreadsWorth = int64_t{1} << 20;  // bytes of constants for which another thread is worth starting
}  // namespace

Lent::~Lent() { wipe_memory(memory_.data(), static_cast<size_t>(memory_.bytes())); }

const void* Lent::data(const Constant& c) {
  if (const void* lies = c.view()) return lies;
  if (memory_.bytes() < c.bytes) {
    wipe_memory(memory_.data(), static_cast<size_t>(memory_.bytes()));
    memory_ = Buffer(c.bytes);
  }
  c.source->read(c.offset, c.bytes, memory_.data());
  return memory_.data();
}

void Packing::add(std::unique_ptr<ModelStep> model, int source, const Constant* c, void* packed) {
  tasks_.push_back({std::move(model), source, c ? std::optional(*c) : std::nullopt, packed});
}

int Packing::threads(int workers) const {
  int64_t largest_copy = 1, bytes = 0;
  for (const Task& t : tasks_) {
    if (!t.constant) continue;
    bytes += t.constant->bytes;
    if (!t.constant->view()) largest_copy = std::max(largest_copy, t.constant->bytes);
  }
  const int64_t fitting = std::max<int64_t>(2, kCopied / largest_copy), worth = 1 + bytes / kThreadsWorth;
  return static_cast<int>(std::min({static_cast<int64_t>(workers), static_cast<int64_t>(tasks_.size()), fitting, worth}));
}

void Packing::run(int workers) {
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr failure;
  on_threads(threads(workers), [&] {
    try {
      Lent lent;
      for (size_t i; !failed && (i = next.fetch_add(1)) < tasks_.size();) {
        const Task& t = tasks_[i];
        Step& step = t.model->step;
        if (t.constant) step.src[t.source].data = const_cast<void*>(lent.data(*t.constant));
        step.kernel->pack(step, t.packed);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  });
  tasks_.clear();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tenon
