// An ONNX model apart from the data of its tensors, as a container keeps it: the file with the data of every tensor replaced by a
// reference to a blob, and the blobs. Together they give an equivalent file again, weights equal to the byte. Everything else in the
// file, known or unknown, is copied as it stands.
//
// A reference is external data whose one entry is location = "FORM:INDEX". Blob INDEX then holds
//   raw     what raw_data held
//   fields  the tensor's typed fields (float_data, string_data and their like) as protobuf, tags included
//   file    what the external data file held
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/limits.h"
#include "formats/onnx/model.h"
#include "formats/weights.h"

namespace tenon::onnx {

struct BlobReference {
  enum Form : uint8_t { raw, fields, file } form;
  size_t index;
};

// The reference of a tensor whose data are external. Throws Error(bad_model) for what is none, such as the name of an outside file,
// and for a blob beyond `blobs`.
BlobReference blob_reference(const TensorView& t, size_t blobs);

// Where the bytes of a blob lie: parts of sources, one after the other.
struct SplitBlob {
  struct Part {
    std::shared_ptr<const WeightSource> source;
    int64_t offset, bytes;
  };
  std::vector<Part> parts;
  int64_t bytes = 0;

  void read(int64_t offset, int64_t bytes, void* destination) const;
};

struct SplitModel {
  std::string model;             // with references
  std::vector<SplitBlob> blobs;  // small ones first, so that they lie together
};

struct SplitOptions {
  LoadLimits limits;
  bool follow_symlinks = false;  // of external data files
};

// `folder` is where external data lie. Nothing of the tensors' data is read. Throws Error(bad_model) for what is no ONNX model, or for a
// tensor with data of two kinds, and what the limits and external files throw.
SplitModel split(std::shared_ptr<const WeightSource> bytes, const std::string& folder, const SplitOptions& options = {});

// A file as text with blobs in it.
struct JoinedModel {
  struct Hole {
    size_t position;  // in `text`: the blob stands before this byte
    size_t blob;
  };
  struct Data {
    size_t blob;
    int64_t offset;
  };
  std::string text;
  std::vector<Hole> holes;  // by position
  std::vector<Data> data;   // what the file of external data holds, by offset
};

// `model` is one that split gave, `blobs` the length of each blob. Data that came from a file go to the one at `location`, a name
// relative to the model's. Throws Error(bad_model).
JoinedModel join(Bytes model, const std::vector<int64_t>& blobs, const std::string& location);

}  // namespace tenon::onnx
