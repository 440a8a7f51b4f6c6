#include "formats/seal/system.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace tenon::seal {

int System::open(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }
int System::openat(int folder, const char* name, int flags, mode_t mode) { return ::openat(folder, name, flags, mode); }
int System::close(int fd) { return ::close(fd); }
int System::fstat(int fd, struct stat* out) { return ::fstat(fd, out); }
int System::fstatat(int folder, const char* name, struct stat* out, int flags) { return ::fstatat(folder, name, out, flags); }
ssize_t System::read(int fd, void* dst, size_t n) { return ::read(fd, dst, n); }
ssize_t System::pread(int fd, void* dst, size_t n, off_t offset) { return ::pread(fd, dst, n, offset); }
ssize_t System::write(int fd, const void* src, size_t n) { return ::write(fd, src, n); }
ssize_t System::pwrite(int fd, const void* src, size_t n, off_t offset) { return ::pwrite(fd, src, n, offset); }
int System::fsync(int fd) { return ::fsync(fd); }
int System::fdatasync(int fd) { return ::fdatasync(fd); }
int System::ftruncate(int fd, off_t size) { return ::ftruncate(fd, size); }
int System::fchmod(int fd, mode_t mode) { return ::fchmod(fd, mode); }
int System::flock(int fd, int operation) { return ::flock(fd, operation); }
int System::renameat(int folder, const char* from, const char* to) { return ::renameat(folder, from, folder, to); }
int System::unlinkat(int folder, const char* name) { return ::unlinkat(folder, name, 0); }
bool System::random(uint8_t* dst, size_t n) { return RAND_bytes(dst, static_cast<int>(n)) == 1; }
bool System::random_private(uint8_t* dst, size_t n) { return RAND_priv_bytes(dst, static_cast<int>(n)) == 1; }
int64_t System::now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

System& real_system() {
  static System system;
  return system;
}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    close();
    system_ = other.system_, fd_ = other.fd_;
    other.fd_ = -1;
  }
  return *this;
}

void File::close() noexcept {
  if (fd_ >= 0) system_->close(fd_);
  fd_ = -1;
}

void fail_io(std::string_view doing) {
  const int error = errno;
  char text[128];
  throw Error(Code::io, std::string(doing) + ": " + strerror_r(error, text, sizeof text));
}

void read_all(const File& file, std::span<uint8_t> dst, uint64_t offset, std::string_view part) {
  while (!dst.empty()) {
    const ssize_t n = retry([&] { return file.system().pread(file.fd(), dst.data(), dst.size(), static_cast<off_t>(offset)); });
    if (n < 0) fail_io("reading the " + std::string(part));
    if (n == 0) throw Error(Code::seal_truncated, "the file ends inside the " + std::string(part));
    dst = dst.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
}

void write_all(const File& file, View src, uint64_t offset, std::string_view part) {
  while (!src.empty()) {
    const ssize_t n = retry([&] { return file.system().pwrite(file.fd(), src.data(), src.size(), static_cast<off_t>(offset)); });
    if (n < 0) fail_io("writing the " + std::string(part));
    if (n == 0) throw Error(Code::io, "writing the " + std::string(part) + ": nothing was written");
    src = src.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
}

void random_bytes(System& system, std::span<uint8_t> dst) {
  if (!system.random(dst.data(), dst.size())) throw Error(Code::resource, "the random generator failed");
}

void random_private_bytes(System& system, std::span<uint8_t> dst) {
  if (!system.random_private(dst.data(), dst.size())) throw Error(Code::resource, "the random generator failed");
}

}  // namespace tenon::seal
