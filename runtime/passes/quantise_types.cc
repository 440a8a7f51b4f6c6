#include <algorithm>

#include "ops/matmul.h"
#include "ops/quantize.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

bool is_byte(DType t) { return t == DType::u8 || t == DType::s8; }

// What a quantize or dequantize node says of its 8-bit (or, of constants, s32) side, when its scale and zero point are constant and it
// has no blocks. `rank` is that of the tensor.
std::shared_ptr<const Quantisation> quantisation_of(const Graph& g, const Node& n, int rank) {
  const bool to = n.op == &ops::quantize;
  const int64_t axis = to ? n.attributes.as<Quantize>().axis : n.attributes.as<Dequantize>().axis;
  const int64_t block = to ? n.attributes.as<Quantize>().block_size : n.attributes.as<Dequantize>().block_size;
  const auto scale = numbers(g, n.inputs[1]);
  if (!scale || block != 0 || g.value(n.inputs[1]).type.dtype != DType::f32) return nullptr;
  auto q = std::make_shared<Quantisation>();
  for (double s : *scale) {
    if (!(s > 0)) return nullptr;
    q->scale.push_back(static_cast<float>(s));
  }
  q->zero.assign(q->scale.size(), 0);
  if (n.inputs.size() > 2 && n.inputs[2] != kNone) {
    const auto zero = numbers(g, n.inputs[2]);
    if (!zero || zero->size() != q->zero.size()) return nullptr;
    std::transform(zero->begin(), zero->end(), q->zero.begin(), [](double z) { return static_cast<int32_t>(z); });
  }
  if (q->scale.size() > 1) q->axis = static_cast<int>(from_front(axis, rank));
  return q;
}

// The nodes that read each value; kNone stands for an output of the graph.
std::vector<std::vector<NodeId>> readers_of(const Graph& g) {
  std::vector<std::vector<NodeId>> readers(g.values.size());
  for (size_t i = 0; i < g.nodes.size(); ++i)
    if (!g.nodes[i].dead)
      for (ValueId v : g.nodes[i].inputs)
        if (v != kNone) readers[static_cast<size_t>(v)].push_back(static_cast<NodeId>(i));
  for (ValueId v : g.outputs) readers[static_cast<size_t>(v)].push_back(kNone);
  return readers;
}

Type stored(const Type& real, DType dtype, std::shared_ptr<const Quantisation> q) {
  Type t = real;
  t.dtype = dtype;
  t.quantisation = std::move(q);
  return t;
}

void become_identity(Node& n) {
  n.op = &ops::identity;
  n.attributes = None{};
  n.inputs.resize(1);
}

// quantize, all of whose readers dequantize with the same numbers, stores a real value in eight bits: the type of the value says so,
// and the nodes only copy.
void type_pairs(Graph& g) {
  const auto readers = readers_of(g);
  for (Node& n : g.nodes) {
    if (n.dead || n.op != &ops::quantize) continue;
    const ValueId v = n.outputs[0];
    const Type from = g.value(n.inputs[0]).type, to = g.value(v).type;
    const auto q = quantisation_of(g, n, to.shape.rank());
    if (!q || q->scale.size() != 1 || from.dtype != DType::f32 || !is_byte(to.dtype) || readers[static_cast<size_t>(v)].empty()) continue;
    const auto undone = [&](NodeId id) {
      if (id == kNone || g.nodes[id].op != &ops::dequantize) return false;
      const auto theirs = quantisation_of(g, g.nodes[id], to.shape.rank());
      return theirs && *theirs == *q && g.value(g.nodes[id].outputs[0]).type.dtype == DType::f32;
    };
    if (!std::all_of(readers[static_cast<size_t>(v)].begin(), readers[static_cast<size_t>(v)].end(), undone)) continue;
    for (NodeId id : readers[static_cast<size_t>(v)]) become_identity(g.nodes[id]);
    become_identity(n);
    g.values[v].type = stored(from, to.dtype, q);
  }
}

// The quantised value that v is a real copy of; no value where there is none.
std::optional<ValueId> quantised_source(const Sweep& s, ValueId v) {
  const Node* n = s.producer(v, ops::identity);
  return n && s.type(n->inputs[0]).quantisation ? std::optional(n->inputs[0]) : std::nullopt;
}

// A constant that v dequantizes, as a constant whose type says so.
std::optional<ValueId> quantised_constant(Sweep& s, ValueId v) {
  const Node* n = s.producer(v, ops::dequantize);
  if (!n || !s.graph.is_constant(n->inputs[0])) return std::nullopt;
  const Value& c = s.graph.value(n->inputs[0]);
  const auto q = quantisation_of(s.graph, *n, c.type.shape.rank());
  if (!q || (!is_byte(c.type.dtype) && c.type.dtype != DType::s32)) return std::nullopt;
  return s.graph.add_constant(c.name, stored(c.type, c.type.dtype, q), *c.constant);
}

