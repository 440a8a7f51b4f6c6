#include "formats/onnx/model.h"

#include <algorithm>
#include <string>

#include "base/error.h"

namespace tenon::onnx {
namespace {

constexpr size_t kMostDims = 64;
constexpr size_t kMostExternalEntries = 16;
constexpr int64_t kMostDepth = 256;  // whatever the limits say: parsing a subgraph is a call

// Field numbers are those of onnx.proto.
class Parser {
 public:
  Parser(Bytes file, const LoadLimits& limits)
      : limits_(limits), room_(limits.view_bytes + static_cast<int64_t>(file.size())), depth_most_(std::min(limits.depth, kMostDepth)) {}

  Model model(Bytes message) {
    Model m;
    const auto fields = Wire::count(message, "the model");
    once(fields[7], "graph", "the model");
    reserve(m.metadata, fields[14]);
    reserve(m.opsets, fields[8]);
    reserve(m.functions, fields[25]);
    for (Wire w(message, "the model"); w.next();) switch (w.field()) {
        case 1: m.ir_version = w.integer(); break;
        case 2: m.producer = w.name(); break;
        case 3: m.producer_version = w.name(); break;
        case 7: m.graph = graph(w.bytes()); break;
        case 8: m.opsets.push_back(opset(w.bytes())); break;
        case 14: m.metadata.push_back(entry(w.bytes())); break;
        case 25: m.functions.push_back(function(w.bytes(), m.functions.size())); break;
        default: w.skip();
      }
    return m;
  }

  TensorView tensor(Bytes message) {
    if (++tensors_ > limits_.tensors) throw Error(Code::limit, "more than " + std::to_string(limits_.tensors) + " tensors (limit tensors)");
    TensorView t;
    t.message = message;
    for (Wire w(message, "a tensor"); w.next();) switch (w.field()) {
        case 1: sizes(w, t.dims); break;
        case 2: t.data_type = static_cast<int32_t>(std::clamp<int64_t>(w.integer(), INT32_MIN, INT32_MAX)); break;
        case 3: throw Error(Code::not_supported, "a tensor in segments");
        case 4: t.has_typed |= w.numbers(4) > 0, w.skip(); break;
        case 5:
        case 7:
        case 11: t.has_typed |= w.numbers(0) > 0, w.skip(); break;
        case 6: t.has_typed = true, w.bytes(); break;
        case 8: t.name = w.name(); break;
        case 9: t.raw = w.bytes(), t.has_raw = true; break;
        case 10: t.has_typed |= w.numbers(8) > 0, w.skip(); break;
        case 13:
          if (t.external_data.size() == kMostExternalEntries) throw Error(Code::bad_model, "a tensor with more than 16 entries of external data");
          t.external_data.push_back(entry(w.bytes()));
          break;
        case 14: t.external = w.integer() == 1; break;
        default: w.skip();
      }
    charge(static_cast<int64_t>(t.dims.capacity() * sizeof(int64_t) + t.external_data.capacity() * sizeof t.external_data[0]));
    return t;
  }

  TypeView type(Bytes message, int64_t depth = 1) {
    if (depth > depth_most_) throw Error(Code::limit, "types nested more than " + std::to_string(depth_most_) + " deep (limit depth)");
    TypeView t;
    const auto fields = Wire::count(message, "a type");
    once(fields[1] + fields[4] + fields[5] + fields[7] + fields[8] + fields[9], "kind", "a type");
    for (Wire w(message, "a type"); w.next();) switch (w.field()) {
        case 1: t = tensor_type(w.bytes()); break;
        case 4: t = type_of(w.bytes(), TypeView::sequence, depth); break;
        case 9: t = type_of(w.bytes(), TypeView::optional, depth); break;
        case 5: t = map_type(w.bytes(), depth); break;
        case 8: t.kind = TypeView::sparse, w.bytes(); break;
        default: w.skip();
      }
    return t;
  }

