#include "formats/onnx/import.h"

#include <algorithm>

#include "formats/onnx/importer.h"

namespace tenon::onnx {
namespace {

// Writes ONNX attributes into the fields of their names.
class Reader : public FieldVisitor {
 public:
  Reader(const NodeView& node, std::vector<bool>& taken) : node_(node), taken_(taken) {}

  void operator()(const char* name, bool& v) override {
    if (const AttributeView* a = take(name, AttributeView::kInt)) v = a->i != 0;
  }
  void operator()(const char* name, int64_t& v) override {
    if (const AttributeView* a = take(name, AttributeView::kInt)) v = a->i;
  }
  void operator()(const char* name, float& v) override {
    if (const AttributeView* a = take(name, AttributeView::kFloat)) v = a->f;
  }
  void operator()(const char* name, std::string& v) override {
    if (const AttributeView* a = take(name, AttributeView::kString)) v = a->s;
  }
  void operator()(const char* name, std::vector<int64_t>& v) override {
    if (const AttributeView* a = take(name, AttributeView::kInts)) v = a->ints;
  }
  void operator()(const char* name, std::vector<float>& v) override {
    if (const AttributeView* a = take(name, AttributeView::kFloats)) v = a->floats;
  }
  void operator()(const char* name, std::vector<std::string>& v) override {
    if (const AttributeView* a = take(name, AttributeView::kStrings)) v.assign(a->strings.begin(), a->strings.end());
  }
  void operator()(const char* name, DType& v) override {
    if (const AttributeView* a = take(name, AttributeView::kInt)) v = dtype_of(static_cast<int32_t>(std::clamp<int64_t>(a->i, 0, INT32_MAX)));
  }
  void choice(const char* name, int& v, const char* const* words, int count) override {
    const AttributeView* a = take(name, AttributeView::kString);
    if (!a) return;
    std::string list;
    for (int i = 0; i < count; ++i) {
      if (a->s == words[i]) {
        v = i;
        return;
      }
      list += std::string(i ? ", " : "") + words[i];
    }
    throw Error(Code::bad_model, "attribute " + std::string(name) + " is \"" + printable(a->s) + "\"; it is one of " + list);
  }

  // The attribute, marked as taken; null when absent. Throws when it has another type.
  const AttributeView* take(std::string_view name, int32_t type) {
    for (size_t i = 0; i < node_.attributes.size(); ++i) {
      const AttributeView& a = node_.attributes[i];
      if (a.name != name) continue;
      if (taken_[i] && seen_twice(i)) throw Error(Code::bad_model, "attribute " + printable(name) + " is given twice");
      taken_[i] = true;
      // An empty list may come with the type of any list.
      const bool empty_list =
          a.ints.empty() && a.floats.empty() && a.strings.empty() && type >= AttributeView::kFloats && a.type >= AttributeView::kFloats;
      if (a.type != type && !empty_list)
        throw Error(Code::bad_model, "attribute " + printable(name) + " has type " + std::to_string(a.type) + ", not " + std::to_string(type));
      return &a;
    }
    return nullptr;
  }

 private:
  bool seen_twice(size_t i) const {
    return std::count_if(node_.attributes.begin(), node_.attributes.end(),
                         [&](const AttributeView& a) { return a.name == node_.attributes[i].name; }) > 1;
  }

