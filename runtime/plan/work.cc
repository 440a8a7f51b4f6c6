#include "plan/work.h"

#include <string_view>

#include "ops/matmul.h"

namespace tenon {

double multiply_adds(const Graph& g, const Node& n, const std::vector<int64_t>& values) {
  const auto size = [&](ValueId v, int axis) {
    const Shape& s = g.values[v].type.shape;
    const Dim d = s[from_front(axis, s.rank())];
    return static_cast<double>(d.known() ? d.number() : values[static_cast<size_t>(d.row())]);
  };
  const auto count = [&](ValueId v) {
    double c = 1;
    for (int i = 0; i < g.values[v].type.shape.rank(); ++i) c *= size(v, i);
    return c;
  };
  const std::string_view op = n.op->name;
  if (op == "conv" || op == "conv_integer" || op == "dynamic_conv") return count(n.outputs[0]) * count(n.inputs[1]) / size(n.inputs[1], 0);
  if (op == "conv_transpose") return count(n.inputs[0]) * count(n.inputs[1]) / size(n.inputs[1], 0);
  if (op == "matmul") {
    const bool t = n.attributes.is<Matmul>() && n.attributes.as<Matmul>().transpose_a;
    const int rank = g.values[n.inputs[0]].type.shape.rank();
    return count(n.outputs[0]) * size(n.inputs[0], rank == 1 ? 0 : t ? -2 : -1);
  }
  if (op == "coded_matmul") return count(n.outputs[0]) * size(n.inputs[0], -1);
  if (op == "matmul_integer" || op == "dynamic_matmul") return count(n.outputs[0]) * size(n.inputs[0], -1);
  if (op == "lstm" || op == "gru" || op == "rnn" || op == "dynamic_lstm")
    return size(n.inputs[0], 0) * size(n.inputs[0], 1) * (count(n.inputs[1]) + count(n.inputs[2]));
  return 0;
}

}  // namespace tenon
