#include "formats/onnx/exporter.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <protozero/pbf_writer.hpp>
#include <set>

#include "base/axis.h"
#include "formats/onnx/export.h"
#include "formats/onnx/writer.h"

namespace tenon::onnx {

// What all graphs of a model share.
struct ModelWriter {
  explicit ModelWriter(const WriteOptions& options) : options(options) {}

  const WriteOptions& options;
  std::deque<std::string> texts;  // names and elements that views point into
  std::set<std::string, std::less<>> used, used_by_nodes;
  std::vector<Constant> external;
  int64_t external_bytes = 0;

  std::string_view fresh(std::set<std::string, std::less<>>& names, const std::string& wanted) {
    std::string name = wanted;
    for (int i = 1; !names.insert(name).second; ++i) name = wanted + "_" + std::to_string(i);
    return keep(std::move(name));
  }
  std::string_view keep(std::string text) { return texts.emplace_back(std::move(text)); }
  // A name that no value, or no node, has yet: the one wanted, or with a number behind it.
  std::string_view name(const std::string& wanted) { return fresh(used, wanted); }
  std::string_view node_name(const std::string& wanted) { return fresh(used_by_nodes, wanted); }
};

// One graph while it is written, the main one or a body.
class GraphWriter {
 public:
  GraphWriter(ModelWriter& model, const Graph& g) : model(model), graph(g), names_(g.values.size()), reals_(g.values.size()) { view.name = "graph"; }

  ModelWriter& model;
  const Graph& graph;
  GraphView view;

  void call(ValueId v, std::string_view name) { names_[static_cast<size_t>(v)] = name; }

  std::string_view stored(ValueId v) {
    std::string_view& name = names_[static_cast<size_t>(v)];
    if (!name.empty()) return name;
    const Value& value = graph.values[static_cast<size_t>(v)];
    name = model.name(value.name.empty() ? "v" + std::to_string(v) : value.name);
    if (value.constant) view.initializers.push_back(tensor(name, value.type, *value.constant));
    return name;
  }

  std::string_view real(ValueId v) {
    const Type& t = graph.values[static_cast<size_t>(v)].type;
    if (!t.quantisation) return stored(v);
    std::string_view& name = reals_[static_cast<size_t>(v)];
    if (name.empty()) {
      const std::string_view from = stored(v);
      name = model.name(std::string(from) + "_real");
      dequantise(v, name);
    }
    return name;
  }

  void dequantise(ValueId v, std::string_view to) {
    const Type& t = graph.values[static_cast<size_t>(v)].type;
    Names in{stored(v), scale(t), zero(t)};
    if (in.back().empty()) in.pop_back();
    NodeView n{.op = "DequantizeLinear", .inputs = std::move(in), .outputs = {to}};
    if (t.quantisation->axis >= 0) n.attributes.push_back(attribute("axis", int64_t{t.quantisation->axis}));
    view.nodes.push_back(std::move(n));
  }

  void quantise(std::string_view from, const Type& t, std::string_view to) {
    Names in{from, scale(t), zero(t)};
    if (in.back().empty()) in.back() = zeros(t);
    NodeView n{.op = "QuantizeLinear", .inputs = std::move(in), .outputs = {to}};
    if (t.quantisation->axis >= 0) n.attributes.push_back(attribute("axis", int64_t{t.quantisation->axis}));
    view.nodes.push_back(std::move(n));
  }

  std::string_view scale(const Type& t) {
    const Quantisation& q = *t.quantisation;
    const DType type = is_real(q.expressed) ? q.expressed : DType::f32;
    return list("scale", type, q.axis >= 0, q.scale.size(), [&](size_t i) { return Cell{.real = q.scale[i]}; });
  }
  std::string_view zero(const Type& t) {
    const Quantisation& q = *t.quantisation;
    const bool nought = std::all_of(q.zero.begin(), q.zero.end(), [](int32_t z) { return z == 0; });
    return nought && t.dtype == DType::s32 ? std::string_view() : zeros(t);
  }

  // A new initialiser.
  std::string_view constant(const std::string& name, DType type, std::vector<int64_t> dims, std::string raw) {
    TensorView t;
    t.name = model.name(name);
    t.dims = std::move(dims);
    t.data_type = data_type_of(type);
    t.raw = model.keep(std::move(raw)), t.has_raw = true;
    view.initializers.push_back(t);
    return t.name;
  }