  const NodeView& node_;
  std::vector<bool>& taken_;
};

}  // namespace

Import::Import(Importer& importer, Graph& graph, const NodeView& node, int opset, std::vector<ValueId> in)
    : node(node), opset(opset), in(std::move(in)), importer_(importer), graph_(graph), taken_(node.attributes.size()) {}

int Import::outputs() const {
  int n = static_cast<int>(node.outputs.size());
  while (n > 1 && node.outputs[static_cast<size_t>(n - 1)].empty()) --n;
  return n;
}

bool Import::wants(int output) const { return output < static_cast<int>(node.outputs.size()) && !node.outputs[static_cast<size_t>(output)].empty(); }

void Import::read(Attributes& attributes) const {
  Reader r(node, taken_);
  attributes.visit(r);
}

bool Import::find(std::string_view name) const { return node.find(name) != nullptr; }

int64_t Import::integer(std::string_view name, int64_t absent) const {
  const AttributeView* a = Reader(node, taken_).take(name, AttributeView::kInt);
  return a ? a->i : absent;
}
float Import::real(std::string_view name, float absent) const {
  const AttributeView* a = Reader(node, taken_).take(name, AttributeView::kFloat);
  return a ? a->f : absent;
}
std::string Import::text(std::string_view name, std::string_view absent) const {
  const AttributeView* a = Reader(node, taken_).take(name, AttributeView::kString);
  return std::string(a ? a->s : absent);
}
std::vector<int64_t> Import::integers(std::string_view name) const {
  const AttributeView* a = Reader(node, taken_).take(name, AttributeView::kInts);
  return a ? a->ints : std::vector<int64_t>{};
}
std::vector<float> Import::reals(std::string_view name) const {
  const AttributeView* a = Reader(node, taken_).take(name, AttributeView::kFloats);
  return a ? a->floats : std::vector<float>{};
}
std::vector<std::string> Import::texts(std::string_view name) const {
  const AttributeView* a = Reader(node, taken_).take(name, AttributeView::kStrings);
  return a ? std::vector<std::string>(a->strings.begin(), a->strings.end()) : std::vector<std::string>{};
}
DType Import::dtype(std::string_view name, DType absent) const {
  const AttributeView* a = Reader(node, taken_).take(name, AttributeView::kInt);
  return a ? dtype_of(static_cast<int32_t>(std::clamp<int64_t>(a->i, 0, INT32_MAX))) : absent;
}
ValueId Import::tensor(std::string_view name) const {
  if (const AttributeView* a = node.find(name); a && a->type == AttributeView::kSparse) {
    Reader(node, taken_).take(name, AttributeView::kSparse);
    if (a->sparse.size() != 1) throw Error(Code::bad_model, "attribute " + printable(name) + " holds no sparse tensor");
    return importer_.sparse_constant(graph_, a->sparse[0], "");
  }
  const AttributeView* a = Reader(node, taken_).take(name, AttributeView::kTensor);
  if (!a) return kNone;
  if (a->tensors.size() != 1) throw Error(Code::bad_model, "attribute " + printable(name) + " holds no tensor");
  return importer_.constant(graph_, a->tensors[0], "");
}
std::shared_ptr<Graph> Import::graph_attribute(std::string_view name, const std::vector<Type>& inputs, std::vector<ValueId>& captures) const {
  const AttributeView* a = Reader(node, taken_).take(name, AttributeView::kGraph);
  if (!a || a->graphs.size() != 1) throw Error(Code::bad_model, "attribute " + printable(name) + " holds no graph");
  return importer_.subgraph(*importer_.current_, a->graphs[0], inputs, captures);
}
std::vector<ValueId> Import::inlined(std::string_view name, const std::vector<ValueId>& inputs) const {
  const AttributeView* a = Reader(node, taken_).take(name, AttributeView::kGraph);
  if (!a || a->graphs.size() != 1) throw Error(Code::bad_model, "attribute " + printable(name) + " holds no graph");
  return importer_.inlined(*importer_.current_, a->graphs[0], inputs);
}
void Import::ignore(std::string_view name) const {
  for (size_t i = 0; i < node.attributes.size(); ++i)
    if (node.attributes[i].name == name) taken_[i] = true;
}

const Type& Import::type(int i) const {
  if (!has(i)) throw Error(Code::bad_model, "input " + std::to_string(i) + " is missing");
  return graph_.values[in[static_cast<size_t>(i)]].type;
}

std::optional<std::vector<int64_t>> Import::numbers(int i) const {
  if (!has(i)) return std::nullopt;
  const std::vector<Dim>* c = graph_.content(in[static_cast<size_t>(i)]);
  if (!c) return std::nullopt;
  std::vector<int64_t> out;
  for (Dim d : *c) {
    if (!d.known()) return std::nullopt;
    out.push_back(d.number());
  }
  return out;
}

ValueId Import::emit(std::string_view op, Attributes attributes, std::vector<ValueId> inputs) const {
  return emit(op, std::move(attributes), std::move(inputs), 1)[0];
}

Values Import::emit(std::string_view op, Attributes attributes, std::vector<ValueId> inputs, int outputs) const {
  const Op* found = op_named(op);
  TENON_ASSERT(found);
  return tenon::emit(graph_, *found, std::move(attributes), std::move(inputs), outputs);
}

ValueId Import::scalar(double value, DType type) const {
  if (type == DType::string) throw Error(Code::bad_model, "an input is a tensor of strings, expected numbers or bool");
  char storage[16] = {};
  store_cell(type, storage, 0, cell_of(type, value));
  Type t;
  t.dtype = type;
  return graph_.add_constant("", t, storage);
}

ValueId Import::constant(const std::vector<int64_t>& values) const { return graph_.add_integers(values); }

void Import::refuse(const std::string& what) const { throw Error(Code::not_supported, what); }

}  // namespace tenon::onnx
