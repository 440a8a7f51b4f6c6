// Importing: one function, or one row, for each ONNX operator. See formats/README.md.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "ir/graph.h"
#include "ops/op.h"

namespace tenon::onnx {

struct NodeView;
class Importer;

// What an import function gives for the node's outputs. One value converts.
struct Values : std::vector<ValueId> {
  using std::vector<ValueId>::vector;
  Values(ValueId v) : std::vector<ValueId>{v} {}
  Values(std::vector<ValueId> list) : std::vector<ValueId>(std::move(list)) {}
};

// One ONNX node while it is imported.
class Import {
 public:
  Import(Importer& importer, Graph& graph, const NodeView& node, int opset, std::vector<ValueId> in);

  const NodeView& node;
  const int opset;                // of the node's domain
  const std::vector<ValueId> in;  // kNone where omitted; trailing omitted inputs are cut
  int outputs() const;            // how many are named
  bool wants(int output) const;   // named, and not by the empty name

  // ---- attributes. Each that is read counts as taken; one that nothing took is refused after the function has run.
  // All of them, into the fields of their names.
  template <class A>
  A attributes() const {
    A a;
    Attributes boxed(std::move(a));
    read(boxed);
    return boxed.as<A>();
  }
  bool find(std::string_view name) const;
  int64_t integer(std::string_view name, int64_t absent) const;
  float real(std::string_view name, float absent) const;
  std::string text(std::string_view name, std::string_view absent) const;
  std::vector<int64_t> integers(std::string_view name) const;
  std::vector<float> reals(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;
  DType dtype(std::string_view name, DType absent) const;  // an ONNX element type number
  ValueId tensor(std::string_view name) const;             // as a constant; kNone when absent
  std::shared_ptr<Graph> graph_attribute(std::string_view name, const std::vector<Type>& inputs, std::vector<ValueId>& captures) const;
  // The outputs of a graph attribute whose inputs have these values, its nodes in line with ours.
  std::vector<ValueId> inlined(std::string_view graph, const std::vector<ValueId>& inputs) const;
  void ignore(std::string_view name) const;  // taken, and without meaning for the result

  // ---- inputs
  bool has(int i) const { return i < static_cast<int>(in.size()) && in[static_cast<size_t>(i)] != kNone; }
  const Type& type(int i) const;
  DType element(int i) const { return type(i).expressed(); }
  int rank(int i) const { return type(i).shape.rank(); }
  // The integers of a constant input or a known shape value; no value where they are not numbers.
  std::optional<std::vector<int64_t>> numbers(int i) const;

  // ---- what comes out
  ValueId emit(std::string_view op, Attributes attributes, std::vector<ValueId> inputs) const;
  Values emit(std::string_view op, Attributes attributes, std::vector<ValueId> inputs, int outputs) const;
  // A constant of one element, of the element type of `like`.
  ValueId scalar(double value, DType type = DType::f32) const;
  ValueId constant(const std::vector<int64_t>& values) const;  // s64[n]
  // Throws Error(not_supported) saying what of the operator is not done.
  [[noreturn]] void refuse(const std::string& what) const;
  Graph& graph() const { return graph_; }

 private:
  void read(Attributes& attributes) const;

  Importer& importer_;
  Graph& graph_;
  mutable std::vector<bool> taken_;
  friend class Importer;
};

struct ImportRow {
  std::string_view op;
  Values (*run)(const Import&);
  int since = 1;                 // the opset from which the row holds; of several rows the newest that is not newer than the node
  std::string_view domain = "";  // "" is ai.onnx
};

// One table a group; import.cc lists them.
using ImportTable = std::span<const ImportRow>;

// An operator that is one op with attributes of the same names.
#define TENON_AS(name_, op_, ...)                                                                                                              \
  ::tenon::onnx::ImportRow {                                                                                                                   \
    name_, [](const ::tenon::onnx::Import& n) -> ::tenon::onnx::Values { return n.emit(op_, n.attributes<__VA_ARGS__>(), n.in, n.outputs()); } \
  }

}  // namespace tenon::onnx
