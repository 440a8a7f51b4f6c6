// Sealed models: how fast weights are decrypted, beside OpenSSL alone and memcpy in the same run, and what audit records cost.
//
//   build/release/bench/bench_seal
//
// bytes_per_second of decrypt over those of openssl and memcpy are the figures; records and runs are items_per_second.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "formats/onnx/split.h"
#include "formats/onnx/writer.h"
#include "formats/seal/seal.h"
#include "runtime/tenon.h"
#include "runtime/trust/audit.h"

namespace tenon::seal {
namespace {

constexpr size_t kBytes = size_t{256} << 20, kSegment = size_t{256} << 10;

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "tenon-bench-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

Secret key() {
  Secret out(32);
  for (size_t i = 0; i < 32; ++i) out.data()[i] = static_cast<uint8_t>(i);
  return out;
}

// 256 MiB in one blob, in the page cache once it has been read.
const std::string& sealed_file() {
  static const Folder folder;
  static const std::string path = [] {
    SealInput input{.model = ascii("m"), .policy = {}, .metadata = {}, .blobs = {kBytes}, .read = {}};
    input.read = [](size_t, uint64_t offset, std::span<uint8_t> to) {
      for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<uint8_t>((offset + i) * 2654435761u >> 13);
    };
    SealOptions options;
    options.slots.push_back(NewSlot::raw(key()));
    seal(folder / "m.tenon", input, options);
    return folder / "m.tenon";
  }();
  return path;
}

// What a model load does: read, authenticate and decrypt into memory that was touched before. Arguments: threads, signers named.
void decrypt(benchmark::State& state) {
  KeyRing keys;
  keys.add_raw(key());
  const auto file = SealedFile::open(sealed_file(), {.keys = &keys, .threads = static_cast<int>(state.range(0))});
  const auto memory = std::make_unique<uint8_t[]>(kBytes);
  file->read(0, {memory.get(), kBytes});
  for (auto _ : state) file->read(0, {memory.get(), kBytes});
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kBytes));
}
BENCHMARK(decrypt)->Name("seal/decrypt/threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

// AES-256-GCM by OpenSSL on one core, segments of the same size, over memory alone.
void openssl(benchmark::State& state) {
  const auto from = std::make_unique<uint8_t[]>(kBytes), to = std::make_unique<uint8_t[]>(kBytes);
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  const uint8_t nonce[12] = {};
  EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key().data(), nonce);
  for (auto _ : state)
    for (size_t at = 0; at < kBytes; at += kSegment) {
      int n = 0;
      EVP_DecryptInit_ex(context.get(), nullptr, nullptr, nullptr, nonce);
      EVP_DecryptUpdate(context.get(), to.get() + at, &n, from.get() + at, static_cast<int>(kSegment));
    }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kBytes));
}
BENCHMARK(openssl)->Name("seal/openssl_gcm")->UseRealTime()->Unit(benchmark::kMillisecond);

void copy(benchmark::State& state) {
  const auto from = std::make_unique<uint8_t[]>(kBytes), to = std::make_unique<uint8_t[]>(kBytes);
  std::memset(from.get(), 1, kBytes);
  for (auto _ : state) {
    std::memcpy(to.get(), from.get(), kBytes);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kBytes));
}
BENCHMARK(copy)->Name("seal/memcpy")->UseRealTime()->Unit(benchmark::kMillisecond);

// Records a second. Argument: 1 sync (each on disk before it counts), 0 async.
void records(benchmark::State& state) {
  static std::unique_ptr<Folder> folder;
  static std::unique_ptr<trust::AuditLog> log;
  if (state.thread_index() == 0) {
    folder = std::make_unique<Folder>();
    log = std::make_unique<trust::AuditLog>(*folder / "log", key(), trust::AuditOptions{.sync = state.range(0) != 0});
  }
  for (auto _ : state)
    log->write({.event = trust::AuditRecord::run,
                .file = std::string(64, 'a'),
                .model = "acme/ocr",
                .who = "user:alice",
                .request = "1",
                .bytes_in = 1,
                .bytes_out = 2,
                .milliseconds = 3});
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) log.reset(), folder.reset();
}
BENCHMARK(records)->Name("audit/records/sync")->Arg(0)->Arg(1)->UseRealTime();
BENCHMARK(records)->Name("audit/records/sync")->Arg(1)->Threads(8)->UseRealTime();

// What a run costs: of a plain model, of one whose policy wants no records, and with a record of each run, async and sync. The model
// adds two numbers to two numbers.
void run_cost(benchmark::State& state) {
  const Folder folder;
  onnx::Model m;
  m.ir_version = 8;
  m.opsets.push_back({.domain = "", .version = 17});
  onnx::TypeView type;
  type.kind = onnx::TypeView::tensor, type.element = 1, type.has_shape = true, type.shape = {{.value = 2, .symbol = {}}};
  m.graph.name = "g", m.graph.inputs.push_back({"x", type}), m.graph.outputs.push_back({"y", type});
  onnx::NodeView add;
  add.op = "Add", add.inputs = {"x", "w"}, add.outputs = {"y"};
  m.graph.nodes.push_back(add);
  const float two[2] = {1, 2};
  onnx::TensorView w;
  w.name = "w", w.dims = {2}, w.data_type = 1, w.has_raw = true, w.raw = {reinterpret_cast<const char*>(two), sizeof two};
  m.graph.initializers.push_back(w);
  const std::string bytes = onnx::write_model(m);
  const onnx::SplitModel split = onnx::split(make_view_source(bytes.data(), static_cast<int64_t>(bytes.size())), "");
  SealInput input{.model = ascii(split.model), .policy = R"({"v":1,"model":"a","release":1)", .metadata = {}, .blobs = {sizeof two}, .read = {}};
  *input.policy += state.range(0) > 1 ? R"(,"audit":"run"})" : "}";
  input.read = [&](size_t, uint64_t offset, std::span<uint8_t> to) {
    std::memcpy(to.data(), reinterpret_cast<const char*>(two) + offset, to.size());
  };
  SealOptions options;
  options.slots.push_back(NewSlot::raw(key()));
  seal(folder / "m.tenon", input, options);

  Options how;
  how.threads = 1;
  const Secret raw = key();
  how.sealed.keys = {raw.data()};
  if (state.range(0) > 1)
    how.sealed.audit = std::make_shared<trust::AuditLog>(folder / "log", key(), trust::AuditOptions{.sync = state.range(0) == 3});
  const Model model =
      state.range(0) == 0 ? Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()), how) : Model::load(folder / "m.tenon", how);
  Session session(model);
  float x[2] = {3, 4};
  session.bind_input("x", {DType::f32, {2}, x});
  for (auto _ : state) session.run();
  state.SetItemsProcessed(state.iterations());
  constexpr const char* kNames[] = {"plain", "sealed", "a record each, async", "a record each, sync"};
  state.SetLabel(kNames[state.range(0)]);
}
BENCHMARK(run_cost)->Name("audit/run")->DenseRange(0, 3)->UseRealTime();

}  // namespace
}  // namespace tenon::seal

BENCHMARK_MAIN();
