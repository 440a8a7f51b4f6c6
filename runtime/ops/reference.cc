#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <stdexcept>

#include "base/wipe.h"
#include "ops/op.h"
#include "ops/quantize_range.h"

namespace tenon {

int64_t Array::count() const { return element_count(shape.data(), rank()); }

void Array::resize(std::vector<int64_t> to) {
  shape = std::move(to);
  const int64_t n = count();
  const auto no_memory = [&] {
    return Error(Code::resource,
                 "no memory for the " + std::to_string(n) + " elements of " + text(Tensor{dtype, shape, nullptr}) + " in the reference");
  };
  try {
    if (dtype == DType::string) strings.assign(static_cast<size_t>(n), {});
    else cells.assign(static_cast<size_t>(is_complex(dtype) ? 2 * n : n), Cell{.integer = 0});
  } catch (const std::bad_alloc&) { throw no_memory(); } catch (const std::length_error&) {
    throw no_memory();
  }
}

void Array::move(int64_t to, const Array& src, int64_t from) {
  if (dtype == DType::string) strings[to] = src.strings[from];
  else if (is_complex(dtype)) cells[2 * to] = src.cells[2 * from], cells[2 * to + 1] = src.cells[2 * from + 1];
  else cells[to] = src.cells[from];
}

std::vector<int64_t> Reference::integers(int i) const {
  if (in[i]->is_real()) throw Error(Code::bad_model, "input " + std::to_string(i) + " is " + std::string(name(in[i]->dtype)) + ", expected integers");
  std::vector<int64_t> out;
  for (const Cell& c : in[i]->cells) out.push_back(c.integer);
  return out;
}

Array array_of(DType dtype, const std::vector<int64_t>& shape, const void* data) {
  Array a(dtype, shape);
  if (dtype == DType::string) std::copy_n(static_cast<const std::string*>(data), a.strings.size(), a.strings.begin());
  for (size_t i = 0; i < a.cells.size(); ++i) a.cells[i] = load_cell(dtype, data, static_cast<int64_t>(i));
  return a;
}

void store(const Array& array, DType dtype, void* data, bool saturate) {
  if (dtype == DType::string) std::copy(array.strings.begin(), array.strings.end(), static_cast<std::string*>(data));
  for (size_t i = 0; i < array.cells.size(); ++i) store_cell(dtype, data, static_cast<int64_t>(i), array.cells[i], saturate);
}

Array array_of(const Tensor& t) {
  if (t.container == Container::tensor) return array_of(t.dtype, t.shape, t.data);
  Array a;
  a.dtype = t.dtype;
  a.container = t.container;
  for (int64_t i = 0; i < t.count(); ++i) a.items.push_back(array_of(t.as<Tensor>()[i]));
  return a;
}

OwnedTensor owned(const Array& a) {
  if (a.container == Container::tensor) {
    OwnedTensor t(a.dtype, a.shape);
    store(a, a.dtype, t.data());
    return t;
  }
  std::vector<OwnedTensor> items;
  for (const Array& item : a.items) items.push_back(owned(item));
  return OwnedTensor(a.dtype, a.container, std::move(items));
}

namespace {

// A function of the epilogue on whole arrays. Operands broadcast; `channel` operands were given that shape when they were fused.
Array apply(Function f, const Array* const* operands, const std::vector<int64_t>& shape) {
  const FunctionInfo& row = info(f);
  Array dst(row.kind == Kind::test || row.kind == Kind::logic ? DType::boolean : operands[row.kind == Kind::pick ? 1 : 0]->dtype, shape);
  std::vector<std::vector<int64_t>> strides;
  for (int i = 0; i < row.arity; ++i) strides.push_back(broadcast_strides(operands[i]->shape, shape));
  for (Walk at(shape); at.more(); at.next()) {
    double x[3] = {};
    int64_t y[3] = {};
    bool real = false;
    for (int i = 0; i < row.arity; ++i) {
      const int64_t from = at.offset(strides[i]);
      x[i] = operands[i]->number(from);
      y[i] = operands[i]->integer(from);
      real |= operands[i]->is_real();
    }
    if (real && dst.is_real()) dst.real(at.flat()) = evaluate(f, x[0], x[1], x[2]);
    else if (real) dst.integer(at.flat()) = static_cast<int64_t>(evaluate(f, x[0], x[1], x[2]));
    else dst.integer(at.flat()) = evaluate(f, y[0], y[1], y[2]);
  }
  return dst;
}

}  // namespace

Array run_program(const Program& program, const std::vector<const Array*>& operands, const std::vector<int64_t>& shape) {
  std::vector<Array> results;
  results.reserve(program.rows.size());
  std::vector<const Array*> values = operands;
  for (const Scalar& row : program.rows) {
    const Array* at[3] = {};
    for (int i = 0; i < info(row.function).arity; ++i) at[i] = values[static_cast<size_t>(row.operand[i])];
    // A row has the shape its own operands broadcast to; the last has the shape of the whole.
    results.push_back(apply(row.function, at, shape));
    round_elements(results.back());  // each row is an operator of its own: a floor sees what a quotient was rounded to
    values.push_back(&results.back());
  }
  return std::move(results.back());
}

namespace {

Type type_of(const Array& a, Extents& extents) {
  Type t;
  t.dtype = a.dtype;
  for (int64_t d : a.shape) t.shape.push(d);
  if (a.container == Container::tensor) return t;
  t.items = Items::none;
  for (const Array& item : a.items) t = joined(extents, t, type_of(item, extents));
  t.dtype = a.dtype;
  t.container = a.container;
  if (a.container != Container::map && a.container != Container::map_sequence) return t;
  const Array* map = a.container == Container::map ? &a : a.items.empty() ? nullptr : &a.items[0];
  t.items = Items::any, t.shape = {};
  t.key = map && !map->items.empty() ? map->items[0].dtype : DType::none;
  return t;
}

// Of small integer arrays, whose elements may decide shapes.
std::vector<Dim> contents_of(const Array& a) {
  std::vector<Dim> out;
  if (a.container == Container::tensor && (is_integer(a.dtype) || a.dtype == DType::boolean) && a.count() <= 4096)
    for (const Cell& c : a.cells) out.push_back(c.integer);
  return out;
}

// An op without a reference is what it is made of.
std::vector<Array> run_parts(const Reference& r) {
  Graph g;
  Node whole = *r.node;
  whole.inputs.assign(r.in.size(), kNone);
  std::vector<Array> arrays;
  for (size_t i = 0; i < r.in.size(); ++i) {
    if (!r.in[i]) continue;
    Value v;
    v.type = type_of(*r.in[i], *g.extents);
    if (std::vector<Dim> content = contents_of(*r.in[i]); !content.empty()) v.content = std::make_shared<std::vector<Dim>>(std::move(content));
    whole.inputs[i] = g.add_value(std::move(v));
    arrays.push_back(*r.in[i]);
  }
  std::vector<ValueId> results;
  {
    Rewriter to(g);
    results = r.node->op->decompose(to, whole);
  }
  for (size_t v = arrays.size(); v < g.values.size(); ++v) arrays.push_back(g.values[v].constant ? array_of(g.values[v]) : Array{});
  for (const Node& part : g.nodes) {
    std::vector<const Array*> in;
    for (ValueId v : part.inputs) in.push_back(v == kNone ? nullptr : &arrays[static_cast<size_t>(v)]);
    std::vector<Array> out = evaluate(part, in);
    for (size_t i = 0; i < part.outputs.size(); ++i) arrays[static_cast<size_t>(part.outputs[i])] = std::move(out[i]);
  }
  std::vector<Array> out;
  for (ValueId v : results) out.push_back(arrays[static_cast<size_t>(v)]);
  return out;
}

void run_op(Reference& r) {
  if (r.node->op->reference) r.node->op->reference(r);
  else r.out = run_parts(r);
}

}  // namespace

void run_reference(Reference& r) {
  const Node& node = *r.node;
  if (node.epilogue.empty()) return run_op(r);
  const std::vector<const Array*> all = r.in;
  r.in.resize(static_cast<size_t>(node.own_inputs()));
  run_op(r);
  std::vector<const Array*> operands{&r.out[0]};
  operands.insert(operands.end(), all.begin() + node.own_inputs(), all.end());
  Array result = run_program(node.epilogue, operands, r.out[0].shape);
  r.out[0] = std::move(result);
  r.in = all;
}

Array array_of(const Value& v) {
  std::vector<int64_t> shape;
  for (Dim d : v.type.shape) shape.push_back(d.number());
  const auto stored = [&](const void* data) {
    Array a = array_of(v.type.dtype, shape, data);
    return v.type.quantisation ? dequantised(a, *v.type.quantisation) : a;
  };
  if (const void* data = v.constant->view()) return stored(data);
  std::vector<char> copy(static_cast<size_t>(v.constant->bytes));
  const WipeAtEnd wipe(copy);
  v.constant->source->read(v.constant->offset, v.constant->bytes, copy.data());
  return stored(copy.data());
}

namespace {

// Calls f(element, its channel).
template <class F>
void each_channel(const Array& a, const Quantisation& q, F f) {
  int64_t inner = 1;
  for (int i = q.axis + 1; q.axis >= 0 && i < a.rank(); ++i) inner *= a.shape[static_cast<size_t>(i)];
  for (size_t i = 0; i < a.cells.size(); ++i) f(i, q.axis < 0 ? 0 : i / static_cast<size_t>(inner) % q.scale.size());
}

}  // namespace

Array dequantised(const Array& stored, const Quantisation& q) {
  Array a(q.expressed, stored.shape);
  each_channel(stored, q, [&](size_t i, size_t channel) {
    const int64_t steps = stored.cells[i].integer - q.zero[channel];
    if (a.is_real()) a.cells[i].real = rounded(DType::f32, static_cast<double>(steps) * static_cast<double>(q.scale[channel]));
    else a.cells[i].integer = steps;
  });
  return a;
}

Array quantised(const Array& real, const Quantisation& q, DType dtype) {
  Array a(dtype, real.shape);
  each_channel(real, q, [&](size_t i, size_t channel) {
    a.cells[i].integer = quantised(rounded(DType::f32, real.cells[i].real / static_cast<double>(q.scale[channel])), q.zero[channel], dtype);
  });
  return a;
}

void round_elements(Array& a) {
  for (Array& item : a.items) round_elements(item);
  if (a.dtype == DType::f64 || a.dtype == DType::s64 || a.dtype == DType::u64 || a.dtype == DType::c128) return;
  alignas(8) char memory[16] = {};
  for (Cell& c : a.cells) {
    store_cell(a.dtype, memory, 0, c);
    c = load_cell(a.dtype, memory, 0);
  }
}

std::vector<Array> evaluate(const Node& node, const std::vector<const Array*>& in,
                            std::vector<Array> (*run)(Reference&, const Graph&, std::vector<Array>), void* executor) {
  std::vector<Type> types(in.size());
  std::vector<std::vector<Dim>> contents(in.size());
  Graph sizes;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i]) continue;
    types[i] = type_of(*in[i], *sizes.extents);
    contents[i] = contents_of(*in[i]);
  }
  Reference r;
  r.in = in;
  r.node = &node;
  r.run = run;
  r.executor = executor;
  // The subgraphs of control flow decide its outputs.
  if (!node.subgraphs.empty()) r.out.resize(node.outputs.size());
  else
    for (const Type& t : infer_concrete(node, types, contents, sizes)) {
      Array a;
      a.dtype = t.dtype;
      a.container = t.container;
      // A size that the reference decides starts as 0.
      std::vector<int64_t> shape;
      for (Dim d : t.shape) shape.push_back(d.known() ? d.number() : 0);
      if (t.container == Container::tensor) a.resize(shape);
      r.out.push_back(std::move(a));
    }
  within([&] { return place_of(node); },
         [&] {
           if (!node.op->reference && !node.op->decompose) throw Error(Code::not_supported, std::string(node.op->name) + " has no reference");
           run_reference(r);
         });
  for (Array& a : r.out) round_elements(a);
  return std::move(r.out);
}

