#include "ops/scatter.h"

#include <algorithm>

#include "ops/index.h"

namespace tenon {
namespace {

void expect_scatter(Inference& n, ScatterReduction reduction) {
  n.expect_inputs(3, 3);
  n.expect_same_dtype(0, 2);
  n.expect(n.dtype(1) == DType::s64 || n.dtype(1) == DType::s32, "the indices of a scatter are s32 or s64");
  n.expect(n.rank(0) >= 1, "src of a scatter has an axis");
  n.expect(reduction == ScatterReduction::none || is_real(n.dtype(0)) || is_integer(n.dtype(0)), "a scatter that reduces is of numbers");
}

template <class T>
T reduced(ScatterReduction reduction, T a, T b) {
  switch (reduction) {
    case ScatterReduction::add: return a + b;
    case ScatterReduction::mul: return a * b;
    case ScatterReduction::min: return std::min(a, b);
    case ScatterReduction::max: return std::max(a, b);
    case ScatterReduction::none: break;
  }
  return b;
}

void update(Array& dst, int64_t to, const Array& updates, int64_t from, ScatterReduction reduction) {
  if (reduction == ScatterReduction::none) return dst.move(to, updates, from);
  if (dst.is_real()) {
    dst.real(to) = rounded(dst.dtype, reduced(reduction, dst.real(to), updates.real(from)));
    return;
  }
  const int64_t a = dst.integer(to), b = updates.integer(from);
  const bool ordered = reduction == ScatterReduction::min || reduction == ScatterReduction::max;
  // Sums and products wrap, which unsigned arithmetic does for both.
  dst.integer(to) = ordered && dst.dtype != DType::u64 ? reduced(reduction, a, b)
                                                       : static_cast<int64_t>(reduced(reduction, static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
}

void infer_elements(Inference& n) {
  const auto& a = n.attributes<ScatterElements>();
  expect_scatter(n, a.reduction);
  n.axis(a.axis, n.rank(0));
  n.expect_rank(1, n.rank(0));
  n.expect_rank(2, n.rank(0));
  for (int k = 0; k < n.rank(0); ++k)
    n.equal(n.size(1, k), n.size(2, k), "sizes of axis " + std::to_string(k) + " of the indices and of the updates");
  n.result(n.dtype(0), n.shape(0));
}

void reference_elements(Reference& n) {
  const auto& a = n.attributes<ScatterElements>();
  const Array &src = *n.in[0], &indices = *n.in[1];
  Array& dst = n.out[0];
  dst = src;
  const size_t axis = static_cast<size_t>(from_front(a.axis, src.rank()));
  const std::vector<int64_t> strides = strides_of(src.shape);
  for (size_t k = 0; k < strides.size(); ++k)
    if (k != axis && indices.shape[k] > src.shape[k])
      throw Error(Code::bad_input, "indices of scatter_elements have " + std::to_string(indices.shape[k]) + " elements along axis " +
                                       std::to_string(k) + ", src has " + std::to_string(src.shape[k]));
  for (Walk at(indices.shape); at.more(); at.next())
    update(dst, at.offset(strides) + (index_at(n, 1, at.flat(), src.shape[axis]) - at[axis]) * strides[axis], *n.in[2], at.flat(), a.reduction);
}

void infer_nd(Inference& n) {
  expect_scatter(n, n.attributes<ScatterNd>().reduction);
  const int rank = n.rank(0), places = n.rank(1) - 1;
  n.expect(places >= 0, "the indices of scatter_nd have an axis");
  const Extent last = n.size(1, -1);
  if (!last.known())
    throw Error(Code::not_supported, "the last size of the indices of scatter_nd, which decides the rank of the updates, is not known");
  n.expect(last.dim().number() <= rank, "the last size of the indices of scatter_nd is at most the rank of src");
  const int depth = static_cast<int>(last.dim().number());
  n.expect_rank(2, places + rank - depth);
  for (int k = 0; k < n.rank(2); ++k)
    n.equal(n.size(2, k), k < places ? n.size(1, k) : n.size(0, depth + k - places),
            "sizes of axis " + std::to_string(k) + " of the updates and of what they replace");
  n.result(n.dtype(0), n.shape(0));
}

void reference_nd(Reference& n) {
  const Array &src = *n.in[0], &indices = *n.in[1];
  n.out[0] = src;
  const std::vector<int64_t> strides = strides_of(src.shape), places(indices.shape.begin(), indices.shape.end() - 1);
  const int64_t depth = indices.size(-1), block = depth ? strides[static_cast<size_t>(depth - 1)] : src.count();
  for (Walk at(places); at.more(); at.next()) {
    int64_t to = 0;
    for (int64_t k = 0; k < depth; ++k)
      to += index_at(n, 1, at.flat() * depth + k, src.shape[static_cast<size_t>(k)]) * strides[static_cast<size_t>(k)];
    for (int64_t k = 0; k < block; ++k) update(n.out[0], to + k, *n.in[2], at.flat() * block + k, n.attributes<ScatterNd>().reduction);
  }
}

void infer_tensor(Inference& n) {
  n.expect_inputs(2, 3);
  n.expect_same_dtype(0, 1);
  const int rank = n.rank(0), axis = n.axis(n.attributes<TensorScatter>().axis, rank);
  n.expect(axis != 0, "the axis of tensor_scatter is not the batch");
  n.expect_rank(1, rank);
  for (int k = 0; k < rank; ++k)
    if (k != axis) n.equal(n.size(0, k), n.size(1, k), "sizes of axis " + std::to_string(k) + " of the cache and of the update");
  if (n.has(2)) {
    n.expect(n.dtype(2) == DType::s64, "the write_indices of tensor_scatter are s64");
    n.expect_rank(2, 1);
    n.equal(n.size(2, 0), n.size(0, 0), "write_indices and samples of the batch");
  }
  n.result(n.dtype(0), n.shape(0));
}

void reference_tensor(Reference& n) {
  const auto& a = n.attributes<TensorScatter>();
  const Array &cache = *n.in[0], &written = *n.in[1];
  n.out[0] = cache;
  const size_t axis = static_cast<size_t>(from_front(a.axis, cache.rank()));
  const int64_t size = cache.shape[axis], rows = written.shape[axis];
  const std::vector<int64_t> strides = strides_of(cache.shape);
  for (int64_t sample = 0; n.has(2) && sample < cache.shape[0]; ++sample) {
    const int64_t first = n.in[2]->integer(sample);
    if (first < 0 || rows > size || (a.mode == WriteMode::linear && first > size - rows))
      throw Error(Code::bad_input, "write index " + std::to_string(first) + " of sample " + std::to_string(sample) + " puts " + std::to_string(rows) +
                                       " elements outside a cache of " + std::to_string(size));
  }
  if (rows > size) throw Error(Code::bad_input, "an update of " + std::to_string(rows) + " elements is more than a cache of " + std::to_string(size));
  for (Walk at(written.shape); at.more(); at.next()) {
    const int64_t to = ((n.has(2) ? n.in[2]->integer(at[0]) % size : 0) + at[axis]) % size;
    n.out[0].move(at.offset(strides) + (to - at[axis]) * strides[axis], written, at.flat());
  }
}

}  // namespace
const Op ops::scatter_elements{.name = "scatter_elements",
                               .attributes = Attributes::make<ScatterElements>,
                               .infer = infer_elements,
                               .reference = reference_elements,
                               .exactness = {Exactness::relative, 1e-6},
                               .takes = kStrings | kComplex};
const Op ops::scatter_nd{.name = "scatter_nd",
                         .attributes = Attributes::make<ScatterNd>,
                         .infer = infer_nd,
                         .reference = reference_nd,
                         .exactness = {Exactness::relative, 1e-6},
                         .takes = kStrings | kComplex};
const Op ops::tensor_scatter{.name = "tensor_scatter",
                             .attributes = Attributes::make<TensorScatter>,
                             .infer = infer_tensor,
                             .reference = reference_tensor,
                             .takes = kStrings | kComplex};
}  // namespace tenon
