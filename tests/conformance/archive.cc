#include "conformance/archive.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "models/shared.h"

namespace tenon::conformance {

namespace fs = std::filesystem;

std::string archive() { return models::shared("conformance/onnx-backend-data.tar.xz"); }

const std::string& unpacked() {
  static const std::string folder = [] {
    const std::string root = std::string(TENON_BINARY_DIR) + "/conformance", stamp = root + "/unpacked";
    fs::create_directories(root);
    const int lock = open((root + "/lock").c_str(), O_CREAT | O_RDWR, 0644);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) throw std::runtime_error("cannot lock " + root);
    if (!fs::exists(stamp) || fs::last_write_time(stamp) < fs::last_write_time(archive())) {
      fs::remove_all(root + "/data");
      if (std::system(("tar -xJf '" + archive() + "' -C '" + root + "'").c_str()) != 0)
        throw std::runtime_error("tar and xz cannot unpack " + archive());
      std::ofstream(stamp) << archive() << "\n";
    }
    close(lock);
    return root + "/data";
  }();
  return folder;
}

}  // namespace tenon::conformance