  // The elements of a constant in the model itself.
  TensorView inline_tensor(std::string_view name, const Type& type, const Constant& c);
  void nodes();
  void outputs(const std::vector<std::string_view>& names, bool with_shapes);
  TypeView type(const Type& t, bool with_shape) const;

 private:
  std::string_view zeros(const Type& t) {
    const Quantisation& q = *t.quantisation;
    return list("zero_point", t.dtype, q.axis >= 0, q.zero.size(), [&](size_t i) { return Cell{.integer = q.zero[i]}; });
  }

  template <class Element>
  std::string_view list(const char* name, DType type, bool is_list, size_t count, Element element) {
    std::string raw(static_cast<size_t>(storage_bytes(type, static_cast<int64_t>(count))), '\0');
    for (size_t i = 0; i < count; ++i) store_cell(type, raw.data(), static_cast<int64_t>(i), element(i));
    return constant(name, type, is_list ? std::vector<int64_t>{static_cast<int64_t>(count)} : std::vector<int64_t>{}, std::move(raw));
  }

  TensorView tensor(std::string_view name, const Type& type, const Constant& c);

  std::vector<std::string_view> names_, reals_;
};

TensorView GraphWriter::tensor(std::string_view name, const Type& type, const Constant& c) {
  if (c.strings || c.bytes < model.options.least_external) return inline_tensor(name, type, c);
  const int64_t begin = (model.external_bytes + 63) / 64 * 64;
  TensorView t;
  t.name = name;
  t.data_type = data_type_of(type.dtype);
  for (Dim d : type.shape) t.dims.push_back(d.number());
  t.external = true;
  t.external_data = {
      {"location", model.options.external}, {"offset", model.keep(std::to_string(begin))}, {"length", model.keep(std::to_string(c.bytes))}};
  model.external_bytes = begin + c.bytes;
  model.external.push_back(c);
  return t;
}

TensorView GraphWriter::inline_tensor(std::string_view name, const Type& type, const Constant& c) {
  TensorView t;
  t.name = name;
  t.data_type = data_type_of(type.dtype);
  for (Dim d : type.shape) t.dims.push_back(d.number());
  if (c.strings) {
    std::string bytes;
    protozero::pbf_writer w(bytes);
    w.add_packed_int64(1, t.dims.begin(), t.dims.end());
    w.add_int32(2, t.data_type);
    for (const std::string& s : *c.strings) w.add_bytes(6, s.data(), s.size());
    w.add_bytes(8, name.data(), name.size());
    t.message = model.keep(std::move(bytes));
    return t;
  }
  if (const void* where = c.view()) {
    t.raw = {static_cast<const char*>(where), static_cast<size_t>(c.bytes)};
  } else {
    std::string raw(static_cast<size_t>(c.bytes), '\0');
    c.source->read(c.offset, c.bytes, raw.data());
    t.raw = model.keep(std::move(raw));
  }
  t.has_raw = true;
  return t;
}

TypeView GraphWriter::type(const Type& t, bool with_shape) const {
  TypeView tensor;
  tensor.kind = TypeView::tensor;
  tensor.element = data_type_of(t.dtype);
  tensor.has_shape = with_shape && (t.container == Container::tensor || t.items == Items::shaped);
  const Extents& e = *graph.extents;
  for (int i = 0; tensor.has_shape && i < t.shape.rank(); ++i) {
    const Dim d = t.shape[i];
    if (d.known()) tensor.shape.push_back({d.number(), {}});
    else if (e.is_symbol(d.row())) tensor.shape.push_back({std::nullopt, model.keep(e.symbol_name(d.row()))});
    else tensor.shape.push_back({std::nullopt, {}});
  }
  const auto around = [](TypeView::Kind kind, TypeView inner) {
    TypeView out;
    out.kind = kind;
    out.inner.push_back(std::move(inner));
    return out;
  };
  switch (t.container) {
    case Container::tensor: return tensor;
    case Container::sequence: return around(TypeView::sequence, tensor);
    case Container::optional: return around(TypeView::optional, tensor);
    case Container::optional_sequence: return around(TypeView::optional, around(TypeView::sequence, tensor));
    case Container::map:
    case Container::map_sequence: throw Error(Code::not_supported, "a map, which no operator of ai.onnx makes, is not written");
  }
  return tensor;
}

namespace {

const ExportRow* row_of(const Op* op) {
  static const std::map<const Op*, const ExportRow*> index = [] {
    std::map<const Op*, const ExportRow*> m;
    for (ExportTable table : {kNnExports, kMovementExports, kOtherExports})
      for (const ExportRow& row : table) m[row.op] = &row;
    return m;
  }();
  const auto found = index.find(op);
  return found == index.end() ? nullptr : found->second;
}

void export_scalar_function(const Export& n) {
  std::vector<std::optional<double>> numbers;
  for (int i = 0; i < n.inputs(); ++i) numbers.push_back(n.number(i));
  const auto f = static_cast<Function>(n.node().op->function);
  const std::string_view result = export_function(n, f, n.in(), numbers, n.type(info(f).kind == Kind::pick ? 1 : 0).expressed());
  n.result("Identity", {result});
}

// The name that a file gave the node, of what errors say of it: node "conv_3" (Conv, opset 13).
std::string own_name(const Node& n) {
  constexpr std::string_view kBegin = "node \"";
  if (n.name.rfind(kBegin, 0) != 0) return "";
  const size_t end = n.name.rfind("\" (");
  return end == std::string::npos ? "" : n.name.substr(kBegin.size(), end - kBegin.size());
}

// An Identity behind a new value adds nothing: the node that makes it takes over the name.
void drop_identities(GraphView& g) {
  std::map<std::string_view, size_t> makers;
  std::map<std::string_view, int> readers;
  std::function<void(const GraphView&)> count = [&](const GraphView& graph) {
    for (const NodeView& n : graph.nodes) {
      for (std::string_view name : n.inputs) ++readers[name];
      for (const AttributeView& a : n.attributes)
        for (const GraphView& inner : a.graphs) count(inner);
    }
    for (const ValueInfoView& v : graph.outputs) ++readers[v.name];
  };
  count(g);
  for (size_t i = 0; i < g.nodes.size(); ++i)
    for (std::string_view name : g.nodes[i].outputs) makers[name] = i;
  std::vector<bool> gone(g.nodes.size());
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const NodeView& n = g.nodes[i];
    const auto maker = n.op == "Identity" && n.domain.empty() ? makers.find(n.inputs[0]) : makers.end();
    if (maker == makers.end() || readers[n.inputs[0]] != 1) continue;
    for (std::string_view& name : g.nodes[maker->second].outputs)
      if (name == n.inputs[0]) name = n.outputs[0];
    makers[n.outputs[0]] = maker->second;
    gone[i] = true;
  }
  size_t kept = 0;
  for (size_t i = 0; i < g.nodes.size(); ++i)
    if (!gone[i]) {
      if (kept != i) g.nodes[kept] = std::move(g.nodes[i]);
      ++kept;
    }
  g.nodes.resize(kept);
}

}  // namespace

