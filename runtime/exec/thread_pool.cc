#include "exec/thread_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>

namespace tenon {
namespace {

std::atomic<bool> pinned{true};

// Workers go on spinning for this long after a run, so that runs back to back wake nobody.
constexpr auto kLinger = std::chrono::microseconds(200);

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void futex_wait(std::atomic<uint32_t>& word, uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void futex_wake(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}

std::vector<int> allowed() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> list;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set)) list.push_back(i);
  return list;
}

// The processors of the process as a whole, before any thread was pinned.
const std::vector<int>& allowed_at_start() {
  static const std::vector<int> list = allowed();
  return list;
}

// Whole processors for a quota of so many microseconds in each period.
int whole(int64_t quota, int64_t period) {
  if (quota <= 0 || period <= 0) return INT32_MAX;
  return static_cast<int>(std::clamp<int64_t>((quota + period - 1) / period, 1, INT32_MAX));
}

}  // namespace

int granted_processors(const std::string& mount, const std::string& self) {
  int least = INT32_MAX;
  std::ifstream lines(self);
  for (std::string line; std::getline(lines, line);) {
    // hierarchy:controllers:path, without controllers in the one hierarchy of version 2.
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool v2 = controllers == ",,";
    if (!v2 && controllers.find(",cpu,") == controllers.npos) continue;
    // A group has no more than those around it. In a container the path may be one that only the host sees.
    for (std::string path = line.substr(second + 1);; path.erase(std::min(path.find_last_of('/'), path.size() - 1))) {
      while (!path.empty() && path.back() == '/') path.pop_back();
      const std::string folder = mount + (v2 ? "" : "/cpu") + path;
      std::string quota;
      int64_t number = 0, period = 0;
      if (v2) {
        if (std::ifstream(folder + "/cpu.max") >> quota >> period && quota != "max")
          least = std::min(least, whole(std::strtoll(quota.c_str(), nullptr, 10), period));
      } else if (std::ifstream(folder + "/cpu.cfs_quota_us") >> number && std::ifstream(folder + "/cpu.cfs_period_us") >> period) {
        least = std::min(least, whole(number, period));
      }
      if (path.empty()) break;
    }
  }
  return least;
}

int processors() {
  static const int n =
      std::max(1, std::min<int>(static_cast<int>(allowed_at_start().size()), granted_processors("/sys/fs/cgroup", "/proc/self/cgroup")));
  return n;
}

ThreadPool& ThreadPool::instance() {
  static ThreadPool pool;
  return pool;
}

void ThreadPool::pin_workers(bool pin) { pinned = pin; }

void ThreadPool::grow(int threads) {
  const std::vector<int>& cpus = allowed_at_start();
  while (static_cast<int>(threads_.size()) < threads) {
    const int worker = static_cast<int>(threads_.size()) + 1;
    threads_.emplace_back([this, worker] { work(worker); });
    if (pinned && worker < static_cast<int>(cpus.size())) {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(cpus[static_cast<size_t>(worker)], &set);
      pthread_setaffinity_np(threads_.back().native_handle(), sizeof set, &set);
    }
  }
}

ThreadPool::~ThreadPool() {
  ended_ = true;
  awake_ = UINT32_MAX;
  futex_wake(awake_);
  for (std::thread& t : threads_) t.join();
}

void ThreadPool::take(int worker, uint32_t epoch) {
  for (;;) {
    uint64_t t = ticket_.load(std::memory_order_acquire);
    do {
      if (static_cast<uint32_t>(t >> 32) != epoch || static_cast<uint32_t>(t) >= chunks_.load(std::memory_order_acquire)) return;
    } while (!ticket_.compare_exchange_weak(t, t + 1, std::memory_order_acq_rel, std::memory_order_acquire));
    const int64_t begin = static_cast<int64_t>(static_cast<uint32_t>(t)) * job_.grain;
    job_.body(job_.closure, begin, std::min(begin + job_.grain, job_.count), worker);
    done_.fetch_add(1, std::memory_order_release);
  }
}

void ThreadPool::work(int worker) {
  uint32_t seen = epoch_.load(std::memory_order_acquire) - 1;  // it takes part in a job that is under way already
  auto idle_since = std::chrono::steady_clock::now();
  for (int spins = 0; !ended_.load(std::memory_order_relaxed); ++spins) {
    const uint32_t epoch = epoch_.load(std::memory_order_acquire);
    const uint32_t awake = awake_.load(std::memory_order_acquire);
    if (epoch != seen && static_cast<uint32_t>(worker) < awake) {
      seen = epoch;
      take(worker, epoch);
      idle_since = std::chrono::steady_clock::now();
      continue;
    }
    pause();
    if (spins & 255) continue;
    if (static_cast<uint32_t>(worker) < awake) {
      idle_since = std::chrono::steady_clock::now();
    } else if (std::chrono::steady_clock::now() - idle_since > kLinger) {
      sleeping_.fetch_add(1);
      if (awake_.load() == awake) futex_wait(awake_, awake);
      sleeping_.fetch_sub(1);
      idle_since = std::chrono::steady_clock::now();
    }
  }
}

void ThreadPool::fork(const Context& context, int64_t count, int64_t grain, void (*body)(void*, int64_t, int64_t, int), void* closure) {
  ThreadPool& p = *static_cast<ThreadPool*>(context.pool);
  // Chunks are numbered in 32 bits.
  grain = std::max(grain, count / INT32_MAX + 1);
  const uint32_t chunks = static_cast<uint32_t>((count + grain - 1) / grain);
  const uint32_t epoch = p.epoch_.load(std::memory_order_relaxed) + 1;
  // Until the job is complete no chunk of it can be had: a worker that still looks at the last job would take one with its number.
  p.ticket_.store(uint64_t{epoch} << 32 | UINT32_MAX, std::memory_order_seq_cst);
  p.job_ = {body, closure, count, grain};
  p.done_.store(0, std::memory_order_relaxed);
  p.chunks_.store(chunks, std::memory_order_release);
  p.ticket_.store(uint64_t{epoch} << 32, std::memory_order_release);
  p.epoch_.store(epoch, std::memory_order_release);
  p.take(0, epoch);
  while (p.done_.load(std::memory_order_acquire) != chunks) pause();
}

ThreadPool::Lease::Lease(ThreadPool& pool, int workers) : pool_(pool), workers_(1) {
  if (workers <= 1 || pool_.held_.exchange(true, std::memory_order_acquire)) return;
  pool_.grow(workers - 1);
  workers_ = workers;
  pool_.awake_.store(static_cast<uint32_t>(workers), std::memory_order_seq_cst);
  if (pool_.sleeping_.load() > 0) {
    pool_.wakes_.fetch_add(1, std::memory_order_relaxed);
    futex_wake(pool_.awake_);
  }
}

ThreadPool::Lease::~Lease() {
  if (workers_ == 1) return;
  pool_.awake_.store(0, std::memory_order_seq_cst);
  pool_.held_.store(false, std::memory_order_release);
}

}  // namespace tenon
