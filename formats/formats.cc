#include "formats/formats.h"

#include <algorithm>

#include "base/error.h"
#include "formats/foreign.h"
#include "formats/onnx/exporter.h"
#include "formats/onnx/reader.h"

namespace tenon {
namespace {

void refuse_foreign(const WeightSource& source) {
  std::string head(static_cast<size_t>(std::min(source.bytes(), kForeignHead)), '\0');
  source.read(0, static_cast<int64_t>(head.size()), head.data());
  if (const ForeignFormat* f = foreign_format(head))
    throw Error(Code::not_supported, "this is " + std::string(f->what) + ", Tenon reads ONNX; " + std::string(f->advice));
}

}  // namespace

ReadModel read_model(std::shared_ptr<const WeightSource> bytes, const std::string& folder, const ReadOptions& options) {
  refuse_foreign(*bytes);
  return onnx::read(std::move(bytes), folder, options);
}

WrittenModel write_model(const Graph& g, const WriteOptions& options) { return onnx::export_graph(g, options); }

}  // namespace tenon