void GraphWriter::nodes() {
  for (const Node& n : graph.nodes) {
    if (n.dead) continue;
    const Export each(*this, n);
    const size_t first = view.nodes.size();
    within([&] { return place_of(n); },
           [&] {
             if (const ExportRow* row = row_of(n.op)) row->write(each);
             else if (n.op->function != kNoFunction) export_scalar_function(each);
             else each.refuse("");
           });
    // The last of several nodes gives the result.
    if (const std::string name = own_name(n); !name.empty() && view.nodes.size() > first) view.nodes.back().name = model.node_name(name);
  }
}

// Outputs are values that a node of this graph makes, each once.
void GraphWriter::outputs(const std::vector<std::string_view>& names, bool with_shapes) {
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const ValueId v = graph.outputs[i];
    const Type& t = graph.values[static_cast<size_t>(v)].type;
    const std::string_view name = i < names.size() ? names[i] : model.name("result");
    if (const std::string_view from = real(v); from != name) view.nodes.push_back({.op = "Identity", .inputs = {from}, .outputs = {name}});
    Type shown = t;
    shown.dtype = t.expressed();
    view.outputs.push_back({name, type(shown, with_shapes)});
  }
  drop_identities(view);
}

// ------------------------------------------------------------------------------------------------ Export

AttributeView attribute(std::string_view name, int64_t value) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kInt, a.i = value;
  return a;
}
AttributeView attribute(std::string_view name, float value) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kFloat, a.f = value;
  return a;
}
AttributeView attribute(std::string_view name, std::vector<int64_t> values) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kInts, a.ints = std::move(values);
  return a;
}
AttributeView attribute(std::string_view name, std::vector<float> values) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kFloats, a.floats = std::move(values);
  return a;
}
AttributeView attribute(std::string_view name, std::string_view value) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kString, a.s = value;
  return a;
}
AttributeView attribute(std::string_view name, std::vector<std::string_view> values) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kStrings, a.strings = std::move(values);
  return a;
}
AttributeView attribute(std::string_view name, GraphView graph) {
  AttributeView a;
  a.name = name, a.type = AttributeView::kGraph;
  a.graphs.push_back(std::move(graph));
  return a;
}