 private:
  // ---- what is held is counted against what the file may ask for
  void charge(int64_t bytes) {
    if ((room_ -= bytes) < 0)
      throw Error(Code::limit,
                  "the parts of the model take " + std::to_string(limits_.view_bytes) + " bytes more than its file has (limit view_bytes)");
  }
  template <class T>
  void reserve(std::vector<T>& list, int64_t more) {
    charge(more * static_cast<int64_t>(sizeof(T)));
    list.reserve(list.size() + static_cast<size_t>(more));
  }
  static void once(int64_t count, const char* field, const char* message) {
    if (count > 1) throw Error(Code::bad_model, std::string(message) + " has its " + field + " " + std::to_string(count) + " times");
  }

  // Names the place of an error: what lies within the outermost graph or a function, not within its subgraphs.
  template <class F>
  auto at(const char* what, size_t index, F f) {
    if (depth_ > 1) return f();
    return within([&] { return what + (" " + std::to_string(index)); }, f);
  }

  static void sizes(Wire& w, std::vector<int64_t>& dims) {
    w.integers([&](int64_t size) {
      if (dims.size() == kMostDims) throw Error(Code::bad_model, "a tensor of more than " + std::to_string(kMostDims) + " dimensions");
      dims.push_back(size);
    });
  }

  std::pair<std::string_view, std::string_view> entry(Bytes message) {
    std::pair<std::string_view, std::string_view> e;
    for (Wire w(message, "an entry"); w.next();) switch (w.field()) {
        case 1: e.first = w.bytes(); break;
        case 2: e.second = w.bytes(); break;
        default: w.skip();
      }
    return e;
  }

  OpsetView opset(Bytes message) {
    OpsetView o;
    for (Wire w(message, "an opset"); w.next();) switch (w.field()) {
        case 1: o.domain = w.name(); break;
        case 2: o.version = w.integer(); break;
        default: w.skip();
      }
    return o;
  }

  TypeView type_of(Bytes message, TypeView::Kind kind, int64_t depth) {
    TypeView t;
    t.kind = kind;
    reserve(t.inner, 1);
    t.inner.resize(1);
    const auto fields = Wire::count(message, "a type");
    once(fields[1], "element type", "a type");
    for (Wire w(message, "a type"); w.next();) {
      if (w.field() == 1) t.inner[0] = type(w.bytes(), depth + 1);
      else w.skip();
    }
    return t;
  }

  TypeView map_type(Bytes message, int64_t depth) {
    TypeView t;
    t.kind = TypeView::map;
    reserve(t.inner, 1);
    t.inner.resize(1);
    const auto fields = Wire::count(message, "a map's type");
    once(fields[2], "value type", "a map's type");
    for (Wire w(message, "a map's type"); w.next();) switch (w.field()) {
        case 1: t.element = static_cast<int32_t>(std::clamp<int64_t>(w.integer(), INT32_MIN, INT32_MAX)); break;
        case 2: t.inner[0] = type(w.bytes(), depth + 1); break;
        default: w.skip();
      }
    return t;
  }

  TypeView tensor_type(Bytes message) {
    TypeView t;
    t.kind = TypeView::tensor;
    const auto fields = Wire::count(message, "a tensor's type");
    once(fields[2], "shape", "a tensor's type");
    for (Wire w(message, "a tensor's type"); w.next();) switch (w.field()) {
        case 1: t.element = static_cast<int32_t>(std::clamp<int64_t>(w.integer(), INT32_MIN, INT32_MAX)); break;
        case 2: t.has_shape = true, shape(w.bytes(), t.shape); break;
        default: w.skip();
      }
    return t;
  }

  void shape(Bytes message, std::vector<TypeView::Dimension>& dims) {
    const int64_t rank = Wire::count(message, "a shape")[1];
    if (rank > static_cast<int64_t>(kMostDims)) throw Error(Code::bad_model, "a type of more than " + std::to_string(kMostDims) + " dimensions");
    reserve(dims, rank);
    for (Wire w(message, "a shape"); w.next();) {
      if (w.field() == 1) dims.push_back(dimension(w.bytes()));
      else w.skip();
    }
  }

  TypeView::Dimension dimension(Bytes message) {
    TypeView::Dimension d;
    for (Wire w(message, "a dimension"); w.next();) switch (w.field()) {
        case 1: d.value = w.integer(); break;
        case 2: d.symbol = w.name(); break;
        default: w.skip();
      }
    return d;
  }

