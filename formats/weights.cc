#include "formats/weights.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/buffer.h"
#include "base/error.h"
#include "base/half.h"
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
  bool lasts() const override { return false; }
  // What is copied here may come from a sealed model.
  ~MemorySource() override { wipe_memory(memory_.data(), static_cast<size_t>(memory_.bytes())); }

 private:
  Buffer memory_;
};

class RoundedSource : public WeightSource {
 public:
  RoundedSource(std::shared_ptr<const WeightSource> from, int64_t offset, int64_t count, DType to)
      : from_(std::move(from)), offset_(offset), count_(count), to_(to) {}

  const void* view(int64_t, int64_t) const override { return nullptr; }
  int64_t bytes() const override { return 2 * count_; }
  std::shared_ptr<void> hold() const override { return from_->hold(); }
  int64_t unit_end(int64_t offset) const override {
    const int64_t end = (from_->unit_end(offset_ + 2 * offset) - offset_) / 4 * 2;
    return end > offset && end < bytes() ? end : bytes();
  }
  void read(int64_t offset, int64_t bytes, void* destination) const override {
    const int64_t count = bytes / 2, at = offset_ + 2 * offset;
    uint16_t* to = static_cast<uint16_t*>(destination);
    if (const void* lies = from_->view(at, 4 * count)) return round_to_halves(to_, static_cast<const float*>(lies), count, to);
    std::vector<float> copy(static_cast<size_t>(count));
    const WipeAtEnd wipe(copy);
    from_->read(at, 4 * count, copy.data());
    round_to_halves(to_, copy.data(), count, to);
  }

 private:
  std::shared_ptr<const WeightSource> from_;
  int64_t offset_, count_;
  DType to_;
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

std::shared_ptr<const WeightSource> make_rounded_source(std::shared_ptr<const WeightSource> from, int64_t offset, int64_t count, DType to) {
  return std::make_shared<RoundedSource>(std::move(from), offset, count, to);
}

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