int64_t Export::opset() const { return scope_.model.options.opset; }
const Type& Export::type(int i) const { return scope_.graph.values[static_cast<size_t>(node_.inputs[static_cast<size_t>(i)])].type; }
const Type& Export::result_type(int i) const { return scope_.graph.values[static_cast<size_t>(node_.outputs[static_cast<size_t>(i)])].type; }

std::string_view Export::in(int i) const { return has(i) ? scope_.real(node_.inputs[static_cast<size_t>(i)]) : std::string_view(); }
std::string_view Export::stored(int i) const { return has(i) ? scope_.stored(node_.inputs[static_cast<size_t>(i)]) : std::string_view(); }
std::string_view Export::scale(int i) const { return scope_.scale(type(i)); }
std::string_view Export::zero(int i) const { return scope_.zero(type(i)); }

Names Export::in() const {
  Names out;
  for (int i = 0; i < inputs(); ++i) out.push_back(in(i));
  while (!out.empty() && out.back().empty()) out.pop_back();
  return out;
}

std::optional<double> Export::number(int i) const {
  if (!has(i)) return std::nullopt;
  const Value& v = scope_.graph.values[static_cast<size_t>(node_.inputs[static_cast<size_t>(i)])];
  if (!v.constant || v.constant->strings || v.type.quantisation || is_complex(v.type.dtype)) return std::nullopt;
  for (Dim d : v.type.shape)
    if (!(d == Dim(1))) return std::nullopt;
  char storage[16] = {};
  v.constant->source->read(v.constant->offset, v.constant->bytes, storage);
  const Cell c = load_cell(v.type.dtype, storage, 0);
  return is_real(v.type.dtype) ? c.real : static_cast<double>(c.integer);
}

Names Export::out() const {
  Names out;
  for (int i = 0; i < static_cast<int>(node_.outputs.size()); ++i)
    out.push_back(wants(i) ? scope_.stored(node_.outputs[static_cast<size_t>(i)]) : std::string_view());
  while (!out.empty() && out.back().empty()) out.pop_back();
  return out;
}

void Export::node(std::string_view op, Names inputs, Names outputs, std::vector<AttributeView> attributes, std::string_view domain) const {
  while (!inputs.empty() && inputs.back().empty()) inputs.pop_back();
  scope_.view.nodes.push_back({.op = op,
                               .name = {},
                               .domain = domain,
                               .overload = {},
                               .inputs = std::move(inputs),
                               .outputs = std::move(outputs),
                               .attributes = std::move(attributes)});
}

void Export::result(std::string_view op, Names inputs, std::vector<AttributeView> attributes, std::string_view domain, size_t least) const {
  Names outputs = out();
  outputs.resize(std::max(outputs.size(), least));
  for (size_t i = 0; i < least; ++i)
    if (outputs[i].empty()) outputs[i] = scope_.model.name("unused");
  std::vector<std::pair<size_t, std::string_view>> rounded;  // outputs that are stored quantised
  for (size_t i = 0; i < outputs.size(); ++i)
    if (wants(static_cast<int>(i)) && result_type(static_cast<int>(i)).quantisation) {
      const std::string_view before = scope_.model.name(std::string(outputs[i]) + "_unrounded");
      rounded.emplace_back(i, std::exchange(outputs[i], before));
    }
  node(op, std::move(inputs), outputs, std::move(attributes), domain);
  for (const auto& [i, name] : rounded) scope_.quantise(outputs[i], result_type(static_cast<int>(i)), name);
}

std::string_view Export::emit(std::string_view op, Names inputs, std::vector<AttributeView> attributes) const {
  const Names own = out();
  const std::string_view name = scope_.model.name((own.empty() ? std::string("v") : std::string(own[0])) + "_part");
  node(op, std::move(inputs), {name}, std::move(attributes));
  return name;
}

std::string_view Export::cast(std::string_view value, DType to) const { return emit("Cast", {value}, {attribute("to", int64_t{data_type_of(to)})}); }

