// Every kernel that accepts a problem of bench/shapes, alone, its operands in cache where they fit. `peak` is the part of what the cores
// reach at most: multiply-adds for what multiplies, a copy of as many bytes for what moves.
//
//   bench_kernels [--threads=N] [--shapes=FOLDER] [Google Benchmark's options, such as --benchmark_filter=conv.*avx512]
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "base/buffer.h"
#include "device/cpu.h"
#include "exec/thread_pool.h"
#include "ir/text.h"
#include "machine/peak.h"
#include "plan/select.h"
#include "plan/work.h"

namespace tenon {
namespace {

struct Problem {
  std::string name, graph;
};

// A line is `name: graph`; the last node of the graph is what is measured. `#` begins a comment.
std::vector<Problem> read_problems(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files(std::filesystem::directory_iterator(folder), {});
  std::sort(files.begin(), files.end());
  std::vector<Problem> out;
  for (const auto& file : files) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
      const size_t colon = line.find(": ");
      if (line.empty() || line[0] == '#' || colon == line.npos) continue;
      std::string graph = line.substr(colon + 2);
      for (size_t at; (at = graph.find(" ; ")) != graph.npos;) graph.replace(at, 3, "\n");
      out.push_back({file.stem().string() + "/" + line.substr(0, colon), graph});
    }
  }
  return out;
}

// One kernel on one problem, ready to run.
class Bench {
 public:
  Bench(const Problem& p, const Kernel& kernel, int threads) : graph_(parse_graph(p.graph)), kernel_(kernel), threads_(threads) {
    ModelStep probe(graph_, node(), &likely_);
    Needs needs = kernel.needs(probe.step);
    for (ValueId v : node().inputs)
      if (v != kNone && !graph_.values[v].constant) lay_out(v, needs.src, needs.block);
    for (ValueId v : node().outputs) lay_out(v, needs.dst, needs.block);
    step_ = std::make_unique<ModelStep>(graph_, node(), &likely_);
    step_->step.kernel = &kernel;
    for (Operand& o : step_->operands) {
      if (o.dtype) bytes_ += node().op == &ops::gather && &o == step_->operands.data() ? tenon::bytes(step_->operands.back()) : tenon::bytes(o);
      if (o.data || !o.dtype) continue;
      memory_.emplace_back(tenon::bytes(o) + 64);
      std::memset(memory_.back().data(), 0, static_cast<size_t>(memory_.back().bytes()));
      o.data = memory_.back().data();
      write(drawn(o), o);
    }
    needs = kernel.needs(step_->step);
    if (kernel.pack) {
      packed_ = Buffer(std::max<int64_t>(needs.packed_bytes, 64));
      kernel.pack(step_->step, packed_.data());
      step_->step.packed = packed_.data();
    }
    scratch_ = Buffer(needs.scratch_bytes + 64);
    stride_ = (needs.worker_scratch_bytes + 127) / 64 * 64;
    worker_scratch_ = Buffer(stride_ * threads);
  }

  void run(benchmark::State& state) {
    const ThreadPool::Lease lease(ThreadPool::instance(), threads_);
    Context context{};
    context.fork = ThreadPool::fork;
    context.pool = &ThreadPool::instance();
    context.scratch = scratch_.data(), context.worker_scratch = worker_scratch_.data(), context.worker_stride = stride_;
    context.workers = lease.workers();
    context.fault = [](const Context&, const char* what, int64_t, int64_t) { throw Error(Code::bad_input, what); };
    const auto start = std::chrono::steady_clock::now();
    for (auto _ : state) kernel_.run(step_->step, context);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double runs = static_cast<double>(state.iterations()), cores = lease.workers();
    if (const double macs = multiply_adds(graph_, node(), likely_.values()); macs > 0) {
      static const double f32 = bench::f32_peak(), int8 = bench::int8_peak();
      state.counters["Gop/s"] = 2e-9 * macs * runs / seconds;
      state.counters["peak_%"] = 100 * macs * runs / seconds / (cores * (step_->operands[0].dtype == static_cast<uint8_t>(DType::f32) ? f32 : int8));
    } else {
      const double moved = static_cast<double>(bytes_) * runs / seconds;
      state.counters["GB/s"] = 1e-9 * moved;
      state.counters["peak_%"] = 100 * moved / (cores * bench::copy_peak(bytes_ / lease.workers()));
    }
  }

 private:
  const Node& node() const { return graph_.nodes.back(); }

  void lay_out(ValueId v, Wants wants, int16_t block) {
    Type& t = graph_.values[v].type;
    if (wants == Wants::blocked && t.shape.rank() > 1) t.layout.axis = 1, t.layout.block = block;
  }

  // Elements from -1 to 1, or all that eight bits hold; indices stay small.
  static Array drawn(const Operand& o) {
    Array a(o.scale ? DType::f32 : static_cast<DType>(o.dtype), shape_of(o));
    uint64_t z = 1;
    for (auto& cell : a.cells) {
      z = z * 6364136223846793005u + 1442695040888963407u;
      const double u = static_cast<double>(z >> 40) / static_cast<double>(1 << 23) - 1;
      if (!a.is_real()) cell.integer = static_cast<int64_t>(z >> 62);
      else cell.real = o.scale ? u * 128 * static_cast<double>(o.scale[0]) : u;
    }
    return a;
  }

  Graph graph_;
  const Kernel& kernel_;
  int threads_;
  PlanOptions options_;
  Likely likely_{*graph_.extents, options_};
  std::unique_ptr<ModelStep> step_;
  std::vector<Buffer> memory_;
  Buffer packed_, scratch_, worker_scratch_;
  int64_t stride_ = 0, bytes_ = 0;
};

void add(const Problem& p, int threads) {
  Graph g = parse_graph(p.graph);
  PlanOptions options;
  options.isa = best_isa();
  Likely likely(*g.extents, options);
  for (const Candidate& c : candidates(g, g.nodes.back(), options, likely)) {
    if (c.rejection) continue;
    const Kernel* kernel = c.kernel;
    benchmark::RegisterBenchmark((p.name + "/" + kernel->name).c_str(), [=](benchmark::State& state) {
      Bench(p, *kernel, threads).run(state);
    })->UseRealTime();
  }
}

int run(int argc, char** argv) {
  int threads = processors();
  std::filesystem::path shapes = TENON_SHAPES;
  char enough[] = "--benchmark_min_time=0.05";
  std::vector<char*> rest{argv[0], enough};
  for (int i = 1; i < argc; ++i) {
    if (!std::strncmp(argv[i], "--threads=", 10)) threads = std::max(1, std::atoi(argv[i] + 10));
    else if (!std::strncmp(argv[i], "--shapes=", 9)) shapes = argv[i] + 9;
    else rest.push_back(argv[i]);
  }
  int count = static_cast<int>(rest.size());
  benchmark::Initialize(&count, rest.data());
  if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return 2;
  for (const Problem& p : read_problems(shapes)) within([&] { return p.name; }, [&] { add(p, threads); });
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace tenon

int main(int argc, char** argv) {
  try {
    return tenon::run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 3;
  }
}
