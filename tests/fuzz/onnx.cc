// Fuzzes the bytes of ONNX: parsing, the elements of every tensor, and writing. What is read and written back must read the same.
// The first byte picks the kind of file.
#include <cstdlib>

#include "base/error.h"
#include "formats/onnx/data.h"
#include "formats/onnx/external.h"
#include "formats/onnx/writer.h"

namespace tenon::onnx {
namespace {

void attempt(const TensorView& t, const LoadLimits& limits) {
  try {
    if (t.external) external_data(t, storage_bytes(dtype_of(t.data_type), element_count(t, limits)));
    else owned(t, limits);
  } catch (const Error&) {
  }
}

void attempt(const SparseTensorView& t, const LoadLimits& limits) {
  try {
    elements(t, limits);
  } catch (const Error&) {
  }
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
}

}  // namespace
}  // namespace tenon::onnx

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  try {
    tenon::onnx::one_input({reinterpret_cast<const char*>(data), size});
  } catch (const tenon::Error&) {
  }
  return 0;
}