std::string_view Export::constant(double value, DType type) const {
  std::string raw(static_cast<size_t>(storage_bytes(type, 1)), '\0');
  store_cell(type, raw.data(), 0, cell_of(type, value));
  return scope_.constant("number", type, {}, std::move(raw));
}
std::string_view Export::constant(const std::vector<int64_t>& values) const {
  std::string raw(values.size() * sizeof(int64_t), '\0');
  std::memcpy(raw.data(), values.data(), raw.size());
  return scope_.constant("numbers", DType::s64, {static_cast<int64_t>(values.size())}, std::move(raw));
}
std::string_view Export::constant(const std::vector<float>& values) const {
  std::string raw(values.size() * sizeof(float), '\0');
  std::memcpy(raw.data(), values.data(), raw.size());
  return scope_.constant("numbers", DType::f32, {static_cast<int64_t>(values.size())}, std::move(raw));
}

AttributeView Export::tensor(std::string_view name, int i) const {
  const Value& v = scope_.graph.values[static_cast<size_t>(node_.inputs[static_cast<size_t>(i)])];
  if (!v.constant) refuse("input " + std::to_string(i) + " is no constant");
  AttributeView a;
  a.name = name, a.type = AttributeView::kTensor;
  a.tensors.push_back(scope_.inline_tensor(name, v.type, *v.constant));
  return a;
}

std::vector<double> Export::numbers(int i) const {
  const Value& v = scope_.graph.values[static_cast<size_t>(node_.inputs[static_cast<size_t>(i)])];
  if (!v.constant || v.constant->strings || is_complex(v.type.dtype)) refuse("input " + std::to_string(i) + " is no constant of numbers");
  std::vector<char> raw(static_cast<size_t>(v.constant->bytes));
  v.constant->source->read(v.constant->offset, v.constant->bytes, raw.data());
  int64_t count = 1;
  for (Dim d : v.type.shape) count *= d.number();
  std::vector<double> out;
  for (int64_t k = 0; k < count; ++k) {
    const Cell c = load_cell(v.type.dtype, raw.data(), k);
    out.push_back(is_real(v.type.dtype) ? c.real : static_cast<double>(c.integer));
  }
  return out;
}

std::string_view Export::keep(std::string text) const { return scope_.model.keep(std::move(text)); }

namespace {

// Fields as attributes, those of `defaults` left out.
class FieldWriter : public FieldVisitor {
 public:
  FieldWriter(const Export& n, std::span<const std::string_view> required) : n_(n), required_(required) {}

  void operator()(const char* name, bool& v) override { add(name, v, attribute(name, int64_t{v})); }
  void operator()(const char* name, int64_t& v) override { add(name, v, attribute(name, v)); }
  void operator()(const char* name, float& v) override { add(name, v, attribute(name, v)); }
  void operator()(const char* name, std::string& v) override { add(name, v, attribute(name, n_.keep(v))); }
  void operator()(const char* name, std::vector<int64_t>& v) override { add(name, v, attribute(name, v)); }
  void operator()(const char* name, std::vector<float>& v) override { add(name, v, attribute(name, v)); }
  void operator()(const char* name, std::vector<std::string>& v) override {
    std::vector<std::string_view> kept;
    for (const std::string& s : v) kept.push_back(n_.keep(s));
    add(name, v, attribute(name, std::move(kept)));
  }
  void operator()(const char* name, DType& v) override {
    add(name, static_cast<int>(v), v == DType::none ? AttributeView() : attribute(name, int64_t{data_type_of(v)}));
  }
  void choice(const char* name, int& v, const char* const* words, int) override { add(name, v, attribute(name, std::string_view(words[v]))); }

  // First the defaults, then the node's own: what differs is kept.
  std::vector<AttributeView> different(const Attributes& defaults, const Attributes& own) {
    defaults.inspect(*this);
    std::swap(before_, now_);
    written_.clear();
    own.inspect(*this);
    std::vector<AttributeView> out;
    for (size_t i = 0; i < now_.size(); ++i) {
      const bool asked = std::find(required_.begin(), required_.end(), written_[i].name) != required_.end();
      if ((asked || now_[i] != before_[i]) && !written_[i].name.empty()) out.push_back(std::move(written_[i]));
    }
    return out;
  }

