#include "formats/onnx/external.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace tenon::onnx {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

int64_t number(std::string_view key, std::string_view text) {
  if (text.empty() || text.size() > 18 || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    throw Error(Code::bad_model, "the " + std::string(key) + " of external data is \"" + printable(text) + "\", no decimal number below 10^18");
  return std::stoll(std::string(text));
}

std::vector<std::string> components(const std::string& location) {
  const auto refuse = [&](const char* why) { throw Error(Code::bad_model, "the location of external data \"" + printable(location) + "\" " + why); };
  if (location.empty()) refuse("is empty");
  if (location.size() > 4096) refuse("is longer than 4096 bytes");
  if (location[0] == '/') refuse("is absolute; it must lie beneath the model's folder");
  if (std::any_of(location.begin(), location.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
    refuse("holds control characters");
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= location.size()) {
    const size_t end = std::min(location.find('/', begin), location.size());
    const std::string part = location.substr(begin, end - begin);
    if (part == "..") refuse("leaves the model's folder");
    if (!part.empty() && part != ".") parts.push_back(part);
    begin = end + 1;
  }
  if (parts.empty()) refuse("names no file");
  return parts;
}

// One component after the other without following links, for kernels that lack openat2.
Descriptor open_step_by_step(int folder, const std::vector<std::string>& parts) {
  Descriptor at(fcntl(folder, F_DUPFD_CLOEXEC, 0));
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    at = Descriptor(openat(at.get(), parts[i].c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (last ? 0 : O_DIRECTORY)));
    if (at.get() < 0) break;
  }
  return at;
}

Descriptor open_beneath(int folder, const std::vector<std::string>& parts, const std::string& location, const ExternalOptions& options) {
  if (options.follow_symlinks) return Descriptor(openat(folder, location.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!options.step_by_step) {
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    const long fd = syscall(SYS_openat2, folder, location.c_str(), &how, sizeof how);
    // Sandboxes that do not know the call refuse it with EPERM.
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return Descriptor(static_cast<int>(fd));
  }
  return open_step_by_step(folder, parts);
}

}  // namespace

ExternalData external_data(const TensorView& t, int64_t bytes) {
  if (t.has_raw || t.has_typed) throw Error(Code::bad_model, "a tensor has both external data and data of its own");
  ExternalData out;
  out.length = bytes;
  bool seen[5] = {};
  static constexpr std::string_view kKeys[] = {"location", "offset", "length", "checksum", "basepath"};
  for (const auto& [key, value] : t.external_data) {
    const auto at = std::find(std::begin(kKeys), std::end(kKeys), key) - std::begin(kKeys);
    if (at == std::ssize(kKeys)) throw Error(Code::bad_model, "external data has the unknown key \"" + printable(key) + "\"");
    if (std::exchange(seen[at], true)) throw Error(Code::bad_model, "external data has the key \"" + printable(key) + "\" twice");
    if (at == 0) out.location = value;
    if (at == 1) out.offset = number(key, value);
    if (at == 2) out.length = number(key, value);
  }
  if (!seen[0]) throw Error(Code::bad_model, "external data has no location");
  if (out.length != bytes)
    throw Error(Code::bad_model, "external data of " + std::to_string(out.length) + " bytes, the tensor's shape asks for " + std::to_string(bytes));
  return out;
}

std::shared_ptr<const WeightSource> open_external(const std::string& folder, const std::string& location, const ExternalOptions& options) {
  if (folder.empty()) throw Error(Code::bad_model, "the model refers to external data, but was given as bytes without a folder to look in");
  const std::vector<std::string> parts = components(location);
  const Descriptor base(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (base.get() < 0) throw Error(Code::io, "cannot open the folder " + printable(folder) + ": " + std::strerror(errno));
  const Descriptor file = open_beneath(base.get(), parts, location, options);
  if (file.get() < 0) {
    if (errno == ELOOP || errno == EXDEV)
      throw Error(Code::bad_model,
                  "the external data file \"" + printable(location) + "\" is reached through a symbolic link; an option allows that");
    throw Error(Code::io, "cannot open the external data file \"" + printable(location) + "\": " + std::strerror(errno));
  }
  struct stat s;
  if (fstat(file.get(), &s) != 0 || !S_ISREG(s.st_mode))
    throw Error(Code::bad_model, "the external data file \"" + printable(location) + "\" is no regular file");
  if (s.st_nlink > 1 && !options.hard_links)
    throw Error(Code::bad_model, "the external data file \"" + printable(location) + "\" has more than one name (hard links); an option allows that");
  return map_descriptor(file.get(), s.st_size);
}

void check_external(const ExternalData& where, const WeightSource& file, int64_t bytes) {
  if (bytes > file.bytes() || where.offset > file.bytes() - bytes)
    throw Error(Code::bad_model, "external data at " + std::to_string(where.offset) + " of " + std::to_string(bytes) + " bytes, the file has " +
                                     std::to_string(file.bytes()));
}

}  // namespace tenon::onnx
