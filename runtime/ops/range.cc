#include <cmath>

#include "ops/op.h"

namespace tenon {
namespace {

constexpr int64_t kMostContent = 4096;

// start, start + delta ... before limit. Sources: start, limit, delta, one element each, of one type.

// Of integers, where the sign of delta is known.
std::optional<Extent> whole_count(Inference& n, Extent start, Extent limit, Extent delta) {
  const Interval r = n.graph().extents->range(delta);
  if (r.low <= 0 && r.high >= 0) return std::nullopt;
  const Extent way = r.low > 0 ? limit - start : start - limit, step = r.low > 0 ? delta : 0 - delta;
  return max((way + step - 1) / step, 0);
}

int64_t real_count(double start, double limit, double delta) {
  const double count = std::ceil((limit - start) / delta);
  if (std::isnan(count) || count > 0x1p40)
    throw Error(Code::bad_input,
                "range from " + std::to_string(start) + " to " + std::to_string(limit) + " in steps of " + std::to_string(delta) + " does not end");
  return count > 0 ? static_cast<int64_t>(count) : 0;
}

void infer(Inference& n) {
  n.expect_inputs(3, 3);
  for (int i = 0; i < 3; ++i) {
    n.expect_same_dtype(0, i);
    n.equal(n.count(n.shape(i)), 1, "elements of input " + std::to_string(i) + " of range");
  }
  const DType t = n.dtype(0);
  n.expect(is_real(t) || is_integer(t), "range is of numbers");
  if (is_real(t)) {
    const auto start = n.reals(0), limit = n.reals(1), delta = n.reals(2);
    return n.result(t, {start && limit && delta ? Extent(real_count((*start)[0], (*limit)[0], (*delta)[0])) : n.data()});
  }
  if (!n.known(0) || !n.known(1) || !n.known(2)) return n.result(t, {n.data()});
  const Extent start = n.extent(n.content(0)[0]), limit = n.extent(n.content(1)[0]), delta = n.extent(n.content(2)[0]);
  n.expect(delta.dim() != Dim(0), "the delta of range is not 0");
  const auto counted = whole_count(n, start, limit, delta);
  const Extent count = counted ? *counted : n.data();
  if (!count.known() || count.dim().number() > kMostContent) return n.result(t, {count});
  std::vector<Dim> content;
  for (int64_t i = 0; i < count.dim().number(); ++i) content.push_back(start + delta * i);
  n.result(t, {count}, std::move(content));
}

void reference(Reference& n) {
  Array& dst = n.out[0];
  if (dst.is_real()) {
    const double start = n.in[0]->real(0), delta = n.in[2]->real(0);
    dst.resize({real_count(start, n.in[1]->real(0), delta)});
    for (int64_t i = 0; i < dst.count(); ++i) dst.real(i) = start + static_cast<double>(i) * delta;
    return;
  }
  const int64_t start = n.in[0]->integer(0), delta = n.in[2]->integer(0);
  if (delta == 0) throw Error(Code::bad_input, "the delta of range is 0");
  for (int64_t i = 0; i < dst.count(); ++i)
    dst.integer(i) = static_cast<int64_t>(static_cast<uint64_t>(start) + static_cast<uint64_t>(i) * static_cast<uint64_t>(delta));
}

}  // namespace
const Op ops::range{.name = "range", .infer = infer, .reference = reference, .exactness = {Exactness::relative, 1e-6}};
}  // namespace tenon
