// Every input of every operator as a constant that it may not expect, from all conformance cases: import, folding, planning, `inspect`, and
// runs either answer or throw an Error.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>

#include "conformance/archive.h"
#include "formats/onnx/data.h"
#include "formats/onnx/writer.h"
#include "harness/onnx_mutation.h"
#include "harness/problem.h"
#include "models/shared.h"

namespace tenon::conformance {
namespace {

namespace fs = std::filesystem;

// Where a child that dies was at work: in memory that its parent sees.
struct Note {
  char text[512] = {};
  void write(const std::string& s) { std::snprintf(text, sizeof text, "%s", s.c_str()); }
};

constexpr unsigned kMostSeconds = 120;  // of one case: what takes longer hangs

// Runs `body` in a process of its own; how that ended, empty where it returned.
template <class Body>
std::string outcome(const Body& body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) return "cannot fork";
  if (child == 0) {
    alarm(kMostSeconds);
    try {
      body();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      _exit(1);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGALRM ? "it hangs" : "signal " + std::to_string(WTERMSIG(status));
  return WEXITSTATUS(status) ? "exit status " + std::to_string(WEXITSTATUS(status)) : "";
}

// Where there is a loop, in the graph or in a function, it might be told to run for years: by huge numbers, or by a real step of 0.
bool is_endless(const onnx::OddConstant& odd) {
  const bool is_real_type = is_real(onnx::dtype_of(odd.tensor.data_type));
  const bool is_huge = odd.what.size() > 8 && odd.what.find_first_of("0123456789") != std::string::npos;
  return is_huge || odd.what == "inf" || odd.what == "-inf" || (odd.what == "zero" && is_real_type);
}

void sweep_case(const std::string& path, Note& at) {
  const std::string file = models::load_bytes(path);
  const onnx::Model m = onnx::parse_model(file);
  const bool loops = file.find("Loop") != std::string::npos || file.find("Scan") != std::string::npos;
  for (size_t i = 0; i < m.graph.inputs.size(); ++i) {
    if (m.graph.inputs[i].type.kind != onnx::TypeView::tensor) continue;
    onnx::Storage storage;
    for (const onnx::OddConstant& odd : onnx::odd_constants(m.graph.inputs[i].name, m.graph.inputs[i].type, storage)) {
      if (loops && is_endless(odd)) continue;
      onnx::Model changed = m;
      onnx::set_constant(changed, i, odd.tensor);
      at.write("input " + std::to_string(i) + " \"" + std::string(m.graph.inputs[i].name) + "\" " + odd.what);
      onnx::use_model(onnx::write_model(changed));
    }
  }
}

std::vector<std::string> cases() {
  std::vector<std::string> out;
  for (const auto& kind : fs::directory_iterator(unpacked()))
    for (const auto& entry : fs::directory_iterator(kind))
      if (fs::exists(entry.path() / "model.onnx") && fs::file_size(entry.path() / "model.onnx") < 1 << 20)
        out.push_back((entry.path() / "model.onnx").string());
  std::sort(out.begin(), out.end());
  return out;
}

// All cases with TENON_SECONDS=0; else as many as the time box allows, in an order that the seed decides, so that each run looks at others.
TEST(OddConstants, are_refused_or_answered) {
  NEEDS_CASES();
  std::vector<std::string> all = cases();
  const char* said = std::getenv("TENON_SECONDS");
  const double seconds = said ? std::strtod(said, nullptr) : 10;
  const char* seed = std::getenv("TENON_SEED");
  Random random(seed ? std::strtoull(seed, nullptr, 10) : static_cast<uint64_t>(std::time(nullptr) / 86400));
  for (size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[static_cast<size_t>(random.in(0, static_cast<int64_t>(i) - 1))]);
  const auto start = std::chrono::steady_clock::now();
  auto* at = static_cast<Note*>(mmap(nullptr, sizeof(Note), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(at, MAP_FAILED);
  size_t done = 0;
  for (const std::string& path : all) {
    if (seconds > 0 && std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > seconds) break;
    const std::string ended = outcome([&] { sweep_case(path, *at); });
    if (!ended.empty()) ADD_FAILURE() << path << ": " << at->text << ": " << ended;
    ++done;
  }
  munmap(at, sizeof(Note));
  std::printf("%zu of %zu cases\n", done, all.size());
}

}  // namespace
}  // namespace tenon::conformance
