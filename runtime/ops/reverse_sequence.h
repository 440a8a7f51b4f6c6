#pragma once

#include <cstdint>

namespace tenon {

// src with the first lengths[b] elements of every sample b in reverse along `time_axis`. Sources: src, lengths (s64[batch]).
struct ReverseSequence {
  int64_t batch_axis = 1, time_axis = 0;

  bool operator==(const ReverseSequence&) const = default;
  void fields(auto& f) { f("batch_axis", batch_axis), f("time_axis", time_axis); }
};

}  // namespace tenon
