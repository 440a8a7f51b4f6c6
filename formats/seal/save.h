// A file that appears under its name whole or not at all: docs/sealed_format.md, section 8.3.
#pragma once

#include "formats/seal/system.h"

namespace tenon::seal {

// A temporary file beside the target. Removed when destroyed, unless it has been committed.
class Save {
 public:
  Save(System& system, const std::string& path);
  ~Save();
  Save(const Save&) = delete;
  Save& operator=(const Save&) = delete;

  void write(View bytes, uint64_t offset, std::string_view part) { write_all(file_, bytes, offset, part); }
  // fsync, the mode of the regular file that is replaced (else 0600), rename, fsync of the folder.
  void commit();

 private:
  System& system_;
  std::string name_, temporary_;
  File folder_, file_;
  bool exists_ = false;
};

}  // namespace tenon::seal
