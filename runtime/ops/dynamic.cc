// Matrix products and convolutions of eight bits whose source is quantised while running: what dynamic quantisation makes of a model.
//   dynamic_matmul  dst = (q - zero of q) x (weight - zero) * (scale of q * scale), where q is src as dynamic_quantize gives it.
//                   Sources: src f32 [..., m, k], weight u8 or s8 [k, n], scale f32 (one element or [n]), zero (of the type of weight,
//                   one element or [n], optional).
//   dynamic_conv    the same for the conv of its attributes: weight [o, c / group, taps], scale and zero one element or [o].
#include "ops/cast.h"
#include "ops/conv.h"
#include "ops/matmul.h"
#include "ops/op.h"
#include "ops/reshape.h"
#include "ops/window.h"

namespace tenon {
namespace {

// One value for all of the result, or one a channel.
void expect_by_channel(Inference& n, int i, Extent channels) {
  if (n.count(n.shape(i)).dim() == Dim(1)) return;
  n.expect_rank(i, 1);
  n.equal(n.size(i, 0), channels, "elements of scale or zero point and channels of the weight");
}

void expect_types(Inference& n) {
  n.expect_inputs(3, 4);
  n.expect(n.dtype(0) == DType::f32 && n.dtype(2) == DType::f32, "src and scale are f32");
  n.expect(n.dtype(1) == DType::u8 || n.dtype(1) == DType::s8, "the weight is u8 or s8");
  if (n.has(3)) n.expect_same_dtype(1, 3);
}

void infer_matmul(Inference& n) {
  expect_types(n);
  n.expect(n.rank(0) >= 1, "src has a last axis");
  n.expect_rank(1, 2);
  n.equal(n.size(0, -1), n.size(1, 0), "columns of src and rows of the weight");
  for (int i = 2; i < n.inputs(); ++i)
    if (n.has(i)) expect_by_channel(n, i, n.size(1, 1));
  Shape shape = n.shape(0);
  shape[shape.rank() - 1] = n.size(1, 1);
  n.result(DType::f32, shape);
}

void infer_conv(Inference& n) {
  expect_types(n);
  for (int i = 2; i < n.inputs(); ++i)
    if (n.has(i)) expect_by_channel(n, i, n.size(1, 0));
  n.result(DType::f32, conv_shape(n, n.attributes<Conv>()));
}

ValueId zero_of(const Node& n) { return n.inputs.size() > 3 ? n.inputs[3] : kNone; }

std::vector<ValueId> decompose_matmul(Rewriter& to, const Node& n) {
  const std::vector<ValueId> in = n.inputs;
  const ValueId zero = zero_of(n);
  const std::vector<ValueId> q = to.emit(ops::dynamic_quantize, None{}, {in[0]}, 3);
  const ValueId sums = to.emit(ops::matmul_integer, Matmul{}, {q[0], in[1], q[2], zero})[0];
  const ValueId real = to.emit(ops::cast, Cast{}, {sums})[0];
  return to.emit(ops::mul, None{}, {real, to.emit(ops::mul, None{}, {q[1], in[2]})[0]});
}

std::vector<ValueId> decompose_conv(Rewriter& to, const Node& n) {
  const std::vector<ValueId> in = n.inputs;
  const Attributes attributes = n.attributes;
  const ValueId zero = zero_of(n);
  Graph& g = to.graph();
  const std::vector<ValueId> q = to.emit(ops::dynamic_quantize, None{}, {in[0]}, 3);
  const ValueId sums = to.emit(ops::conv_integer, attributes, {q[0], in[1], q[2], zero})[0];
  const ValueId real = to.emit(ops::cast, Cast{}, {sums})[0];
  ValueId scale = in[2];
  if (g.value(scale).type.shape.rank() == 1) {
    std::vector<int64_t> shape(static_cast<size_t>(g.value(in[1]).type.shape.rank() - 1), 1);
    shape[0] = -1;
    scale = to.emit(ops::reshape, Reshape{}, {scale, g.add_integers(shape)})[0];
  }
  return to.emit(ops::mul, None{}, {real, to.emit(ops::mul, None{}, {q[1], scale})[0]});
}

}  // namespace

const Op ops::dynamic_matmul{
    .name = "dynamic_matmul", .infer = infer_matmul, .exactness = {Exactness::relative, 1e-6}, .decompose = decompose_matmul};
const Op ops::dynamic_conv{.name = "dynamic_conv",
                           .attributes = Attributes::make<Conv>,
                           .infer = infer_conv,
                           .exactness = {Exactness::relative, 1e-6},
                           .decompose = decompose_conv};
}  // namespace tenon
