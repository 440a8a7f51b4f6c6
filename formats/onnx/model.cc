#include "formats/onnx/model.h"

#include <algorithm>
#include <cstring>
#include <protozero/pbf_reader.hpp>

#include "base/error.h"
#include "base/tensor.h"

namespace tenon::onnx {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

constexpr DType kTypes[] = {DType::none, DType::f32, DType::u8, DType::s8, DType::u16, DType::s16, DType::s32, DType::s64, DType::string,
                            DType::boolean, DType::f16, DType::f64, DType::u32, DType::u64, DType::c64, DType::c128, DType::bf16, DType::f8e4m3fn,
                            DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz, DType::u4, DType::s4, DType::f4e2m1, DType::f8e8m0, DType::u2, DType::s2};

class Parser {
 public:
  explicit Parser(const LoadLimits& limits) : limits_(limits) {}

  Model model(pbf_reader r) {
    Model m;
    while (r.next()) switch (r.tag()) {
        case 1: m.ir_version = integer(r); break;
        case 2: m.producer = text(r); break;
        case 3: m.producer_version = text(r); break;
        case 7: m.graph = graph(message(r)); break;
        case 8: m.opsets.push_back(opset(message(r))); break;
        case 25: m.functions.push_back(function(message(r))); break;
        default: r.skip();
      }
    return m;
  }

  TensorView tensor(pbf_reader r, Bytes whole) {
    TensorView t;
    t.message = whole;
    while (r.next()) switch (r.tag()) {
        case 1: integers(r, t.dims, 65); break;
        case 2: t.data_type = static_cast<int32_t>(integer(r)); break;
        case 8: t.name = text(r); break;
        case 9: t.raw = text(r), t.has_raw = true; break;
        case 13: {
          pbf_reader entry = message(r);
          std::pair<std::string_view, std::string_view> e;
          while (entry.next()) {
            if (entry.tag() == 1) e.first = text(entry);
            else if (entry.tag() == 2) e.second = text(entry);
            else entry.skip();
          }
          if (t.external_data.size() >= 16) throw Error(Code::bad_model, "a tensor with more than 16 entries of external data");
          t.external_data.push_back(e);
          break;
        }
        case 14: t.external = integer(r) == 1; break;
        case 4: case 5: case 6: case 7: case 10: case 11: t.has_typed = true; r.skip(); break;
        default: r.skip();
      }
    if (++tensors_ > limits_.tensors) throw Error(Code::limit, "more than " + std::to_string(limits_.tensors) + " tensors (limit tensors)");
    return t;
  }

  TypeView type(pbf_reader r, int depth = 0) {
    if (depth > limits_.depth) throw Error(Code::limit, "types nested more than " + std::to_string(limits_.depth) + " deep (limit depth)");
    TypeView t;
    while (r.next()) switch (r.tag()) {
        case 1: t = tensor_type(message(r)); break;
        case 4: case 9: {
          t.kind = r.tag() == 4 ? TypeView::sequence : TypeView::optional;
          pbf_reader inner = message(r);
          t.inner.assign(1, TypeView{});
          while (inner.next()) {
            if (inner.tag() == 1) t.inner[0] = type(message(inner), depth + 1);
            else inner.skip();
          }
          break;
        }
        case 5: t.kind = TypeView::map; r.skip(); break;
        case 8: t.kind = TypeView::sparse; r.skip(); break;
        default: r.skip();
      }
    return t;
  }

 private:
  // ---- scalars: the wire type must be that of the field
  static void expect(const pbf_reader& r, pbf_wire_type wire) {
    if (r.wire_type() != wire) throw Error(Code::bad_model, "field " + std::to_string(r.tag()) + " has the wrong wire type");
  }
  static int64_t integer(pbf_reader& r) {
    expect(r, pbf_wire_type::varint);
    return r.get_int64();
  }
  static std::string_view text(pbf_reader& r) {
    expect(r, pbf_wire_type::length_delimited);
    const protozero::data_view v = r.get_view();
    return {v.data(), v.size()};
  }
  static pbf_reader message(pbf_reader& r) {
    const std::string_view v = text(r);
    return pbf_reader(v.data(), v.size());
  }
  static void integers(pbf_reader& r, std::vector<int64_t>& out, size_t most = SIZE_MAX) {
    if (r.wire_type() == pbf_wire_type::varint) out.push_back(r.get_int64());
    else {
      expect(r, pbf_wire_type::length_delimited);
      for (int64_t v : r.get_packed_int64()) {
        if (out.size() >= most) throw Error(Code::bad_model, "a list of more than " + std::to_string(most) + " numbers where a shape belongs");
        out.push_back(v);
      }
    }
    if (out.size() > most) throw Error(Code::bad_model, "a list of more than " + std::to_string(most) + " numbers where a shape belongs");
  }
  static void floats(pbf_reader& r, std::vector<float>& out) {
    if (r.wire_type() == pbf_wire_type::fixed32) out.push_back(r.get_float());
    else {
      expect(r, pbf_wire_type::length_delimited);
      for (float v : r.get_packed_float()) out.push_back(v);
    }
  }

