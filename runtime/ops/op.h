// What an op is: meaning. See "To add an op" in README.md beside this file.
#pragma once

#include <string_view>
#include <vector>

#include "base/axis.h"
#include "base/error.h"
#include "base/tensor.h"
#include "ir/graph.h"
#include "kernels/kernel.h"
#include "ops/elementwise.h"

namespace tenon {

// One node while its outputs are inferred. Sizes are Extents: numbers fold, symbols become rows of the table, and what can be neither
// proven nor refuted becomes a guard. Everything throws Error(bad_model) with a sentence.
class Inference {
 public:
  Inference(Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  template <class A>
  const A& attributes() const {
    return node_.attributes.as<A>();
  }
  int inputs() const { return node_.own_inputs(); }
  bool has(int i) const { return i < inputs() && node_.inputs[i] != kNone; }
  // Of input i, which must be there.
  const Type& type(int i) const;
  DType dtype(int i) const { return type(i).expressed(); }
  const Shape& shape(int i) const { return type(i).shape; }
  int rank(int i) const { return type(i).shape.rank(); }
  // The size of an axis, negative axes counted from the end.
  Extent size(int i, int axis) const;
  Extent extent(Dim d) const { return {d, graph_.extents.get()}; }
  const std::vector<std::shared_ptr<Graph>>& subgraphs() const { return node_.subgraphs; }
  Graph& graph() { return graph_; }

  // The elements of an integer input when they are known from shapes or constants.
  bool known(int i) { return has(i) && graph_.content(node_.inputs[i]); }
  const std::vector<Dim>& content(int i);
  // The elements of a constant input as numbers; null where it is not constant.
  std::optional<std::vector<double>> reals(int i) const;

  // Each checks and throws. `what` names what must hold; the check appends the numbers.
  void expect(bool holds, std::string_view what) const;
  void expect_inputs(int least, int most) const;
  void expect_rank(int i, int rank) const;
  void expect_integers(int i) const;
  void expect_same_dtype(int a, int b) const;
  void equal(Extent a, Extent b, std::string_view what);
  void at_least(Extent a, Extent b, std::string_view what);
  // `axis` counted from the front; throws when it is not in [-rank, rank).
  int axis(int64_t axis, int rank) const;
  std::vector<int> axes(const std::vector<int64_t>& axes, int rank) const;  // also refuses an axis named twice
  // The shape of a numpy broadcast.
  Shape broadcast(const Shape& a, const Shape& b);
  Extent count(const Shape& shape) const;

  // A size that data decide while running; the second form has a largest value.
  Extent data() { return extent(graph_.extents->data(-1)); }
  Extent data(Extent bound) { return extent(graph_.extents->data(bound)); }

  // A size as it leaves a sequence: one that data decide is decided again.
  Extent leaving(Dim d) { return graph_.extents->by_data(d) ? data() : extent(d); }
  // The type of items that are of either type: sizes on which they differ are decided by data.
  Type joined(const Type& a, const Type& b);

  // Appends an output.
  void result(DType dtype, const Shape& shape);
  void result(Type type);
  // Appends an integer output whose elements are known.
  void result(DType dtype, const Shape& shape, std::vector<Dim> content);
  // An output nobody asked for may be left out.
  bool wanted(int output) const { return output < static_cast<int>(node_.outputs.size()); }

  std::vector<Type> types;  // of the outputs
  std::vector<std::shared_ptr<const std::vector<Dim>>> contents;

 private:
  void guard(Guard::Kind kind, Dim a, Dim b, std::string_view what);

  Graph& graph_;
  const Node& node_;
};

// Where an error in a node says it happened.
std::string place_of(const Node& n);

// A tensor as references see it: eight-byte cells, row-major. Complex elements take two cells. A sequence or an optional is a list of
// arrays instead.
struct Array {
  DType dtype = DType::none;
  std::vector<int64_t> shape;
  std::vector<Cell> cells;
  std::vector<std::string> strings;  // of string tensors, instead of cells
  std::vector<Array> items;          // of sequences and optionals
  Container container = Container::tensor;

  Array() = default;
  Array(DType dtype, std::vector<int64_t> shape) : dtype(dtype) { resize(std::move(shape)); }
  int rank() const { return static_cast<int>(shape.size()); }
  int64_t count() const;
  int64_t size(int axis) const { return shape[from_front(axis, shape.size())]; }
  void resize(std::vector<int64_t> shape);
  bool is_real() const { return tenon::is_real(dtype) || is_complex(dtype); }

