// Sequences of tensors, and optionals of tensors and sequences. A sequence is an Array with items.
#include "ops/sequence.h"

#include <algorithm>

#include "ops/op.h"

namespace tenon {
namespace {

void expect_sequence(const Inference& n, int i) {
  n.expect(n.type(i).container == Container::sequence, "input " + std::to_string(i) + " is a sequence");
}

Type item_of(const Type& sequence) {
  Type t = sequence;
  t.container = Container::tensor;
  return t;
}

// The shape of a tensor taken out of a sequence or an optional, whose rank must be known by now.
Shape shape_of_item(Inference& n, int i) {
  const Type& t = n.type(i);
  if (t.items == Items::any)
    throw NeedsSizes(Code::not_supported, "the items of input " + std::to_string(i) + " have no rank that is known before the model runs");
  Shape shape;
  for (Dim d : t.shape) shape.push(n.leaving(d));
  return shape;
}

void expect_position(Inference& n, int i) {
  n.expect(n.type(i).container == Container::tensor && is_integer(n.dtype(i)), "the position is an integer");
  n.equal(n.count(n.shape(i)), 1, "elements of the position");
}

// The place of item `position`, counted from the end where it is negative; `size` is the first that is refused.
int64_t place_of(const Array& position, int64_t count, int64_t size) {
  const int64_t given = position.integer(0), place = from_front(given, count);
  if (place < 0 || place >= size) throw Error(Code::bad_input, "position " + std::to_string(given) + " in a sequence of " + std::to_string(count));
  return place;
}

void infer_construct(Inference& n) {
  n.expect(n.inputs() > 0, "sequence_construct has inputs");
  Type t = n.type(0);
  for (int i = 0; i < n.inputs(); ++i) {
    n.expect(n.type(i).container == Container::tensor, "the items of a sequence are tensors");
    n.expect_same_dtype(0, i);
    t = n.joined(t, n.type(i));
  }
  t.container = Container::sequence;
  n.result(std::move(t));
}

void reference_construct(Reference& n) {
  for (const Array* item : n.in) n.out[0].items.push_back(*item);
}

void infer_empty(Inference& n) {
  n.expect_inputs(0, 0);
  Type t;
  t.dtype = n.attributes<SequenceEmpty>().dtype;
  t.container = Container::sequence;
  t.items = Items::none;
  n.result(std::move(t));
}

void reference_empty(Reference&) {}

void infer_at(Inference& n) {
  n.expect_inputs(2, 2);
  expect_sequence(n, 0);
  expect_position(n, 1);
  n.result(n.dtype(0), shape_of_item(n, 0));
}

void reference_at(Reference& n) {
  const auto& items = n.in[0]->items;
  const auto count = static_cast<int64_t>(items.size());
  n.out[0] = items[static_cast<size_t>(place_of(*n.in[1], count, count))];
}

void infer_insert(Inference& n) {
  n.expect_inputs(2, 3);
  expect_sequence(n, 0);
  n.expect_same_dtype(0, 1);
  n.expect(n.type(1).container == Container::tensor, "what is inserted is a tensor");
  if (n.has(2)) expect_position(n, 2);
  Type t = n.joined(item_of(n.type(0)), n.type(1));
  t.container = Container::sequence;
  n.result(std::move(t));
}

void reference_insert(Reference& n) {
  n.out[0] = *n.in[0];
  auto& items = n.out[0].items;
  const auto count = static_cast<int64_t>(items.size());
  items.insert(items.begin() + (n.has(2) ? place_of(*n.in[2], count, count + 1) : count), *n.in[1]);
}

void infer_erase(Inference& n) {
  n.expect_inputs(1, 2);
  expect_sequence(n, 0);
  if (n.has(1)) expect_position(n, 1);
  n.result(n.type(0));
}

void reference_erase(Reference& n) {
  n.out[0] = *n.in[0];
  auto& items = n.out[0].items;
  const auto count = static_cast<int64_t>(items.size());
  if (!count) throw Error(Code::bad_input, "nothing can be erased from an empty sequence");
  items.erase(items.begin() + (n.has(1) ? place_of(*n.in[1], count, count) : count - 1));
}

void infer_length(Inference& n) {
  n.expect_inputs(1, 1);
  expect_sequence(n, 0);
  n.result(DType::s64, {});
}

void reference_length(Reference& n) { n.out[0].integer(0) = static_cast<int64_t>(n.in[0]->items.size()); }

void infer_split(Inference& n) {
  n.expect_inputs(1, 2);
  const auto& a = n.attributes<SplitToSequence>();
  const auto axis = n.axis(a.axis, n.rank(0));
  if (n.has(1) && n.rank(1) == 0) n.equal(n.count(n.shape(1)), 1, "elements of the size of the parts");
  if (n.has(1)) n.expect(n.rank(1) <= 1 && is_integer(n.dtype(1)), "the sizes of the parts are a number or a list");
  Type t;
  t.dtype = n.dtype(0);
  t.container = Container::sequence;
  for (int i = 0; i < n.rank(0); ++i) {
    if (i != axis) t.shape.push(n.size(0, i));
    else if (n.has(1)) t.shape.push(n.data());
    else if (a.keepdims) t.shape.push(1);
  }
  n.result(std::move(t));
}

// Elements [first, first + count) along the axis.
Array part_of(const Array& src, int64_t axis, int64_t first, int64_t count) {
  std::vector<int64_t> shape = src.shape;
  shape[static_cast<size_t>(axis)] = count;
  Array part(src.dtype, shape);
  const std::vector<int64_t> strides = strides_of(src.shape);
  for (Walk at(shape); at.more(); at.next()) part.move(at.flat(), src, at.offset(strides) + first * strides[static_cast<size_t>(axis)]);
  return part;
}

void reference_split(Reference& n) {
  const auto& a = n.attributes<SplitToSequence>();
  const Array& src = *n.in[0];
  const int64_t axis = from_front(a.axis, src.rank()), size = src.size(static_cast<int>(axis));
  std::vector<int64_t> sizes;
  if (n.has(1) && n.in[1]->rank() == 1) {
    sizes = n.integers(1);
  } else {
    const int64_t step = n.has(1) ? n.in[1]->integer(0) : 1;
    if (step <= 0) throw Error(Code::bad_input, "parts of " + std::to_string(step) + " elements");
    for (int64_t at = 0; at < size; at += step) sizes.push_back(std::min(step, size - at));
  }
  int64_t at = 0;
  for (int64_t count : sizes) {
    if (count < 0 || count > size - at)
      throw Error(Code::bad_input, "the parts take more than the " + std::to_string(size) + " elements of the axis");
    n.out[0].items.push_back(part_of(src, axis, at, count));
    if (!n.has(1) && !a.keepdims) n.out[0].items.back().shape.erase(n.out[0].items.back().shape.begin() + axis);
    at += count;
  }
  if (at != size) throw Error(Code::bad_input, "the parts take " + std::to_string(at) + " of the " + std::to_string(size) + " elements of the axis");
}

void infer_concat(Inference& n) {
  n.expect_inputs(1, 1);
  expect_sequence(n, 0);
  const auto& a = n.attributes<ConcatFromSequence>();
  const Shape item = shape_of_item(n, 0);
  const int axis = n.axis(a.axis, item.rank() + a.new_axis);
  Shape shape;
  for (int i = 0; i < item.rank() + a.new_axis; ++i) shape.push(i == axis ? n.data().dim() : item[i - (a.new_axis && i > axis)]);
  n.result(n.dtype(0), shape);
}

void reference_concat(Reference& n) {
  const auto& a = n.attributes<ConcatFromSequence>();
  std::vector<Array> items = n.in[0]->items;
  if (items.empty()) throw Error(Code::bad_input, "an empty sequence has nothing to join");
  const int rank = items[0].rank() + a.new_axis;
  const auto axis = static_cast<size_t>(from_front(a.axis, rank));
  std::vector<int64_t> shape;
  int64_t total = 0;
  for (Array& item : items) {
    if (a.new_axis) item.shape.insert(item.shape.begin() + static_cast<int64_t>(axis), 1);
    if (item.rank() != rank) throw Error(Code::bad_input, "the items of the sequence have different ranks");
    total += item.shape[axis];
    std::vector<int64_t> others = item.shape;
    others[axis] = 0;
    if (shape.empty()) shape = others;
    if (shape != others) throw Error(Code::bad_input, "the items of the sequence differ on an axis along which they are not joined");
  }
  shape[axis] = total;
  Array& dst = n.out[0];
  dst.resize(shape);
  const std::vector<int64_t> strides = strides_of(shape);
  int64_t first = 0;
  for (const Array& item : items) {
    for (Walk at(item.shape); at.more(); at.next()) dst.move(at.offset(strides) + first * strides[axis], item, at.flat());
    first += item.shape[axis];
  }
}

bool is_optional(const Type& t) { return t.container == Container::optional || t.container == Container::optional_sequence; }

void infer_optional(Inference& n) {
  n.expect_inputs(0, 1);
  const auto& a = n.attributes<Optional>();
  Type t;
  t.dtype = a.dtype;
  t.items = Items::none;
  bool sequence = a.sequence;
  if (n.has(0)) {
    t = n.type(0);
    n.expect(!is_optional(t), "an optional holds a tensor or a sequence");
    sequence = t.container == Container::sequence;
  }
  t.container = sequence ? Container::optional_sequence : Container::optional;
  n.result(std::move(t));
}

void reference_optional(Reference& n) {
  if (n.has(0)) n.out[0].items.push_back(*n.in[0]);
}

// What is no optional is there; what is omitted is not.
void infer_has_element(Inference& n) {
  n.expect_inputs(0, 1);
  if (n.has(0) && is_optional(n.type(0))) n.result(DType::boolean, {});
  else n.result(DType::boolean, {}, {Dim(n.has(0) ? 1 : 0)});
}

void reference_has_element(Reference& n) {
  const bool optional = n.has(0) && (n.in[0]->container == Container::optional || n.in[0]->container == Container::optional_sequence);
  n.out[0].integer(0) = optional ? !n.in[0]->items.empty() : n.has(0);
}

void infer_get_element(Inference& n) {
  n.expect_inputs(1, 1);
  Type t = n.type(0);
  if (t.container == Container::optional) return n.result(t.dtype, shape_of_item(n, 0));
  if (t.container == Container::optional_sequence) t.container = Container::sequence;
  n.result(std::move(t));
}

void reference_get_element(Reference& n) {
  if (n.in[0]->container != Container::optional && n.in[0]->container != Container::optional_sequence) {
    n.out[0] = *n.in[0];
    return;
  }
  if (n.in[0]->items.empty()) throw Error(Code::bad_input, "an optional without an element has none to give");
  n.out[0] = n.in[0]->items[0];
}

}  // namespace
const Op ops::sequence_construct{
    .name = "sequence_construct", .infer = infer_construct, .reference = reference_construct, .takes = kStrings | kComplex};
const Op ops::sequence_empty{
    .name = "sequence_empty", .attributes = Attributes::make<SequenceEmpty>, .infer = infer_empty, .reference = reference_empty};
const Op ops::sequence_at{.name = "sequence_at", .infer = infer_at, .reference = reference_at, .takes = kStrings | kComplex | kContainers};
const Op ops::sequence_insert{
    .name = "sequence_insert", .infer = infer_insert, .reference = reference_insert, .takes = kStrings | kComplex | kContainers};
const Op ops::sequence_erase{
    .name = "sequence_erase", .infer = infer_erase, .reference = reference_erase, .takes = kStrings | kComplex | kContainers};
const Op ops::sequence_length{
    .name = "sequence_length", .infer = infer_length, .reference = reference_length, .takes = kStrings | kComplex | kContainers};
const Op ops::split_to_sequence{.name = "split_to_sequence",
                                .attributes = Attributes::make<SplitToSequence>,
                                .infer = infer_split,
                                .reference = reference_split,
                                .takes = kStrings | kComplex};
const Op ops::concat_from_sequence{.name = "concat_from_sequence",
                                   .attributes = Attributes::make<ConcatFromSequence>,
                                   .infer = infer_concat,
                                   .reference = reference_concat,
                                   .takes = kStrings | kComplex | kContainers};
const Op ops::optional{.name = "optional",
                       .attributes = Attributes::make<Optional>,
                       .infer = infer_optional,
                       .reference = reference_optional,
                       .takes = kStrings | kComplex | kContainers};
const Op ops::optional_has_element{
    .name = "optional_has_element", .infer = infer_has_element, .reference = reference_has_element, .takes = kStrings | kComplex | kContainers};
const Op ops::optional_get_element{
    .name = "optional_get_element", .infer = infer_get_element, .reference = reference_get_element, .takes = kStrings | kComplex | kContainers};
}  // namespace tenon
