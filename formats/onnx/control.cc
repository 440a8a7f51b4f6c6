// If, Loop, Scan and SequenceMap: bodies with what they capture.
#include <algorithm>

#include "formats/onnx/constants.h"
#include "formats/onnx/importer.h"
#include "ops/control.h"
#include "ops/gather.h"
#include "ops/sequence.h"
#include "ops/shape.h"
#include "ops/transpose.h"

namespace tenon::onnx {
namespace {

const GraphView& body_of(const NodeView& n) {
  const AttributeView* a = n.find("body");
  if (!a || a->type != AttributeView::kGraph || a->graphs.size() != 1) throw Error(Code::bad_model, "the body is missing");
  return a->graphs[0];
}

void expect_attributes(const NodeView& n, std::initializer_list<std::string_view> known) {
  for (const AttributeView& a : n.attributes)
    if (std::find(known.begin(), known.end(), a.name) == known.end())
      throw Error(Code::not_supported, "attribute " + printable(a.name) + " of " + printable(n.op) + " is not supported");
}

std::vector<int64_t> integers(const NodeView& n, std::string_view name, size_t count) {
  const AttributeView* a = n.find(name);
  if (!a) return std::vector<int64_t>(count);
  if (a->ints.size() != count)
    throw Error(Code::bad_model,
                "attribute " + std::string(name) + " has " + std::to_string(a->ints.size()) + " numbers, " + std::to_string(count) + " expected");
  return a->ints;
}

Type scalar(DType dtype) {
  Type t;
  t.dtype = dtype;
  return t;
}

// Makes `formal` so general that a body may be given `result`, its own result, in the next iteration. False where it is already.
// Rows of the table from `mark` on were made for this loop.
bool widen(Extents& e, int32_t mark, Type& formal, const Type& result) {
  const auto open = [&](Dim d) { return !d.known() && d.row() >= mark && e.is_data(d.row()); };
  if (result.items == Items::none || formal.items == Items::any || formal.dtype != result.dtype || formal.container != result.container) return false;
  if (formal.items == Items::none || result.items == Items::any) {
    formal = result;
    for (int k = 0; k < formal.shape.rank(); ++k)
      if (e.by_data(formal.shape[k])) formal.shape[k] = e.data(-1);
    return true;
  }
  if (formal.shape.rank() != result.shape.rank()) {
    if (formal.container == Container::tensor)
      throw Error(Code::not_supported, "a carried value changes its rank from " + std::to_string(formal.shape.rank()) + " to " +
                                           std::to_string(result.shape.rank()) + "; Tenon needs one rank");
    formal.items = Items::any;
    formal.shape = {};
    return true;
  }
  bool changed = false;
  for (int k = 0; k < formal.shape.rank(); ++k)
    if (formal.shape[k] != result.shape[k] && !open(formal.shape[k])) formal.shape[k] = e.data(-1), changed = true;
  return changed;
}

bool is_optional(const Type& t) { return t.container == Container::optional || t.container == Container::optional_sequence; }

}  // namespace

Importer::ImportControl Importer::control(const NodeView& n) {
  if (!domain_of(n.domain).empty()) return nullptr;
  if (n.op == "If") return &Importer::import_if;
  if (n.op == "Loop") return &Importer::import_loop;
  if (n.op == "Scan") return &Importer::import_scan;
  if (n.op == "SequenceMap") return &Importer::import_sequence_map;
  return nullptr;
}

void Importer::inline_branch(Scope& s, const NodeView& n, const GraphView& branch) {
  Scope inner(s.graph, &s);
  inner.same_graph = true;
  initializers(inner, branch);
  nodes(inner, branch.nodes);
  if (branch.outputs.size() != n.outputs.size())
    throw Error(Code::bad_model,
                "a branch of If has " + std::to_string(branch.outputs.size()) + " outputs, the node " + std::to_string(n.outputs.size()));
  for (size_t i = 0; i < n.outputs.size(); ++i) define(s, n.outputs[i], find(inner, branch.outputs[i].name));
}

std::shared_ptr<Graph> Importer::subgraph(Scope& scope, const GraphView& body, const std::vector<Type>& formals, std::vector<ValueId>& captures) {
  if (++depth_ > options_.limits.depth)
    throw Error(Code::limit, "subgraphs nested more than " + std::to_string(options_.limits.depth) + " deep (limit depth)");
  auto g = std::make_shared<Graph>(scope.graph, printable(body.name));
  Scope inner(*g, &scope);
  initializers(inner, body);
  size_t next = 0;
  for (const ValueInfoView& v : body.inputs) {
    if (inner.names.count(v.name)) continue;
    if (next >= formals.size()) throw Error(Code::bad_model, "the subgraph " + printable(body.name) + " has more inputs than its node gives");
    define(inner, v.name, g->add_input(std::string(v.name), formals[next++]));
  }
  if (next != formals.size()) throw Error(Code::bad_model, "the subgraph " + printable(body.name) + " has fewer inputs than its node gives");
  nodes(inner, body.nodes);
  for (const ValueInfoView& v : body.outputs) g->outputs.push_back(find(inner, v.name));
  captures = inner.captures;
  --depth_;
  return g;
}

void Importer::share_captures(Graph& a, const std::vector<ValueId>& ca, Graph& b, const std::vector<ValueId>& cb, std::vector<ValueId>& all) {
  all = ca;
  for (ValueId v : cb)
    if (std::find(ca.begin(), ca.end(), v) == ca.end()) all.push_back(v);
  const auto arrange = [&](Graph& g, const std::vector<ValueId>& own, const Graph& other, const std::vector<ValueId>& others) {
    std::vector<ValueId> inputs;
    for (ValueId v : all) {
      const auto at = std::find(own.begin(), own.end(), v);
      if (at != own.end()) {
        inputs.push_back(g.inputs[static_cast<size_t>(at - own.begin())]);
        continue;
      }
      const Value& theirs = other.values[other.inputs[static_cast<size_t>(std::find(others.begin(), others.end(), v) - others.begin())]];
      Value unused;
      unused.name = theirs.name;
      unused.type = theirs.type;
      inputs.push_back(g.add_value(std::move(unused)));
    }
    return inputs;
  };
  std::vector<ValueId> for_a = arrange(a, ca, b, cb), for_b = arrange(b, cb, a, ca);
  a.inputs = std::move(for_a);
  b.inputs = std::move(for_b);
}

void Importer::import_if(Scope& s, const NodeView& n, const std::vector<ValueId>& in) {
  const AttributeView *yes = n.find("then_branch"), *no = n.find("else_branch");
  if (!yes || !no || yes->graphs.size() != 1 || no->graphs.size() != 1) throw Error(Code::bad_model, "If has a then_branch and an else_branch");
  if (in.size() != 1 || in[0] == kNone) throw Error(Code::bad_model, "If has one input, the condition");
  if (const std::vector<Dim>* c = s.graph.content(in[0]); c && c->size() == 1 && (*c)[0].known())
    return inline_branch(s, n, (*c)[0].number() ? yes->graphs[0] : no->graphs[0]);
  std::vector<ValueId> captures_yes, captures_no, all;
  auto then_graph = subgraph(s, yes->graphs[0], {}, captures_yes), else_graph = subgraph(s, no->graphs[0], {}, captures_no);
  share_captures(*then_graph, captures_yes, *else_graph, captures_no, all);
  std::vector<ValueId> inputs{in[0]};
  inputs.insert(inputs.end(), all.begin(), all.end());
  const std::vector<ValueId> out =
      tenon::emit(s.graph, ops::if_, None{}, inputs, static_cast<int>(then_graph->outputs.size()), place(n, opset("")), {then_graph, else_graph});
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    if (i >= out.size()) throw Error(Code::bad_model, "the branches of If have " + std::to_string(out.size()) + " outputs, the node more");
    define(s, n.outputs[i], out[i]);
  }
}

