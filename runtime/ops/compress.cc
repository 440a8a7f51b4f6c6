#include "ops/compress.h"

#include "ops/op.h"

namespace tenon {
namespace {

// How many conditions are true, where all are known.
std::optional<int64_t> known_count(Inference& n) {
  if (!n.known(1)) return std::nullopt;
  int64_t count = 0;
  for (Dim d : n.content(1)) {
    if (!d.known()) return std::nullopt;
    count += d.number() != 0;
  }
  return count;
}

void infer(Inference& n) {
  const auto& a = n.attributes<Compress>();
  n.expect_inputs(2, 2);
  n.expect(n.dtype(1) == DType::boolean, "the condition of compress is bool");
  n.expect_rank(1, 1);
  const auto count = known_count(n);
  const Extent kept = count ? Extent(*count) : n.data(n.size(1, 0));
  if (a.flat) return n.result(n.dtype(0), {kept});
  Shape shape = n.shape(0);
  shape[n.axis(a.axis, n.rank(0))] = kept;
  n.result(n.dtype(0), shape);
}

void reference(Reference& n) {
  const auto& a = n.attributes<Compress>();
  const Array &src = *n.in[0], &condition = *n.in[1];
  const size_t axis = a.flat ? 0 : static_cast<size_t>(from_front(a.axis, src.rank()));
  const int64_t size = a.flat ? src.count() : src.shape[axis], inner = a.flat ? 1 : strides_of(src.shape)[axis];
  std::vector<int64_t> kept, shape = a.flat ? std::vector<int64_t>{0} : src.shape;
  for (int64_t i = 0; i < condition.count(); ++i)
    if (condition.integer(i)) kept.push_back(i);
  if (!kept.empty() && kept.back() >= size)
    throw Error(Code::bad_input, "condition " + std::to_string(kept.back()) + " of compress is true, beyond " + std::to_string(size) + " elements");
  const int64_t count = static_cast<int64_t>(kept.size());
  shape[axis] = count;
  Array& dst = n.out[0];
  if (dst.shape != shape) dst.resize(shape);
  for (int64_t i = 0, all = dst.count(); i < all; ++i) {
    const int64_t outer = i / (count * inner), at = i / inner % count;
    dst.move(i, src, (outer * size + kept[static_cast<size_t>(at)]) * inner + i % inner);
  }
}

}  // namespace
const Op ops::compress{
    .name = "compress", .attributes = Attributes::make<Compress>, .infer = infer, .reference = reference, .takes = kStrings | kComplex};
}  // namespace tenon