  ValueInfoView value_info(Bytes message) {
    ValueInfoView v;
    const auto fields = Wire::count(message, "a value's description");
    once(fields[2], "type", "a value's description");
    for (Wire w(message, "a value's description"); w.next();) switch (w.field()) {
        case 1: v.name = w.name(); break;
        case 2: v.type = type(w.bytes()); break;
        default: w.skip();
      }
    return v;
  }

  SparseTensorView sparse(Bytes message) {
    SparseTensorView s;
    const auto fields = Wire::count(message, "a sparse tensor");
    once(fields[1], "values", "a sparse tensor");
    once(fields[2], "indices", "a sparse tensor");
    for (Wire w(message, "a sparse tensor"); w.next();) switch (w.field()) {
        case 1: s.values = tensor(w.bytes()); break;
        case 2: s.indices = tensor(w.bytes()); break;
        case 3: sizes(w, s.dims); break;
        default: w.skip();
      }
    return s;
  }

  AttributeView attribute(Bytes message) {
    AttributeView a;
    reserve_lists(a, message);
    for (Wire w(message, "an attribute"); w.next();) switch (w.field()) {
        case 1: a.name = w.name(); break;
        case 2: a.f = w.real(); break;
        case 3: a.i = w.integer(); break;
        case 4: a.s = w.bytes(); break;
        case 5:
        case 10: a.tensors.push_back(tensor(w.bytes())); break;
        case 6:
        case 11: a.graphs.push_back(graph(w.bytes())); break;
        case 7: w.reals<float>([&](float v) { a.floats.push_back(v); }); break;
        case 8: w.integers([&](int64_t v) { a.ints.push_back(v); }); break;
        case 9: a.strings.push_back(w.bytes()); break;
        case 14:
        case 15: a.types.push_back(type(w.bytes())); break;
        case 20: a.type = static_cast<int32_t>(std::clamp<int64_t>(w.integer(), 0, INT32_MAX)); break;
        case 21: a.reference = w.name(); break;
        case 22:
        case 23: a.sparse.push_back(sparse(w.bytes())); break;
        default: w.skip();
      }
    if (!a.type && a.reference.empty()) a.type = type_found(a);
    return a;
  }

  void reserve_lists(AttributeView& a, Bytes message) {
    std::array<int64_t, Wire::kCounted> fields{};
    int64_t floats = 0, ints = 0;
    for (Wire w(message, "an attribute"); w.next(); w.skip()) {
      ++fields[w.field() < Wire::kCounted ? w.field() : 0];
      if (w.field() == 7) floats += w.numbers(sizeof(float));
      if (w.field() == 8) ints += w.numbers(0);
    }
    once(fields[5], "tensor", "an attribute");
    once(fields[6], "graph", "an attribute");
    once(fields[14], "type", "an attribute");
    once(fields[22], "sparse tensor", "an attribute");
    reserve(a.floats, floats);
    reserve(a.ints, ints);
    reserve(a.strings, fields[9]);
    reserve(a.tensors, fields[5] + fields[10]);
    reserve(a.types, fields[14] + fields[15]);
    reserve(a.graphs, fields[6] + fields[11]);
    reserve(a.sparse, fields[22] + fields[23]);
  }

  // Files of IR version 1 leave the type out.
  static int32_t type_found(const AttributeView& a) {
    if (!a.tensors.empty()) return a.tensors.size() == 1 ? AttributeView::kTensor : AttributeView::kTensors;
    if (!a.graphs.empty()) return a.graphs.size() == 1 ? AttributeView::kGraph : AttributeView::kGraphs;
    if (!a.floats.empty()) return AttributeView::kFloats;
    if (!a.ints.empty()) return AttributeView::kInts;
    if (!a.strings.empty()) return AttributeView::kStrings;
    if (!a.s.empty()) return AttributeView::kString;
    return a.f != 0 ? AttributeView::kFloat : AttributeView::kInt;
  }

