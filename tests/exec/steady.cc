// A run like the one before allocates nothing, locks nothing and makes no system call but the one that wakes the pool; and the number of
// threads changes no bit of a result.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>

#include "device/cpu.h"
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
    {"ppocr_cls", "ppocr_v4/ch_ppocr_mobile_v2.0_cls_infer.onnx", {{"p2o.DynamicDimension.1", 48}, {"p2o.DynamicDimension.2", 192}}},
    {"llama", "llama_kv_260k/stories260K_decoder_kv.onnx", {{"seq", 5}, {"past", 40}}},
    {"moonshine_encoder", "moonshine_tiny/encoder_model.onnx", {{"num_samples", 16000}}},
    {"moonshine_decoder", "moonshine_tiny/decoder_model_merged.onnx", {{"encoder_sequence_length", 40}, {"past_decoder_sequence_length", 7}}},
    {"magika", "magika_v3_3/model.onnx", {}},
    {"ncf", "ncf_ml1m/ncf.onnx", {}},
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
      else if (p.dtype == DType::boolean) t.as<bool>()[i] = true;
      else if (p.dtype == DType::s32) t.as<int32_t>()[i] = static_cast<int32_t>((x + 1) * 100);
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
  if (best_isa() == Isa::reference) GTEST_SKIP() << "there are only references, which allocate";
  const Model model = load(GetParam());
  Session session(model);
  const auto inputs = inputs_of(model, GetParam());
  session.run(views(inputs));
  session.run();
  for (const StepTime& t : session.profile()) EXPECT_NE(t.kernel, "reference") << "a " << t.op << " runs by the reference";
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

// The process that is traced runs the first of each pair; without a tracer it only shows that it passes.
TEST_P(EveryModel, runs_while_traced) {
  const Model model = load(GetParam());
  Session session(model);
  const auto inputs = inputs_of(model, GetParam());
  session.run(views(inputs));
  session.run();
  wait_until_other_threads_sleep();
  harness::begin_counting();
  for (int i = 0; i < kRuns; ++i) session.run();
  harness::end_counting();
}

void expect_no_calls_but_to_wake(const std::string& traced) {
  if (harness::is_traced()) GTEST_SKIP() << "this is the traced process";
  if (!harness::counts_locks()) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  if (best_isa() == Isa::reference) GTEST_SKIP() << "there are only references, which allocate";
  const harness::SystemCalls calls = harness::count_system_calls(traced.c_str());
  if (!calls.traced && calls.why.find("traced test") == std::string::npos) GTEST_SKIP() << calls.why;
  ASSERT_TRUE(calls.traced) << calls.why;
  EXPECT_EQ(calls.other, 0) << calls.names;
  EXPECT_LE(calls.futex_main, kRuns);
}

TEST_P(EveryModel, makes_no_system_call_but_to_wake) {
  expect_no_calls_but_to_wake(std::string("Steady/EveryModel.runs_while_traced/") + GetParam().name);
}

INSTANTIATE_TEST_SUITE_P(Steady, EveryModel, testing::ValuesIn(kCases), [](const auto& info) { return info.param.name; });

// Tokens one by one with the caches tied, once to get memory for all of them and then again.
const Case kDecoder{"llama", "llama_kv_260k/stories260K_decoder_kv.onnx", {}};

class Decoder : public testing::Test {
 protected:
  void SetUp() override {
    if (!there(kDecoder)) GTEST_SKIP() << "the shared models are not here";
    model_.emplace(load(kDecoder));
    session_.emplace(*model_);
    session_->tie();
    session_->reserve_state(kRuns);
    *token_.as<int64_t>() = 5;
    session_->bind_input("input_ids", token_);
    for (int i = 0; i < kRuns; ++i) session_->run();
    session_->reset_state();
  }
  std::optional<Model> model_;
  std::optional<Session> session_;
  OwnedTensor token_{DType::s64, {1, 1}};
};

TEST_F(Decoder, allocates_nothing_and_locks_nothing) {
  if (best_isa() == Isa::reference) GTEST_SKIP() << "there are only references, which allocate";
  const int64_t allocations = harness::allocations_of_all_threads(), locks = harness::locks();
  const Session::Counters before = session_->counters();
  for (int i = 0; i < kRuns; ++i) session_->run();
  EXPECT_EQ(harness::allocations_of_all_threads() - allocations, 0);
  EXPECT_EQ(harness::locks() - locks, 0);
  EXPECT_EQ(session_->counters().plans - before.plans, 0);
  EXPECT_EQ(session_->counters().state_bytes_copied - before.state_bytes_copied, 0);
}

TEST_F(Decoder, runs_while_traced) {
  wait_until_other_threads_sleep();
  harness::begin_counting();
  for (int i = 0; i < kRuns; ++i) session_->run();
  harness::end_counting();
}

TEST_F(Decoder, makes_no_system_call_but_to_wake) { expect_no_calls_but_to_wake("Decoder.runs_while_traced"); }

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
