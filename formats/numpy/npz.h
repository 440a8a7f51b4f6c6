// numpy's .npz archives: a ZIP file of .npy members. Members are read to memory; nothing of an archive ever becomes a path.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/tensor.h"

namespace tenon::numpy {

using NamedTensors = std::vector<std::pair<std::string, OwnedTensor>>;

// The arrays in the order of the archive's directory, named without ".npy". Stored and deflated members, with ZIP64. Strict: the file
// is its members, one after the other, the directory and the end record, and nothing else. Throws Error(bad_input) for any
// contradiction, Error(not_supported) for encryption and other compressions, Error(limit) where deflated members would grow beyond
// limits.unpacked_bytes, which is checked before any is inflated.
NamedTensors read_npz(std::string_view bytes, const LoadLimits& limits = {});
NamedTensors load_npz(const std::string& path, const LoadLimits& limits = {});

// Stored, as numpy.savez writes. Members have the names of the tensors, slashes included.
std::string write_npz(const std::vector<std::pair<std::string, Tensor>>& tensors);
void save_npz(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors);

}  // namespace tenon::numpy
