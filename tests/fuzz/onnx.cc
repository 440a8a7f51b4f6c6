// Fuzzes the bytes of ONNX: parsing, the elements of every tensor, and writing. What is read and written back must read the same.
// The first byte picks the kind of file.
#include <cstdlib>

#include "base/error.h"
#include "formats/onnx/data.h"
#include "formats/onnx/external.h"
#include "formats/onnx/split.h"
#include "formats/onnx/writer.h"

namespace tenon::onnx {
namespace {

void attempt(const TensorView& t, const LoadLimits& limits) {
  try {
    if (t.external) external_data(t, storage_bytes(dtype_of(t.data_type), element_count(t, limits)));
    else owned(t, limits);
  } catch (const Error&) {}
}

void attempt(const SparseTensorView& t, const LoadLimits& limits) {
  try {
    elements(t, limits);
  } catch (const Error&) {}
}

void visit(const GraphView& g, const LoadLimits& limits) {
  for (const TensorView& t : g.initializers) attempt(t, limits);
  for (const SparseTensorView& t : g.sparse_initializers) attempt(t, limits);
  for (const NodeView& n : g.nodes)
    for (const AttributeView& a : n.attributes) {
      for (const TensorView& t : a.tensors) attempt(t, limits);
      for (const SparseTensorView& t : a.sparse) attempt(t, limits);
      for (const GraphView& inner : a.graphs) visit(inner, limits);
    }
}

std::string filled(const JoinedModel& joined, const std::vector<SplitBlob>& blobs) {
  std::string out;
  size_t done = 0;
  for (const JoinedModel::Hole& h : joined.holes) {
    out += joined.text.substr(done, h.position - done);
    done = h.position;
    const size_t at = out.size();
    out.resize(at + static_cast<size_t>(blobs[h.blob].bytes));
    blobs[h.blob].read(0, blobs[h.blob].bytes, out.data() + at);
  }
  return out + joined.text.substr(done);
}

void one_input(Bytes input) {
  LoadLimits limits;
  limits.elements = 1 << 20;
  limits.fold_bytes_node = 1 << 20;
  const unsigned kind = static_cast<unsigned char>(input[0]);
  input.remove_prefix(1);
  if (kind % 8 != 0) {
    read_value(input, static_cast<Container>(kind % 4), limits);
    return;
  }
  const Model m = parse_model(input, limits);
  visit(m.graph, limits);
  const std::string written = write_model(m);
  if (write_model(parse_model(written, limits)) != written) std::abort();
  // What is taken apart and put together again takes apart the same way.
  const SplitModel s = split(make_view_source(input.data(), static_cast<int64_t>(input.size())), "", {.limits = limits});
  std::vector<int64_t> lengths;
  for (const SplitBlob& b : s.blobs) lengths.push_back(b.bytes);
  const std::string joined = filled(join(s.model, lengths, "data"), s.blobs);
  if (split(make_view_source(joined.data(), static_cast<int64_t>(joined.size())), "", {.limits = limits}).model != s.model) std::abort();
}

}  // namespace
}  // namespace tenon::onnx

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  try {
    tenon::onnx::one_input({reinterpret_cast<const char*>(data), size});
  } catch (const tenon::Error&) {}
  return 0;
}
