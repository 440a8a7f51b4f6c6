#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace tenon {

// An empty sequence of tensors of this element type.
struct SequenceEmpty {
  DType dtype = DType::f32;
  bool operator==(const SequenceEmpty&) const = default;
  void fields(auto& f) { f("dtype", dtype); }
};

// split_to_sequence: the parts of a tensor along `axis`. Sources: src, and how large each part is: a number (the last part is what is
// left) or one for each part; omitted: 1, and then the axis goes unless `keepdims`.
struct SplitToSequence {
  int64_t axis = 0;
  bool keepdims = true;
  bool operator==(const SplitToSequence&) const = default;
  void fields(auto& f) { f("axis", axis), f("keepdims", keepdims); }
};

// concat_from_sequence: the items joined along `axis`, which is new where `new_axis` says so.
struct ConcatFromSequence {
  int64_t axis = 0;
  bool new_axis = false;
  bool operator==(const ConcatFromSequence&) const = default;
  void fields(auto& f) { f("axis", axis), f("new_axis", new_axis); }
};

// optional: its source as an optional; without a source an empty one, of tensors or of sequences of tensors of `dtype`.
struct Optional {
  DType dtype = DType::f32;
  bool sequence = false;
  bool operator==(const Optional&) const = default;
  void fields(auto& f) { f("dtype", dtype), f("sequence", sequence); }
};

}  // namespace tenon
