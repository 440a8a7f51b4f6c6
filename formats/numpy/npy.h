// numpy's .npy files: one tensor each. Format 1.0 to 3.0 as in numpy.lib.format; there is no pickle.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/tensor.h"

namespace tenon::numpy {

// Where the bytes of a .npy come from, first to last: memory, or a member of an archive that is inflated on the way.
class Stream {
 public:
  virtual ~Stream() = default;
  // The next `bytes` bytes; never more than are left.
  virtual void read(void* destination, int64_t bytes) = 0;
  virtual int64_t left() const = 0;
};

// Reads bool, integers of 8 to 64 bits, f16, f32, f64, c64 and c128; big-endian and Fortran order are converted. Throws
// Error(not_supported) for other element types (objects, strings, dates, records), Error(bad_input) for bytes that are no .npy or
// not exactly as many as the shape says, Error(limit) beyond `limits`.
OwnedTensor read_npy(Stream& bytes, const LoadLimits& limits = {});
OwnedTensor read_npy(std::string_view bytes, const LoadLimits& limits = {});
OwnedTensor load_npy(const std::string& path, const LoadLimits& limits = {});

// What stands before the elements, and the elements as they are written: types that numpy lacks become the smallest of its types that
// holds every value (bf16 and float8: f32; s4, s2: s8; u4, u2: u8), strings become fixed-width unicode. Throws Error(bad_input) for
// strings that are not UTF-8.
std::string write_npy(const Tensor& tensor);
void save_npy(const std::string& path, const Tensor& tensor);

// Writes a whole file. Throws Error(io).
void save_file(const std::string& path, std::string_view bytes);

}  // namespace tenon::numpy
