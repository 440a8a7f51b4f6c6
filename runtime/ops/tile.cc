#include "ops/op.h"

namespace tenon {
namespace {

// src repeated along every axis; input 1 (s64) has one number for each.
void infer(Inference& n) {
  n.expect_inputs(2, 2);
  n.expect(n.dtype(1) == DType::s64, "the repeats of tile are s64");
  n.expect_rank(1, 1);
  n.equal(n.size(1, 0), n.rank(0), "repeats of tile and axes of src");
  Shape shape;
  for (int i = 0; i < n.rank(0); ++i) {
    if (!n.known(1)) {
      shape.push(n.data());
      continue;
    }
    const Extent repeats = n.extent(n.content(1)[i]);
    n.expect(!repeats.known() || repeats.dim().number() >= 0, "the repeats of tile are 0 or more");
    shape.push(n.size(0, i) * repeats);
  }
  n.result(n.dtype(0), shape);
}

void reference(Reference& n) {
  const Array& src = *n.in[0];
  const std::vector<int64_t> strides = strides_of(src.shape);
  for (Walk at(n.out[0].shape); at.more(); at.next()) {
    int64_t from = 0;
    for (size_t k = 0; k < strides.size(); ++k) from += at[k] % src.shape[k] * strides[k];
    n.out[0].move(at.flat(), src, from);
  }
}

}  // namespace
const Op ops::tile{.name = "tile", .infer = infer, .reference = reference, .moves = true};
}  // namespace tenon