std::vector<int64_t> strides_of(const std::vector<int64_t>& shape) {
  std::vector<int64_t> out(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0; step *= shape[i]) out[i] = step;
  return out;
}

std::vector<int64_t> broadcast_strides(const std::vector<int64_t>& shape, const std::vector<int64_t>& to) {
  std::vector<int64_t> out(to.size()), own = strides_of(shape);
  const size_t skip = to.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) out[skip + i] = shape[i] == 1 ? 0 : own[i];
  return out;
}

std::vector<Line> lines(const std::vector<int64_t>& shape, int64_t axis) {
  if (axis < 0) axis += static_cast<int64_t>(shape.size());
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (static_cast<int64_t>(i) < axis) outer *= shape[i];
    if (static_cast<int64_t>(i) > axis) inner *= shape[i];
  }
  const int64_t n = shape[static_cast<size_t>(axis)];
  std::vector<Line> out;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) out.push_back({o * n * inner + i, inner, n});
  return out;
}

Walk::Walk(std::vector<int64_t> shape) : shape_(std::move(shape)), index_(shape_.size()) {
  more_ = std::none_of(shape_.begin(), shape_.end(), [](int64_t n) { return n == 0; });
}

void Walk::next() {
  ++flat_;
  for (size_t i = shape_.size(); i-- > 0;) {
    if (++index_[i] < shape_[i]) return;
    index_[i] = 0;
  }
  more_ = false;
}

int64_t Walk::offset(const std::vector<int64_t>& strides) const {
  int64_t at = 0;
  for (size_t i = 0; i < index_.size(); ++i) at += index_[i] * strides[i];
  return at;
}

}  // namespace tenon