  static OpsetView opset(pbf_reader r) {
    OpsetView o;
    while (r.next()) switch (r.tag()) {
        case 1: o.domain = text(r); break;
        case 2: o.version = integer(r); break;
        default: r.skip();
      }
    return o;
  }

  static TypeView tensor_type(pbf_reader r) {
    TypeView t;
    t.kind = TypeView::tensor;
    while (r.next()) switch (r.tag()) {
        case 1: t.element = static_cast<int32_t>(integer(r)); break;
        case 2: {
          t.has_shape = true;
          t.shape.clear();
          pbf_reader shape = message(r);
          while (shape.next()) {
            if (shape.tag() != 1) {
              shape.skip();
              continue;
            }
            if (t.shape.size() >= 64) throw Error(Code::bad_model, "a type of more than 64 dimensions");
            pbf_reader d = message(shape);
            TypeView::Dimension dim;
            while (d.next()) switch (d.tag()) {
                case 1: dim.value = integer(d); break;
                case 2: dim.symbol = text(d); break;
                default: d.skip();
              }
            t.shape.push_back(dim);
          }
          break;
        }
        default: r.skip();
      }
    return t;
  }

  ValueInfoView value_info(pbf_reader r) {
    ValueInfoView v;
    while (r.next()) switch (r.tag()) {
        case 1: v.name = text(r); break;
        case 2: v.type = type(message(r)); break;
        default: r.skip();
      }
    return v;
  }

  SparseTensorView sparse(pbf_reader r) {
    SparseTensorView s;
    while (r.next()) switch (r.tag()) {
        case 1: s.values = tensor(r); break;
        case 2: s.indices = tensor(r); break;
        case 3: integers(r, s.dims, 65); break;
        default: r.skip();
      }
    return s;
  }

  // The field that r stands on.
  TensorView tensor(pbf_reader& r) {
    const std::string_view v = text(r);
    return tensor(pbf_reader(v.data(), v.size()), v);
  }

  AttributeView attribute(pbf_reader r) {
    AttributeView a;
    while (r.next()) switch (r.tag()) {
        case 1: a.name = text(r); break;
        case 2: expect(r, pbf_wire_type::fixed32), a.f = r.get_float(); break;
        case 3: a.i = integer(r); break;
        case 4: a.s = text(r); break;
        case 5: case 10: a.tensors.push_back(tensor(r)); break;
        case 6: case 11: a.graphs.push_back(graph(message(r))); break;
        case 7: floats(r, a.floats); break;
        case 8: integers(r, a.ints); break;
        case 9: a.strings.push_back(text(r)); break;
        case 20: a.type = static_cast<int32_t>(integer(r)); break;
        case 21: a.reference = text(r); break;
        case 22: case 23: a.sparse.push_back(sparse(message(r))); break;
        default: r.skip();
      }
    // Files of IR version 1 leave the type out.
    if (!a.type && a.reference.empty()) {
      if (!a.tensors.empty()) a.type = AttributeView::kTensor;
      else if (!a.graphs.empty()) a.type = AttributeView::kGraph;
      else if (!a.floats.empty()) a.type = AttributeView::kFloats;
      else if (!a.ints.empty()) a.type = AttributeView::kInts;
      else if (!a.strings.empty()) a.type = AttributeView::kStrings;
      else if (!a.s.empty()) a.type = AttributeView::kString;
      else if (a.f != 0) a.type = AttributeView::kFloat;
      else a.type = AttributeView::kInt;
    }
    return a;
  }

