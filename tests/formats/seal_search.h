// Looks for secrets where they must not be. What is looked for is kept inverted, so that the search does not find itself.
#pragma once

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "formats/seal_common.h"

namespace tenon::seal {

using Needles = std::vector<std::pair<std::string, Bytes>>;  // names, and bytes inverted

// The names of those found in the writable memory of this process, with the place.
inline std::vector<std::string> found_in_memory(const Needles& masked) {
  std::vector<std::string> out;
  std::ifstream maps("/proc/self/maps"), memory("/proc/self/mem", std::ios::binary);
  std::string line;
  while (std::getline(maps, line)) {
    size_t start = 0, end = 0;
    char read = 0, write = 0;
    if (std::sscanf(line.c_str(), "%zx-%zx %c%c", &start, &end, &read, &write) != 4 || read != 'r' || write != 'w' || end - start > (size_t{1} << 28))
      continue;
    Bytes region(end - start);
    memory.clear();
    memory.seekg(static_cast<std::streamoff>(start));
    if (!memory.read(reinterpret_cast<char*>(region.data()), static_cast<std::streamsize>(region.size()))) continue;
    // Needles are kept inverted, so that the search does not find them; so is what is searched.
    for (uint8_t& byte : region) byte = static_cast<uint8_t>(~byte);
    for (const auto& [name, mask] : masked) {
      if (memmem(region.data(), region.size(), mask.data(), mask.size())) out.push_back(name + " in " + line);
    }
    wipe(region.data(), region.size());
  }
  return out;
}

inline Bytes inverted(View bytes) {
  Bytes out(bytes.begin(), bytes.end());
  for (uint8_t& b : out) b = static_cast<uint8_t>(~b);
  return out;
}

inline std::vector<std::string> found_in_bytes(View content, const Needles& masked) {
  std::vector<std::string> out;
  for (const auto& [name, mask] : masked) {
    const auto hit =
        std::search(content.begin(), content.end(), mask.begin(), mask.end(), [](uint8_t a, uint8_t b) { return a == static_cast<uint8_t>(~b); });
    if (hit != content.end()) out.push_back(name);
  }
  return out;
}

}  // namespace tenon::seal
