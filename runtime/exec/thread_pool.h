// The one thread pool of the process. Workers spin while a run holds the pool and sleep between runs; work is cut into chunks by
// shape, and who is free takes the next.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "kernels/kernel.h"

namespace tenon {

// Processors this process may use: its affinity, or less where a control group allows less.
int processors();
// Whole processors that the control groups named in the file `self` grant, their folders below `mount`; INT32_MAX where none sets a limit.
int granted_processors(const std::string& mount, const std::string& self);

class ThreadPool {
 public:
  static ThreadPool& instance();
  ~ThreadPool();

  // Holds the pool for one run; wakes `workers - 1` threads. Where another run holds it, the caller works alone.
  class Lease {
   public:
    Lease(ThreadPool& pool, int workers);
    ~Lease();
    Lease(const Lease&) = delete;
    int workers() const { return workers_; }

   private:
    ThreadPool& pool_;
    int workers_;
  };

  // The `fork` of a Context whose pool is this one.
  static void fork(const Context& context, int64_t count, int64_t grain, void (*body)(void*, int64_t, int64_t, int), void* closure);

  // Workers are pinned to the allowed processors other than the first, unless this is turned off before the first run.
  static void pin_workers(bool pin);

  int64_t wakes() const { return wakes_.load(std::memory_order_relaxed); }

 private:
  ThreadPool() = default;
  void grow(int threads);
  void work(int worker);
  void take(int worker, uint32_t epoch);

  struct Job {
    void (*body)(void*, int64_t, int64_t, int);
    void* closure;
    int64_t count, grain;
  };
  Job job_{};
  // The job's number in the high half, the next chunk in the low half: a chunk is taken only by who knows the job.
  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) std::atomic<uint32_t> done_{0};
  alignas(64) std::atomic<uint32_t> chunks_{0};
  alignas(64) std::atomic<uint32_t> epoch_{0};
  alignas(64) std::atomic<uint32_t> awake_{0};  // a futex: the number of workers that should spin; 0 between runs
  std::atomic<int> sleeping_{0};
  std::atomic<bool> held_{false}, ended_{false};
  std::atomic<int64_t> wakes_{0};
  std::vector<std::thread> threads_;
};

}  // namespace tenon