// A matrix that is stored in eight bits beside real rows stays as it is: the product makes it real where it reads it.
void keep_stored(Sweep& s, Node& n) {
  const int rank = s.type(n.inputs[1]).shape.rank();
  if (n.op != &ops::matmul || rank < 2 || s.type(n.inputs[1]).dtype != DType::f32) return;
  const auto weight = quantised_constant(s, n.inputs[1]);
  if (!weight || !is_byte(s.type(*weight).dtype)) return;
  const int axis = s.type(*weight).quantisation->axis;
  if (axis < 0 || axis == rank - (n.attributes.as<Matmul>().transpose_b ? 2 : 1)) s.set_input(n, 1, *weight);
}

// Ops that do their arithmetic in eight bits read what is stored, weights and bias included.
void read_stored(Sweep& s, Node& n) {
  const auto src = quantised_source(s, n.inputs[0]);
  if (!src) return keep_stored(s, n);
  const auto weight = quantised_constant(s, n.inputs[1]);
  if (!weight || !is_byte(s.type(*weight).dtype)) return;
  s.set_input(n, 0, *src);
  s.set_input(n, 1, *weight);
  if (n.inputs.size() > 2 && n.inputs[2] != kNone)
    if (const auto bias = quantised_constant(s, n.inputs[2])) s.set_input(n, 2, *bias);
}

bool moves_bytes(const Node& n) {
  return n.op == &ops::reshape || n.op == &ops::flatten || n.op == &ops::squeeze || n.op == &ops::unsqueeze || n.op == &ops::transpose ||
         n.op == &ops::concat || n.op == &ops::slice || n.op == &ops::depth_to_space || n.op == &ops::space_to_depth;
}

// Elements that move between two stored values of one quantisation move as they are stored.
void move_stored(Sweep& s, Node& n) {
  const ValueId v = n.inputs[0];
  const Type& to = s.type(n.outputs[0]);
  if (!to.quantisation || s.uses(v) != 1) return;
  const Node* mover = s.graph.producer(v);
  if (!mover || !moves_bytes(*mover) || mover->outputs.size() != 1) return;
  Node moved = *mover;
  for (size_t i = 0; i < (mover->op == &ops::concat ? mover->inputs.size() : 1); ++i) {
    const auto src = quantised_source(s, mover->inputs[i]);
    if (!src || !(*s.type(*src).quantisation == *to.quantisation) || s.type(*src).dtype != to.dtype) return;
    moved.inputs[i] = *src;
  }
  const Type kept = to;
  const ValueId old = n.outputs[0], result = s.emit(std::move(moved))[0];
  s.graph.values[result].type = kept;
  s.replace(old, result);
}

}  // namespace

// Pairs of quantize and dequantize become types: conv and matmul read eight bits, and so do ops that only move elements. So does a constant
// matrix that is dequantized for a matmul.
void quantise_types(Graph& g, PassContext& context) {
  type_pairs(g);
  Sweep s(g);
  s.run([&](Node& n) {
    if (n.op == &ops::conv || n.op == &ops::matmul) read_stored(s, n);
    else if (n.op == &ops::identity) move_stored(s, n);
  });
  context.weights_typed = true;
}

// A value that is stored in eight bits only to be read back as real, by what computes with reals, is rounded to its steps where it is:
// scalar functions do that, which may become part of a program or an epilogue.
void round_to_steps(Graph& g) {
  const auto readers = readers_of(g);
  Sweep s(g);
  s.run([&](Node& n) {
    const Type stored = s.type(n.outputs[0]);
    if (n.op != &ops::identity || !stored.quantisation || s.type(n.inputs[0]).dtype != DType::f32) return;
    const auto& all = readers[static_cast<size_t>(n.outputs[0])];
    const auto read_back = [&](NodeId id) { return id != kNone && g.nodes[id].op == &ops::identity && !s.type(g.nodes[id].outputs[0]).quantisation; };
    if (!std::all_of(all.begin(), all.end(), read_back)) return;
    const double zero = stored.quantisation->zero[0];
    const ValueId scale = g.add_scalar(stored.quantisation->scale[0]);
    const ValueId low = g.add_scalar(static_cast<float>(static_cast<double>(lowest(stored.dtype)) - zero));
    const ValueId high = g.add_scalar(static_cast<float>(static_cast<double>(highest(stored.dtype)) - zero));
    const ValueId steps = s.emit(ops::div, None{}, {n.inputs[0], scale});
    s.become(ops::mul, None{}, {s.emit(ops::round_within, None{}, {steps, low, high}), scale});
  });
}

// A conv or matmul of eight bits whose result is only stored in eight bits stores them itself, and its epilogue reads residuals as they
// are stored.
void store_quantised(Graph& g) {
  Sweep s(g);
  s.run([&](Node& n) {
    for (size_t i = static_cast<size_t>(n.own_inputs()); i < n.inputs.size(); ++i)
      if (s.type(n.inputs[0]).quantisation)
        if (const auto src = quantised_source(s, n.inputs[i])) s.set_input(n, i, *src);
    if (n.op != &ops::identity || !s.type(n.outputs[0]).quantisation || s.uses(n.inputs[0]) != 1) return;
    const Node* host = g.producer(n.inputs[0]);
    if (!host || (host->op != &ops::conv && host->op != &ops::matmul) || !s.type(host->inputs[0]).quantisation) return;
    const ValueId result = n.inputs[0];
    g.values[result].type = s.type(n.outputs[0]);
    s.replace(n.outputs[0], result);
  });
}

}  // namespace tenon
