// What several threads do at once: the pool, and sessions that share a model. Run under ThreadSanitizer too.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "exec/thread_pool.h"
#include "formats/numpy/npy.h"
#include "tenon.h"

namespace tenon {
namespace {

void run_together(int threads, const std::function<void(int)>& body) {
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) all.emplace_back([&, t] { body(t); });
  for (std::thread& t : all) t.join();
}

// How often each of `count` items was done, and by workers that there are.
void expect_each_once(const ThreadPool::Lease& lease, int64_t count, int64_t grain) {
  Context context{};
  context.fork = ThreadPool::fork, context.pool = &ThreadPool::instance(), context.workers = lease.workers();
  std::vector<int> done(static_cast<size_t>(count));  // plain: who takes an item owns it
  std::atomic<int> strangers{0};
  parallel(context, count, grain, [&](int64_t begin, int64_t end, int worker) {
    strangers += worker < 0 || worker >= context.workers;
    for (int64_t i = begin; i < end; ++i) ++done[static_cast<size_t>(i)];
  });
  EXPECT_EQ(strangers, 0);
  EXPECT_EQ(std::count(done.begin(), done.end(), 1), count) << "grain " << grain;
}

TEST(Threads, the_pool_does_every_item_once) {
  const ThreadPool::Lease lease(ThreadPool::instance(), 4);
  for (int round = 0; round < 20; ++round)
    for (int64_t count : {0, 1, 2, 3, 7, 64, 1000})
      for (int64_t grain : {1, 3, 1000}) expect_each_once(lease, count, grain);
}

TEST(Threads, runs_at_once_share_the_pool_or_work_alone) {
  run_together(4, [](int) {
    for (int round = 0; round < 50; ++round) {
      const ThreadPool::Lease lease(ThreadPool::instance(), 3);
      expect_each_once(lease, 50, 2);
    }
  });
}

std::string digits() { return std::string(TENON_SOURCE_DIR) + "/bench/zoo/digits/digits.onnx"; }

OwnedTensor picture(const Port& port, int seed) {
  std::vector<int64_t> shape;
  for (const Axis& a : port.shape) shape.push_back(a.size < 0 ? 3 : a.size);
  OwnedTensor t(port.dtype, shape);
  for (int64_t i = 0; i < t.view().count(); ++i) static_cast<float*>(t.view().data)[i] = static_cast<float>((i * 7 + seed * 13) % 17) / 16.f;
  return t;
}

std::string bits_of(const std::vector<Tensor>& outputs) {
  std::string bits;
  for (const Tensor& t : outputs) bits.append(static_cast<const char*>(t.data), static_cast<size_t>(t.bytes()));
  return bits;
}

std::string run_digits(Session& session, const Model& model, int seed) {
  const OwnedTensor in = picture(model.inputs()[0], seed);
  return bits_of(session.run({{model.inputs()[0].name, in.view()}}));
}

TEST(Threads, any_number_gives_the_same_bits) {
  std::string one;
  for (int threads : {1, 2, 3, 5}) {
    const Model model = Model::load(digits(), {.threads = threads});
    Session session(model);
    const std::string bits = run_digits(session, model, 1);
    if (threads == 1) one = bits;
    EXPECT_EQ(bits, one) << threads << " threads";
  }
}

TEST(Threads, sessions_of_one_model_run_at_once) {
  const Model model = Model::load(digits(), {.threads = 2});
  std::vector<std::string> expected;
  for (int seed = 0; seed < 4; ++seed) {
    Session session(model);
    expected.push_back(run_digits(session, model, seed));
  }
  std::atomic<int> wrong{0};
  run_together(4, [&](int t) {
    Session session(model);
    for (int round = 0; round < 20; ++round) wrong += run_digits(session, model, t) != expected[static_cast<size_t>(t)];
  });
  EXPECT_EQ(wrong, 0);
}

TEST(Threads, models_load_at_once) {
  std::atomic<int> wrong{0};
  run_together(4, [&](int t) {
    const Model model = Model::load(digits(), {.threads = 1 + t % 2});
    Session session(model);
    wrong += run_digits(session, model, 0).empty();
  });
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace tenon
