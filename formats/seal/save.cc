#include "formats/seal/save.h"

#include <fcntl.h>

namespace tenon::seal {

Save::Save(System& system, const std::string& path) : system_(system) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  name_ = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name_.empty() || name_ == "." || name_ == "..") throw Error(Code::bad_usage, "not the name of a file");
  folder_ = File(system, retry([&] { return system.open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0); }));
  if (!folder_) fail_io("opening the folder " + printable(folder));
  Block<8> number;
  random_bytes(system, number);
  temporary_ = "." + name_ + ".tmp-" + hex(number);
  file_ = File(system,
               retry([&] { return system.openat(folder_.fd(), temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600); }));
  if (!file_) fail_io("creating a temporary file in the folder");
  exists_ = true;
}

Save::~Save() {
  if (exists_) system_.unlinkat(folder_.fd(), temporary_.c_str());
}

void Save::commit() {
  if (retry([&] { return system_.fsync(file_.fd()); }) != 0) fail_io("syncing the file");
  struct stat old;
  const bool replaces = system_.fstatat(folder_.fd(), name_.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0;
  if (!replaces && errno != ENOENT) fail_io("looking at the file to be replaced");
  const mode_t mode = replaces && S_ISREG(old.st_mode) ? old.st_mode & 0777 : 0600;
  if (retry([&] { return system_.fchmod(file_.fd(), mode); }) != 0) fail_io("setting the mode of the file");
  if (system_.renameat(folder_.fd(), temporary_.c_str(), name_.c_str()) != 0) fail_io("renaming the file");
  exists_ = false;
  if (retry([&] { return system_.fsync(folder_.fd()); }) != 0) fail_io("syncing the folder; the new file is in place but may be lost in a crash");
}

}  // namespace tenon::seal
