#pragma once

#include <cstdint>

namespace tenon {

// Whether the place within a block is the slower part of the channel index (dcr: depth, column, row) or the faster one (crd).
enum class BlockOrder { dcr, crd };
inline constexpr const char* kBlockOrderNames[] = {"DCR", "CRD"};

// depth_to_space: src [n, c, h, w], dst [n, c / b^2, h * b, w * b]: b * b channels become a block of rows and columns.
// space_to_depth: the way back.
struct DepthToSpace {
  int64_t blocksize = 1;
  BlockOrder mode = BlockOrder::dcr;

  bool operator==(const DepthToSpace&) const = default;
  void fields(auto& f) { f("blocksize", blocksize), f("mode", mode, kBlockOrderNames); }

  // The channel that holds row y and column x of the blocks of channel c, of `depth`.
  int64_t channel(int64_t c, int64_t y, int64_t x, int64_t depth) const {
    return mode == BlockOrder::dcr ? (y * blocksize + x) * depth + c : (c * blocksize + y) * blocksize + x;
  }
};

}  // namespace tenon
