#pragma once

#include "formats/weights.h"

namespace tenon::onnx {

// `bytes` of another source, read when they are first looked at and then kept in memory. Wiped when it ends.
std::shared_ptr<const WeightSource> make_kept_source(std::shared_ptr<const WeightSource> from, int64_t offset, int64_t bytes);

}  // namespace tenon::onnx
