// What a model from a stranger may ask for. Every stage checks for itself, and a refusal names the field.
#pragma once

#include <cstdint>

namespace tenon {

struct LoadLimits {
  int64_t bytes = int64_t{1} << 40;  // of the model file and each of its data files
  int64_t nodes = 4'000'000;         // subgraphs and expanded functions included
  int64_t tensors = 4'000'000;
  int64_t view_bytes = int64_t{40} << 20;       // of what parsing notes of a model, beyond the size of the file
  int64_t elements = int64_t{1} << 40;          // of one tensor
  int64_t unpacked_bytes = int64_t{1} << 30;    // of all compressed members of an archive
  int64_t depth = 32;                           // of nested subgraphs
  int64_t calls = 100;                          // of nested model-local functions
  int64_t fold_bytes_node = int64_t{64} << 20;  // a constant result larger than this is left to run time
  int64_t fold_bytes = int64_t{256} << 20;      // of all constant results
  int64_t memory_bytes = int64_t{1} << 40;      // of the arena of one session
  double seconds = 600;                         // from open to ready
  int64_t extent_rows = 1'000'000;              // distinct symbolic sizes
  int64_t extent_terms = 64;                    // terms of one
  int64_t extent_atoms = 8;                     // factors of one term
};

}  // namespace tenon
