#include <algorithm>
#include <functional>

#include "base/wipe.h"
#include "ops/conv.h"
#include "ops/matmul.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

// The axis of the weight that the channels of the result come from.
int channels_of_weight(const Node& n, int rank) {
  if (n.op == &ops::conv) return 0;
  return n.attributes.as<Matmul>().transpose_b ? rank - 2 : rank - 1;
}

// A constant that has one value for each channel of `result`, or one for all; no value where it is something else.
std::optional<std::vector<double>> by_channel(const Sweep& s, ValueId v, const Node& n) {
  const Type& result = s.type(n.outputs[0]);
  const auto reads = reads_of(s.type(v), result, *n.op);
  std::optional<std::vector<double>> all = numbers(s.graph, v);
  if (!all || !reads || (*reads == Reads::like_dst && s.type(v).shape.rank() > 1)) return std::nullopt;
  const Dim channels = result.shape[n.op == &ops::conv ? 1 : result.shape.rank() - 1];
  if (all->size() == 1 && channels.known()) all->resize(static_cast<size_t>(channels.number()), all->front());
  return all->size() == static_cast<size_t>(channels.known() ? channels.number() : -1) ? all : std::nullopt;
}

bool is_f32_constant(const Graph& g, ValueId v) { return g.is_constant(v) && g.value(v).type.dtype == DType::f32 && !g.value(v).type.quantisation; }

class ScaleFuser {
 public:
  ScaleFuser(Graph& g, PassContext& context) : sweep_(g), graph_(g), context_(context) {}

  void run() {
    sweep_.run([&](Node& n) {
      if (!n.epilogue.empty()) return;
      if (n.op == &ops::mul || n.op == &ops::div) multiplied(n);
      if (n.op == &ops::add || n.op == &ops::sub) added(n);
    });
  }

 private:
  // The conv (or matmul) that computes v for this reader alone, with constant weights.
  const Node* host_of(ValueId v, const Node& n) const {
    const Node* host = graph_.producer(v);
    if (!host || (host->op != &ops::conv && host->op != &ops::matmul) || !host->epilogue.empty() || sweep_.uses(v) != 1) return nullptr;
    return is_f32_constant(graph_, host->inputs[1]) && graph_.value(host->inputs[1]).type.shape.rank() >= 2 &&
                   sweep_.type(v) == sweep_.type(n.outputs[0])
               ? host
               : nullptr;
  }

  // host * factor, or host / factor: the factor goes into the weights and the bias.
  void multiplied(const Node& n) {
    for (int i = 0; i < (n.op == &ops::mul ? 2 : 1); ++i) {
      const Node* host = host_of(n.inputs[static_cast<size_t>(i)], n);
      if (!host) continue;
      std::optional<std::vector<double>> factor = by_channel(sweep_, other(n, i), *host);
      if (!factor) continue;
      if (n.op == &ops::div)
        for (double& f : *factor) f = 1 / f;
      Node scaled = *host;
      const int rank = graph_.value(host->inputs[1]).type.shape.rank();
      if (!scale(scaled.inputs[1], channels_of_weight(*host, rank), *factor)) continue;
      if (scaled.inputs.size() > 2 && scaled.inputs[2] != kNone &&
          !(is_f32_constant(graph_, scaled.inputs[2]) && scale(scaled.inputs[2], 0, *factor)))
        continue;
      return put(std::move(scaled));
    }
  }

  // host + shift, or host - shift: the shift goes into the bias, which conv has.
  void added(const Node& n) {
    for (int i = 0; i < (n.op == &ops::add ? 2 : 1); ++i) {
      const Node* host = host_of(n.inputs[static_cast<size_t>(i)], n);
      if (!host || host->op != &ops::conv) continue;
      std::optional<std::vector<double>> bias = by_channel(sweep_, other(n, i), *host);
      if (!bias) continue;
      if (n.op == &ops::sub)
        for (double& b : *bias) b = -b;
      Node shifted = *host;
      shifted.inputs.resize(3, kNone);
      if (shifted.inputs[2] != kNone) {
        const auto own = numbers(graph_, shifted.inputs[2]);
        if (!own) continue;
        std::transform(bias->begin(), bias->end(), own->begin(), bias->begin(), std::plus<>());
      }
      shifted.inputs[2] = add_reals(graph_, sweep_.type(host->outputs[0]).dtype, {static_cast<int64_t>(bias->size())}, *bias);
      return put(std::move(shifted));
    }
  }

  // Replaces a constant by one whose elements are multiplied along `axis`. False where that would take too much memory.
  bool scale(ValueId& v, int axis, const std::vector<double>& factor) {
    const Value& c = graph_.value(v);
    if (context_.folded_bytes + c.constant->bytes > context_.limits.fold_bytes) return false;
    context_.folded_bytes += c.constant->bytes;
    int64_t inner = 1;
    for (int i = axis + 1; i < c.type.shape.rank(); ++i) inner *= c.type.shape[i].number();
    std::vector<float> elements(static_cast<size_t>(c.constant->bytes) / sizeof(float));
    const WipeAtEnd wipe(elements);
    c.constant->source->read(c.constant->offset, c.constant->bytes, elements.data());
    for (size_t i = 0, channel = 0; i < elements.size(); channel = (channel + 1) % factor.size())
      for (int64_t k = 0; k < inner; ++k, ++i) elements[i] = static_cast<float>(elements[i] * factor[channel]);
    v = graph_.add_constant("", Type(c.type), elements.data());
    return true;
  }

  void put(Node n) { sweep_.replace(graph_.nodes[sweep_.here()].outputs[0], sweep_.emit(std::move(n))[0]); }

  Sweep sweep_;
  Graph& graph_;
  PassContext& context_;
};

}  // namespace

// A constant scale or shift of each channel behind a conv with constant weights becomes part of these: batch normalisation, whether it
// comes as one op or as its parts, and separate biases. So does a scale behind a matmul.
void fuse_scales(Graph& g, PassContext& context) { ScaleFuser(g, context).run(); }

}  // namespace tenon
