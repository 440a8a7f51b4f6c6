// A model as an ONNX file, as it was read or after passes.
#include <algorithm>
#include <filesystem>

#include "base/new_file.h"
#include "exec/model.h"
#include "passes/passes.h"

namespace tenon {
namespace {

constexpr int64_t kSmall = 1024;  // bytes of a constant that stays in the model whatever else goes to a file of its own

int64_t constant_bytes(const Graph& g) {
  int64_t sum = 0;
  for (const Value& v : g.values) sum += v.constant ? v.constant->bytes : 0;
  for (const Node& n : g.nodes)
    for (const auto& body : n.subgraphs) sum += constant_bytes(*body);
  return sum;
}

void write_constants(const std::vector<Constant>& constants, const std::string& path) {
  constexpr int64_t kPiece = 1 << 20;
  NewFile file(path);
  std::vector<char> piece(kPiece);
  for (const Constant& c : constants) {
    if (const int64_t gap = -file.bytes() & 63) file.write(std::string(static_cast<size_t>(gap), '\0'));
    for (int64_t at = 0; at < c.bytes; at += kPiece) {
      const int64_t n = std::min(kPiece, c.bytes - at);
      c.source->read(c.offset + at, n, piece.data());
      file.write({piece.data(), static_cast<size_t>(n)});
    }
  }
  file.commit();
}

}  // namespace

OnnxSummary Model::write_onnx(const std::string& path, const OnnxOptions& options) const {
  impl_->require(Right::export_);
  OnnxSummary out;
  within([&] { return "cannot write " + printable(path); },
         [&] {
           if (impl_->per_size && options.after != "read" && options.after != "simplified")
             throw Error(Code::not_supported, "the operators depend on sizes that only a run tells; --set-dim NAME=N gives a size");
           Graph g = detached(graph_after(*impl_, options.after));
           decompose(g, [](Graph&, const Node&) { return false; });
           WriteOptions how;
           how.opset = options.opset;
           for (const Port& p : impl_->outputs) how.outputs.push_back(p.name);
           const ReadModel read = file_of(*impl_);
           how.metadata = read.metadata;
           out.nodes_before = read.nodes;
           const std::string beside = path + ".data";
           how.external = std::filesystem::path(beside).filename().string();
           if (constant_bytes(g) > options.inline_bytes) how.least_external = kSmall;
           const WrittenModel model = write_model(g, how);
           if (!model.external.empty()) write_constants(model.external, beside);
           NewFile file(path);
           file.write(model.bytes);
           out.bytes = file.bytes();
           for (const Constant& c : model.external) out.external_bytes += c.bytes;
           file.commit();
           out.nodes = model.nodes;
         });
  return out;
}

}  // namespace tenon
