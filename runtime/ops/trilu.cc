#include "ops/trilu.h"

#include <algorithm>

#include "ops/index.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  n.expect_inputs(1, 2);
  n.expect(n.rank(0) >= 2, "src of trilu has two axes or more");
  if (n.has(1)) {
    n.expect(n.dtype(1) == DType::s64, "the diagonal of trilu is s64");
    n.equal(n.count(n.shape(1)), 1, "elements of the diagonal of trilu");
  }
  n.result(n.dtype(0), n.shape(0));
}

void reference(Reference& n) {
  const bool upper = n.attributes<Trilu>().upper;
  const Array& src = *n.in[0];
  const size_t row = src.shape.size() - 2, column = row + 1;
  // Cut to the sizes, so that sums do not overflow.
  const int64_t k = n.has(1) ? std::clamp(numbers(n, 1)[0], -src.shape[row], src.shape[column]) : 0;
  for (Walk at(src.shape); at.more(); at.next())
    if (upper ? at[column] >= at[row] + k : at[column] <= at[row] + k) n.out[0].move(at.flat(), src, at.flat());
}

}  // namespace
const Op ops::trilu{.name = "trilu", .attributes = Attributes::make<Trilu>, .infer = infer, .reference = reference, .moves = true};
}  // namespace tenon