 private:
  template <class T>
  static std::string text(const T& v) {
    if constexpr (std::is_same_v<T, std::string>) return v;
    else if constexpr (std::is_arithmetic_v<T>) return std::to_string(v) + (std::is_floating_point_v<T> ? std::to_string(std::hash<T>()(v)) : "");
    else {
      std::string out;
      for (const auto& each : v) out += text(each) + '\0';
      return out;
    }
  }
  template <class T>
  void add(const char*, const T& v, AttributeView a) {
    now_.push_back(text(v));
    written_.push_back(std::move(a));
  }

  const Export& n_;
  std::span<const std::string_view> required_;
  std::vector<std::string> before_, now_;
  std::vector<AttributeView> written_;
};

}  // namespace

std::vector<AttributeView> Export::fields(std::span<const std::string_view> required) const {
  return FieldWriter(*this, required).different(node_.op->attributes(), node_.attributes);
}

GraphView Export::body(size_t index, size_t own, int first) const {
  const Graph& g = *node_.subgraphs[index];
  GraphWriter inner(scope_.model, g);
  inner.view.name = keep(g.name.empty() ? "body" : g.name);
  for (size_t i = 0; i < g.inputs.size(); ++i) {
    const ValueId v = g.inputs[i];
    if (i >= own) {
      inner.call(v, stored(first + static_cast<int>(i - own)));
      continue;
    }
    const Type& t = g.values[static_cast<size_t>(v)].type;
    inner.view.inputs.push_back({inner.stored(v), inner.type(t, i < 2 && own > 0)});
  }
  inner.nodes();
  inner.outputs({}, false);
  return std::move(inner.view);
}

void Export::refuse(const std::string& what) const {
  throw Error(Code::not_supported, "ONNX of opset " + std::to_string(opset()) + " has no operator that does what " + std::string(node_.op->name) +
                                       " does" + (what.empty() ? "" : ": " + what) + "; --opset may name a newer one, --after read an earlier form");
}

// The version of the file format that came with an opset.
int64_t format_of(int64_t opset) {
  constexpr std::pair<int64_t, int64_t> kFormats[] = {{28, 14}, {25, 13}, {24, 12}, {23, 11}, {21, 10}, {19, 9}};
  for (const auto& [since, version] : kFormats)
    if (opset >= since) return version;
  return 8;
}

WrittenModel export_graph(const Graph& g, const WriteOptions& options) {
  if (options.opset < kLeastExportOpset || options.opset > kNewestExportOpset)
    throw Error(Code::bad_usage, "opset " + std::to_string(options.opset) + " cannot be written, those from " + std::to_string(kLeastExportOpset) +
                                     " to " + std::to_string(kNewestExportOpset) + " can");
  ModelWriter model(options);
  // Names of inputs and outputs stay as they are.
  for (const std::string& name : options.outputs) model.used.insert(name);
  GraphWriter scope(model, g);
  for (ValueId v : g.inputs) {
    const Value& value = g.values[static_cast<size_t>(v)];
    scope.call(v, model.keep(value.name));
    model.used.insert(value.name);
    scope.view.inputs.push_back({scope.stored(v), scope.type(value.type, true)});
  }
  std::set<ValueId> called(g.inputs.begin(), g.inputs.end());
  for (size_t i = 0; i < g.outputs.size(); ++i) {
    const ValueId v = g.outputs[i];
    const Value& value = g.values[static_cast<size_t>(v)];
    if (!value.constant && !value.type.quantisation && called.insert(v).second) scope.call(v, model.keep(options.outputs[i]));
  }
  scope.nodes();
  std::vector<std::string_view> names(options.outputs.begin(), options.outputs.end());
  scope.outputs(names, true);
  Model m;
  m.ir_version = format_of(options.opset);
  m.producer = "tenon";
  m.opsets.push_back({"", options.opset});
  std::set<std::string_view> domains;
  std::function<void(const GraphView&)> collect = [&](const GraphView& graph) {
    for (const NodeView& n : graph.nodes) {
      if (!n.domain.empty()) domains.insert(n.domain);
      for (const AttributeView& a : n.attributes)
        for (const GraphView& inner : a.graphs) collect(inner);
    }
  };
  collect(scope.view);
  for (std::string_view domain : domains) m.opsets.push_back({domain, domain == "ai.onnx.ml" ? 4 : 1});
  for (const auto& [key, value] : options.metadata) m.metadata.emplace_back(key, value);
  m.graph = std::move(scope.view);
  const int count = static_cast<int>(m.graph.nodes.size());
  return {write_model(m), count, std::move(model.external)};
}

}  // namespace tenon::onnx
