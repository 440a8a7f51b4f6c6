#include "ops/transpose.h"

#include "ops/op.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  n.expect_inputs(1, 1);
  const auto& perm = n.attributes<Transpose>().perm;
  const int rank = n.rank(0);
  n.expect(perm.empty() || static_cast<int>(perm.size()) == rank, "perm of transpose names every axis once");
  const std::vector<int> axes = n.axes(perm, rank);
  Shape shape;
  for (int i = 0; i < rank; ++i) shape.push(n.size(0, perm.empty() ? rank - 1 - i : axes[i]));
  n.result(n.dtype(0), shape);
}

void reference(Reference& n) {
  const auto& perm = n.attributes<Transpose>().perm;
  const Array& src = *n.in[0];
  Array& dst = n.out[0];
  const std::vector<int64_t> own = strides_of(src.shape);
  std::vector<int64_t> strides(own.size());
  for (size_t i = 0; i < own.size(); ++i) {
    const size_t reversed = own.size() - 1 - i;
    strides[i] = own[perm.empty() ? reversed : static_cast<size_t>(perm[i] < 0 ? perm[i] + static_cast<int64_t>(own.size()) : perm[i])];
  }
  for (Walk at(dst.shape); at.more(); at.next()) dst.move(at.flat(), src, at.offset(strides));
}

}  // namespace
const Op ops::transpose{.name = "transpose", .attributes = Attributes::make<Transpose>, .infer = infer, .reference = reference, .moves = true};
}  // namespace tenon
