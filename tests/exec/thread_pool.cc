#include "exec/thread_pool.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

namespace tenon {
namespace {

Context context(ThreadPool::Lease& lease) {
  Context c{};
  c.fork = ThreadPool::fork;
  c.pool = &ThreadPool::instance();
  c.workers = lease.workers();
  return c;
}

// How often each of `count` numbers was visited.
std::vector<int> visits(const Context& c, int64_t count, int64_t grain) {
  std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
  parallel(c, count, grain, [&](int64_t begin, int64_t end, int worker) {
    EXPECT_LE(end - begin, grain);
    EXPECT_EQ(begin % grain, 0);
    EXPECT_LT(worker, c.workers);
    for (int64_t i = begin; i < end; ++i) seen[static_cast<size_t>(i)].fetch_add(1, std::memory_order_relaxed);
  });
  return {seen.begin(), seen.end()};
}

TEST(ThreadPool, does_every_piece_once) {
  for (int workers : {1, 2, 3, 4}) {
    ThreadPool::Lease lease(ThreadPool::instance(), workers);
    ASSERT_EQ(lease.workers(), workers);
    for (int64_t count : {0, 1, 2, 7, 64, 1000})
      for (int64_t grain : {1, 3, 64, 5000})
        EXPECT_EQ(visits(context(lease), count, grain), std::vector<int>(static_cast<size_t>(count), 1)) << workers << " " << count << " " << grain;
  }
}

TEST(ThreadPool, whoever_finds_it_held_works_alone) {
  ThreadPool::Lease first(ThreadPool::instance(), 2);
  std::thread([] {
    ThreadPool::Lease second(ThreadPool::instance(), 2);
    EXPECT_EQ(second.workers(), 1);
    EXPECT_EQ(visits(context(second), 100, 7), std::vector<int>(100, 1));
  }).join();
  EXPECT_EQ(first.workers(), 2);
}

TEST(ThreadPool, is_handed_on_between_threads) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        ThreadPool::Lease lease(ThreadPool::instance(), 1 + i % 4);
        wrong += visits(context(lease), 50, 3) != std::vector<int>(50, 1);
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

TEST(ThreadPool, wakes_after_sleep) {
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    ThreadPool::Lease lease(ThreadPool::instance(), 2);
    EXPECT_EQ(visits(context(lease), 100, 1), std::vector<int>(100, 1));
  }
}

TEST(ThreadPool, counts_processors_it_may_use) {
  EXPECT_GE(processors(), 1);
  EXPECT_LE(processors(), static_cast<int>(std::thread::hardware_concurrency()));
}

class Groups : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(root); }
  void TearDown() override { std::filesystem::remove_all(root); }
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root + file).parent_path());
    std::ofstream(root + file) << text;
  }
  int granted() { return granted_processors(root + "/mount", root + "/self"); }
  const std::string root = testing::TempDir() + "tenon_groups_" + std::to_string(getpid());
};

TEST_F(Groups, grant_what_the_narrowest_of_them_has) {
  write("/self", "0::/a/b\n");
  EXPECT_EQ(granted(), INT32_MAX);
  write("/mount/cpu.max", "max 100000\n");
  write("/mount/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(granted(), INT32_MAX);
  write("/mount/a/cpu.max", "250000 100000\n");
  EXPECT_EQ(granted(), 3);
  write("/mount/a/b/cpu.max", "50000 100000\n");
  EXPECT_EQ(granted(), 1);
}

TEST_F(Groups, of_version_1) {
  write("/self", "5:memory:/x\n4:cpu,cpuacct:/x/y\n");
  write("/mount/cpu/x/cpu.cfs_quota_us", "400000\n");
  write("/mount/cpu/x/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(granted(), 4);
  write("/mount/cpu/x/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(granted(), INT32_MAX);
}

}  // namespace
}  // namespace tenon
