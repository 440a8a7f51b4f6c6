#include "ops/depth_to_space.h"

#include "ops/op.h"

namespace tenon {
namespace {

int64_t block_of(Inference& n) {
  n.expect_inputs(1, 1);
  n.expect_rank(0, 4);
  const int64_t b = n.attributes<DepthToSpace>().blocksize;
  n.expect(b >= 1 && b <= 65536, "the blocksize is 1 to 65536");
  return b;
}

void infer_to_space(Inference& n) {
  const int64_t b = block_of(n);
  n.equal(n.size(0, 1) % (b * b), 0, "channels beyond a multiple of the square of the blocksize");
  n.result(n.dtype(0), {n.size(0, 0), n.size(0, 1) / (b * b), n.size(0, 2) * b, n.size(0, 3) * b});
}

void infer_to_depth(Inference& n) {
  const int64_t b = block_of(n);
  for (int axis : {2, 3}) n.equal(n.size(0, axis) % b, 0, "elements of axis " + std::to_string(axis) + " beyond a multiple of the blocksize");
  n.result(n.dtype(0), {n.size(0, 0), n.size(0, 1) * (b * b), n.size(0, 2) / b, n.size(0, 3) / b});
}

// Calls body(index in space, index in depth) for every element.
template <class Body>
void pairs(const DepthToSpace& a, const std::vector<int64_t>& space, const std::vector<int64_t>& depth, const Body& body) {
  const std::vector<int64_t> strides = strides_of(depth);
  const int64_t b = a.blocksize;
  for (Walk at(space); at.more(); at.next()) {
    const int64_t channel = a.channel(at[1], at[2] % b, at[3] % b, space[1]);
    body(at.flat(), at[0] * strides[0] + channel * strides[1] + at[2] / b * strides[2] + at[3] / b);
  }
}

void reference_to_space(Reference& n) {
  pairs(n.attributes<DepthToSpace>(), n.out[0].shape, n.in[0]->shape, [&](int64_t space, int64_t depth) { n.out[0].move(space, *n.in[0], depth); });
}

void reference_to_depth(Reference& n) {
  pairs(n.attributes<DepthToSpace>(), n.in[0]->shape, n.out[0].shape, [&](int64_t space, int64_t depth) { n.out[0].move(depth, *n.in[0], space); });
}

}  // namespace
const Op ops::depth_to_space{
    .name = "depth_to_space", .attributes = Attributes::make<DepthToSpace>, .infer = infer_to_space, .reference = reference_to_space, .moves = true};
const Op ops::space_to_depth{
    .name = "space_to_depth", .attributes = Attributes::make<DepthToSpace>, .infer = infer_to_depth, .reference = reference_to_depth, .moves = true};
}  // namespace tenon
