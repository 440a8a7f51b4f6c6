#include "harness/system_calls.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace tenon::harness {
namespace {

// A call that fails at once and that nobody else makes.
constexpr long kMark = SYS_setpriority, kWhich = 77;

void mark(long what) { syscall(kMark, kWhich, what, 0); }

bool read_call(pid_t thread, __ptrace_syscall_info& info) { return ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) > 0; }

}  // namespace

bool is_traced() { return std::getenv("TENON_TRACED") != nullptr; }
void begin_counting() { mark(1); }
void end_counting() { mark(2); }

SystemCalls count_system_calls(const char* test) {
  SystemCalls out;
  const std::string filter = std::string("--gtest_filter=") + test;
  const pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(99);
    setenv("TENON_TRACED", "1", 1);
    for (const char* shard : {"GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX", "GTEST_SHARD_STATUS_FILE", "GTEST_OUTPUT"}) unsetenv(shard);
    raise(SIGSTOP);
    execl("/proc/self/exe", "tenon_tests", filter.c_str(), static_cast<char*>(nullptr));
    _exit(98);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
    out.why = "this system does not let a process be traced";
    return out;
  }
  if (ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) != 0) {
    out.why = "a traced process takes no options here";
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return out;
  }
  bool counting = false, ended = false;
  ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
  for (pid_t thread; (thread = waitpid(-1, &status, __WALL)) > 0;) {
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (thread != child) continue;
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) out.why = "the traced test failed";
      break;
    }
    if (!WIFSTOPPED(status)) continue;
    long signal = 0;
    if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
      __ptrace_syscall_info info{};
      if (!read_call(thread, info)) {
        out.why = "this kernel does not say which system call a process makes";
        kill(child, SIGKILL);
        continue;
      }
      if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        const bool mark = info.entry.nr == static_cast<uint64_t>(kMark) && info.entry.args[0] == static_cast<uint64_t>(kWhich);
        if (mark) counting = info.entry.args[1] == 1, ended |= !counting;
        else if (counting && info.entry.nr == SYS_futex) ++(thread == child ? out.futex_main : out.futex_others);
        else if (counting) ++out.other, out.names += " " + std::to_string(info.entry.nr);
      }
    } else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP) {
      signal = WSTOPSIG(status);
    }
    ptrace(PTRACE_SYSCALL, thread, nullptr, signal);
  }
  out.traced = ended && out.why.empty();
  if (!out.traced && out.why.empty()) out.why = "the traced test did not get to its end";
  return out;
}

}  // namespace tenon::harness
