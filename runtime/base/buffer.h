// Memory with one owner, aligned for vectors and, when large, for huge pages.
#pragma once

#include <cstdint>
#include <utility>

namespace tenon {

class Buffer {
 public:
  static constexpr int64_t kAlignment = 64;

  Buffer() = default;
  // Uninitialised. Throws Error(resource) when the system has no such memory, Error(limit) when bytes is negative.
  explicit Buffer(int64_t bytes);
  Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Buffer();

  char* data() { return data_; }
  const char* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  char* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace tenon
