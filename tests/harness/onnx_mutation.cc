#include "harness/onnx_mutation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include "formats/onnx/writer.h"
#include "tenon.h"

namespace tenon::onnx {
namespace {

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  uint64_t next() {  // splitmix64
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  size_t below(size_t n) { return static_cast<size_t>(next() % n); }
  template <class List>
  auto& pick(List& list) {
    return list[below(std::size(list))];
  }

 private:
  uint64_t state_;
};

int64_t count_of(const std::vector<int64_t>& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

// All elements alike.
TensorView filled(std::string_view name, DType type, std::vector<int64_t> dims, Cell value, Storage& storage) {
  TensorView t;
  t.name = name;
  t.data_type = data_type_of(type);
  const int64_t n = count_of(dims) * (is_complex(type) ? 2 : 1);
  t.dims = std::move(dims);
  if (type == DType::string) {
    // Strings have no raw form: field 6 of a tensor, once for each.
    std::string message = write_tensor(t);
    for (int64_t i = 0; i < n; ++i) message += std::string("\x32\x01") + "a";
    t.message = storage.emplace_back(std::move(message));
    return t;
  }
  std::string raw(static_cast<size_t>(storage_bytes(type, n)), '\0');
  for (int64_t i = 0; i < n; ++i) store_cell(type, raw.data(), i, value);
  t.raw = storage.emplace_back(std::move(raw));
  t.has_raw = true;
  return t;
}

constexpr DType kTypes[] = {DType::f32, DType::f64, DType::f16,     DType::s64,    DType::s32,
                            DType::u8,  DType::s8,  DType::boolean, DType::string, DType::c64};
constexpr int64_t kOddIntegers[] = {0, 1, -1, 2, 3, 7, 64, 1 << 20, int64_t{1} << 40, INT64_MAX, INT64_MIN, INT64_MIN + 5};
constexpr float kOddFloats[] = {0.f, -0.f, 1.f, -1.f, 0.5f, 1e30f, -1e30f, INFINITY, NAN};

class Change {
 public:
  Change(Model& m, uint64_t seed, Storage& storage) : model_(m), dice_(seed), storage_(storage) { collect(m.graph); }

  bool run() {
    GraphView& g = *dice_.pick(graphs_);
    switch (dice_.below(14)) {
      case 0: return drop_node(g);
      case 1: return repeat_node(g);
      case 2: return swap_nodes(g);
      case 3: return rewire(g);
      case 4: return omit_input(g);
      case 5: return add_input(g);
      case 6: return change_attribute(g);
      case 7: return drop_attribute(g);
      case 8: return change_type(g);
      case 9: return change_constant(g);
      case 10: return change_operator(g);
      case 11: return change_opset();
      case 12: return change_outputs(g);
      default: return make_constant(g);
    }
  }

 private:
  void collect(GraphView& g) {
    graphs_.push_back(&g);
    for (NodeView& n : g.nodes)
      for (AttributeView& a : n.attributes)
        for (GraphView& inner : a.graphs) collect(inner);
  }

  NodeView* node(GraphView& g) { return g.nodes.empty() ? nullptr : &dice_.pick(g.nodes); }

  // Any name that stands somewhere in the graph.
  std::string_view name_in(GraphView& g) {
    std::vector<std::string_view> names{""};
    for (const ValueInfoView& v : g.inputs) names.push_back(v.name);
    for (const TensorView& t : g.initializers) names.push_back(t.name);
    for (const NodeView& n : g.nodes) names.insert(names.end(), n.outputs.begin(), n.outputs.end());
    return dice_.pick(names);
  }

  bool drop_node(GraphView& g) {
    if (g.nodes.empty()) return false;
    g.nodes.erase(g.nodes.begin() + static_cast<int64_t>(dice_.below(g.nodes.size())));
    return true;
  }

  // The same operator once more, behind itself.
  bool repeat_node(GraphView& g) {
    if (g.nodes.empty()) return false;
    const size_t at = dice_.below(g.nodes.size());
    NodeView copy = g.nodes[at];
    if (!copy.outputs.empty() && !copy.inputs.empty()) {
      copy.inputs[0] = copy.outputs[0];
      for (std::string_view& out : copy.outputs) {
        const std::string_view old = out;
        out = storage_.emplace_back(std::string(old) + "_again");
        for (size_t i = at + 1; i < g.nodes.size(); ++i) std::replace(g.nodes[i].inputs.begin(), g.nodes[i].inputs.end(), old, out);
        for (ValueInfoView& v : g.outputs)
          if (v.name == old) v.name = out;
      }
    }
    g.nodes.insert(g.nodes.begin() + static_cast<int64_t>(at) + 1, std::move(copy));
    return true;
  }

  bool swap_nodes(GraphView& g) {
    if (g.nodes.size() < 2) return false;
    std::swap(dice_.pick(g.nodes), dice_.pick(g.nodes));
    return true;
  }

  bool rewire(GraphView& g) {
    NodeView* n = node(g);
    if (!n || n->inputs.empty()) return false;
    dice_.pick(n->inputs) = name_in(g);
    return true;
  }

  bool omit_input(GraphView& g) {
    NodeView* n = node(g);
    if (!n || n->inputs.empty()) return false;
    if (dice_.below(2)) n->inputs.pop_back();
    else dice_.pick(n->inputs) = "";
    return true;
  }

  bool add_input(GraphView& g) {
    NodeView* n = node(g);
    if (!n) return false;
    n->inputs.insert(n->inputs.begin() + static_cast<int64_t>(dice_.below(n->inputs.size() + 1)), name_in(g));
    return true;
  }

  bool change_attribute(GraphView& g) {
    NodeView* n = node(g);
    if (!n || n->attributes.empty()) return false;
    AttributeView& a = dice_.pick(n->attributes);
    using A = AttributeView;
    if (dice_.below(8) == 0) return a.type = static_cast<int32_t>(dice_.below(A::kTypes + 2)), true;
    switch (a.type) {
      case A::kInt: a.i = dice_.pick(kOddIntegers); break;
      case A::kFloat: a.f = dice_.pick(kOddFloats); break;
      case A::kString: a.s = dice_.below(2) ? "" : "no_such_mode"; break;
      case A::kInts: change_list(a.ints, kOddIntegers); break;
      case A::kFloats: change_list(a.floats, kOddFloats); break;
      case A::kStrings:
        if (a.strings.empty() || dice_.below(2)) a.strings.push_back("b");
        else a.strings.pop_back();
        break;
      case A::kTensor:
      case A::kTensors:
        if (a.tensors.empty()) return false;
        return change_tensor(dice_.pick(a.tensors));
      default: return false;
    }
    return true;
  }

  template <class T, class Odd>
  void change_list(std::vector<T>& list, const Odd& odd) {
    const size_t what = dice_.below(4);
    if (what == 0 && !list.empty()) list.pop_back();
    else if (what == 1 || list.empty()) list.push_back(static_cast<T>(dice_.pick(odd)));
    else if (what == 2) list.clear();
    else dice_.pick(list) = static_cast<T>(dice_.pick(odd));
  }

  bool drop_attribute(GraphView& g) {
    NodeView* n = node(g);
    if (!n || n->attributes.empty()) return false;
    n->attributes.erase(n->attributes.begin() + static_cast<int64_t>(dice_.below(n->attributes.size())));
    return true;
  }

  bool change_type(GraphView& g) {
    std::vector<ValueInfoView>& list = dice_.below(3) ? g.inputs : dice_.below(2) ? g.outputs : g.values;
    if (list.empty()) return false;
    TypeView& t = dice_.pick(list).type;
    switch (dice_.below(6)) {
      case 0: t.element = data_type_of(dice_.pick(kTypes)); break;
      case 1: t.has_shape = !t.has_shape; break;
      case 2:
        if (!t.shape.empty()) t.shape.pop_back();
        break;
      case 3: t.shape.push_back({static_cast<int64_t>(dice_.below(4)), {}}); break;
      case 4:
        if (!t.shape.empty()) dice_.pick(t.shape) = {std::nullopt, dice_.below(2) ? "n" : ""};
        break;
      default:
        if (!t.shape.empty()) dice_.pick(t.shape).value = dice_.pick(kOddIntegers);
    }
    return true;
  }

  bool change_tensor(TensorView& t) {
    TypeView type;
    type.kind = TypeView::tensor;
    type.element = t.data_type;
    for (int64_t d : t.dims) type.shape.push_back({std::min<int64_t>(std::max<int64_t>(d, 0), 8), {}});
    std::vector<OddConstant> odd;
    try {
      odd = odd_constants(t.name, type, storage_);
    } catch (const Error&) { return false; }
    t = dice_.pick(odd).tensor;
    return true;
  }

  bool change_constant(GraphView& g) { return !g.initializers.empty() && change_tensor(dice_.pick(g.initializers)); }

  // An operator of another node, or one that takes what this one takes.
  bool change_operator(GraphView& g) {
    NodeView* n = node(g);
    if (!n) return false;
    static constexpr std::string_view kOthers[] = {"Add",   "MatMul",   "Concat", "Reshape", "Transpose", "Shape",  "Gather",
                                                   "Slice", "Identity", "Expand", "Loop",    "Where",     "Resize", "TopK"};
    n->op = dice_.below(2) ? node(g)->op : dice_.pick(kOthers);
    return true;
  }

  bool change_opset() {
    if (model_.opsets.empty()) return false;
    dice_.pick(model_.opsets).version = static_cast<int64_t>(dice_.below(30));
    return true;
  }

  bool change_outputs(GraphView& g) {
    if (g.outputs.empty() || dice_.below(3) == 0) {
      ValueInfoView v;
      v.name = name_in(g);
      g.outputs.push_back(v);
    } else if (dice_.below(2)) {
      dice_.pick(g.outputs).name = name_in(g);
    } else {
      g.outputs.pop_back();
    }
    return true;
  }

  bool make_constant(GraphView& g) {
    if (&g != &model_.graph || g.inputs.empty()) return false;
    const size_t i = dice_.below(g.inputs.size());
    if (g.inputs[i].type.kind != TypeView::tensor) return false;
    std::vector<OddConstant> odd;
    try {
      odd = odd_constants(g.inputs[i].name, g.inputs[i].type, storage_);
    } catch (const Error&) { return false; }
    set_constant(model_, i, dice_.pick(odd).tensor);
    return true;
  }

  Model& model_;
  Dice dice_;
  Storage& storage_;
  std::vector<GraphView*> graphs_;
};

// An input that fits the port: symbols and unknown sizes are 2, elements small.
OwnedTensor made_up(const Port& port) {
  if (port.container != Container::tensor) {
    std::vector<OwnedTensor> items;
    if (port.container == Container::optional_sequence) {
      std::vector<OwnedTensor> inner;
      inner.emplace_back(port.dtype, std::vector<int64_t>{2});
      items.emplace_back(port.dtype, Container::sequence, std::move(inner));
    } else {
      items.emplace_back(port.dtype, std::vector<int64_t>{2});
    }
    return OwnedTensor(port.dtype, port.container, std::move(items));
  }
  std::vector<int64_t> shape;
  for (const Axis& a : port.shape) shape.push_back(a.size < 0 ? 2 : a.size);
  int64_t n = tenon::element_count(shape.data(), static_cast<int>(shape.size()));
  if (n > 1 << 22) throw Error(Code::limit, "the input is too large for a test");
  OwnedTensor t(port.dtype, shape);
  if (port.dtype == DType::string) {
    for (int64_t i = 0; i < n; ++i) t.as<std::string>()[i] = i % 2 ? "a" : "";
    return t;
  }
  if (is_complex(port.dtype)) n *= 2;
  for (int64_t i = 0; i < n; ++i)
    store_cell(port.dtype, t.data(), i,
               is_real(port.dtype) || is_complex(port.dtype) ? Cell{.real = static_cast<double>(i % 5 + 1) / 2} : Cell{.integer = (i + 1) % 2});
  return t;
}

template <class Body>
void attempt(const Body& body) {
  try {
    body();
  } catch (const Error&) {
  } catch (const std::bad_alloc&) {  // what the reference executor needs has no limit but the machine's
  }
}

}  // namespace

std::vector<OddConstant> odd_constants(std::string_view name, const TypeView& type, Storage& storage) {
  const DType own = dtype_of(type.element);
  std::vector<int64_t> dims;
  for (const TypeView::Dimension& d : type.shape) dims.push_back(std::clamp<int64_t>(d.value.value_or(2), 0, 64));
  while (count_of(dims) > 1 << 16) dims.pop_back();
  std::vector<OddConstant> out;
  const auto add = [&](std::string what, DType t, std::vector<int64_t> shape, Cell value) {
    out.push_back({std::move(what), filled(name, t, std::move(shape), value, storage)});
  };
  const auto one = [](DType t) { return is_real(t) || is_complex(t) ? Cell{.real = 1} : Cell{.integer = 1}; };
  add("empty", own, {0}, {});
  std::vector<int64_t> none = dims;
  if (!none.empty()) none[0] = 0;
  add("empty of its rank", own, none, {});
  add("zero", own, dims, {});
  if (is_real(own)) {
    for (double v : {1e300, -1.0, -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
      add(std::to_string(v), own, dims, {.real = v});
  } else if (own != DType::string && !is_complex(own)) {
    for (int64_t v : {INT64_MAX, INT64_MIN, int64_t{-1}, int64_t{1} << 40, int64_t{3}}) add(std::to_string(v), own, dims, {.integer = v});
  }
  for (DType t : {DType::f32, DType::s64, DType::u8, DType::boolean, DType::string, DType::f16, DType::c64})
    if (t != own) add("of type " + std::string(tenon::name(t)), t, dims, one(t));
  add("a scalar", own, {}, one(own));
  add("of one element", own, {1}, one(own));
  std::vector<int64_t> more = dims;
  more.insert(more.begin(), 1);
  add("of a higher rank", own, more, one(own));
  if (dims.size() > 1) add("of a lower rank", own, {dims.begin() + 1, dims.end()}, one(own));
  if (!dims.empty()) {
    std::vector<int64_t> longer = dims;
    longer.back() += 1;
    add("one longer", own, longer, one(own));
  }
  return out;
}

void set_constant(Model& m, size_t index, const TensorView& tensor) {
  m.graph.initializers.push_back(tensor);
  m.graph.inputs.erase(m.graph.inputs.begin() + static_cast<int64_t>(index));
}

bool mutate(Model& model, uint64_t seed, Storage& storage) { return Change(model, seed, storage).run(); }

void use_model(const std::string& bytes, bool runs) {
  Options options;
  options.threads = 1;
  options.pin_threads = false;
  options.memory_limit = 64 << 20;
  options.limits.fold_bytes_node = 1 << 20;
  options.limits.fold_bytes = 4 << 20;
  options.limits.elements = 1 << 24;
  options.limits.nodes = 20000;
  for (bool reference : {false, true}) {
    options.reference = reference;
    attempt([&] {
      const tenon::Model m = tenon::Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()), options);
      attempt([&] { m.inspect(); });
      attempt([&] { m.dump(); });
      attempt([&] { m.explain(); });
      if (!runs) return;
      std::vector<OwnedTensor> inputs;
      std::map<std::string, Tensor> views;
      for (const Port& p : m.inputs()) {
        inputs.push_back(made_up(p));
        views[p.name] = inputs.back().view();
      }
      Session session(m);
      session.run(views);
    });
  }
}

}  // namespace tenon::onnx
