#include "ops/split.h"

#include "ops/index.h"

namespace tenon {
namespace {

constexpr int64_t kMostParts = 65536;

std::vector<Extent> part_sizes(Inference& n, Extent size) {
  std::vector<Extent> parts;
  if (!n.has(1)) {
    const int64_t count = n.attributes<Split>().num_outputs;
    n.expect(count >= 1 && count <= kMostParts, "split makes 1 to 65536 parts");
    const Extent part = (size + (count - 1)) / count;
    for (int64_t i = 0; i + 1 < count; ++i) parts.push_back(part);
    parts.push_back(size - part * (count - 1));
    return parts;
  }
  n.expect(n.dtype(1) == DType::s64, "the sizes of split are s64");
  n.expect_rank(1, 1);
  if (!n.known(1)) {
    n.expect(n.size(1, 0).known(), "the number of parts of split is known before the model runs");
    n.expect(n.size(1, 0).dim().number() <= kMostParts, "split makes at most 65536 parts");
    for (int64_t i = 0; i < n.size(1, 0).dim().number(); ++i) parts.push_back(n.data(size));
    return parts;
  }
  Extent sum = 0;
  for (Dim d : n.content(1)) {
    n.expect(!d.known() || d.number() >= 0, "the sizes of split are 0 or more");
    parts.push_back(n.extent(d));
    sum = sum + n.extent(d);
  }
  n.equal(sum, size, "sum of the sizes of split and size of the axis");
  return parts;
}

void infer(Inference& n) {
  n.expect_inputs(1, 2);
  const int axis = n.axis(n.attributes<Split>().axis, n.rank(0));
  Shape shape = n.shape(0);
  for (const Extent& part : part_sizes(n, n.size(0, axis))) {
    shape[axis] = part;
    n.result(n.dtype(0), shape);
  }
}

void reference(Reference& n) {
  const Array& src = *n.in[0];
  const std::vector<int64_t> strides = strides_of(src.shape);
  const int64_t axis = n.attributes<Split>().axis;
  const size_t along = static_cast<size_t>(from_front(axis, src.rank()));
  int64_t before = 0;
  for (Array& dst : n.out) {
    if (before + dst.shape[along] > src.shape[along])
      throw Error(Code::bad_input, "the sizes of split are more than " + std::to_string(src.shape[along]));
    for (Walk at(dst.shape); at.more(); at.next()) dst.move(at.flat(), src, at.offset(strides) + before * strides[along]);
    before += dst.shape[along];
  }
}

}  // namespace
const Op ops::split{.name = "split", .attributes = Attributes::make<Split>, .infer = infer, .reference = reference, .moves = true};
}  // namespace tenon
