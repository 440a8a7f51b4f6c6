#include "formats/seal/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "formats/seal/system.h"

namespace tenon::seal {
namespace {

using Clock = std::chrono::steady_clock;

class Pipe {
 public:
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) fail_io("making a pipe for a key command");
    out_ = File(real_system(), ends[0]);
    in_ = File(real_system(), ends[1]);
  }
  File& out() { return out_; }
  File& in() { return in_; }

 private:
  File out_, in_;
};

// A child that leads its own process group. The group is killed before the leader is reaped, so its number cannot be another's.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ > 0) end();
  }

  // True once the leader has ended; it stays unreaped.
  bool ended() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid_;
  }

  // Kills the group, reaps the leader; its wait status, or -1 if the system had none left to give.
  int end() {
    kill(-pid_, SIGKILL);
    int status = -1;
    const pid_t reaped = retry([&] { return waitpid(pid_, &status, 0); });
    pid_ = -1;
    return reaped < 0 ? -1 : status;
  }

 private:
  pid_t pid_;
};

std::string program_path(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const std::string first = "/usr/bin/" + name;
  return access(first.c_str(), X_OK) == 0 ? first : "/bin/" + name;
}

class SpawnSettings {
 public:
  SpawnSettings(int input, int output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_adddup2(&actions_, input, 0);
    posix_spawn_file_actions_adddup2(&actions_, output, 1);
    posix_spawn_file_actions_addopen(&actions_, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

pid_t start(const KeyCommand& command, const CommandRequest& request, int input, int output) {
  std::vector<std::string> arguments = command.arguments;
  arguments.emplace_back(request.verb);
  std::vector<std::string> environment = {"PATH=/usr/bin:/bin", "TENON_KEY_ID=" + std::string(request.key_id),
                                          "TENON_FILE_ID=" + hex(request.file_id)};
  const auto pointers = [](std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (std::string& s : strings) out.push_back(s.data());
    out.push_back(nullptr);
    return out;
  };
  const SpawnSettings settings(input, output);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, program_path(arguments[0]).c_str(), settings.actions(), settings.attributes(), pointers(arguments).data(),
                                pointers(environment).data());
  if (error) {
    errno = error;
    char text[128];
    throw Error(Code::seal_key_source, "cannot be started: " + std::string(strerror_r(error, text, sizeof text)));
  }
  return pid;
}

// Reads what is there. False at the end of the output.
bool drain(const File& output, Secret& dst, size_t& n) {
  while (n < dst.size()) {
    const ssize_t got = retry([&] { return ::read(output.fd(), dst.data() + n, dst.size() - n); });
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    n += static_cast<size_t>(got);
  }
  return true;
}

CommandResult run(const KeyCommand& command, const CommandRequest& request) {
  if (command.arguments.empty()) throw Error(Code::seal_key_source, "no program is configured");
  Pipe input, output;
  // Written before the command starts: it fits into the pipe, and nobody can close the other end.
  const ssize_t written = ::write(input.in().fd(), request.input.data(), request.input.size());
  if (written < 0 || static_cast<size_t>(written) != request.input.size()) throw Error(Code::seal_key_source, "its input does not fit into a pipe");
  input.in().close();
  Child child(start(command, request, input.out().fd(), output.in().fd()));
  input.out().close();
  output.in().close();
  if (fcntl(output.out().fd(), F_SETFL, O_NONBLOCK) != 0) fail_io("reading from a key command");

  Secret bytes(request.most_output + 1);
  size_t n = 0;
  bool open = true;
  const Clock::time_point deadline = Clock::now() + request.timeout;
  while (!child.ended()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) throw Error(Code::seal_key_source, "did not end in time");
    // The end of the leader does not wake a poll on its output when a child of it holds that open: look again soon.
    pollfd waiting{output.out().fd(), POLLIN, 0};
    poll(&waiting, open ? 1 : 0, static_cast<int>(std::min<long long>(left, 5)));
    if (open) open = drain(output.out(), bytes, n);
    if (n > request.most_output) throw Error(Code::seal_key_source, "wrote more than " + std::to_string(request.most_output) + " bytes");
  }
  const int status = child.end();
  drain(output.out(), bytes, n);
  if (n > request.most_output) throw Error(Code::seal_key_source, "wrote more than " + std::to_string(request.most_output) + " bytes");
  if (status == -1) throw Error(Code::seal_key_source, "its exit status is lost (SIGCHLD is ignored)");
  if (!WIFEXITED(status)) throw Error(Code::seal_key_source, "was ended by a signal");
  const int code = WEXITSTATUS(status);
  if (code != 0 && !(code == 10 && request.verb == "unwrap")) throw Error(Code::seal_key_source, "ended with status " + std::to_string(code));
  bytes.shrink(n);
  return {code, std::move(bytes)};
}

}  // namespace

CommandResult run_command(const KeyCommand& command, const CommandRequest& request) {
  return within([&] { return "key command of provider " + printable(command.provider) + " (" + std::string(request.verb) + ")"; },
                [&] { return run(command, request); });
}

}  // namespace tenon::seal