std::vector<ValueId> Importer::inlined(Scope& s, const GraphView& body, const std::vector<ValueId>& inputs) {
  Scope inner(s.graph, &s);
  inner.same_graph = true;
  initializers(inner, body);
  size_t next = 0;
  for (const ValueInfoView& v : body.inputs) {
    if (inner.names.count(v.name)) continue;
    if (next >= inputs.size()) throw Error(Code::bad_model, "the subgraph " + printable(body.name) + " has more inputs than its node gives");
    define(inner, v.name, inputs[next++]);
  }
  if (next != inputs.size()) throw Error(Code::bad_model, "the subgraph " + printable(body.name) + " has fewer inputs than its node gives");
  nodes(inner, body.nodes);
  std::vector<ValueId> outputs;
  for (const ValueInfoView& v : body.outputs) outputs.push_back(find(inner, v.name));
  return outputs;
}

std::vector<ValueId> Importer::loop(Scope& s, ValueId most, ValueId begins, const std::vector<ValueId>& carried, std::vector<Type> formals,
                                    const Body& body) {
  for (ValueId v : carried) {
    if (v == kNone) throw Error(Code::bad_model, "a carried value is missing");
    formals.push_back(s.graph.value(v).type);
  }
  const size_t guards = s.graph.guards->size();
  const int32_t mark = s.graph.extents->rows();
  if (++depth_ > options_.limits.depth)
    throw Error(Code::limit, "subgraphs nested more than " + std::to_string(options_.limits.depth) + " deep (limit depth)");
  while (true) {
    auto g = std::make_shared<Graph>(s.graph, "body");
    Scope inner(*g, &s);
    std::vector<ValueId> given;
    for (const Type& t : formals) given.push_back(g->add_input("", t));
    g->outputs = body(inner, given);
    if (g->outputs.size() < 1 + carried.size()) throw Error(Code::bad_model, "the body gives fewer values than it is given");
    bool widened = false;
    std::vector<bool> unwrapped(carried.size());
    for (size_t i = 0; i < carried.size(); ++i) {
      ValueId& result = g->outputs[1 + i];
      // An optional may come back as what it holds.
      unwrapped[i] = is_optional(formals[2 + i]) && !is_optional(g->value(result).type);
      if (unwrapped[i]) result = tenon::emit(*g, ops::optional, Optional{}, {result})[0];
      widened |= widen(*g->extents, mark, formals[2 + i], g->value(result).type);
    }
    if (widened) {
      g->guards->resize(guards);
      continue;
    }
    --depth_;
    std::vector<ValueId> inputs{most, begins};
    inputs.insert(inputs.end(), carried.begin(), carried.end());
    inputs.insert(inputs.end(), inner.captures.begin(), inner.captures.end());
    const int outputs = static_cast<int>(g->outputs.size()) - 1;
    std::vector<ValueId> out =
        tenon::emit(s.graph, ops::loop, Loop{static_cast<int64_t>(carried.size())}, std::move(inputs), outputs, "", {std::move(g)});
    for (size_t i = 0; i < carried.size(); ++i)
      if (unwrapped[i]) out[i] = tenon::emit(s.graph, ops::optional_get_element, None{}, {out[i]})[0];
    return out;
  }
}

