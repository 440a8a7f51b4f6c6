#include "formats/onnx/writer.h"

#include <protozero/pbf_writer.hpp>

namespace tenon::onnx {
namespace {

using protozero::pbf_writer;

protozero::data_view view(std::string_view s) { return {s.data(), s.size()}; }

// Field numbers are those of onnx.proto. A message is written into a string of its own and then into the one around it.
template <class F>
std::string message(F fill) {
  std::string out;
  pbf_writer w(out);
  fill(w);
  return out;
}

void text(pbf_writer& w, uint32_t field, std::string_view s) {
  if (!s.empty()) w.add_bytes(field, view(s));
}

template <class List>
void texts(pbf_writer& w, uint32_t field, const List& list) {
  for (std::string_view s : list) w.add_bytes(field, view(s));
}

template <class List, class F>
void messages(pbf_writer& w, uint32_t field, const List& list, F written) {
  for (const auto& item : list) w.add_message(field, written(item));
}

std::string entry(const std::pair<std::string_view, std::string_view>& e) {
  return message([&](pbf_writer& w) {
    w.add_bytes(1, view(e.first));
    w.add_bytes(2, view(e.second));
  });
}

std::string opset(const OpsetView& o) {
  return message([&](pbf_writer& w) {
    text(w, 1, o.domain);
    w.add_int64(2, o.version);
  });
}

std::string tensor_type(const TypeView& t) {
  return message([&](pbf_writer& w) {
    w.add_int32(1, t.element);
    if (!t.has_shape) return;
    w.add_message(2, message([&](pbf_writer& shape) {
                    messages(shape, 1, t.shape, [](const TypeView::Dimension& d) {
                      return message([&](pbf_writer& dim) {
                        if (d.value) dim.add_int64(1, *d.value);
                        text(dim, 2, d.symbol);
                      });
                    });
                  }));
  });
}

std::string value_info(const ValueInfoView& v) {
  return message([&](pbf_writer& w) {
    text(w, 1, v.name);
    if (v.type.kind != TypeView::none) w.add_message(2, write_type(v.type));
  });
}

std::string sparse(const SparseTensorView& s) {
  return message([&](pbf_writer& w) {
    w.add_message(1, write_tensor(s.values));
    w.add_message(2, write_tensor(s.indices));
    w.add_packed_int64(3, s.dims.begin(), s.dims.end());
  });
}

std::string graph(const GraphView& g);

std::string attribute(const AttributeView& a) {
  return message([&](pbf_writer& w) {
    text(w, 1, a.name);
    text(w, 21, a.reference);
    w.add_int32(20, a.type);
    using A = AttributeView;
    switch (a.type) {
      case A::kFloat: w.add_float(2, a.f); break;
      case A::kInt: w.add_int64(3, a.i); break;
      case A::kString: w.add_bytes(4, view(a.s)); break;
      case A::kFloats: w.add_packed_float(7, a.floats.begin(), a.floats.end()); break;
      case A::kInts: w.add_packed_int64(8, a.ints.begin(), a.ints.end()); break;
      case A::kStrings: texts(w, 9, a.strings); break;
      case A::kTensor: messages(w, 5, a.tensors, write_tensor); break;
      case A::kTensors: messages(w, 10, a.tensors, write_tensor); break;
      case A::kGraph: messages(w, 6, a.graphs, graph); break;
      case A::kGraphs: messages(w, 11, a.graphs, graph); break;
      case A::kSparse: messages(w, 22, a.sparse, sparse); break;
      case A::kSparses: messages(w, 23, a.sparse, sparse); break;
      case A::kType: messages(w, 14, a.types, write_type); break;
      case A::kTypes: messages(w, 15, a.types, write_type); break;
      default: break;
    }
  });
}

std::string node(const NodeView& n) {
  return message([&](pbf_writer& w) {
    texts(w, 1, n.inputs);
    texts(w, 2, n.outputs);
    text(w, 3, n.name);
    text(w, 4, n.op);
    messages(w, 5, n.attributes, attribute);
    text(w, 7, n.domain);
    text(w, 8, n.overload);
  });
}

std::string graph(const GraphView& g) {
  return message([&](pbf_writer& w) {
    messages(w, 1, g.nodes, node);
    text(w, 2, g.name);
    messages(w, 5, g.initializers, write_tensor);
    messages(w, 11, g.inputs, value_info);
    messages(w, 12, g.outputs, value_info);
    messages(w, 13, g.values, value_info);
    messages(w, 15, g.sparse_initializers, sparse);
  });
}

std::string function(const FunctionView& f) {
  return message([&](pbf_writer& w) {
    text(w, 1, f.name);
    texts(w, 4, f.inputs);
    texts(w, 5, f.outputs);
    texts(w, 6, f.attributes);
    messages(w, 7, f.nodes, node);
    messages(w, 9, f.opsets, opset);
    text(w, 10, f.domain);
    messages(w, 11, f.defaults, attribute);
    text(w, 13, f.overload);
  });
}

}  // namespace

std::string write_model(const Model& m) {
  return message([&](pbf_writer& w) {
    w.add_int64(1, m.ir_version);
    text(w, 2, m.producer);
    text(w, 3, m.producer_version);
    w.add_message(7, graph(m.graph));
    messages(w, 8, m.opsets, opset);
    messages(w, 14, m.metadata, entry);
    messages(w, 25, m.functions, function);
  });
}

std::string write_tensor(const TensorView& t) {
  if (!t.message.empty()) return std::string(t.message);
  return message([&](pbf_writer& w) {
    w.add_packed_int64(1, t.dims.begin(), t.dims.end());
    w.add_int32(2, t.data_type);
    text(w, 8, t.name);
    if (t.has_raw) w.add_bytes(9, view(t.raw));
    messages(w, 13, t.external_data, entry);
    if (t.external) w.add_enum(14, 1);
  });
}

std::string write_type(const TypeView& t) {
  return message([&](pbf_writer& w) {
    switch (t.kind) {
      case TypeView::tensor: w.add_message(1, tensor_type(t)); break;
      case TypeView::sparse: w.add_message(8, tensor_type(t)); break;
      case TypeView::map:
        w.add_message(5, message([&](pbf_writer& map) {
                        map.add_int32(1, t.element);
                        messages(map, 2, t.inner, write_type);
                      }));
        break;
      case TypeView::sequence:
      case TypeView::optional:
        w.add_message(t.kind == TypeView::sequence ? 4 : 9, message([&](pbf_writer& inner) { messages(inner, 1, t.inner, write_type); }));
        break;
      case TypeView::none: break;
    }
  });
}

}  // namespace tenon::onnx
