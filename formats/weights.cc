#include "formats/weights.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/buffer.h"
#include "base/error.h"
#include "base/wipe.h"

namespace tenon {
namespace {

class ViewSource : public WeightSource {
 public:
  ViewSource(const void* data, int64_t bytes) : data_(static_cast<const char*>(data)), bytes_(bytes) {}
  const void* view(int64_t offset, int64_t) const override { return data_ + offset; }
  void read(int64_t offset, int64_t bytes, void* destination) const override {
    if (bytes) std::memcpy(destination, data_ + offset, static_cast<size_t>(bytes));
  }
  int64_t bytes() const override { return bytes_; }

 protected:
  const char* data_;
  int64_t bytes_;
};

class MemorySource : public ViewSource {
 public:
  MemorySource(const void* data, int64_t bytes) : ViewSource(nullptr, bytes), memory_(bytes > 0 ? bytes : 1) {
    if (bytes) std::memcpy(memory_.data(), data, static_cast<size_t>(bytes));
    data_ = memory_.data();
  }
  // What is copied here may come from a sealed model.
  ~MemorySource() override { wipe_memory(memory_.data(), static_cast<size_t>(memory_.bytes())); }

 private:
  Buffer memory_;
};

class MappedFile : public ViewSource {
 public:
  MappedFile(void* data, int64_t bytes) : ViewSource(data, bytes) {}
  ~MappedFile() override {
    if (bytes_) munmap(const_cast<char*>(data_), static_cast<size_t>(bytes_));
  }
};

}  // namespace

std::shared_ptr<const WeightSource> make_memory_source(const void* data, int64_t bytes) { return std::make_shared<MemorySource>(data, bytes); }

std::shared_ptr<const WeightSource> make_view_source(const void* data, int64_t bytes) { return std::make_shared<ViewSource>(data, bytes); }

std::shared_ptr<const WeightSource> map_file(const std::string& path) {
  const auto failed = [&](const char* what) -> Error {
    return Error(Code::io, std::string(what) + " " + printable(path) + ": " + std::strerror(errno));
  };
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw failed("cannot open");
  struct stat s;
  if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) {
    close(fd);
    throw Error(Code::io, printable(path) + " is not a regular file");
  }
  try {
    auto mapped = map_descriptor(fd, s.st_size);
    close(fd);
    return mapped;
  } catch (Error& e) {
    close(fd);
    throw e.within(printable(path));
  }
}

std::shared_ptr<const WeightSource> map_descriptor(int fd, int64_t bytes) {
  void* data = bytes ? mmap(nullptr, static_cast<size_t>(bytes), PROT_READ, MAP_PRIVATE, fd, 0) : nullptr;
  if (data == MAP_FAILED) throw Error(Code::io, std::string("cannot map the file: ") + std::strerror(errno));
  return std::make_shared<MappedFile>(data, bytes);
}

}  // namespace tenon
