// A file that appears under its name only when it is complete.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

namespace tenon {

// Written beside its place, and moved there by commit(); without that it is removed. Throws Error(io) with the path.
class NewFile {
 public:
  explicit NewFile(std::string path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(std::string_view bytes);
  int64_t bytes() const { return bytes_; }
  void commit();

 private:
  [[noreturn]] void fail();

  std::string path_, beside_;
  std::FILE* file_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace tenon
