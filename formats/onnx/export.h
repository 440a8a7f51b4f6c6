// What a row of an export table is given: one node of a graph, and the ONNX graph that it becomes part of. The counterpart of import.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/onnx/model.h"
#include "ops/op.h"

namespace tenon::onnx {

class GraphWriter;

using Names = std::vector<std::string_view>;

// Attributes of ONNX nodes. `name` must outlive the model, as a literal does.
AttributeView attribute(std::string_view name, int64_t value);
AttributeView attribute(std::string_view name, float value);
AttributeView attribute(std::string_view name, std::vector<int64_t> values);
AttributeView attribute(std::string_view name, std::vector<float> values);
AttributeView attribute(std::string_view name, std::string_view value);  // the text must outlive the model too
AttributeView attribute(std::string_view name, std::vector<std::string_view> values);
AttributeView attribute(std::string_view name, GraphView graph);

class Export {
 public:
  Export(GraphWriter& scope, const Node& node) : scope_(scope), node_(node) {}

  const Node& node() const { return node_; }
  template <class A>
  const A& attributes() const {
    return node_.attributes.as<A>();
  }
  int64_t opset() const;

  // ---- inputs
  int inputs() const { return node_.own_inputs(); }
  bool has(int i) const { return i < inputs() && node_.inputs[static_cast<size_t>(i)] != kNone; }
  const Type& type(int i) const;
  // The value as arithmetic sees it: what is stored quantised is dequantised. Empty where it is omitted.
  std::string_view in(int i) const;
  Names in() const;  // all of them, without omitted ones at the end
  // The value as it is stored, its scale and its zero point (empty where that is 0 and may be left out).
  std::string_view stored(int i) const;
  std::string_view scale(int i) const;
  std::string_view zero(int i) const;
  // The only element of a constant, or its elements where they are integers.
  std::optional<double> number(int i) const;

  // ---- outputs
  bool wants(int i) const { return i < static_cast<int>(node_.outputs.size()) && node_.outputs[static_cast<size_t>(i)] != kNone; }
  const Type& result_type(int i = 0) const;
  Names out() const;  // all of them, without unwanted ones at the end

  // ---- what comes out
  // A node whose outputs are those of ours; the first `least` are there whether they are wanted or not.
  void result(std::string_view op, Names inputs, std::vector<AttributeView> attributes = {}, std::string_view domain = {}, size_t least = 0) const;
  // A node with one new value; its name.
  std::string_view emit(std::string_view op, Names inputs, std::vector<AttributeView> attributes = {}) const;
  void node(std::string_view op, Names inputs, Names outputs, std::vector<AttributeView> attributes, std::string_view domain = {}) const;
  std::string_view cast(std::string_view value, DType to) const;
  // New initialisers.
  std::string_view constant(double value, DType type) const;            // a scalar
  std::string_view constant(const std::vector<int64_t>& values) const;  // s64[n]
  std::string_view constant(const std::vector<float>& values) const;    // f32[n]
  // A constant input as an attribute. Refused where it is none.
  AttributeView tensor(std::string_view name, int i) const;
  // The elements of a constant input as numbers. Refused where it is none.
  std::vector<double> numbers(int i) const;
  // Text that lives as long as the model.
  std::string_view keep(std::string text) const;
  // The attributes of our node under their own names, without those that have their defaults but for `required`.
  std::vector<AttributeView> fields(std::span<const std::string_view> required = {}) const;
  // A body; its first `own` inputs keep names of their own, the others are captured from outside: inputs of ours from `first` on.
  GraphView body(size_t index, size_t own, int first) const;

  // Throws Error(not_supported): ONNX of this opset has nothing that does the same.
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  GraphWriter& scope_;
  const Node& node_;
};

struct ExportRow {
  const Op* op;
  void (*write)(const Export&);
};
using ExportTable = std::span<const ExportRow>;

// The tables, one a group.
extern const ExportTable kNnExports, kMovementExports, kOtherExports;

// One scalar function as ONNX nodes. `values` are the operands, `numbers` their value where they are constants of one element, `type` the
// element type that they share; the name of the result, which is bool for tests and logic.
std::string_view export_function(const Export& n, Function f, const Names& values, const std::vector<std::optional<double>>& numbers, DType type);

// The node is a program of them.
void export_program(const Export& n);

}  // namespace tenon::onnx
