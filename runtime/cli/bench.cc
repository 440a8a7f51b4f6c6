// tenon bench: how long a model takes, with the spread that says how far to believe it.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <thread>

#include "cli/command.h"
#include "cli/interruption.h"
#include "cli/model_options.h"
#include "cli/reference_share.h"
#include "cli/table.h"
#include "cli/usage.h"

namespace tenon::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Bench {
  ModelOptions model;
  InputOptions inputs;
  double duration = 1, warmup = 0.2;
  int iterations = 0, streams = 1;
  bool json = false, pipe = false, layers = false;
};

struct Statistics {
  size_t runs = 0;
  double min = 0, mean = 0, median = 0, p90 = 0, p95 = 0, p99 = 0, variation = 0, seconds = 0;  // milliseconds but for `seconds`
};

Statistics statistics(std::vector<double> ms, double seconds) {
  Statistics s;
  s.runs = ms.size();
  s.seconds = seconds;
  if (ms.empty()) return s;
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double q) { return ms[std::min(ms.size() - 1, static_cast<size_t>(q * static_cast<double>(ms.size())))]; };
  s.min = ms.front(), s.median = at(0.5), s.p90 = at(0.9), s.p95 = at(0.95), s.p99 = at(0.99);
  s.mean = std::accumulate(ms.begin(), ms.end(), 0.0) / static_cast<double>(ms.size());
  double square = 0;
  for (double x : ms) square += (x - s.mean) * (x - s.mean);
  s.variation = s.mean > 0 ? std::sqrt(square / static_cast<double>(ms.size())) / s.mean : 0;
  return s;
}

int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

double ms_since(Clock::time_point t) { return std::chrono::duration<double, std::milli>(Clock::now() - t).count(); }

// Runs until both the time and the least number of runs are reached, or exactly `iterations`, or until Ctrl-C.
Statistics measure(Session& session, double seconds, int iterations) {
  std::vector<double> ms;
  const auto start = Clock::now();
  const auto more = [&] {
    if (Interruption::noted()) return false;
    return iterations > 0 ? static_cast<int>(ms.size()) < iterations : ms_since(start) < seconds * 1e3 || ms.size() < 3;
  };
  while (more()) {
    const auto t = Clock::now();
    session.run();
    ms.push_back(ms_since(t));
  }
  return statistics(std::move(ms), ms_since(start) / 1e3);
}

nlohmann::json json_of(const Statistics& s, double load_ms) {
  return {{"runs", s.runs},
          {"min_ms", s.min},
          {"mean_ms", s.mean},
          {"median_ms", s.median},
          {"p90_ms", s.p90},
          {"p95_ms", s.p95},
          {"p99_ms", s.p99},
          {"variation", s.variation},
          {"runs_per_second", s.seconds > 0 ? static_cast<double>(s.runs) / s.seconds : 0},
          {"load_ms", load_ms},
          {"peak_rss_bytes", peak_rss_bytes()}};
}

int pipe(Session& session, double load_ms) {
  for (std::string line; std::getline(std::cin, line);) {
    double seconds = 0;
    if (std::sscanf(line.c_str(), "run %lf", &seconds) != 1 || !(seconds >= 0 && seconds <= 3600)) {
      std::printf("%s\n", nlohmann::json{{"error", "a line is: run SECONDS"}}.dump().c_str());
    } else {
      session.run();  // wakes the pool and warms the caches after the pause
      std::printf("%s\n", json_of(measure(session, seconds, 0), load_ms).dump().c_str());
    }
    std::fflush(stdout);
  }
  return kGood;
}

void print_layers(Session& session) {
  std::vector<StepTime> best;
  for (int i = 0; i < 20; ++i) {
    const std::vector<StepTime> times = session.profile();
    if (best.empty()) best = times;
    for (size_t k = 0; k < best.size() && k < times.size(); ++k) best[k].nanoseconds = std::min(best[k].nanoseconds, times[k].nanoseconds);
  }
  double total = 0;
  for (const StepTime& t : best) total += t.nanoseconds;
  Table table({"<step", "<output", "<kernel", "time", "share"});
  for (const StepTime& t : best)
    table.add({t.op, printable(t.output).substr(0, 40), t.kernel, time_text(t.nanoseconds),
               number_text("%.1f %%", total > 0 ? 100 * t.nanoseconds / total : 0)});
  table.print();
}

int run_streams(const Bench& b, const Model& model, const std::map<std::string, OwnedTensor>& inputs) {
  const Interruption interruption;
  std::vector<Statistics> results(static_cast<size_t>(b.streams));
  std::vector<std::thread> threads;
  const auto start = Clock::now();
  for (int i = 0; i < b.streams; ++i)
    threads.emplace_back([&, i] {
      Session session(model);
      session.run(views(inputs));
      results[static_cast<size_t>(i)] = measure(session, b.duration, b.iterations);
    });
  for (std::thread& t : threads) t.join();
  const double seconds = ms_since(start) / 1e3;
  size_t runs = 0;
  double median = 0;
  for (const Statistics& s : results) runs += s.runs, median = std::max(median, s.median);
  if (b.json)
    std::printf("%s\n", nlohmann::json{{"streams", b.streams},
                                       {"runs", runs},
                                       {"runs_per_second", static_cast<double>(runs) / seconds},
                                       {"median_ms", median},
                                       {"peak_rss_bytes", peak_rss_bytes()}}
                            .dump()
                            .c_str());
  else
    std::printf("%d streams: %zu runs in %.2f s, %.1f a second; slowest stream's median %s\n", b.streams, runs, seconds,
                static_cast<double>(runs) / seconds, time_text(median * 1e6).c_str());
  return Interruption::noted() ? kInterrupted : kGood;
}

