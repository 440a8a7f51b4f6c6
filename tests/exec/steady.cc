// A run like the one before allocates nothing, locks nothing and makes no system call but the one that wakes the pool; and the number of
// threads changes no bit of a result.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "harness/allocations.h"
#include "harness/locks.h"
#include "harness/system_calls.h"
#include "models/shared.h"

namespace tenon {
namespace {

const char kDigits[] = TENON_SOURCE_DIR "/bench/zoo/digits/digits.onnx";
constexpr int kRuns = 50;

// A model and what one run of it after the other is.
struct Case {
  const char* name;
  const char* path;  // below the shared models; null: the one that ships with the project
  std::map<std::string, int64_t> dims;
};

const Case kCases[] = {
    {"digits", nullptr, {}},
    {"mnist", "mnist/mnist.onnx", {}},
    {"mobilenetv2_qdq", "mobilenetv2_qdq/mobilenetv2-12-qdq.onnx", {}},
    {"ultraface", "ultraface_rfb320/version-RFB-320.onnx", {}},
    {"byte_bidi_lstm", "byte_bidi_lstm/model.onnx", {{"length", 20}}},
    {"vit_cifar10", "vit_cifar10/vit_pgd_2_3_16.onnx", {}},
    {"ppocr_cls", "ppocr_v4/ch_ppocr_mobile_v2.0_cls_infer.onnx", {}},
    {"llama", "llama_kv_260k/stories260K_decoder_kv.onnx", {{"seq", 5}, {"past", 40}}},
    {"silero_vad", "silero_vad/silero_vad_op18_ifless.onnx", {{"sequence", 512}}},
};

bool there(const Case& c) { return !c.path || std::filesystem::exists(models::shared(std::string("models/") + c.path)); }

Model load(const Case& c, Options options = {}) { return Model::load(c.path ? models::shared(std::string("models/") + c.path) : kDigits, options); }

int64_t size_of(const Axis& a, const Case& c) {
  if (a.size >= 0) return a.size;
  const auto given = c.dims.find(a.symbol);
  return given != c.dims.end() ? given->second : 1;
}

// The same numbers for the same model.
std::map<std::string, OwnedTensor> inputs_of(const Model& model, const Case& c) {
  std::map<std::string, OwnedTensor> out;
  uint64_t at = 0;
  for (const Port& p : model.inputs()) {
    std::vector<int64_t> shape;
    for (const Axis& a : p.shape) shape.push_back(size_of(a, c));
    OwnedTensor t(p.dtype, shape);
    for (int64_t i = 0; i < t.count(); ++i) {
      const float x = models::noise(at++);
      if (p.dtype == DType::f32) t.as<float>()[i] = x;
      else if (p.dtype == DType::s64) t.as<int64_t>()[i] = shape.empty() ? 16000 : static_cast<int64_t>((x + 1) * 100);
      else if (p.dtype == DType::u8) t.as<uint8_t>()[i] = static_cast<uint8_t>((x + 1) * 100);
      else ADD_FAILURE() << "inputs of " << text(p);
    }
    out[p.name] = std::move(t);
  }
  return out;
}

std::map<std::string, Tensor> views(const std::map<std::string, OwnedTensor>& owned) {
  std::map<std::string, Tensor> out;
  for (const auto& [name, tensor] : owned) out[name] = tensor;
  return out;
}

std::string bytes_of(const std::vector<Tensor>& tensors) {
  std::string out;
  for (const Tensor& t : tensors) out.append(static_cast<const char*>(t.data), static_cast<size_t>(t.bytes()));
  return out;
}

class EveryModel : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!there(GetParam())) GTEST_SKIP() << "the shared models are not here";
  }
};

