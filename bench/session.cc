// What a run costs beside its kernels: binding a frame again when a size has changed, going from step to step, and sharing work.
//   rebind    nanoseconds a step of the plan (the counter), for a decoder whose past grows by one row each time; aim 20
//   dispatch  nanoseconds a step, with kernels that do nothing; aim 30
//   fork_join the time until every worker has had a piece; aim 0.3 us
//   token     the same decoder as a user runs it, one token after the other
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "exec/executor.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "tenon.h"

namespace tenon {
namespace {

// A decoder of as many layers: keys and values are appended to caches that are tied.
std::string decoder(int layers) {
  std::string head = "graph decoder(%ids: s64[batch, seq]", body, ties, outputs = "%logits";
  body = "  %table = constant f32[64, 32] random 1\n  %gain = constant f32[32] random 2\n  %h0 = gather(%table, %ids)\n";
  for (int i = 0; i < layers; ++i) {
    const std::string n = std::to_string(i), next = std::to_string(i + 1);
    const auto line = [&](const std::string& s) {
      std::string out = "  " + s + "\n";
      for (size_t at; (at = out.find('#')) != out.npos;) out.replace(at, 1, n);
      body += out;
    };
    for (const char* kind : {"k", "v"}) {
      head += std::string(", %past_") + kind + n + ": f32[batch, 4, past, 8]";
      outputs += std::string(", %present_") + kind + n;
      ties += std::string("  tie %present_") + kind + n + " -> %past_" + kind + n + "\n";
    }
    line("%x# = rms_norm(%h#, %gain)");
    for (const char* kind : {"q", "k", "v"}) {
      const std::string k = kind;
      line("%w" + k + "# = constant f32[32, 32] random " + std::to_string(10 + 10 * i + k[0]));
      line("%m" + k + "# = matmul(%x#, %w" + k + "#)");
      line("%r" + k + "# = reshape(%m" + k + "#, s64[4] [0, 0, 4, 8])");
      line("%t" + k + "# = transpose(%r" + k + "#) {perm = [0, 2, 1, 3]}");
    }
    line("%present_k# = concat(%past_k#, %tk#) {axis = 2}");
    line("%present_v# = concat(%past_v#, %tv#) {axis = 2}");
    line("%s# = matmul(%tq#, %present_k#) {transpose_b = true}");
    line("%p# = softmax(%s#)");
    line("%a# = matmul(%p#, %present_v#)");
    line("%b# = transpose(%a#) {perm = [0, 2, 1, 3]}");
    line("%c# = reshape(%b#, s64[3] [0, 0, 32])");
    line("%wo# = constant f32[32, 32] random " + std::to_string(11 + 10 * i));
    line("%d# = matmul(%c#, %wo#)");
    body += "  %h" + next + " = add(%h" + n + ", %d" + n + ")\n";
  }
  body += "  %wl = constant f32[32, 64] random 9\n  %logits = matmul(%h" + std::to_string(layers) + ", %wl)\n";
  return head + ")\n" + body + ties + "  return " + outputs + "\n";
}

std::shared_ptr<const Plan> planned(int layers) {
  Graph g = parse_graph(decoder(layers));
  run_passes(g, {});
  PlanOptions options;
  options.isa = Isa::baseline;
  options.workers = 1;
  return make_plan(std::move(g), options);
}

// Binds the decoder's frame for one token behind `past` others, with room for `kRoom`.
constexpr int64_t kRoom = 4096;
class Decoder {
 public:
  explicit Decoder(int layers) : executor(planned(layers), INT64_MAX) {
    const Graph& g = executor.frame().plan().graph;
    for (size_t i = 1; i < g.inputs.size(); ++i) caches_.emplace_back(4 * kRoom * 8 * 4);
    row_ = g.values[g.inputs[1]].type.layout.room[2].row();
  }
  void bind(int64_t past) {
    Frame& f = executor.frame();
    f.set_value(row_, kRoom);
    f.set_input(0, ids_);
    for (size_t i = 0; i < caches_.size(); ++i) {
      cache_.data = caches_[i].data(), cache_.shape[2] = past;
      f.set_input(static_cast<int>(i) + 1, cache_);
      f.set_output(static_cast<int>(i) + 1, caches_[i].data(), caches_[i].bytes());
    }
    f.bind();
  }
  size_t steps() { return executor.frame().steps().size(); }
  Executor executor;

 private:
  int32_t row_;
  int64_t id_ = 3;
  Tensor ids_{DType::s64, {1, 1}, &id_}, cache_{DType::f32, {1, 4, 0, 8}, nullptr};
  std::vector<Buffer> caches_;
};

void rebind(benchmark::State& state) {
  Decoder d(static_cast<int>(state.range(0)));
  int64_t past = 0;
  d.bind(past);
  for (auto _ : state) d.bind(past = (past + 1) % (kRoom - 1));
  state.counters["steps"] = static_cast<double>(d.steps());
  state.counters["ns_a_step"] =
      benchmark::Counter(static_cast<double>(d.steps()) * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(rebind)->Arg(1)->Arg(6)->Arg(18);

void dispatch(benchmark::State& state) {
  static const Kernel nothing = [] {
    Kernel k{};
    k.name = "nothing", k.op = "nothing";
    k.run = [](const Step&, const Context&) noexcept {};
    return k;
  }();
  Decoder d(static_cast<int>(state.range(0)));
  d.bind(16);
  for (Step& s : d.executor.frame().steps()) s.kernel = &nothing;
  for (auto _ : state) d.executor.run();
  state.counters["ns_a_step"] =
      benchmark::Counter(static_cast<double>(d.steps()) * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(dispatch)->Arg(18);

void fork_join(benchmark::State& state) {
  ThreadPool::Lease lease(ThreadPool::instance(), static_cast<int>(state.range(0)));
  Context c{};
  c.fork = ThreadPool::fork, c.pool = &ThreadPool::instance(), c.workers = lease.workers();
  std::atomic<int> here{0};
  for (auto _ : state) {
    here.store(0, std::memory_order_relaxed);
    // Nobody is done before all have come.
    parallel(c, c.workers, 1, [&](int64_t, int64_t, int) {
      for (here.fetch_add(1); here.load() < c.workers;) {}
    });
  }
}
BENCHMARK(fork_join)->Arg(1)->DenseRange(2, processors());

// The Llama decoder of the shared models, where they are.
void token(benchmark::State& state) {
  const char* shared = std::getenv("TENON_SHARED");
  const std::string path = std::string(shared ? shared : "../shared") + "/models/llama_kv_260k/stories260K_decoder_kv.onnx";
  if (!std::filesystem::exists(path)) return state.SkipWithError("the shared models are not here (TENON_SHARED)");
  const Model model = Model::load(path);
  Session session(model);
  session.tie();
  session.reserve_state(512);
  int64_t id = 1, count = 0;
  session.bind_input("input_ids", {DType::s64, {1, 1}, &id});
  for (auto _ : state) {
    if (count++ % 255 == 0) session.reset_state();
    session.run();
  }
}
BENCHMARK(token);

}  // namespace
}  // namespace tenon

BENCHMARK_MAIN();
