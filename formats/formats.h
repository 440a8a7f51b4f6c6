// The one list of model formats. A file is recognised by its content.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/tensor.h"
#include "formats/weights.h"
#include "ir/graph.h"

namespace tenon {

// Where the data of a model's tensors lie when it comes out of a container: ranges of one source.
struct Blobs {
  struct Range {
    int64_t offset, bytes;
  };
  std::shared_ptr<const WeightSource> source;
  std::vector<Range> ranges;
};

struct ReadOptions {
  LoadLimits limits;
  bool follow_symlinks = false;                // of external data files
  std::map<std::string, int64_t> dims;         // symbolic sizes that are always the same
  std::map<std::string, int> ranks;            // of inputs for which the file tells no shape
  std::map<std::string, Tensor> fixed_inputs;  // inputs that become constants
  std::shared_ptr<const Blobs> blobs;          // set: the model was split for a container; tensors refer to these and to no file
  bool ports_only = false;                     // a graph of inputs and outputs alone, with the types that the file declares
};

struct ReadModel {
  Graph graph;
  std::string format;  // as people read it: "ONNX, opset 8, made by CNTK 2.5.1"
  std::vector<std::pair<std::string, std::string>> metadata;
  int nodes = 0;  // operators of the file, those of bodies left out
  // Oddities of the file that do no harm, each in a sentence: a declared shape that is not that of the result, an unknown attribute.
  std::vector<std::string> notes;
};

// `folder` is where external data may lie; empty where the model is no file.
ReadModel read_model(std::shared_ptr<const WeightSource> bytes, const std::string& folder, const ReadOptions& options);

// How a graph is written as ONNX.
struct WriteOptions {
  int64_t opset = 25;
  std::vector<std::string> outputs;  // their names, in order
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string external;                // the location of external data, as the model names it
  int64_t least_external = INT64_MAX;  // constants of so many bytes lie there
};

struct WrittenModel {
  std::string bytes;
  int nodes = 0;
  // What external data hold, in order, each from a multiple of 64 bytes on.
  std::vector<Constant> external;
};

// The graph has neither epilogues nor composite ops: decompose() comes first. Throws Error(not_supported) where ONNX of this opset has
// nothing that an op could become.
WrittenModel write_model(const Graph& g, const WriteOptions& options);

}  // namespace tenon