int bench(const Bench& b) {
  const auto start = Clock::now();
  const Model model = b.model.load();
  InputOptions inputs = b.inputs;
  if (!inputs.given()) inputs.random = 7;
  const auto tensors = inputs.tensors(model, b.model.options().dims);
  Session session(model);
  const auto first = Clock::now();
  session.run(views(tensors));
  const double first_ms = ms_since(first), load_ms = ms_since(start);
  if (b.pipe) return pipe(session, load_ms);
  if (b.streams > 1) return run_streams(b, model, tensors);
  const Interruption interruption;
  measure(session, b.warmup, 0);
  if (Interruption::noted()) {
    std::fprintf(stderr, "interrupted before the first measured run\n");
    return kInterrupted;
  }
  const Statistics s = measure(session, b.duration, b.iterations);
  const int status = Interruption::noted() ? kInterrupted : kGood;
  const std::optional<ReferenceShare> share =
      status == kGood ? reference_share(model, session) : std::nullopt;
  if (b.json) {
    nlohmann::json out = json_of(s, load_ms);
    out["interrupted"] = status == kInterrupted;
    const LoadTimes& t = model.load_times();
    out["precision"] = b.model.precision;
    out["load"] = {{"read_ms", t.read}, {"build_ms", t.build}, {"passes_ms", t.passes},
                   {"plan_ms", t.plan}, {"pack_ms", t.pack},   {"first_run_ms", first_ms}};
    if (share)
      out["reference"] = {
          {"steps", share->by_reference}, {"of", share->steps}, {"share", share->share}};
    std::printf("%s\n", out.dump().c_str());
    return status;
  }
  const LoadTimes& t = model.load_times();
  std::printf("%s   %s, precision %s\n", printable(b.model.path).c_str(),
              b.model.threads == 1 ? "1 thread"
              : b.model.threads    ? (std::to_string(b.model.threads) + " threads").c_str()
                                   : "all processors",
              b.model.precision == "model" ? "as in the model" : b.model.precision.c_str());
  std::printf("load  %8.1f ms   read %.1f, build %.1f, passes %.1f, plan %.1f, pack %.1f, first run %.1f       peak memory %s\n", load_ms, t.read,
              t.build, t.passes, t.plan, t.pack, first_ms, bytes_text(static_cast<double>(peak_rss_bytes())).c_str());
  std::printf("run   %8s      median of %zu in %.2f s   min %s  mean %s  p90 %s  p95 %s  p99 %s      spread %.1f %%\n",
              time_text(s.median * 1e6).c_str(), s.runs, s.seconds, time_text(s.min * 1e6).c_str(), time_text(s.mean * 1e6).c_str(),
              time_text(s.p90 * 1e6).c_str(), time_text(s.p95 * 1e6).c_str(), time_text(s.p99 * 1e6).c_str(), 100 * s.variation);
  std::printf("      %.1f runs a second%s\n", static_cast<double>(s.runs) / s.seconds, status == kInterrupted ? "; interrupted before the end" : "");
  if (share) std::printf("      %s\n", text(*share).c_str());
  if (s.variation > 0.025)
    std::printf("warning: the times vary by %.1f %% (more than 2.5 %%): something else uses this machine\n", 100 * s.variation);
  if (b.layers && status == kGood) print_layers(session);
  return status;
}

}  // namespace

std::function<int()> add_bench(CLI::App& app) {
  auto b = std::make_shared<Bench>();
  CLI::App* sub = app.add_subcommand("bench", "Measures load and run times of a model; inputs are random unless given.");
  b->model.add(*sub);
  b->inputs.add(*sub);
  sub->add_option("--duration", b->duration, "seconds to measure")->check(range(1e-3, 1e6, "seconds from 0.001 to 1000000"))->capture_default_str();
  sub->add_option("--iterations", b->iterations, "runs to measure, instead of a duration")->check(whole(1, INT32_MAX));
  sub->add_option("--warmup", b->warmup, "seconds to run before measuring")
      ->check(range(0.0, 1e6, "seconds from 0 to 1000000"))
      ->capture_default_str();
  sub->add_option("--streams", b->streams, "sessions that run at the same time")->check(whole(1, 1024));
  sub->add_flag("--layers", b->layers, "also a table of the steps and their times");
  sub->add_flag("--json", b->json, "print one JSON object");
  sub->add_flag("--pipe", b->pipe, "keep the model loaded and answer each line \"run SECONDS\" on standard input with a line of JSON");
  return [b] { return bench(*b); };
}

}  // namespace tenon::cli
