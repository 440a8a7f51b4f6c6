#include "formats/onnx/importer.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/wipe.h"
#include "formats/onnx/external.h"
#include "formats/onnx/import_tables.h"
#include "formats/onnx/kept_source.h"
#include "formats/onnx/known_attributes.h"
#include "formats/onnx/order.h"
#include "formats/onnx/split.h"

namespace tenon::onnx {
namespace {

constexpr int64_t kNewestOpset = 28;
constexpr int64_t kNewestIr = 14;       // of onnx.proto as it is read here
constexpr size_t kMostNotes = 64;       // a file may have any number of oddities
constexpr int64_t kSmall = 64 << 10;  // constants up to this size may be looked at while planning

// The name of an axis whose size is no number: its own, or that of the input and the axis.
std::string symbol_of(const ValueInfoView& v, size_t axis) {
  const std::string_view own = axis < v.type.shape.size() ? v.type.shape[axis].symbol : std::string_view();
  return own.empty() ? printable(v.name) + "." + std::to_string(axis) : printable(own);
}

// The rows of all tables by operator, newest first.
const ImportRow* row_of(std::string_view domain, std::string_view op, int64_t opset) {
  using Key = std::pair<std::string_view, std::string_view>;
  static const std::map<Key, std::vector<const ImportRow*>> index = [] {
    std::map<Key, std::vector<const ImportRow*>> m;
    for (ImportTable table : import_tables())
      for (const ImportRow& row : table) m[{row.domain, row.op}].push_back(&row);
    for (auto& [key, rows] : m) std::sort(rows.begin(), rows.end(), [](auto* a, auto* b) { return a->since > b->since; });
    return m;
  }();
  const auto found = index.find({domain, op});
  if (found == index.end()) return nullptr;
  for (const ImportRow* row : found->second)
    if (row->since <= opset) return row;
  return found->second.back();
}

}  // namespace

std::string place(const NodeView& n, int64_t opset) {
  std::string out = "node ";
  if (!n.name.empty()) out += "\"" + printable(n.name) + "\" ";
  else if (!n.outputs.empty()) out += "that gives \"" + printable(n.outputs[0]) + "\" ";
  out += "(" + printable(n.op);
  if (!domain_of(n.domain).empty()) out += " of " + printable(n.domain);
  return out + ", opset " + std::to_string(opset) + ")";
}

Importer::Importer(std::shared_ptr<const WeightSource> bytes, std::string folder, const ReadOptions& options)
    : bytes_(std::move(bytes)), folder_(std::move(folder)), options_(options) {
  if (bytes_->bytes() > options.limits.bytes)
    throw Error(Code::limit, "the file has more than " + std::to_string(options.limits.bytes) + " bytes (limit bytes)");
  const auto* data = static_cast<const char*>(bytes_->view(0, bytes_->bytes()));
  model_ = parse_model({data, static_cast<size_t>(bytes_->bytes())}, options.limits);
}

int64_t Importer::opset(std::string_view domain) const {
  const auto found = opsets_.find(domain_of(domain));
  if (found != opsets_.end()) return found->second;
  return 1;
}

ReadModel Importer::read() {
  for (const OpsetView& o : model_.opsets) {
    // Of a domain that is imported repeatedly the last version counts, as with ONNX Runtime.
    const auto [at, fresh] = opsets_.emplace(domain_of(o.domain), o.version);
    if (const int64_t before = std::exchange(at->second, o.version); before != o.version)
      note("domain \"" + printable(o.domain) + "\" is imported as version " + std::to_string(before) + " and as " + std::to_string(o.version) +
           "; the last one counts");
    if (o.version < 1)
      throw Error(Code::bad_model, "opset " + std::to_string(o.version) + " of domain \"" + printable(o.domain) + "\"; opsets start at 1");
    if (domain_of(o.domain).empty() && o.version > kNewestOpset)
      throw Error(Code::not_supported, "opset " + std::to_string(o.version) + " of domain ai.onnx; Tenon reads 1 to " + std::to_string(kNewestOpset));
  }
  if (!model_.opsets.empty() && !opsets_.count("") && model_.ir_version >= 3) opsets_[""] = 1;
  if (model_.ir_version > kNewestIr)
    note("IR version " + std::to_string(model_.ir_version) + " is newer than " + std::to_string(kNewestIr) +
         ", the newest that this release of Tenon knows; what is new in the file may be overlooked");
  functions_.set(model_, options_.limits);
  if (model_.graph.nodes.empty() && model_.graph.outputs.empty()) throw Error(Code::bad_model, "this is no ONNX model: it has no graph");
  ReadModel out;
  Graph& g = out.graph;
  g.name = printable(model_.graph.name);
  *g.extents = Extents(options_.limits);
  Scope scope(g, nullptr);
  initializers(scope, model_.graph);
  inputs(scope, model_.graph);
  if (!options_.ports_only) nodes(scope, model_.graph.nodes);
  for (const ValueInfoView& v : model_.graph.outputs) {
    if (options_.ports_only) define(scope, v.name, g.add_value({std::string(v.name), type(v, g), kNone, {}, nullptr}));
    ValueId id = find(scope, v.name);
    // The name that callers use is the output's. An operator may give its input as it is, or one value under two names.
    const auto holds = [&](const std::vector<ValueId>& list) { return std::find(list.begin(), list.end(), id) != list.end(); };
    if (g.values[id].name != v.name && (holds(g.inputs) || holds(g.outputs))) id = emit(g, ops::identity, None{}, {id})[0];
    if (g.values[id].name != v.name) g.values[id].name = v.name;
    g.outputs.push_back(id);
    if (!options_.ports_only) compare_declared("output", v, g, id);
  }
  for (const ValueInfoView& v : model_.graph.values)
    if (const auto found = scope.names.find(v.name); found != scope.names.end() && found->second != kNone)
      compare_declared("value", v, g, found->second);
  if (g.outputs.empty()) throw Error(Code::bad_model, "the model has no outputs");
  out.nodes = static_cast<int>(model_.graph.nodes.size());
  out.format = "ONNX, opset " + std::to_string(opset(""));
  for (const auto& [key, value] : model_.metadata) out.metadata.emplace_back(key, value);
  if (!model_.producer.empty())
    out.format += ", made by " + printable(model_.producer) + (model_.producer_version.empty() ? "" : " " + printable(model_.producer_version));
  out.notes = std::move(notes_);
  return out;
}

void Importer::note(std::string text) {
  if (notes_.size() < kMostNotes && std::find(notes_.begin(), notes_.end(), text) == notes_.end()) notes_.push_back(std::move(text));
}

// A type that the file declares for a result is compared and not trusted.
void Importer::compare_declared(const char* what, const ValueInfoView& v, const Graph& g, ValueId id) {
  const Type& own = g.values[id].type;
  if (v.type.kind != TypeView::tensor || own.container != Container::tensor || own.items != Items::shaped) return;
  const auto is_other = [&](size_t axis) {
    const std::optional<int64_t>& declared = v.type.shape[axis].value;
    const Dim inferred = own.shape[static_cast<int>(axis)];
    return declared && *declared > 0 && inferred.known() && inferred.number() != *declared;
  };
  bool differs = v.type.element != 0 && v.type.element != data_type_of(own.expressed());
  if (v.type.has_shape) {
    const size_t rank = v.type.shape.size();
    differs |= rank != static_cast<size_t>(own.shape.rank());
    for (size_t i = 0; !differs && i < rank; ++i) differs = is_other(i);
  }
  if (!differs) return;
  std::string declared = v.type.element ? "element type " + std::to_string(v.type.element) + " " : "";
  if (v.type.has_shape) {
    declared += "[";
    for (size_t i = 0; i < v.type.shape.size(); ++i) {
      const TypeView::Dimension& d = v.type.shape[i];
      declared += (i ? ", " : "") + (d.value ? std::to_string(*d.value) : d.symbol.empty() ? "?" : printable(d.symbol));
    }
    declared += "]";
  }
  note(std::string(what) + " \"" + printable(v.name) + "\" is declared as " + declared + " and is " + text(own, *g.extents));
}

Type Importer::type(const ValueInfoView& v, Graph& g) {
  const TypeView* t = &v.type;
  Type out;
  // Of an output the file may tell nothing.
  if (options_.ports_only && t->kind == TypeView::none) {
    out.items = Items::any;
    return out;
  }
  if (t->kind == TypeView::optional) out.container = Container::optional, t = &t->inner[0];
  if (t->kind == TypeView::sequence) {
    out.container = out.container == Container::optional ? Container::optional_sequence : Container::sequence;
    t = &t->inner[0];
  }
  if (t->kind == TypeView::map && (out.container == Container::tensor || out.container == Container::sequence)) {
    out.container = out.container == Container::tensor ? Container::map : Container::map_sequence;
    out.key = dtype_of(t->element);
    t = &t->inner[0];
    if (t->kind == TypeView::tensor) out.dtype = dtype_of(t->element), out.items = Items::any;
    if (t->kind != TypeView::tensor || (out.key != DType::s64 && out.key != DType::string))
      throw Error(Code::not_supported, "\"" + printable(v.name) + "\" is a map of another kind than from int64 or string to a number or string");
    return out;
  }
  if (t->kind != TypeView::tensor)
    throw Error(Code::not_supported, "\"" + printable(v.name) + "\" is no tensor, sequence or optional of tensors, map or sequence of maps");
  out.dtype = dtype_of(t->element);
  if (out.container != Container::tensor) {
    if (!t->has_shape) out.items = Items::any;
    // Every item has its own sizes, whatever their names.
    else
      for (const TypeView::Dimension& d : t->shape) out.shape.push(d.value && *d.value >= 0 ? Dim(*d.value) : g.extents->data(-1));
    return out;
  }
  std::vector<TypeView::Dimension> shape = t->shape;
  if (!t->has_shape) {
    const auto rank = options_.ranks.find(std::string(v.name));
    if (rank == options_.ranks.end()) {
      if (!options_.ports_only)
        throw NeedsSizes(Code::not_supported, "input \"" + printable(v.name) + "\" has no shape: its rank is known when the model runs");
      out.items = Items::any;
      return out;
    }
    shape.resize(static_cast<size_t>(rank->second));
  }
  for (size_t i = 0; i < shape.size(); ++i) {
    const TypeView::Dimension& d = shape[i];
    if (d.value && *d.value >= 0) {
      if (*d.value > options_.limits.elements)
        throw Error(Code::limit, "input \"" + printable(v.name) + "\" has an axis of " + std::to_string(*d.value) + " elements (limit elements)");
      out.shape.push(*d.value);
      continue;
    }
    const std::string symbol = symbol_of(v, i);
    const auto fixed = options_.dims.find(symbol);
    if (fixed != options_.dims.end()) out.shape.push(fixed->second);
    else out.shape.push(g.extents->symbol(symbol));
  }
  return out;
}

// Refuses a size given by name that no input has.
void Importer::expect_dims(const GraphView& g) const {
  std::set<std::string> symbols;
  for (const ValueInfoView& v : g.inputs) {
    const std::vector<TypeView::Dimension>& shape = v.type.shape;
    const auto rank = options_.ranks.find(std::string(v.name));
    const size_t axes = rank == options_.ranks.end() ? shape.size() : static_cast<size_t>(rank->second);
    for (size_t i = 0; i < axes; ++i)
      if (i >= shape.size() || shape[i].value.value_or(-1) < 0) symbols.insert(symbol_of(v, i));
  }
  for (const auto& [name, size] : options_.dims) {
    if (symbols.count(name)) continue;
    std::string list;
    for (const std::string& s : symbols) list += (list.empty() ? "" : ", ") + s;
    throw Error(Code::bad_usage, "no input has a symbolic size \"" + printable(name) + "\" that could be given; " +
                                     (list.empty() ? "all sizes of inputs are numbers" : "there are " + list));
  }
}

void Importer::inputs(Scope& s, const GraphView& g) {
  if (!s.outside) expect_dims(g);
  for (const ValueInfoView& v : g.inputs) {
    // Until IR version 4 weights are listed as inputs too.
    if (s.names.count(v.name)) continue;
    const std::string name(v.name);
    if (const auto fixed = options_.fixed_inputs.find(name); fixed != options_.fixed_inputs.end()) {
      Type t;
      t.dtype = fixed->second.dtype;
      for (int64_t d : fixed->second.shape) t.shape.push(d);
      define(s, v.name, s.graph.add_constant(name, t, fixed->second.data));
      continue;
    }
    define(s, v.name, s.graph.add_input(name, type(v, s.graph)));
  }
  for (const auto& [name, tensor] : options_.fixed_inputs)
    if (!s.outside && !s.names.count(name)) throw Error(Code::bad_usage, "the model has no input \"" + printable(name) + "\" to be fixed");
}

// Data that came from one place of a file may be those of several tensors, others belong to one: what is decoded stays bounded by the file.
BlobReference Importer::blob(const TensorView& t) {
  const BlobReference r = blob_reference(t, options_.blobs->ranges.size());
  if (r.form == BlobReference::file) return r;
  const auto [owner, fresh] = owners_.try_emplace(r.index, t.message.data());
  if (!fresh && owner->second != t.message.data())
    throw Error(Code::bad_model, "two tensors have blob " + std::to_string(r.index) + " of the sealed model");
  return r;
}

// Whether the data of a tensor out of a container are typed fields, not storage.
bool Importer::holds_fields(const TensorView& t) { return options_.blobs && blob(t).form == BlobReference::fields; }

std::shared_ptr<const WeightSource> Importer::kept(const Range& r) {
  auto& source = kept_[r.offset];
  if (!source) source = make_kept_source(r.source, r.offset, r.bytes);
  return source;
}

Importer::Range Importer::external_range(const TensorView& t, int64_t bytes) {
  if (options_.blobs) {
    const Blobs::Range r = options_.blobs->ranges[blob(t).index];
    if (bytes >= 0 && r.bytes != bytes)
      throw Error(Code::bad_model, "its blob has " + std::to_string(r.bytes) + " bytes, its shape asks for " + std::to_string(bytes));
    return {options_.blobs->source, r.offset, r.bytes};
  }
  const ExternalData where = external_data(t, bytes);
  auto& file = files_[where.location];
  if (!file) file = open_external(folder_, where.location, {.follow_symlinks = options_.follow_symlinks});
  check_external(where, *file, bytes);
  return {file, where.offset, bytes};
}

TensorView Importer::with_own_data(const TensorView& t, std::vector<char>& memory) {
  if (!t.external) return t;
  const DType type = dtype_of(t.data_type);
  const bool fields = holds_fields(t);
  if (type == DType::string && !fields) throw Error(Code::bad_model, "a tensor of strings has external data");
  const Range r = external_range(t, fields ? -1 : storage_bytes(type, element_count(t, options_.limits)));
  memory.resize(static_cast<size_t>(r.bytes));
  r.source->read(r.offset, r.bytes, memory.data());
  TensorView own = t;
  own.external = false;
  own.external_data.clear();
  own.has_typed = fields;
  own.has_raw = !fields;
  (fields ? own.message : own.raw) = {memory.data(), memory.size()};
  return own;
}

ValueId Importer::constant(Graph& g, const TensorView& t, std::string name) {
  return within([&] { return "tensor \"" + printable(name) + "\""; },
                [&]() -> ValueId {
                  Type type;
                  type.dtype = dtype_of(t.data_type);
                  for (int64_t d : t.dims) {
                    if (!Dim(d).known()) throw Error(Code::bad_model, "a size of " + std::to_string(d));
                    type.shape.push(d);
                  }
                  const int64_t n = element_count(t, options_.limits);
                  if (type.dtype == DType::string) {
                    std::vector<char> memory;
                    const WipeAtEnd wipe(memory);
                    const TensorView own = with_own_data(t, memory);
                    auto strings = std::make_shared<std::vector<std::string>>();
                    for (std::string_view v : string_elements(own, options_.limits)) strings->emplace_back(v);
                    return g.add_constant(std::move(name), type, Constant{nullptr, 0, 0, std::move(strings)});
                  }
                  const int64_t bytes = storage_bytes(type.dtype, n);
                  if (t.external && type.dtype != DType::boolean && !holds_fields(t)) {
                    Range r = external_range(t, bytes);
                    if (options_.blobs && bytes <= kSmall) r = {kept(r), 0, bytes};
                    return g.add_constant(std::move(name), type, Constant{std::move(r.source), r.offset, bytes, nullptr});
                  }
                  if (t.external) {
                    std::vector<char> memory;
                    const WipeAtEnd wipe(memory);
                    std::vector<char> data = elements(with_own_data(t, memory), options_.limits);
                    const WipeAtEnd wipe_too(data);
                    return g.add_constant(std::move(name), type, data.data());
                  }
                  if (t.has_raw && !t.has_typed && type.dtype != DType::boolean) {
                    if (static_cast<int64_t>(t.raw.size()) != bytes)
                      throw Error(Code::bad_model, std::to_string(t.raw.size()) + " bytes, its shape asks for " + std::to_string(bytes));
                    const auto* base = static_cast<const char*>(bytes_->view(0, bytes_->bytes()));
                    // Elements are used in place where they lie on their own boundary.
                    const int64_t offset = t.raw.data() - base;
                    const bool aligned = reinterpret_cast<uintptr_t>(t.raw.data()) % static_cast<uintptr_t>(std::max(1, bits(type.dtype) / 8)) == 0;
                    if (aligned || bytes > kSmall) return g.add_constant(std::move(name), type, Constant{bytes_, offset, bytes, nullptr});
                    return g.add_constant(std::move(name), type, t.raw.data());
                  }
                  const std::vector<char> data = elements(t, options_.limits);
                  return g.add_constant(std::move(name), type, data.data());
                });
}

void Importer::initializers(Scope& s, const GraphView& g) {
  for (const TensorView& t : g.initializers) define(s, t.name, constant(s.graph, t, std::string(t.name)));
  for (const SparseTensorView& t : g.sparse_initializers) define(s, t.values.name, sparse_constant(s.graph, t, std::string(t.values.name)));
}

ValueId Importer::sparse_constant(Graph& g, const SparseTensorView& t, std::string name) {
  return within([&] { return "sparse tensor \"" + printable(name) + "\""; },
                [&] {
                  std::vector<char> values, indices;
                  const WipeAtEnd wipe(values);
                  std::vector<char> data = elements({with_own_data(t.values, values), with_own_data(t.indices, indices), t.dims}, options_.limits);
                  const WipeAtEnd wipe_too(data);
                  Type type;
                  type.dtype = dtype_of(t.values.data_type);
                  for (int64_t d : t.dims) type.shape.push(d);
                  return g.add_constant(std::move(name), type, data.data());
                });
}

void Importer::define(Scope& s, std::string_view name, ValueId v) {
  if (name.empty()) return;
  if (!s.names.emplace(name, v).second) throw Error(Code::bad_model, "the name \"" + printable(name) + "\" is given to two values");
  if (v != kNone && s.graph.values[v].name.empty()) s.graph.values[v].name = name;
}

ValueId Importer::lookup(Scope& s, std::string_view name) {
  if (const auto found = s.names.find(name); found != s.names.end()) return found->second;
  if (!s.outside) return kNone;
  const ValueId outer = lookup(*s.outside, name);
  return outer == kNone || s.same_graph ? outer : capture(s, outer);
}

ValueId Importer::capture(Scope& s, ValueId outer) {
  if (const auto found = s.captured.find(outer); found != s.captured.end()) return found->second;
  const Value& v = s.outside->graph.values[outer];
  ValueId own;
  if (v.constant) {
    own = s.graph.add_constant(v.name, v.type, *v.constant);
  } else {
    own = s.graph.add_input(v.name, v.type);
    s.graph.values[own].content = s.outside->graph.values[outer].content;
    s.captures.push_back(outer);
  }
  s.captured[outer] = own;
  return own;
}

ValueId Importer::find(Scope& s, std::string_view name) {
  const ValueId v = lookup(s, name);
  if (v == kNone) throw Error(Code::bad_model, "\"" + printable(name) + "\" is used before anything gives it a value");
  return v;
}

void Importer::check_limits() {
  if (++nodes_ > options_.limits.nodes) throw Error(Code::limit, "more than " + std::to_string(options_.limits.nodes) + " nodes (limit nodes)");
  if ((nodes_ & 63) == 0 && std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count() > options_.limits.seconds)
    throw Error(Code::limit, "loading takes longer than " + std::to_string(options_.limits.seconds) + " s (limit seconds)");
}

void Importer::nodes(Scope& s, std::span<const NodeView> list) {
  for (const NodeView* n : ordered(list)) {
    check_limits();
    within([&] { return place(*n, opset(n->domain)); }, [&] { node(s, *n); });
  }
}

void Importer::node(Scope& s, const NodeView& original) {
  // Attributes of a function body that refer to those of the call are replaced; one the call leaves out is left out.
  NodeView copy;
  const NodeView* n = &original;
  if (std::any_of(original.attributes.begin(), original.attributes.end(), [](const AttributeView& a) { return !a.reference.empty(); })) {
    if (!bindings_) throw Error(Code::bad_model, "an attribute refers to one of a function, but the node is in none");
    copy = original;
    copy.attributes.clear();
    for (const AttributeView& a : original.attributes) {
      if (a.reference.empty()) {
        copy.attributes.push_back(a);
      } else if (const auto bound = bindings_->find(a.reference); bound != bindings_->end()) {
        copy.attributes.push_back(*bound->second);
        copy.attributes.back().name = a.name;
      }
    }
    n = &copy;
  }
  std::vector<ValueId> in;
  for (std::string_view name : n->inputs) in.push_back(name.empty() ? kNone : find(s, name));
  while (!in.empty() && in.back() == kNone) in.pop_back();
  if (call(s, *n, in)) return;
  if (const ImportControl import = control(*n)) return (this->*import)(s, *n, in);
  const int64_t version = opset(n->domain);
  const ImportRow* row = row_of(domain_of(n->domain), n->op, version);
  if (!row) {
    std::string text = "operator " + printable(n->op);
    if (!domain_of(n->domain).empty()) text += " of domain " + printable(n->domain);
    throw Error(Code::not_supported, text + " is not supported");
  }
  Scope* const outer = current_;
  current_ = &s;
  const size_t first = s.graph.nodes.size(), first_guard = s.graph.guards->size();
  Import i(*this, s.graph, *n, static_cast<int>(version), std::move(in));
  const Values values = row->run(i);
  current_ = outer;
  for (size_t a = 0; a < n->attributes.size(); ++a)
    if (!i.taken_[a]) untaken(*n, n->attributes[a]);
  const std::string name = place(*n, version);
  for (size_t k = first; k < s.graph.nodes.size(); ++k)
    if (s.graph.nodes[k].name.empty()) s.graph.nodes[k].name = name;
  for (size_t k = first_guard; k < s.graph.guards->size(); ++k)
    if (Guard& g = (*s.graph.guards)[k]; g.place.empty()) g.place = name;
  for (size_t k = 0; k < n->outputs.size(); ++k) {
    if (n->outputs[k].empty()) continue;
    if (k >= values.size() || values[k] == kNone)
      throw Error(Code::not_supported, "output " + std::to_string(k) + " of " + printable(n->op) + " is not supported");
    define(s, n->outputs[k], values[k]);
  }
}

// What no version of an operator of the standard has means nothing to the standard, and a number names no code or file. Any other attribute
// changes the result.
void Importer::untaken(const NodeView& n, const AttributeView& a) {
  const bool number = a.type == AttributeView::kFloat || a.type == AttributeView::kInt || a.type == AttributeView::kFloats ||
                      a.type == AttributeView::kInts;
  if (!number || attribution(domain_of(n.domain), n.op, a.name) != Attribution::foreign)
    throw Error(Code::not_supported, "attribute " + printable(a.name) + " of " + printable(n.op) + " is not supported");
  note(place(n, opset(n.domain)) + ": no version of " + printable(n.op) + " has an attribute \"" + printable(a.name) + "\"; it is ignored");
}

bool Importer::call(Scope& s, const NodeView& n, const std::vector<ValueId>& in) {
  const FunctionView* found = functions_.find(n);
  if (!found) return false;
  const FunctionView& f = *found;
  if (in.size() > f.inputs.size())
    throw Error(Code::bad_model,
                "the function " + printable(f.name) + " takes " + std::to_string(f.inputs.size()) + " inputs, given " + std::to_string(in.size()));
  Scope inner(s.graph, nullptr);
  for (size_t i = 0; i < f.inputs.size(); ++i)
    if (i < in.size() && in[i] != kNone) inner.names.emplace(f.inputs[i], in[i]);
  Bindings bindings;
  for (const AttributeView& a : f.defaults) bindings[a.name] = &a;
  for (const AttributeView& a : n.attributes) bindings[a.name] = &a;
  const auto versions = opsets_;
  for (const OpsetView& o : f.opsets) opsets_[domain_of(o.domain)] = o.version;
  const Bindings* const outer = std::exchange(bindings_, &bindings);
  nodes(inner, f.nodes);
  bindings_ = outer;
  opsets_ = versions;
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    if (n.outputs[i].empty()) continue;
    if (i >= f.outputs.size())
      throw Error(Code::bad_model, "the function " + printable(f.name) + " has " + std::to_string(f.outputs.size()) + " outputs");
    define(s, n.outputs[i], find(inner, f.outputs[i]));
  }
  return true;
}

ReadModel read(std::shared_ptr<const WeightSource> bytes, const std::string& folder, const ReadOptions& options) {
  return Importer(std::move(bytes), folder, options).read();
}

}  // namespace tenon::onnx