  NodeView node(Bytes message) {
    if (++nodes_ > limits_.nodes) throw Error(Code::limit, "more than " + std::to_string(limits_.nodes) + " nodes (limit nodes)");
    NodeView n;
    const auto fields = Wire::count(message, "a node");
    reserve(n.inputs, fields[1]);
    reserve(n.outputs, fields[2]);
    reserve(n.attributes, fields[5]);
    for (Wire w(message, "a node"); w.next();) switch (w.field()) {
        case 1: n.inputs.push_back(w.name()); break;
        case 2: n.outputs.push_back(w.name()); break;
        case 3: n.name = w.name(); break;
        case 4: n.op = w.name(); break;
        case 5: {
          const Bytes bytes = w.bytes();
          n.attributes.push_back(at("attribute", n.attributes.size(), [&] { return attribute(bytes); }));
          break;
        }
        case 7: n.domain = w.name(); break;
        case 8: n.overload = w.name(); break;
        default: w.skip();
      }
    return n;
  }

  NodeView node(Bytes message, size_t index) {
    return at("node", index, [&] { return node(message); });
  }

  GraphView graph(Bytes message) {
    if (++depth_ > depth_most_) throw Error(Code::limit, "subgraphs nested more than " + std::to_string(depth_most_) + " deep (limit depth)");
    GraphView g;
    const auto fields = Wire::count(message, "a graph");
    reserve(g.nodes, fields[1]);
    reserve(g.initializers, fields[5]);
    reserve(g.sparse_initializers, fields[15]);
    reserve(g.inputs, fields[11]);
    reserve(g.outputs, fields[12]);
    reserve(g.values, fields[13]);
    for (Wire w(message, "a graph"); w.next();) switch (w.field()) {
        case 1: g.nodes.push_back(node(w.bytes(), g.nodes.size())); break;
        case 2: g.name = w.name(); break;
        case 5: {
          const Bytes bytes = w.bytes();
          g.initializers.push_back(at("initializer", g.initializers.size(), [&] { return tensor(bytes); }));
          break;
        }
        case 11: g.inputs.push_back(value_info(w.bytes())); break;
        case 12: g.outputs.push_back(value_info(w.bytes())); break;
        case 13: g.values.push_back(value_info(w.bytes())); break;
        case 15: g.sparse_initializers.push_back(sparse(w.bytes())); break;
        default: w.skip();
      }
    --depth_;
    return g;
  }

  FunctionView function(Bytes message, size_t index) {
    return at("function", index, [&] { return function(message); });
  }

  FunctionView function(Bytes message) {
    FunctionView f;
    const auto fields = Wire::count(message, "a function");
    reserve(f.inputs, fields[4]);
    reserve(f.outputs, fields[5]);
    reserve(f.attributes, fields[6]);
    reserve(f.nodes, fields[7]);
    reserve(f.opsets, fields[9]);
    reserve(f.defaults, fields[11]);
    for (Wire w(message, "a function"); w.next();) switch (w.field()) {
        case 1: f.name = w.name(); break;
        case 4: f.inputs.push_back(w.name()); break;
        case 5: f.outputs.push_back(w.name()); break;
        case 6: f.attributes.push_back(w.name()); break;
        case 7: f.nodes.push_back(node(w.bytes(), f.nodes.size())); break;
        case 9: f.opsets.push_back(opset(w.bytes())); break;
        case 10: f.domain = w.name(); break;
        case 11: f.defaults.push_back(attribute(w.bytes())); break;
        case 13: f.overload = w.name(); break;
        default: w.skip();
      }
    return f;
  }

  const LoadLimits& limits_;
  int64_t room_;
  const int64_t depth_most_;
  int64_t nodes_ = 0, tensors_ = 0, depth_ = 0;
};

}  // namespace

const AttributeView* NodeView::find(std::string_view attribute) const {
  const auto found = std::find_if(attributes.begin(), attributes.end(), [&](const AttributeView& a) { return a.name == attribute; });
  return found == attributes.end() ? nullptr : &*found;
}

Model parse_model(Bytes bytes, const LoadLimits& limits) {
  if (static_cast<int64_t>(bytes.size()) > limits.bytes)
    throw Error(Code::limit, "the file has more than " + std::to_string(limits.bytes) + " bytes (limit bytes)");
  if (bytes.empty()) throw Error(Code::bad_model, "the file is empty");
  return Parser(bytes, limits).model(bytes);
}

TensorView parse_tensor(Bytes bytes) {
  const LoadLimits limits;
  return Parser(bytes, limits).tensor(bytes);
}

TypeView parse_type(Bytes bytes) {
  const LoadLimits limits;
  return Parser(bytes, limits).type(bytes);
}

}  // namespace tenon::onnx
