#include <algorithm>

#include "ops/concat.h"
#include "ops/matmul.h"
#include "ops/shape.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

// A value whose axis is made longer by repeating every index of it `groups` times: reshape(tile or expand(unsqueeze(value))).
struct Repeated {
  ValueId value = kNone;
  int axis = -1;
  int64_t groups = 0;
};

Repeated repeated(const Sweep& s, ValueId v) {
  const Node* merged = s.producer(v, ops::reshape);
  if (!merged) return {};
  const Node* copies = s.producer(merged->inputs[0], ops::tile);
  if (!copies) copies = s.producer(merged->inputs[0], ops::expand);
  if (!copies) return {};
  const Node* wider = s.producer(copies->inputs[0], ops::unsqueeze);
  if (!wider) return {};
  const Shape &result = s.type(v).shape, &many = s.type(merged->inputs[0]).shape, &one = s.type(copies->inputs[0]).shape,
              &value = s.type(wider->inputs[0]).shape;
  const int rank = result.rank();
  if (value.rank() != rank || many.rank() != rank + 1 || one.rank() != rank + 1) return {};
  int at = -1;  // the axis of the copies
  for (int i = 0; i <= rank; ++i)
    if (one[i] != many[i]) {
      if (at >= 0) return {};
      at = i;
    }
  // Rows and columns are not repeated, and sizes are numbers.
  if (at < 1 || at > rank - 2 || one[at] != Dim(1) || !many[at].known() || !many[at - 1].known()) return {};
  for (int i = 0; i < rank; ++i) {
    const Dim merged_size = i == at - 1 ? Dim(many[at - 1].number() * many[at].number()) : i < at ? many[i] : many[i + 1];
    if (result[i] != merged_size || value[i] != (i < at ? many[i] : many[i + 1])) return {};
  }
  return {wider->inputs[0], at - 1, many[at].number()};
}

class Grouper {
 public:
  explicit Grouper(Graph& g) : sweep_(g), graph_(g) {}

  void run() {
    sweep_.run([&](Node& n) {
      if (n.op == &ops::matmul) visit(n);
    });
  }

 private:
  void visit(const Node& n) {
    const Matmul& a = n.attributes.as<Matmul>();
    const Repeated r = repeated(sweep_, n.inputs[1]);
    if (r.value == kNone || a.transpose_a) return;
    const Shape left = sweep_.type(n.inputs[0]).shape, right = sweep_.type(r.value).shape, result = sweep_.type(n.outputs[0]).shape;
    const int rank = right.rank();
    // The groups lie next to the rows, and the leading axes of both sides are the same.
    if (r.axis != rank - 3 || left.rank() != rank || result.rank() != rank || left[r.axis] != Dim(right[r.axis].number() * r.groups)) return;
    for (int i = 0; i < r.axis; ++i)
      if (left[i] != right[i]) return;
    for (size_t i = static_cast<size_t>(n.own_inputs()); i < n.inputs.size(); ++i)
      if (const Shape& s = sweep_.type(n.inputs[i]).shape; std::any_of(s.begin(), s.end(), [](Dim d) { return d != Dim(1); })) return;
    Node product = n;
    const ValueId queries = n.inputs[0], repeated_value = n.inputs[1];
    const ValueId rows = joined({sizes(queries, 0, r.axis), graph_.add_integers({right[r.axis].number(), -1}), sizes(queries, rank - 1, rank)});
    product.inputs[0] = sweep_.emit(ops::reshape, ops::reshape.attributes(), {queries, rows});
    product.inputs[1] = r.value;
    const ValueId grouped = sweep_.emit(std::move(product))[0];
    const int column = a.transpose_b ? rank - 2 : rank - 1;
    const ValueId shape = joined({sizes(queries, 0, rank - 1), sizes(repeated_value, column, column + 1)});
    sweep_.become(ops::reshape, ops::reshape.attributes(), {grouped, shape});
  }

  ValueId sizes(ValueId v, int64_t begin, int64_t end) { return begin == end ? kNone : sweep_.emit(ops::shape, ShapeOf{begin, end}, {v}); }

  ValueId joined(std::vector<ValueId> parts) {
    parts.erase(std::remove(parts.begin(), parts.end(), kNone), parts.end());
    return parts.size() == 1 ? parts[0] : sweep_.emit(ops::concat, Concat{0}, parts);
  }

  Sweep sweep_;
  Graph& graph_;
};

}  // namespace

// Attention of grouped queries: keys (or values) of a head that are repeated for several heads of queries. The rows of these heads become
// rows of one product, which reads the keys where they lie.
void group_queries(Graph& g) { Grouper(g).run(); }

}  // namespace tenon
