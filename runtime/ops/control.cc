#include "ops/control.h"

namespace tenon {
namespace {

void infer_if(Inference& n) {
  n.expect(n.subgraphs().size() == 2, "if has two branches");
  n.expect(n.dtype(0) == DType::boolean, "the condition of if is bool");
  n.equal(n.count(n.shape(0)), 1, "elements of the condition of if");
  const Graph &yes = *n.subgraphs()[0], &no = *n.subgraphs()[1];
  n.expect(yes.outputs.size() == no.outputs.size(), "both branches of if have the same number of outputs");
  Extents& e = *n.graph().extents;
  for (size_t i = 0; i < yes.outputs.size(); ++i) {
    const Type &a = yes.values[yes.outputs[i]].type, &b = no.values[no.outputs[i]].type;
    n.expect(a.dtype == b.dtype && a.container == b.container, "output " + std::to_string(i) + " has one element type in both branches of if");
    if (a.container != Container::tensor) {
      n.result(n.joined(a, b));
      continue;
    }
    if (a.shape.rank() != b.shape.rank())
      throw NeedsSizes(Code::not_supported, "the branches of if give output " + std::to_string(i) + " the ranks " + std::to_string(a.shape.rank()) +
                                                " and " + std::to_string(b.shape.rank()) + "; Tenon needs one rank");
    Type t = a;
    for (int k = 0; k < a.shape.rank(); ++k)
      if (a.shape[k] != b.shape[k]) t.shape[k] = e.data(e.max(a.shape[k], b.shape[k]));
    n.result(std::move(t));
  }
}

void reference_if(Reference& n) {
  std::vector<Array> inputs;
  for (size_t i = 1; i < n.in.size(); ++i) inputs.push_back(*n.in[i]);
  n.out = n.run(n, *n.node->subgraphs[n.in[0]->integer(0) ? 0 : 1], std::move(inputs));
}

// Whether the body lets the loop go on for as long as it may: its condition is true, or the one it was given.
bool goes_on(const Graph& body) {
  ValueId v = body.outputs[0];
  while (const Node* n = body.producer(v)) {
    if (n->op != &ops::identity) return false;
    v = n->inputs[0];
  }
  if (v == body.inputs[1]) return true;
  return body.is_constant(v) && array_of(body.value(v)).integer(0) != 0;
}

void infer_loop(Inference& n) {
  n.expect(n.subgraphs().size() == 1, "a loop has one body");
  const Graph& body = *n.subgraphs()[0];
  const auto carried = static_cast<size_t>(n.attributes<Loop>().carried);
  n.expect(body.inputs.size() >= 2 + carried && body.outputs.size() > carried, "the body of a loop takes and gives every carried value");
  if (n.has(0))
    n.expect(n.dtype(0) == DType::s64, "the number of iterations is s64"), n.equal(n.count(n.shape(0)), 1, "elements of the number of iterations");
  if (n.has(1))
    n.expect(n.dtype(1) == DType::boolean, "the condition of a loop is bool"), n.equal(n.count(n.shape(1)), 1, "elements of the condition of a loop");
  n.expect(body.value(body.outputs[0]).type.dtype == DType::boolean, "the condition of a loop is bool");
  n.equal(n.count(body.value(body.outputs[0]).type.shape), 1, "elements of the condition of a loop");
  for (size_t i = 0; i < carried; ++i) {
    const Type &before = n.type(2 + static_cast<int>(i)), &formal = body.value(body.inputs[2 + i]).type,
               &after = body.value(body.outputs[1 + i]).type;
    n.expect(before.dtype == after.dtype && before.container == after.container, "carried value " + std::to_string(i) + " of a loop keeps its type");
    Type t = formal;
    if (t.container != Container::tensor) {
      n.result(std::move(t));
      continue;
    }
    n.expect(before.shape.rank() == after.shape.rank(), "carried value " + std::to_string(i) + " of a loop keeps its rank");
    for (int k = 0; k < t.shape.rank(); ++k)
      if (formal.shape[k] != before.shape[k]) t.shape[k] = n.data();
    n.result(std::move(t));
  }
  const bool limited = n.known(0) && n.content(0).size() == 1;
  const Extent most = limited ? max(n.extent(n.content(0)[0]), 0) : Extent(-1);
  const bool begins = !n.has(1) || (n.known(1) && n.content(1).size() == 1 && n.content(1)[0] == Dim(1));
  const Extent trips = begins && limited && goes_on(body) ? most : limited ? n.data(most) : n.data();
  for (size_t i = 1 + carried; i < body.outputs.size(); ++i) {
    const Type& item = body.value(body.outputs[i]).type;
    n.expect(item.container == Container::tensor, "a scan output of a loop is a tensor");
    Shape shape{trips};
    for (Dim d : item.shape) shape.push(n.leaving(d));
    n.result(item.dtype, shape);
  }
}

void stack(Array& all, const Array& item) {
  std::vector<int64_t> shape = item.shape;
  shape.insert(shape.begin(), all.shape.empty() ? 0 : all.shape[0]);
  if (all.shape.empty()) all = Array(item.dtype, shape);
  if (all.shape != shape) throw Error(Code::bad_input, "a scan output of a loop has one shape in every iteration");
  ++all.shape[0];
  all.cells.insert(all.cells.end(), item.cells.begin(), item.cells.end());
  all.strings.insert(all.strings.end(), item.strings.begin(), item.strings.end());
}

void reference_loop(Reference& n) {
  const Graph& body = *n.node->subgraphs[0];
  const auto carried = static_cast<size_t>(n.attributes<Loop>().carried);
  const int64_t most = n.has(0) ? n.in[0]->integer(0) : INT64_MAX;
  bool go = !n.has(1) || n.in[1]->integer(0);
  const auto formal = [&](size_t i, int64_t value) {
    const Type& t = body.value(body.inputs[i]).type;
    Array a(t.dtype, std::vector<int64_t>(static_cast<size_t>(t.shape.rank()), 1));
    a.integer(0) = value;
    return a;
  };
  std::vector<Array> state;
  for (size_t i = 0; i < carried; ++i) state.push_back(*n.in[2 + i]);
  std::vector<Array> stacks(body.outputs.size() - 1 - carried);
  for (int64_t trip = 0; go && trip < most; ++trip) {
    std::vector<Array> inputs{formal(0, trip), formal(1, go)};
    std::move(state.begin(), state.end(), std::back_inserter(inputs));
    for (size_t i = 2 + carried; i < n.in.size(); ++i) inputs.push_back(*n.in[i]);
    std::vector<Array> out = n.run(n, body, std::move(inputs));
    go = out[0].integer(0);
    state.assign(std::make_move_iterator(out.begin() + 1), std::make_move_iterator(out.begin() + 1 + static_cast<int64_t>(carried)));
    for (size_t i = 0; i < stacks.size(); ++i) stack(stacks[i], out[1 + carried + i]);
  }
  n.out = std::move(state);
  for (size_t i = 0; i < stacks.size(); ++i) {
    const Type& item = body.value(body.outputs[1 + carried + i]).type;
    if (stacks[i].dtype == DType::none) {
      std::vector<int64_t> shape{0};
      for (Dim d : item.shape) shape.push_back(d.known() ? d.number() : 0);
      stacks[i] = Array(item.dtype, shape);
    }
    n.out.push_back(std::move(stacks[i]));
  }
  n.out.resize(n.node->outputs.size());
}

}  // namespace
const Op ops::if_{.name = "if", .infer = infer_if, .reference = reference_if, .takes = kStrings | kComplex | kContainers};
const Op ops::loop{.name = "loop",
                   .attributes = Attributes::make<Loop>,
                   .infer = infer_loop,
                   .reference = reference_loop,
                   .takes = kStrings | kComplex | kContainers};
}  // namespace tenon
