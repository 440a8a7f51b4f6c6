#include "formats/formats.h"

#include "formats/onnx/reader.h"

namespace tenon {

ReadModel read_model(std::shared_ptr<const WeightSource> bytes, const std::string& folder, const ReadOptions& options) {
  return onnx::read(std::move(bytes), folder, options);
}

}  // namespace tenon
