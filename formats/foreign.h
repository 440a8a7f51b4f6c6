// Files that Tenon does not read but that people take for models, recognised by their first bytes.
#pragma once

#include <cstdint>
#include <string_view>

namespace tenon {

struct ForeignFormat {
  std::string_view what;    // "a PyTorch file"
  std::string_view advice;  // how to get a model that Tenon reads
};

inline constexpr int64_t kForeignHead = 4096;  // bytes that it takes to tell

// Null where `head`, the first bytes of a file, are of none of them.
const ForeignFormat* foreign_format(std::string_view head);

}  // namespace tenon