  NodeView node(pbf_reader r) {
    if (++nodes_ > limits_.nodes) throw Error(Code::limit, "more than " + std::to_string(limits_.nodes) + " nodes (limit nodes)");
    NodeView n;
    while (r.next()) switch (r.tag()) {
        case 1: n.inputs.push_back(text(r)); break;
        case 2: n.outputs.push_back(text(r)); break;
        case 3: n.name = text(r); break;
        case 4: n.op = text(r); break;
        case 5: n.attributes.push_back(attribute(message(r))); break;
        case 7: n.domain = text(r); break;
        case 8: n.overload = text(r); break;
        default: r.skip();
      }
    return n;
  }

  GraphView graph(pbf_reader r) {
    if (++depth_ > limits_.depth) throw Error(Code::limit, "subgraphs nested more than " + std::to_string(limits_.depth) + " deep (limit depth)");
    GraphView g;
    while (r.next()) switch (r.tag()) {
        case 1: g.nodes.push_back(node(message(r))); break;
        case 2: g.name = text(r); break;
        case 5: g.initializers.push_back(tensor(r)); break;
        case 11: g.inputs.push_back(value_info(message(r))); break;
        case 12: g.outputs.push_back(value_info(message(r))); break;
        case 13: g.values.push_back(value_info(message(r))); break;
        case 15: g.sparse_initializers.push_back(sparse(message(r))); break;
        default: r.skip();
      }
    --depth_;
    return g;
  }

  FunctionView function(pbf_reader r) {
    FunctionView f;
    while (r.next()) switch (r.tag()) {
        case 1: f.name = text(r); break;
        case 4: f.inputs.push_back(text(r)); break;
        case 5: f.outputs.push_back(text(r)); break;
        case 6: f.attributes.push_back(text(r)); break;
        case 7: f.nodes.push_back(node(message(r))); break;
        case 9: f.opsets.push_back(opset(message(r))); break;
        case 10: f.domain = text(r); break;
        case 11: f.defaults.push_back(attribute(message(r))); break;
        case 13: f.overload = text(r); break;
        default: r.skip();
      }
    return f;
  }

  const LoadLimits& limits_;
  int64_t nodes_ = 0, tensors_ = 0, depth_ = 0;
};

template <class F>
auto guarded(F f) {
  try {
    return f();
  } catch (const protozero::exception& e) {
    throw Error(Code::bad_model, std::string("this is no ONNX file, or a damaged one: ") + e.what());
  }
}

int expected_field(DType t) {
  switch (t) {
    case DType::f32:
    case DType::c64: return 4;
    case DType::s64: return 7;
    case DType::string: return 6;
    case DType::f64:
    case DType::c128: return 10;
    case DType::u32:
    case DType::u64: return 11;
    default: return 5;
  }
}

[[noreturn]] void wrong_count(const TensorView& t, int64_t has, int64_t wants, const char* unit) {
  throw Error(Code::bad_model, "tensor \"" + printable(t.name) + "\" has " + std::to_string(has) + " " + unit + ", its shape asks for " + std::to_string(wants));
}

}  // namespace

const AttributeView* NodeView::find(std::string_view attribute) const {
  const auto found = std::find_if(attributes.begin(), attributes.end(), [&](const AttributeView& a) { return a.name == attribute; });
  return found == attributes.end() ? nullptr : &*found;
}

Model parse_model(Bytes bytes, const LoadLimits& limits) {
  if (static_cast<int64_t>(bytes.size()) > limits.bytes) throw Error(Code::limit, "the file has more than " + std::to_string(limits.bytes) + " bytes (limit bytes)");
  if (bytes.empty()) throw Error(Code::bad_model, "the file is empty");
  return guarded([&] { return Parser(limits).model(pbf_reader(bytes.data(), bytes.size())); });
}

TensorView parse_tensor(Bytes bytes) {
  const LoadLimits limits;
  return guarded([&] { return Parser(limits).tensor(pbf_reader(bytes.data(), bytes.size()), bytes); });
}

TypeView parse_type(Bytes bytes) {
  const LoadLimits limits;
  return guarded([&] { return Parser(limits).type(pbf_reader(bytes.data(), bytes.size())); });
}

DType dtype_of(int32_t n) {
  if (n <= 0) throw Error(Code::bad_model, "the element type " + std::to_string(n) + " is undefined");
  if (n >= static_cast<int32_t>(std::size(kTypes)))
    throw Error(Code::not_supported, "the element type " + std::to_string(n) + " is not supported; Tenon knows 1 to " + std::to_string(std::size(kTypes) - 1));
  return kTypes[n];
}