  double real(int64_t i) const { return cells[i].real; }
  double& real(int64_t i) { return cells[i].real; }
  int64_t integer(int64_t i) const { return cells[i].integer; }
  int64_t& integer(int64_t i) { return cells[i].integer; }
  // As a double whatever the dtype.
  double number(int64_t i) const { return is_real() ? cells[i].real : static_cast<double>(cells[i].integer); }
  // Copies element `from` of src (a cell, both parts of a complex number, or a string) to element `to`.
  void move(int64_t to, const Array& src, int64_t from);
};

// One node while its reference runs. Outputs have their dtype, and their shape unless data decide it: then `out[i].resize` does.
class Reference {
 public:
  std::vector<const Array*> in;  // null where omitted
  std::vector<Array> out;
  const Node* node = nullptr;
  Extents* extents = nullptr;  // set when the cells are extents, which only ops that move elements and scalar functions of ROW see

  template <class A>
  const A& attributes() const {
    return node->attributes.as<A>();
  }
  bool has(int i) const { return i < static_cast<int>(in.size()) && in[i]; }
  // The integers of input i.
  std::vector<int64_t> integers(int i) const;
  // Runs a subgraph on its inputs; set by the executor.
  std::vector<Array> (*run)(Reference&, const Graph&, std::vector<Array>) = nullptr;
  void* executor = nullptr;
};

// What a kernel must match.
struct Exactness {
  enum Kind : uint8_t { bitwise, ulp, relative } kind = bitwise;  // relative: to the largest magnitude of the result
  double bound = 0;
};

// Whether and how an op belongs to the scalar functions.
inline constexpr int kNoFunction = -1;

// What an op takes beside tensors of numbers and bool; a set of flags.
inline constexpr uint8_t kStrings = 1, kComplex = 2, kContainers = 4;

struct Op {
  std::string_view name;
  Attributes (*attributes)() = Attributes::make<None>;  // defaults
  void (*infer)(Inference&) = nullptr;
  void (*reference)(Reference&) = nullptr;
  Exactness exactness = {};
  // dst holds the elements of src 0 in the same order: a plan lets them share memory.
  bool view = false;
  bool moves = false;   // only moves elements: the reference also runs on shape values and strings
  bool linear = false;  // linear in each input: integer arithmetic is exact, followed by one scaling
  // Emits the same meaning in smaller ops, in front of the node, and returns the values that stand for its outputs.
  std::vector<ValueId> (*decompose)(Rewriter&, const Node&) = nullptr;
  int function = kNoFunction;  // a row of elementwise.inc
  bool effects = false;        // random numbers: never folded, merged or run twice
  // Element types and containers beside tensors of numbers and bool. What only moves elements takes strings and complex numbers anyway.
  uint8_t takes = 0;
};

// All ops: a name for every line of ops.inc and every row of elementwise.inc.
#pragma push_macro("TEST")  // GoogleTest has one too
#undef TEST
namespace ops {
#define ROW(name, ...) extern const Op name;
#define REAL(name, ...) extern const Op name;
#define WHOLE(name, ...) extern const Op name;
#define TEST(name, ...) extern const Op name;
#define LOGIC(name, ...) extern const Op name;
#define PICK(name, ...) extern const Op name;
#include "ops/elementwise.inc"
#undef ROW
#undef REAL
#undef WHOLE
#undef TEST
#undef LOGIC
#undef PICK
#define OP(name) extern const Op name;
#include "ops/ops.inc"
#undef OP
}  // namespace ops
#pragma pop_macro("TEST")

// Null where there is none.
const Op* op_named(std::string_view name);
const std::vector<const Op*>& all_ops();
const Op& op_of(Function f);

// Infers types (and, for shape values, contents) of the node's outputs into the graph. Errors gain the node as a place.
void infer(Graph& g, NodeId n);

// Infers a node again, of whose inputs more is known than before. A result keeps how it is stored, and the run-time sizes that are still
// decided by the same step keep their names; those that have become known are defined in the extents. True where anything changed.
bool infer_again(Graph& g, NodeId n);
// The value of type `now` is the one that had type `before`: run-time sizes of `before` are defined by it.
void define_sizes(Extents& extents, const Type& before, const Type& now);

Type joined(Extents& extents, const Type& a, const Type& b);

// Appends a node and infers it. `outputs` are created in the graph with types as inferred.
std::vector<ValueId> emit(Graph& g, const Op& op, Attributes attributes, std::vector<ValueId> inputs, int outputs = 1, std::string name = {},
                          std::vector<std::shared_ptr<Graph>> subgraphs = {});

// Types of the outputs when the shapes and the integer contents of the inputs are numbers. `contents[i]` may be empty.
// `sizes` has the extents of the items of sequences; `reals[i]`, where it is there, the elements of a real input of few elements.
std::vector<Type> infer_concrete(const Node& node, const std::vector<Type>& inputs, const std::vector<std::vector<Dim>>& contents,
                                 const Graph& sizes = {}, const std::vector<const void*>& reals = {});

// Runs the reference of a node on arrays whose outputs have been shaped; applies the epilogue, which references do not see.
void run_reference(Reference& r);

// A scalar function of numbers, or of extents: no value where no extent expresses the result.
double evaluate(Function f, double a, double b, double c);
int64_t evaluate(Function f, int64_t a, int64_t b, int64_t c);
std::optional<Extent> evaluate(Function f, Extent a, Extent b, Extent c);

// The value of a program on arrays that broadcast to `shape`.
Array run_program(const Program& program, const std::vector<const Array*>& operands, const std::vector<int64_t>& shape);

// How an epilogue operand of `type` is read by a node whose result has `result`; no value where it cannot be.
std::optional<Reads> reads_of(const Type& type, const Type& result, const Op& op);

// Runs one node on arrays: infers the outputs from the shapes and integer contents of `in` (null where omitted), runs the reference
// and rounds every element to its dtype. `run` runs subgraphs.
std::vector<Array> evaluate(const Node& node, const std::vector<const Array*>& in,
                            std::vector<Array> (*run)(Reference&, const Graph&, std::vector<Array>) = nullptr, void* executor = nullptr);
// The elements of a constant, as arithmetic sees them.
Array array_of(const Value& constant);
// Between what is stored and what arithmetic sees.
Array dequantised(const Array& stored, const Quantisation& q);
Array quantised(const Array& real, const Quantisation& q, DType dtype);
// Rounds every element as storing it would.
void round_elements(Array& array);

// Between storage and cells.
Array array_of(DType dtype, const std::vector<int64_t>& shape, const void* data);
void store(const Array& array, DType dtype, void* data, bool saturate = false);
// Of whatever the tensor is: a sequence or an optional too.
Array array_of(const Tensor& tensor);
OwnedTensor owned(const Array& array);

// The elements of a line along one axis, for all lines of a shape: for (const Line& line : lines(shape, axis)) for (int64_t i : line).
struct Line {
  int64_t first, step, count;
  struct Iterator {
    int64_t at, step;
    int64_t operator*() const { return at; }
    Iterator& operator++() { return at += step, *this; }
    bool operator!=(const Iterator& o) const { return at != o.at; }
  };
  Iterator begin() const { return {first, step}; }
  Iterator end() const { return {first + step * count, step}; }
  int64_t operator[](int64_t i) const { return first + step * i; }
};
std::vector<Line> lines(const std::vector<int64_t>& shape, int64_t axis);

// Row-major strides; and strides that read a shape as if it were broadcast to `to` (0 along broadcast axes).
std::vector<int64_t> strides_of(const std::vector<int64_t>& shape);
std::vector<int64_t> broadcast_strides(const std::vector<int64_t>& shape, const std::vector<int64_t>& to);

// Steps through all indices of a shape in row-major order: for (Walk at(shape); at.more(); at.next()) ... at[axis].
class Walk {
 public:
  explicit Walk(std::vector<int64_t> shape);
  bool more() const { return more_; }
  void next();
  int64_t operator[](size_t axis) const { return index_[axis]; }
  const std::vector<int64_t>& index() const { return index_; }
  int64_t offset(const std::vector<int64_t>& strides) const;
  int64_t flat() const { return flat_; }

 private:
  std::vector<int64_t> shape_, index_;
  int64_t flat_ = 0;
  bool more_;
};

}  // namespace tenon
