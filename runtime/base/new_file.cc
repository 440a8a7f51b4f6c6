#include "base/new_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace tenon {

NewFile::NewFile(std::string path) : path_(std::move(path)), beside_(path_ + ".part-" + std::to_string(getpid())) {
  file_ = std::fopen(beside_.c_str(), "wbe");
  if (!file_) fail();
}

NewFile::~NewFile() {
  if (file_) std::fclose(file_);
  if (!beside_.empty()) unlink(beside_.c_str());
}

void NewFile::write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) fail();
  bytes_ += static_cast<int64_t>(bytes.size());
}

void NewFile::commit() {
  std::FILE* file = std::exchange(file_, nullptr);
  if (std::fclose(file) != 0 || std::rename(beside_.c_str(), path_.c_str()) != 0) fail();
  beside_.clear();
}

void NewFile::fail() { throw Error(Code::io, "cannot write " + printable(path_) + ": " + std::strerror(errno)); }

}  // namespace tenon
