// External data of ONNX: tensors whose bytes lie in another file beneath the model's folder. A path taken from a model is never
// repaired and never followed out of that folder.
#pragma once

#include <memory>
#include <string>

#include "formats/onnx/model.h"
#include "formats/weights.h"

namespace tenon::onnx {

struct ExternalData {
  std::string location;
  int64_t offset = 0, length = 0;
};

struct ExternalOptions {
  bool follow_symlinks = false;
  bool hard_links = false;
  bool step_by_step = false;  // as where the kernel lacks openat2
};

// The entries of a tensor of `bytes` bytes. Throws Error(bad_model) for unknown or repeated keys, numbers that are none, and a length
// that is not `bytes`.
ExternalData external_data(const TensorView& t, int64_t bytes);

// Opens and maps the file. Throws Error(bad_model) for a location that leaves the folder or names no regular file, Error(io) when the
// system refuses.
std::shared_ptr<const WeightSource> open_external(const std::string& folder, const std::string& location, const ExternalOptions& options);

// Throws Error(bad_model) when the tensor's bytes are not all in the file.
void check_external(const ExternalData& where, const WeightSource& file, int64_t bytes);

}  // namespace tenon::onnx
