#include "ops/conv.h"
#include "ops/squeeze.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

// The attributes without the last spatial axis; no value where the window pads it.
std::optional<Conv> without_last(const Conv& c, size_t spatial) {
  Conv out = c;
  const size_t last = spatial - 1;
  if (c.auto_pad == AutoPad::notset && !c.pads.empty()) {
    if (c.pads[last] != 0 || c.pads[spatial + last] != 0) return std::nullopt;
    out.pads.erase(out.pads.begin() + static_cast<int64_t>(spatial + last));
    out.pads.erase(out.pads.begin() + static_cast<int64_t>(last));
  }
  if (!out.dilations.empty()) out.dilations.pop_back();
  if (!out.strides.empty()) out.strides.pop_back();
  return out;
}

}  // namespace

// A convolution of one spatial axis that comes as one of two, the last of one element, is one of one axis: kernels walk along the last.
void squeeze_convs(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    if (n.op != &ops::squeeze || n.inputs.size() != 1) return;
    const Node* conv = s.only(n.inputs[0], ops::conv);
    const int rank = s.type(n.inputs[0]).shape.rank(), last = rank - 1;
    const auto& axes = n.attributes.as<Squeeze>().axes;
    if (!conv || rank < 4 || axes.size() != 1 || (axes[0] + rank) % rank != last) return;
    const Type &src = s.type(conv->inputs[0]), &weight = s.type(conv->inputs[1]);
    if (src.shape[last] != Dim(1) || weight.shape[last] != Dim(1) || src.quantisation || weight.quantisation) return;
    const auto attributes = without_last(conv->attributes.as<Conv>(), static_cast<size_t>(rank - 2));
    if (!attributes) return;
    std::vector<ValueId> inputs = conv->inputs;
    for (size_t i = 0; i < 2; ++i) inputs[i] = s.emit(ops::squeeze, Squeeze{{last}}, {inputs[i]});
    s.become(ops::conv, *attributes, std::move(inputs));
  });
}

}  // namespace tenon