TEST_P(EveryModel, allocates_nothing_and_locks_nothing) {
  const Model model = load(GetParam());
  Session session(model);
  const auto inputs = inputs_of(model, GetParam());
  session.run(views(inputs));
  session.run();
  for (const StepTime& t : session.profile())
    if (t.kernel == "reference") GTEST_SKIP() << "a " << t.op << " runs by the reference";
  const int64_t allocations = harness::allocations_of_all_threads(), locks = harness::locks();
  const Session::Counters before = session.counters();
  for (int i = 0; i < kRuns; ++i) session.run();
  EXPECT_EQ(harness::allocations_of_all_threads() - allocations, 0);
  EXPECT_EQ(harness::locks() - locks, 0);
  const Session::Counters after = session.counters();
  EXPECT_EQ(after.runs - before.runs, kRuns);
  EXPECT_EQ(after.allocations - before.allocations, 0);
  EXPECT_EQ(after.plans - before.plans, 0);
  EXPECT_EQ(after.binds - before.binds, 0);
}

TEST_P(EveryModel, gives_the_same_bits_for_any_number_of_threads) {
  std::string one;
  for (int threads : {1, 2, 3, 4}) {
    Options options;
    options.threads = threads;
    const Model model = load(GetParam(), options);
    Session session(model);
    const auto inputs = inputs_of(model, GetParam());
    const std::string bytes = bytes_of(session.run(views(inputs)));
    ASSERT_FALSE(bytes.empty());
    if (threads == 1) one = bytes;
    EXPECT_TRUE(bytes == one) << threads << " threads";
    EXPECT_TRUE(bytes_of(session.run(views(inputs))) == one) << threads << " threads, run again";
  }
}

TEST_P(EveryModel, is_shared_by_sessions_in_many_threads) {
  Options options;
  options.threads = 2;
  const Model model = load(GetParam(), options);
  const auto inputs = inputs_of(model, GetParam());
  Session alone(model);
  const std::string expected = bytes_of(alone.run(views(inputs)));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      Session session(model);
      for (int i = 0; i < 5; ++i) wrong += bytes_of(session.run(views(inputs))) != expected;
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

INSTANTIATE_TEST_SUITE_P(Steady, EveryModel, testing::ValuesIn(kCases), [](const auto& info) { return info.param.name; });

// A thread that was just made has yet to begin, and asks the system for this and that when it does.
void wait_until_other_threads_sleep() {
  const auto sleep = [](const std::filesystem::path& task) {
    std::ifstream stat(task / "stat");
    std::string line;
    std::getline(stat, line);
    const size_t name = line.rfind(") ");
    return name == line.npos || line[name + 2] == 'S';
  };
  for (int patience = 0; patience < 2000; ++patience) {
    bool all = true;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
      all = all && (task.path().filename() == std::to_string(getpid()) || sleep(task.path()));
    if (all) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  FAIL() << "a worker does not go to sleep after a run";
}

// Runs in a process that is traced; alone it only shows that it passes.
TEST(Steady, runs_while_traced) {
  const Model model = Model::load(kDigits);
  Session session(model);
  const auto inputs = inputs_of(model, kCases[0]);
  session.run(views(inputs));
  session.run();
  wait_until_other_threads_sleep();
  harness::begin_counting();
  for (int i = 0; i < kRuns; ++i) session.run();
  harness::end_counting();
}

TEST(Steady, makes_no_system_call_but_to_wake) {
  if (harness::is_traced()) GTEST_SKIP() << "this is the traced process";
  if (!harness::counts_locks()) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  const harness::SystemCalls calls = harness::count_system_calls("Steady.runs_while_traced");
  if (!calls.traced && calls.why.find("traced test") == std::string::npos) GTEST_SKIP() << calls.why;
  ASSERT_TRUE(calls.traced) << calls.why;
  EXPECT_EQ(calls.other, 0) << calls.names;
  EXPECT_LE(calls.futex_main, kRuns);
}

TEST(Steady, the_counters_count) {
  const int64_t allocations = harness::allocations_of_all_threads();
  std::thread([] { delete new int(1); }).join();
  EXPECT_GE(harness::allocations_of_all_threads() - allocations, 1);
  if (!harness::counts_locks()) GTEST_SKIP() << "a sanitizer has taken the place of the lock";
  std::mutex m;
  const int64_t locks = harness::locks();
  m.lock();
  m.unlock();
  EXPECT_EQ(harness::locks() - locks, 1);
}

}  // namespace
}  // namespace tenon
