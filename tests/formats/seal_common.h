// What the tests of the sealed format share: published answers, a folder of their own, small containers.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "formats/seal/crypto.h"
#include "formats/seal/seal.h"

namespace tenon::seal {

namespace fs = std::filesystem;

inline fs::path shared() {
  const char* folder = std::getenv("TENON_SHARED");
  return folder ? fs::path(folder) : fs::path(TENON_SOURCE_DIR) / "../shared";
}

#define NEED_SHARED(path) \
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "published answers are not here: " << (path)

inline Bytes slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

inline void spill(const fs::path& path, View bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
}

inline nlohmann::json parse_file(const fs::path& path) { return nlohmann::json::parse(std::ifstream(path)); }

inline Bytes unhex(std::string_view digits) {
  Bytes out(digits.size() / 2);
  EXPECT_TRUE(from_hex(digits, out, true)) << digits;
  return out;
}

template <size_t n>
Block<n> block(View bytes) {
  Block<n> out{};
  EXPECT_EQ(bytes.size(), n);
  std::copy_n(bytes.begin(), std::min(n, bytes.size()), out.begin());
  return out;
}

// A folder that is gone afterwards.
class Folder {
 public:
  Folder() {
    std::string name = fs::temp_directory_path() / "tenon-seal-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string operator/(std::string_view name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// "ok", or the name of the error's code.
template <class Body>
std::string outcome(Body&& body) {
  try {
    body();
    return "ok";
  } catch (const Error& error) { return std::string(name(error.code())); }
}

template <class Body>
std::string message(Body&& body) {
  try {
    body();
    return "";
  } catch (const Error& error) { return error.what(); }
}

inline Secret secret(uint8_t first) {
  Secret out(32);
  for (size_t i = 0; i < 32; ++i) out.data()[i] = static_cast<uint8_t>(first + i);
  return out;
}

inline KeyRing raw_ring(uint8_t first) {
  KeyRing out;
  out.add_raw(secret(first));
  return out;
}

// The byte of the data plaintext at `i`; never zero, so that gaps and missing bytes are seen.
inline uint8_t pattern(uint64_t i) { return static_cast<uint8_t>(1 + (i * 2654435761u >> 7) % 255); }

// A container of blobs of these lengths, sealed with the raw key secret(0).
struct Made {
  std::vector<uint64_t> blobs = {5000, 0, 300};
  std::string model = "model bytes";
  std::optional<std::string> policy, metadata;
  int segment_log2 = 12;
  std::vector<uint8_t> signers;  // first bytes of their seeds
  System* system = nullptr;

  SealInput input() const {
    SealInput in{.model = ascii(model), .policy = policy, .metadata = metadata, .blobs = blobs, .read = {}};
    in.read = [](size_t blob, uint64_t offset, std::span<uint8_t> dst) {
      for (size_t i = 0; i < dst.size(); ++i) dst[i] = pattern(blob * 1'000'003 + offset + i);
    };
    return in;
  }
  SealOptions options() const {
    SealOptions out;
    out.slots.push_back(NewSlot::raw(secret(0)));
    for (uint8_t s : signers) out.signers.push_back(secret(s));
    out.segment_log2 = segment_log2;
    out.system = system;
    return out;
  }
  void seal(const std::string& path) const { tenon::seal::seal(path, input(), options()); }
};

inline Bytes expected_blob(size_t blob, uint64_t length) {
  Bytes out(length);
  for (size_t i = 0; i < length; ++i) out[i] = pattern(blob * 1'000'003 + i);
  return out;
}

inline Bytes read_blob(const SealedFile& file, size_t i) {
  Bytes out(file.blobs()[i].length);
  file.read(file.blobs()[i].offset, out);
  return out;
}

// Opens with secret(0) and reads everything.
inline std::string open_and_read(const std::string& path, const OpenOptions& base = {}) {
  return outcome([&] {
    const KeyRing keys = raw_ring(0);
    OpenOptions options = base;
    if (!options.keys) options.keys = &keys;
    const auto file = SealedFile::open(path, options);
    Bytes all(file->data_size());
    if (all.empty()) verify(path, options);
    else file->read(0, all);
  });
}

}  // namespace tenon::seal
