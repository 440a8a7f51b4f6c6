#include "base/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <string>

#include "base/error.h"

namespace tenon {
namespace {
constexpr int64_t kHugePage = int64_t{2} << 20;
}

Buffer::Buffer(int64_t bytes) : bytes_(bytes) {
  if (bytes < 0) throw Error(Code::limit, "a buffer of negative size");
  if (bytes == 0) return;
  const int64_t alignment = bytes >= 2 * kHugePage ? kHugePage : kAlignment;
  if (bytes > INT64_MAX - alignment) throw Error(Code::resource, "no memory for " + std::to_string(bytes) + " bytes");
  const int64_t rounded = (bytes + alignment - 1) / alignment * alignment;
  data_ = static_cast<char*>(std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(rounded)));
  if (!data_) throw Error(Code::resource, "no memory for " + std::to_string(bytes) + " bytes");
  if (alignment == kHugePage) madvise(data_, static_cast<size_t>(rounded), MADV_HUGEPAGE);
}

Buffer::~Buffer() { std::free(data_); }

}  // namespace tenon
