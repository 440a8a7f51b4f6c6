// Saving and changing on systems that fail, stop, or lose what was not synced:
// docs/sealed_format.md, cases E27 and E28.
#include <signal.h>
#include <sys/wait.h>

#include <thread>

#include "formats/seal_disk.h"

namespace tenon::seal {
namespace {

const std::string kPath = Disk::path("m.tenon");

// What a save or a change does, on a system that may fail.
struct Saving {
  const char* name;
  std::function<void(System&, const std::string& path)> run;
};

std::vector<Saving> savings() {
  return {{"a save over an old file",
           [](System& system, const std::string& path) {
             Made made{.blobs = {9000}, .model = "new"};
             made.system = &system;
             made.seal(path);
           }},
          {"a change of slots", [](System& system, const std::string& path) {
             const KeyRing keys = raw_ring(0);
             SlotChange add;
             add.add.push_back(NewSlot::raw(secret(40)));
             change(path, {.keys = &keys, .system = &system}, add);
           }}};
}

const Bytes& old_bytes() {
  static const Bytes bytes = made_bytes({.blobs = {9000}, .model = "old"});
  return bytes;
}

Disk old_disk() {
  Disk out;
  out.put("m.tenon", old_bytes());
  return out;
}

// "old", "new", or what is wrong.
std::string state_of(const Disk& disk) {
  Disk copy(disk);
  if (!copy.has("m.tenon")) return "absent";
  if (copy.get("m.tenon") == old_bytes()) return "old";
  const std::string found = open_and_read(kPath, {.system = &copy});
  return found == "ok" ? "new" : found;
}

TEST(SealSystem, E27_every_call_of_a_save_fails) {
  for (const Saving& saving : savings()) {
    Disk clean = old_disk();
    saving.run(clean, kPath);
    ASSERT_EQ(state_of(clean), "new");
    const int64_t calls = clean.calls;
    ASSERT_GT(calls, 10);
    for (const int error : {EIO, ENOSPC, EINTR}) {
      for (int64_t i = 0; i < calls; ++i) {
        SCOPED_TRACE(std::string(saving.name) + ", call " + std::to_string(i));
        Disk disk = old_disk();
        disk.fail_at = i;
        disk.fail_with = error;
        const std::string result = outcome([&] { saving.run(disk, kPath); });
        const std::string state = state_of(disk);
        EXPECT_TRUE(state == "old" || state == "new") << state;
        EXPECT_TRUE(result == "ok" ? state == "new" : result == "kIo") << result << state;
        EXPECT_EQ(disk.list().size(), 1u) << "the temporary file is removed";
        EXPECT_EQ(disk.open_files(), 0u);
      }
    }
    Disk short_writes = old_disk();
    short_writes.most_bytes = 13;
    saving.run(short_writes, kPath);
    EXPECT_EQ(state_of(short_writes), "new");
  }
}

TEST(SealSystem, E27_a_kill_at_every_call_and_lost_unsynced_writes) {
  std::mt19937 random(1);
  for (const Saving& saving : savings()) {
    Disk clean = old_disk();
    saving.run(clean, kPath);
    int lost_but_old = 0;
    for (int64_t i = 0; i <= clean.calls; ++i) {
      SCOPED_TRACE(std::string(saving.name) + ", call " + std::to_string(i));
      Disk disk = old_disk();
      disk.stop_at = i;
      const std::string result = outcome([&] { saving.run(disk, kPath); });
      const std::string state = state_of(disk);
      EXPECT_TRUE(state == "old" || state == "new") << state;
      for (int loss = 0; loss < 20; ++loss) {
        const std::string found = state_of(disk.after_power_loss(random));
        EXPECT_TRUE(found == "old" || found == "new") << found;
        EXPECT_TRUE(result != "ok" || found == "new") << "what was reported as saved is saved";
        lost_but_old += found == "old" && state == "new";
      }
    }
    EXPECT_GT(lost_but_old, 0) << "the disk did lose something";
  }
}

// The real system; the process is killed at one call.
class Killed : public System {
 public:
  explicit Killed(int64_t at) : left_(at) {}
  int open(const char* path, int flags, mode_t mode) override { return here(), System::open(path, flags, mode); }
  int openat(int folder, const char* name, int flags, mode_t mode) override { return here(), System::openat(folder, name, flags, mode); }
  int close(int fd) override { return here(), System::close(fd); }
  int fstat(int fd, struct stat* out) override { return here(), System::fstat(fd, out); }
  int fstatat(int folder, const char* name, struct stat* out, int flags) override { return here(), System::fstatat(folder, name, out, flags); }
  ssize_t read(int fd, void* dst, size_t n) override { return here(), System::read(fd, dst, n); }
  ssize_t pread(int fd, void* dst, size_t n, off_t offset) override { return here(), System::pread(fd, dst, n, offset); }
  ssize_t write(int fd, const void* src, size_t n) override { return here(), System::write(fd, src, n); }
  ssize_t pwrite(int fd, const void* src, size_t n, off_t offset) override { return here(), System::pwrite(fd, src, n, offset); }
  int fsync(int fd) override { return here(), System::fsync(fd); }
  int fdatasync(int fd) override { return here(), System::fdatasync(fd); }
  int ftruncate(int fd, off_t size) override { return here(), System::ftruncate(fd, size); }
  int fchmod(int fd, mode_t mode) override { return here(), System::fchmod(fd, mode); }
  int flock(int fd, int operation) override { return here(), System::flock(fd, operation); }
  int renameat(int folder, const char* from, const char* to) override { return here(), System::renameat(folder, from, to); }
  int unlinkat(int folder, const char* name) override { return here(), System::unlinkat(folder, name); }
  bool random(uint8_t* dst, size_t n) override { return here(), System::random(dst, n); }
  bool random_private(uint8_t* dst, size_t n) override { return here(), System::random_private(dst, n); }

