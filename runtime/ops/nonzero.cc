#include "ops/op.h"

namespace tenon {
namespace {

// The coordinates of the elements of src that are not zero (strings: not empty), in row-major order, as s64[rank, elements].

bool holds(const Array& a, int64_t i) {
  if (a.dtype == DType::string) return !a.strings[static_cast<size_t>(i)].empty();
  if (is_complex(a.dtype)) return a.real(2 * i) != 0 || a.real(2 * i + 1) != 0;
  return a.is_real() ? a.real(i) != 0 : a.integer(i) != 0;
}

void infer(Inference& n) {
  n.expect_inputs(1, 1);
  n.result(DType::s64, {n.rank(0), n.data(n.count(n.shape(0)))});
}

void reference(Reference& n) {
  const Array& src = *n.in[0];
  const int64_t rank = src.rank();
  std::vector<std::vector<int64_t>> found;
  for (Walk at(src.shape); at.more(); at.next())
    if (holds(src, at.flat())) found.push_back(at.index());
  const int64_t count = static_cast<int64_t>(found.size());
  n.out[0].resize({rank, count});
  for (int64_t i = 0; i < count; ++i)
    for (int64_t k = 0; k < rank; ++k) n.out[0].integer(k * count + i) = found[static_cast<size_t>(i)][static_cast<size_t>(k)];
}

}  // namespace
const Op ops::nonzero{.name = "nonzero", .infer = infer, .reference = reference, .takes = kStrings | kComplex};
}  // namespace tenon
