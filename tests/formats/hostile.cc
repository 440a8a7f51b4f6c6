#include "formats/hostile.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TENON_SANITIZED 1
#else
#define TENON_SANITIZED 0
#endif

namespace tenon::hostile {
namespace {

constexpr int kRefused = 10, kAccepted = 11, kOther = 12;
constexpr size_t kMiB = size_t{1} << 20;

size_t address_space() {
  size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

void confine(size_t bytes, size_t more) {
  if (!TENON_SANITIZED) {
    const rlim_t memory = address_space() + 64 * kMiB + 2 * bytes + more;
    const rlimit limit{memory, memory};
    setrlimit(RLIMIT_AS, &limit);
  }
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  // Of the processor, so that a busy machine fails no test.
  const rlim_t seconds = (1 + bytes / kMiB) * (TENON_SANITIZED ? 20 : 1);
  const rlimit time{seconds, seconds + 1};
  setrlimit(RLIMIT_CPU, &time);
}

[[noreturn]] void child(int pipe, size_t bytes, size_t more, const std::function<void()>& read) {
  confine(bytes, more);
  std::string said;
  int status = kAccepted;
  try {
    read();
  } catch (const Error& e) {
    status = kRefused;
    said = static_cast<char>(e.code());
    said += e.what();
  } catch (const std::exception& e) {
    status = kOther;
    said = std::string("another exception: ") + e.what();
  }
  if (said.size() > 4096) said.resize(4096);
  if (write(pipe, said.data(), said.size()) < 0) status = kOther;
  _exit(status);
}

}  // namespace

Outcome outcome(size_t bytes, const std::function<void()>& read, size_t more) {
  int ends[2];
  if (pipe(ends) != 0) return {.code = {}, .text = {}, .failure = "no pipe"};
  const pid_t pid = fork();
  if (pid == 0) child(ends[1], bytes, more, read);
  close(ends[1]);
  std::string said;
  char part[4096];
  for (ssize_t n; (n = ::read(ends[0], part, sizeof part)) > 0;) said.append(part, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  Outcome out;
  if (WIFSIGNALED(status))
    out.failure = WTERMSIG(status) == SIGXCPU ? "it takes too long" : std::string("it crashes: ") + strsignal(WTERMSIG(status));
  else if (WEXITSTATUS(status) == kRefused) out.code = static_cast<Code>(said[0]), out.text = said.substr(1);
  else if (WEXITSTATUS(status) != kAccepted) out.failure = said.empty() ? "it exits with " + std::to_string(WEXITSTATUS(status)) : said;
  return out;
}

testing::AssertionResult refused(std::string_view word, size_t bytes, const std::function<void()>& read) {
  const Outcome o = outcome(bytes, read);
  if (!o.failure.empty()) return testing::AssertionFailure() << o.failure;
  if (!o.code) return testing::AssertionFailure() << "it is accepted";
  if (o.text.find(word) == std::string::npos) return testing::AssertionFailure() << "\"" << word << "\" is not in: " << o.text;
  const bool known =
      *o.code == Code::bad_model || *o.code == Code::bad_input || *o.code == Code::not_supported || *o.code == Code::limit || *o.code == Code::io;
  if (!known) return testing::AssertionFailure() << "its code is " << name(*o.code) << ": " << o.text;
  return testing::AssertionSuccess();
}

void mangle(const std::string& input, const std::function<void(std::string_view)>& read, size_t stride) {
  size_t at = 0;
  // A copy of the exact size, so that a read beyond its end is seen.
  const auto attempt = [&](const std::string& bytes) {
    const std::unique_ptr<char[]> exact(new char[bytes.size()]);
    std::memcpy(exact.get(), bytes.data(), bytes.size());
    try {
      read({exact.get(), bytes.size()});
    } catch (const Error&) {
    } catch (const std::exception& e) { ADD_FAILURE() << "byte " << at << ": " << e.what(); }
  };
  for (at = 0; at < input.size(); at += stride) attempt(input.substr(0, at));
  for (at = 0; at < input.size(); at += stride)
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string changed = input;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      attempt(changed);
    }
}

}  // namespace tenon::hostile
