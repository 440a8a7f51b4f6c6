#include <algorithm>

#include "base/wipe.h"
#include "ops/concat.h"
#include "ops/matmul.h"
#include "ops/pad.h"
#include "ops/reduce.h"
#include "ops/softmax.h"
#include "ops/transpose.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

using Permutation = std::vector<int64_t>;

// c' with transpose(c', perm) = c, after c has been given as many axes as perm has. One element stays as it is.
ValueId turned_back(Sweep& s, ValueId v, const Permutation& perm) {
  const Value& c = s.graph.value(v);
  if (count_of(c.type.shape) == 1) return v;
  const size_t rank = perm.size(), missing = rank - static_cast<size_t>(c.type.shape.rank());
  const Array a = array_of(c);
  std::vector<int64_t> wide(missing, 1);
  wide.insert(wide.end(), a.shape.begin(), a.shape.end());
  std::vector<int64_t> shape(rank), strides(rank);
  const std::vector<int64_t> own = strides_of(wide);
  for (size_t i = 0; i < rank; ++i) shape[static_cast<size_t>(perm[i])] = wide[i], strides[static_cast<size_t>(perm[i])] = own[i];
  Array turned(a.dtype, shape);
  for (Walk at(shape); at.more(); at.next()) turned.move(at.flat(), a, at.offset(strides));
  std::vector<char> storage(static_cast<size_t>(c.constant->bytes));
  const WipeAtEnd wipe(storage);
  store(turned, c.type.dtype, storage.data());
  Type t = c.type;
  t.shape = {};
  for (int64_t d : shape) t.shape.push(d);
  return s.graph.add_constant("", std::move(t), storage.data());
}

// The permutation that all operands of the node share, constants aside; empty where they do not.
Permutation shared_permutation(const Sweep& s, const Node& n) {
  Permutation shared;
  for (ValueId v : n.inputs) {
    if (v == kNone) return {};
    if (s.graph.is_constant(v)) {
      const Type& t = s.type(v);
      if (t.dtype == DType::string || t.quantisation || is_complex(t.dtype) || t.shape.rank() > s.type(n.outputs[0]).shape.rank()) return {};
      continue;
    }
    const Node* p = s.producer(v, ops::transpose);
    if (!p || s.type(v).shape.rank() != s.type(n.outputs[0]).shape.rank()) return {};
    Permutation mine = permutation(*p, s.type(v).shape.rank());
    if (!shared.empty() && mine != shared) return {};
    shared = std::move(mine);
  }
  return shared;
}

// The permutation of the transpose in front of input 0, the only one that may be; empty where there is none.
Permutation own_permutation(const Sweep& s, const Node& n) {
  const Node* p = s.producer(n.inputs[0], ops::transpose);
  return p ? permutation(*p, s.type(n.inputs[0]).shape.rank()) : Permutation{};
}

// The node as it is in front of the transpose; no value where it cannot be.
std::optional<Node> in_front(Sweep& s, const Node& n, Permutation& perm) {
  Node moved = n;
  if (n.op->function != kNoFunction || n.op == &ops::concat) {
    perm = shared_permutation(s, n);
    if (perm.empty()) return std::nullopt;
    if (n.op == &ops::concat) moved.attributes = Concat{perm[static_cast<size_t>(from_front(n.attributes.as<Concat>().axis, perm.size()))]};
    for (ValueId& v : moved.inputs) {
      if (!s.graph.is_constant(v)) v = s.graph.producer(v)->inputs[0];
      else if (n.op == &ops::concat && count_of(s.type(v).shape) == 1 && perm.size() > 0) return std::nullopt;
      else v = turned_back(s, v, perm);
    }
    return moved;
  }
  perm = own_permutation(s, n);
  if (perm.empty()) return std::nullopt;
  const ValueId src = s.graph.producer(n.inputs[0])->inputs[0];
  if (n.op == &ops::softmax || n.op == &ops::log_softmax) {
    // Along the last axis it is best where it is.
    const int64_t axis = from_front(n.attributes.as<Softmax>().axis, perm.size());
    if (axis == static_cast<int64_t>(perm.size()) - 1) return std::nullopt;
    moved.attributes = Softmax{perm[static_cast<size_t>(axis)]};
  } else if (n.op == &ops::reduce) {
    Reduce r = n.attributes.as<Reduce>();
    if (!r.keepdims || n.inputs.size() > 1 || (r.axes.empty() && r.noop_with_empty_axes)) return std::nullopt;
    for (int64_t& axis : r.axes) axis = perm[static_cast<size_t>(from_front(axis, perm.size()))];
    std::sort(r.axes.begin(), r.axes.end());
    moved.attributes = r;
  } else if (n.op == &ops::pad) {
    const auto pads = numbers(s.graph, n.inputs[1]);
    if (!pads || pads->size() != 2 * perm.size() || !n.attributes.as<Pad>().axes.empty() || n.inputs.size() > 3) return std::nullopt;
    std::vector<int64_t> turned(pads->size());
    for (size_t i = 0; i < perm.size(); ++i)
      for (size_t end : {size_t{0}, perm.size()}) turned[static_cast<size_t>(perm[i]) + end] = static_cast<int64_t>((*pads)[i + end]);
    moved.inputs[1] = s.graph.add_integers(turned);
  } else {
    return std::nullopt;
  }
  moved.inputs[0] = src;
  return moved;
}

// A transpose of the last two axes of an operand is a flag of matmul. One that does that and more does only the rest.
void into_matmul(Sweep& s, Node& n) {
  Matmul m = n.attributes.as<Matmul>();
  for (size_t i = 0; i < 2; ++i) {
    const Node* p = s.only(n.inputs[i], ops::transpose);
    const size_t rank = static_cast<size_t>(s.type(n.inputs[i]).shape.rank());
    if (!p || rank < 2) continue;
    Permutation rest = permutation(*p, static_cast<int>(rank));
    std::swap(rest[rank - 1], rest[rank - 2]);
    if (rest[rank - 1] != static_cast<int64_t>(rank) - 1) continue;
    const ValueId src = p->inputs[0];
    const bool moves = !std::is_sorted(rest.begin(), rest.end());
    const ValueId operand = moves ? s.emit(ops::transpose, Transpose{rest}, {src}) : src;
    Node& here = s.graph.nodes[s.here()];
    s.set_input(here, i, operand);
    (i ? m.transpose_b : m.transpose_a) ^= true;
    here.attributes = m;
  }
}

}  // namespace

// Transposes move behind what does not care for the order of axes, where they meet their opposites, and into matmul.
void sink_transposes(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    if (n.inputs.empty() || n.outputs.size() != 1 || !n.epilogue.empty() || !n.subgraphs.empty()) return;
    if (n.op == &ops::matmul) return into_matmul(s, n);
    Permutation perm;
    std::optional<Node> moved = in_front(s, n, perm);
    if (!moved) return;
    const ValueId result = s.emit(*std::move(moved))[0];
    s.become(ops::transpose, Transpose{perm}, {result});
  });
}

}  // namespace tenon