void Importer::import_loop(Scope& s, const NodeView& n, const std::vector<ValueId>& in) {
  const GraphView& body = body_of(n);
  expect_attributes(n, {"body"});
  const auto given = [&](size_t i) { return i < in.size() ? in[i] : kNone; };
  // The first two may be declared as vectors of one element.
  std::vector<Type> formals{scalar(DType::s64), scalar(DType::boolean)};
  for (size_t i = 0; i < 2 && i < body.inputs.size(); ++i)
    if (body.inputs[i].type.kind == TypeView::tensor && body.inputs[i].type.shape.size() == 1) formals[i].shape.push(1);
  const std::vector<ValueId> carried(in.begin() + std::min<int64_t>(2, static_cast<int64_t>(in.size())), in.end());
  const std::vector<ValueId> out =
      loop(s, given(0), given(1), carried, formals, [&](Scope& inner, const std::vector<ValueId>& values) { return inlined(inner, body, values); });
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    if (i >= out.size()) throw Error(Code::bad_model, "the loop gives " + std::to_string(out.size()) + " values, the node more");
    define(s, n.outputs[i], out[i]);
  }
}

struct Importer::ScanParts {
  const GraphView& body;
  std::vector<int64_t> axes, backwards;                // of the scan inputs
  std::vector<int64_t> output_axes, output_backwards;  // of the scan outputs
};