int32_t data_type_of(DType type) { return static_cast<int32_t>(std::find(std::begin(kTypes), std::end(kTypes), type) - kTypes); }

int64_t element_count(const TensorView& t, const LoadLimits& limits) {
  const int64_t n = tenon::element_count(t.dims.data(), static_cast<int>(t.dims.size()));
  if (n > limits.elements) throw Error(Code::limit, "a tensor of more than " + std::to_string(limits.elements) + " elements (limit elements)");
  return n;
}

std::vector<char> elements(const TensorView& t, const LoadLimits& limits) {
  const DType type = dtype_of(t.data_type);
  const int64_t n = element_count(t, limits), bytes = storage_bytes(type, n);
  if (type == DType::string) throw Error(Code::bad_model, "a tensor of strings where numbers belong");
  if (t.has_raw && t.has_typed && !t.raw.empty()) throw Error(Code::bad_model, "tensor \"" + printable(t.name) + "\" has both raw and typed data");
  if (t.has_raw) {
    if (static_cast<int64_t>(t.raw.size()) != bytes) wrong_count(t, static_cast<int64_t>(t.raw.size()), bytes, "bytes");
    return {t.raw.begin(), t.raw.end()};
  }
  // Elements of complex types are two numbers, those of sub-byte types come packed in bytes.
  const int wanted = expected_field(type);
  const bool packed = bits(type) < 8;
  const int64_t count = is_complex(type) ? 2 * n : packed ? bytes : n;
  // What the message can hold bounds what is allocated.
  if (count > static_cast<int64_t>(t.message.size())) wrong_count(t, static_cast<int64_t>(t.message.size()), count, "bytes of typed data at most");
  std::vector<char> out(static_cast<size_t>(bytes));
  int64_t at = 0;
  const auto put = [&](Cell c) {
    if (at >= count) wrong_count(t, at + 1, count, "elements");
    // Half and eighth floats are given as their bits.
    const int width = bits(type);
    if (is_real(type) && width <= 16 && !packed) {
      if (width == 16) {
        const uint16_t pattern = static_cast<uint16_t>(c.integer);
        std::memcpy(out.data() + 2 * at, &pattern, 2);
      } else {
        out[static_cast<size_t>(at)] = static_cast<char>(c.integer);
      }
    } else if (packed) {
      out[static_cast<size_t>(at)] = static_cast<char>(c.integer);
    } else {
      store_cell(type, out.data(), at, c);
    }
    ++at;
  };
  guarded([&] {
    pbf_reader r(t.message.data(), t.message.size());
    while (r.next()) {
      const int tag = static_cast<int>(r.tag());
      if (tag != wanted) {
        r.skip();
        continue;
      }
      const bool list = r.wire_type() == pbf_wire_type::length_delimited;
      switch (tag) {
        case 4:
          if (list) for (float v : r.get_packed_float()) put({.real = v});
          else put({.real = r.get_float()});
          break;
        case 10:
          if (list) for (double v : r.get_packed_double()) put({.real = v});
          else put({.real = r.get_double()});
          break;
        case 11:
          if (list) for (uint64_t v : r.get_packed_uint64()) put({.integer = static_cast<int64_t>(v)});
          else put({.integer = static_cast<int64_t>(r.get_uint64())});
          break;
        default:
          if (list) for (int64_t v : r.get_packed_int64()) put({.integer = v});
          else put({.integer = r.get_int64()});
      }
    }
    return 0;
  });
  if (at != count) wrong_count(t, at, count, "elements");
  return out;
}

std::vector<std::string_view> string_elements(const TensorView& t, const LoadLimits& limits) {
  const int64_t n = element_count(t, limits);
  if (t.has_raw) throw Error(Code::bad_model, "a tensor of strings has raw data");
  std::vector<std::string_view> out;
  guarded([&] {
    pbf_reader r(t.message.data(), t.message.size());
    while (r.next()) {
      if (r.tag() == 6 && r.wire_type() == pbf_wire_type::length_delimited) {
        const protozero::data_view v = r.get_view();
        out.emplace_back(v.data(), v.size());
      } else {
        r.skip();
      }
    }
    return 0;
  });
  if (static_cast<int64_t>(out.size()) != n) wrong_count(t, static_cast<int64_t>(out.size()), n, "strings");
  return out;
}

}  // namespace tenon::onnx
