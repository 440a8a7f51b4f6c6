// Builds a Graph from an ONNX model: names to values, subgraphs with their captures, model-local functions inlined.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/onnx/functions.h"
#include "formats/onnx/import.h"
#include "formats/onnx/model.h"
#include "formats/onnx/reader.h"
#include "formats/onnx/split.h"

namespace tenon::onnx {

// The names of one graph. A name that is not here is looked for outside; what is found there is captured: it becomes an input of
// this graph (or, if constant, a constant of it).
struct Scope {
  Scope(Graph& graph, Scope* outside) : graph(graph), outside(outside) {}

  Graph& graph;
  Scope* outside;
  bool same_graph = false;  // an inlined branch: names are its own, values are those of the graph outside
  std::unordered_map<std::string_view, ValueId> names;
  std::map<ValueId, ValueId> captured;  // outside's value -> ours
  std::vector<ValueId> captures;        // outside's values that became inputs, in that order
};

// Where an error in a node says it happened.
std::string place(const NodeView& n, int64_t opset);

class Importer {
 public:
  Importer(std::shared_ptr<const WeightSource> bytes, std::string folder, const ReadOptions& options);

  ReadModel read();

  // For Import.
  ValueId constant(Graph& g, const TensorView& t, std::string name);
  ValueId sparse_constant(Graph& g, const SparseTensorView& t, std::string name);
  // A body: its formal inputs have the given types, then come the captured values of `scope`, which are added to `captures`.
  std::shared_ptr<Graph> subgraph(Scope& scope, const GraphView& body, const std::vector<Type>& formals, std::vector<ValueId>& captures);
  // Gives both graphs one list of captures.
  static void share_captures(Graph& a, const std::vector<ValueId>& captures_a, Graph& b, const std::vector<ValueId>& captures_b,
                             std::vector<ValueId>& all);
  int64_t opset(std::string_view domain) const;

 private:
  using Bindings = std::unordered_map<std::string_view, const AttributeView*>;  // attributes of a function call

  void expect_dims(const GraphView& g) const;
  void inputs(Scope& s, const GraphView& g);
  void initializers(Scope& s, const GraphView& g);
  void nodes(Scope& s, std::span<const NodeView> list);
  void node(Scope& s, const NodeView& n);
  // Control flow, in control.cc. A Body builds the body of a loop on its formals (the iteration, whether it goes on, what is carried)
  // and returns what it gives; it is called again where the types of what is carried turn out more general.
  using Body = std::function<std::vector<ValueId>(Scope& inside, const std::vector<ValueId>& formals)>;
  using ImportControl = void (Importer::*)(Scope& s, const NodeView& n, const std::vector<ValueId>& in);
  static ImportControl control(const NodeView& n);
  void import_if(Scope& s, const NodeView& n, const std::vector<ValueId>& in);
  void inline_branch(Scope& s, const NodeView& n, const GraphView& branch);
  void import_loop(Scope& s, const NodeView& n, const std::vector<ValueId>& in);
  void import_scan(Scope& s, const NodeView& n, const std::vector<ValueId>& in);
  void import_sequence_map(Scope& s, const NodeView& n, const std::vector<ValueId>& in);
  struct ScanParts;
  std::vector<ValueId> scan(Scope& s, const ScanParts& parts, const std::vector<ValueId>& states, const std::vector<ValueId>& scanned);
  // `formals` are the types of the first two. Returns the carried values as they end, and the scan outputs.
  std::vector<ValueId> loop(Scope& s, ValueId most, ValueId begins, const std::vector<ValueId>& carried, std::vector<Type> formals, const Body& body);
  // The nodes of a body whose inputs have these values; its outputs.
  std::vector<ValueId> inlined(Scope& s, const GraphView& body, const std::vector<ValueId>& inputs);
  ValueId capture(Scope& s, ValueId outer);
  bool call(Scope& s, const NodeView& n, const std::vector<ValueId>& in);
  void define(Scope& s, std::string_view name, ValueId v);
  ValueId lookup(Scope& s, std::string_view name);  // kNone where there is no such name
  ValueId find(Scope& s, std::string_view name);
  Type type(const ValueInfoView& v, Graph& g);
  void check_limits();
  void note(std::string text);
  void compare_declared(const char* what, const ValueInfoView& v, const Graph& g, ValueId id);
  void untaken(const NodeView& n, const AttributeView& a);
  // Where the data of a tensor with external data lie.
  struct Range {
    std::shared_ptr<const WeightSource> source;
    int64_t offset, bytes;
  };
  BlobReference blob(const TensorView& t);
  bool holds_fields(const TensorView& t);
  std::shared_ptr<const WeightSource> kept(const Range& r);
  // `bytes` of them; -1: as many as there are.
  Range external_range(const TensorView& t, int64_t bytes);
  // A tensor that holds its own data: `t`, or a copy that views `memory`.
  TensorView with_own_data(const TensorView& t, std::vector<char>& memory);

  Model model_;
  std::shared_ptr<const WeightSource> bytes_;
  std::string folder_;
  ReadOptions options_;
  std::map<std::string_view, int64_t> opsets_;
  Functions functions_;
  const Bindings* bindings_ = nullptr;  // of the function whose body is being imported
  int64_t nodes_ = 0, depth_ = 0;
  std::vector<std::string> notes_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::unordered_map<std::string, std::shared_ptr<const WeightSource>> files_;
  std::unordered_map<size_t, const char*> owners_;                         // of blobs: the message of their tensor
  std::unordered_map<int64_t, std::shared_ptr<const WeightSource>> kept_;  // small blobs by offset
  Scope* current_ = nullptr;                                               // of the node being imported
  friend class Import;
};

}  // namespace tenon::onnx
