#include "ops/gather.h"

#include "ops/index.h"

namespace tenon {
namespace {

bool index_type(DType t) { return t == DType::s64 || t == DType::s32; }

size_t axis_of(const Reference& n, int64_t axis) { return static_cast<size_t>(from_front(axis, n.in[0]->rank())); }

void infer_gather(Inference& n) {
  n.expect_inputs(2, 2);
  n.expect(index_type(n.dtype(1)), "the indices of gather are s32 or s64");
  const int axis = n.axis(n.attributes<Gather>().axis, n.rank(0));
  Shape shape;
  for (int i = 0; i < axis; ++i) shape.push(n.size(0, i));
  for (Dim d : n.shape(1)) shape.push(d);
  for (int i = axis + 1; i < n.rank(0); ++i) shape.push(n.size(0, i));
  n.result(n.dtype(0), shape);
}

void reference_gather(Reference& n) {
  const Array &src = *n.in[0], &indices = *n.in[1];
  Array& dst = n.out[0];
  const size_t axis = axis_of(n, n.attributes<Gather>().axis);
  const int64_t size = src.shape[axis], inner = strides_of(src.shape)[axis], count = indices.count();
  if (!dst.count()) return;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t from = index_at(n, 1, i, size);
    for (int64_t o = 0, outer = dst.count() / (count * inner); o < outer; ++o)
      for (int64_t k = 0; k < inner; ++k) dst.move((o * count + i) * inner + k, src, (o * size + from) * inner + k);
  }
}

void infer_elements(Inference& n) {
  n.expect_inputs(2, 2);
  n.expect(index_type(n.dtype(1)), "the indices of gather_elements are s32 or s64");
  n.expect_rank(1, n.rank(0));
  n.axis(n.attributes<Gather>().axis, n.rank(0));
  n.result(n.dtype(0), n.shape(1));
}

void reference_elements(Reference& n) {
  const Array &src = *n.in[0], &indices = *n.in[1];
  const size_t axis = axis_of(n, n.attributes<Gather>().axis);
  const std::vector<int64_t> strides = strides_of(src.shape);
  for (size_t k = 0; k < strides.size(); ++k)
    if (k != axis && indices.shape[k] > src.shape[k])
      throw Error(Code::bad_input, "indices of gather_elements have " + std::to_string(indices.shape[k]) + " elements along axis " +
                                       std::to_string(k) + ", src has " + std::to_string(src.shape[k]));
  for (Walk at(indices.shape); at.more(); at.next())
    n.out[0].move(at.flat(), src, at.offset(strides) + (index_at(n, 1, at.flat(), src.shape[axis]) - at[axis]) * strides[axis]);
}

void infer_nd(Inference& n) {
  n.expect_inputs(2, 2);
  n.expect(index_type(n.dtype(1)), "the indices of gather_nd are s32 or s64");
  const int64_t batch = n.attributes<GatherNd>().batch_dims;
  const int rank = n.rank(0), places = n.rank(1);
  n.expect(rank >= 1 && places >= 1, "src and the indices of gather_nd have an axis");
  n.expect(batch >= 0 && batch < std::min(rank, places), "batch_dims of gather_nd is below the ranks of src and of the indices");
  const Extent last = n.size(1, -1);
  if (!last.known())
    throw Error(Code::not_supported, "the last size of the indices of gather_nd, which decides the rank of the result, is not known");
  const int64_t depth = last.dim().number();
  n.expect(depth >= 1 && depth <= rank - batch, "the last size of the indices of gather_nd is 1 up to the axes of src after batch_dims");
  Shape shape;
  for (int i = 0; i < places - 1; ++i) {
    if (i < batch) n.equal(n.size(0, i), n.size(1, i), "batch sizes of src and of the indices");
    shape.push(n.size(1, i));
  }
  for (int i = static_cast<int>(batch + depth); i < rank; ++i) shape.push(n.size(0, i));
  n.result(n.dtype(0), shape);
}

void reference_nd(Reference& n) {
  const Array &src = *n.in[0], &indices = *n.in[1];
  const std::vector<int64_t> strides = strides_of(src.shape);
  const size_t batch = static_cast<size_t>(n.attributes<GatherNd>().batch_dims), depth = static_cast<size_t>(indices.size(-1));
  const int64_t block = strides[batch + depth - 1];
  const std::vector<int64_t> places(indices.shape.begin(), indices.shape.end() - 1);
  for (Walk at(places); at.more(); at.next()) {
    int64_t from = 0;
    for (size_t k = 0; k < batch; ++k) from += at[k] * strides[k];
    for (size_t k = 0; k < depth; ++k)
      from += index_at(n, 1, at.flat() * static_cast<int64_t>(depth) + static_cast<int64_t>(k), src.shape[batch + k]) * strides[batch + k];
    for (int64_t k = 0; k < block; ++k) n.out[0].move(at.flat() * block + k, src, from + k);
  }
}

}  // namespace
const Op ops::gather{.name = "gather", .attributes = Attributes::make<Gather>, .infer = infer_gather, .reference = reference_gather, .moves = true};
const Op ops::gather_elements{
    .name = "gather_elements", .attributes = Attributes::make<Gather>, .infer = infer_elements, .reference = reference_elements, .moves = true};
const Op ops::gather_nd{.name = "gather_nd", .attributes = Attributes::make<GatherNd>, .infer = infer_nd, .reference = reference_nd, .moves = true};
}  // namespace tenon