 private:
  void here() {
    if (left_-- == 0) kill(getpid(), SIGKILL);
  }
  int64_t left_;
};

TEST(SealSystem, E27_a_process_killed_at_every_call) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  for (const Saving& saving : savings()) {
    bool finished = false;
    int killed = 0, left_behind = 0;
    for (int64_t call = 0; !finished; ++call) {
      SCOPED_TRACE(std::string(saving.name) + ", call " + std::to_string(call));
      for (const auto& entry : fs::directory_iterator(folder.path())) fs::remove(entry);
      spill(path, old_bytes());
      const pid_t child = fork();
      if (child == 0) {
        Killed system(call);
        _exit(outcome([&] { saving.run(system, path); }) == "ok" ? 0 : 1);
      }
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      finished = WIFEXITED(status);
      ASSERT_TRUE(finished ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL) << status;
      killed += !finished;
      const bool old = slurp(path) == old_bytes();
      EXPECT_EQ(open_and_read(path), "ok");
      EXPECT_FALSE(finished && old);
      // What a crash leaves behind is no sealed file and in nobody's way.
      for (const auto& entry : fs::directory_iterator(folder.path())) {
        if (entry.path() == path) continue;
        ++left_behind;
        EXPECT_TRUE(entry.path().filename().string().starts_with(".m.tenon.tmp-"));
        EXPECT_TRUE(old);
      }
      EXPECT_EQ(outcome([&] { savings()[1].run(real_system(), path); }), "ok") << "no lock is left";
    }
    EXPECT_GT(killed, 15);
    EXPECT_GT(left_behind, 5);
  }
}

TEST(SealSystem, E28_two_changes_at_once_both_take_effect) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  for (int round = 0; round < 5; ++round) {
    Made{.blobs = {50000}}.seal(path);
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t) {
      threads.emplace_back([&, t] {
        const KeyRing keys = raw_ring(0);
        SlotChange add;
        add.add.push_back(NewSlot::raw(secret(static_cast<uint8_t>(100 + t))));
        change(path, {.keys = &keys}, add);
      });
    }
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(read_header(path, {}).slots.size(), 7u);
    for (int t = 0; t < 6; ++t) {
      const KeyRing keys = raw_ring(static_cast<uint8_t>(100 + t));
      EXPECT_EQ(open_and_read(path, {.keys = &keys}), "ok");
    }
  }
}

TEST(SealSystem, E28_a_damaged_body_is_not_copied) {
  for (const size_t from_end : {size_t{1}, size_t{5000}}) {
    Disk disk = old_disk();
    Bytes& file = disk.get("m.tenon");
    file[file.size() - from_end] ^= 1;
    const Bytes before = file;
    EXPECT_EQ(outcome([&] { savings()[1].run(disk, kPath); }), "kSealDamaged");
    EXPECT_EQ(disk.get("m.tenon"), before);
    EXPECT_EQ(disk.list().size(), 1u);
  }
}

TEST(SealSystem, a_save_keeps_the_mode_and_replaces_a_link) {
  const Folder folder;
  const std::string path = folder / "m.tenon", elsewhere = folder / "elsewhere";
  const Made made{.blobs = {50}};
  const auto mode = [](const std::string& p) { return static_cast<unsigned>(fs::status(p).permissions()); };
  made.seal(path);
  EXPECT_EQ(mode(path), 0600u);
  fs::permissions(path, fs::perms(0644));
  made.seal(path);
  EXPECT_EQ(mode(path), 0644u);
  spill(elsewhere, ascii("untouched"));
  fs::remove(path);
  fs::create_symlink(elsewhere, path);
  made.seal(path);
  EXPECT_FALSE(fs::is_symlink(path));
  EXPECT_EQ(mode(path), 0600u);
  EXPECT_EQ(text(slurp(elsewhere)), "untouched");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 2);
}

}  // namespace
}  // namespace tenon::seal
