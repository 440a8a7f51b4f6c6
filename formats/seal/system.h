// What the container asks of the operating system, one function a call, so that tests can make every call fail. The functions
// return what the system calls of the same name return, and set errno.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cerrno>
#include <string>

#include "formats/seal/bytes.h"

namespace tenon::seal {

class System {
 public:
  virtual ~System() = default;
  virtual int open(const char* path, int flags, mode_t mode);
  virtual int openat(int folder, const char* name, int flags, mode_t mode);
  virtual int close(int fd);
  virtual int fstat(int fd, struct stat* out);
  virtual int fstatat(int folder, const char* name, struct stat* out, int flags);
  virtual ssize_t read(int fd, void* dst, size_t n);
  virtual ssize_t pread(int fd, void* dst, size_t n, off_t offset);
  virtual ssize_t write(int fd, const void* src, size_t n);
  virtual ssize_t pwrite(int fd, const void* src, size_t n, off_t offset);
  virtual int fsync(int fd);
  virtual int fdatasync(int fd);
  virtual int ftruncate(int fd, off_t size);
  virtual int fchmod(int fd, mode_t mode);
  virtual int flock(int fd, int operation);
  virtual int renameat(int folder, const char* from, const char* to);  // both names in one folder
  virtual int unlinkat(int folder, const char* name);
  virtual bool random(uint8_t* dst, size_t n);          // RAND_bytes
  virtual bool random_private(uint8_t* dst, size_t n);  // RAND_priv_bytes: file keys
  virtual int64_t now_ms();                             // wall clock, milliseconds since 1970
};

System& real_system();

// Owns a descriptor.
class File {
 public:
  File() = default;
  File(System& system, int fd) : system_(&system), fd_(fd) {}
  File(File&& other) noexcept : system_(other.system_), fd_(other.fd_) { other.fd_ = -1; }
  File& operator=(File&& other) noexcept;
  ~File() { close(); }

  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  System& system() const { return *system_; }
  void close() noexcept;

 private:
  System* system_ = nullptr;
  int fd_ = -1;
};

// Error(io): "<doing>: <what errno says>".
[[noreturn]] void fail_io(std::string_view doing);

// All n bytes at `offset`, whatever the number of calls it takes. Throws Error(seal_truncated) at the end of the file and Error(io).
void read_all(const File& file, std::span<uint8_t> dst, uint64_t offset, std::string_view part);
void write_all(const File& file, View src, uint64_t offset, std::string_view part);
void random_bytes(System& system, std::span<uint8_t> dst);          // throws Error(resource)
void random_private_bytes(System& system, std::span<uint8_t> dst);  // throws Error(resource)

template <class Call>
auto retry(Call&& call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

}  // namespace tenon::seal