std::vector<ValueId> Importer::scan(Scope& s, const ScanParts& parts, const std::vector<ValueId>& states, const std::vector<ValueId>& scanned) {
  const auto emit = [](Graph& g, const Op& op, Attributes a, std::vector<ValueId> inputs) {
    return tenon::emit(g, op, std::move(a), std::move(inputs))[0];
  };
  Graph& g = s.graph;
  ValueId most = kNone, last = kNone;
  std::vector<int64_t> axes;
  for (size_t i = 0; i < scanned.size(); ++i) {
    const int rank = g.value(scanned[i]).type.shape.rank();
    const int64_t axis = parts.axes[i] < 0 ? parts.axes[i] + rank : parts.axes[i];
    if (axis < 0 || axis >= rank) throw Error(Code::bad_model, "scan input " + std::to_string(i) + " has no axis " + std::to_string(parts.axes[i]));
    axes.push_back(axis);
    if (most != kNone) continue;
    const ValueId sizes = emit(g, ops::shape, ShapeOf{}, {scanned[i]});
    const int64_t number = axis, one = 1;
    most = emit(g, ops::gather, Gather{}, {sizes, g.add_constant("", scalar(DType::s64), &number)});
    last = emit(g, ops::sub, None{}, {most, g.add_constant("", scalar(DType::s64), &one)});
  }
  const auto body = [&](Scope& inner, const std::vector<ValueId>& formals) {
    std::vector<ValueId> inputs(formals.begin() + 2, formals.end());
    ValueId back = kNone;
    for (size_t i = 0; i < scanned.size(); ++i) {
      if (parts.backwards[i] && back == kNone) back = emit(inner.graph, ops::sub, None{}, {capture(inner, last), formals[0]});
      inputs.push_back(emit(inner.graph, ops::gather, Gather{axes[i]}, {capture(inner, scanned[i]), parts.backwards[i] ? back : formals[0]}));
    }
    std::vector<ValueId> out = inlined(inner, parts.body, inputs);
    out.insert(out.begin(), formals[1]);
    return out;
  };
  std::vector<ValueId> out = loop(s, most, kNone, states, {scalar(DType::s64), scalar(DType::boolean)}, body);
  if (out.size() != states.size() + parts.output_axes.size())
    throw Error(Code::bad_model, "the body gives another number of scan outputs than the attributes say");
  for (size_t i = 0; i < parts.output_axes.size(); ++i) {
    ValueId& v = out[states.size() + i];
    const int rank = g.value(v).type.shape.rank();
    const int64_t axis = parts.output_axes[i] < 0 ? parts.output_axes[i] + rank : parts.output_axes[i];
    if (axis < 0 || axis >= rank)
      throw Error(Code::bad_model, "scan output " + std::to_string(i) + " has no axis " + std::to_string(parts.output_axes[i]));
    if (parts.output_backwards[i])
      v = emit(g, ops::slice, None{}, {v, g.add_integers({-1}), g.add_integers({INT64_MIN / 2}), g.add_integers({0}), g.add_integers({-1})});
    if (axis == 0) continue;
    std::vector<int64_t> perm;
    for (int64_t k = 1; k < rank; ++k) perm.push_back(k);
    perm.insert(perm.begin() + axis, 0);
    v = emit(g, ops::transpose, Transpose{perm}, {v});
  }
  return out;
}

