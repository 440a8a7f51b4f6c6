// Memory for kernels under test: between guard zones, as far off alignment as its elements allow, and never zero to begin with.
#pragma once

#include <cstdint>
#include <memory>

namespace tenon::harness {

class Fenced {
 public:
  Fenced() = default;
  // `alignment` 64 gives what plans give to scratch and packed weights; less starts that many bytes after a multiple of 64.
  Fenced(int64_t bytes, int64_t alignment, uint8_t poison = 0xff);
  Fenced(Fenced&&) noexcept = default;
  Fenced& operator=(Fenced&&) noexcept = default;
  ~Fenced();

  char* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  bool intact() const;

 private:
  struct Free {
    void operator()(char* p) const;
  };
  std::unique_ptr<char, Free> block_;
  char* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace tenon::harness