void Importer::import_scan(Scope& s, const NodeView& n, const std::vector<ValueId>& given) {
  expect_attributes(
      n, {"body", "num_scan_inputs", "scan_input_axes", "scan_input_directions", "scan_output_axes", "scan_output_directions", "directions"});
  const bool batched = opset("") < 9;
  std::vector<ValueId> in = given;
  if (batched) {
    if (in.empty() || in[0] != kNone) throw Error(Code::not_supported, "Scan of opset 8 with the lengths of its sequences");
    in.erase(in.begin());
  }
  if (std::find(in.begin(), in.end(), kNone) != in.end()) throw Error(Code::bad_model, "an input of Scan is missing");
  const AttributeView* count = n.find("num_scan_inputs");
  if (!count || count->i < 1 || count->i > static_cast<int64_t>(in.size()))
    throw Error(Code::bad_model, "num_scan_inputs is no number of the inputs");
  const size_t scans = static_cast<size_t>(count->i), states = in.size() - scans;
  const GraphView& body = body_of(n);
  if (body.outputs.size() < states) throw Error(Code::bad_model, "the body gives fewer values than it is given");
  const size_t outputs = body.outputs.size() - states;
  const ScanParts parts{body, integers(n, "scan_input_axes", scans), integers(n, batched ? "directions" : "scan_input_directions", scans),
                        integers(n, "scan_output_axes", outputs), integers(n, "scan_output_directions", outputs)};
  const std::vector<ValueId> first(in.begin(), in.end() - count->i), rest(in.end() - count->i, in.end());
  std::vector<ValueId> out;
  if (!batched) {
    out = scan(s, parts, first, rest);
  } else {
    // A scan for each element of the batch, which is the first axis of everything.
    const ValueId sizes = tenon::emit(s.graph, ops::shape, ShapeOf{0, 1}, {in[0]})[0];
    out = loop(s, sizes, kNone, {}, {scalar(DType::s64), scalar(DType::boolean)}, [&](Scope& inner, const std::vector<ValueId>& formals) {
      const auto element = [&](ValueId v) { return tenon::emit(inner.graph, ops::gather, Gather{0}, {capture(inner, v), formals[0]})[0]; };
      std::vector<ValueId> own, scanned;
      for (ValueId v : first) own.push_back(element(v));
      for (ValueId v : rest) scanned.push_back(element(v));
      std::vector<ValueId> results = scan(inner, parts, own, scanned);
      results.insert(results.begin(), formals[1]);
      return results;
    });
  }
  for (size_t i = 0; i < n.outputs.size() && i < out.size(); ++i) define(s, n.outputs[i], out[i]);
}

void Importer::import_sequence_map(Scope& s, const NodeView& n, const std::vector<ValueId>& in) {
  expect_attributes(n, {"body"});
  const GraphView& body = body_of(n);
  if (in.empty() || std::find(in.begin(), in.end(), kNone) != in.end()) throw Error(Code::bad_model, "an input of SequenceMap is missing");
  const ValueId most = tenon::emit(s.graph, ops::sequence_length, None{}, {in[0]})[0];
  std::vector<ValueId> results;
  for (const ValueInfoView& v : body.outputs) {
    if (v.type.kind != TypeView::tensor) throw Error(Code::bad_model, "output \"" + printable(v.name) + "\" of the body of SequenceMap is no tensor");
    results.push_back(tenon::emit(s.graph, ops::sequence_empty, SequenceEmpty{dtype_of(v.type.element)}, {})[0]);
  }
  const std::vector<ValueId> out =
      loop(s, most, kNone, results, {scalar(DType::s64), scalar(DType::boolean)}, [&](Scope& inner, const std::vector<ValueId>& formals) {
        std::vector<ValueId> inputs;
        for (ValueId v : in) {
          const ValueId own = capture(inner, v);
          const bool item = inner.graph.value(own).type.container == Container::sequence;
          inputs.push_back(item ? tenon::emit(inner.graph, ops::sequence_at, None{}, {own, formals[0]})[0] : own);
        }
        std::vector<ValueId> values = inlined(inner, body, inputs);
        for (size_t i = 0; i < values.size(); ++i) values[i] = tenon::emit(inner.graph, ops::sequence_insert, None{}, {formals[2 + i], values[i]})[0];
        values.insert(values.begin(), formals[1]);
        return values;
      });
  for (size_t i = 0; i < n.outputs.size() && i < out.size(); ++i) define(s, n.outputs[i], out[i]);
}

}  // namespace tenon::onnx
