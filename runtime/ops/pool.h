#pragma once

#include "ops/conv.h"

namespace tenon {

// max_pool and average_pool. Sources: src [n, c, spatial]. Destinations: dst, and for max_pool optionally the flat index of each
// maximum (s64). `column_major` numbers those indices along the first spatial axis first.
struct Pool : Window {
  std::vector<int64_t> kernel_shape;
  bool ceil_mode = false;          // round the output size up; windows must start inside the source or its leading pad
  bool count_include_pad = false;  // average_pool: padding counts as zeros
  bool column_major = false;       // max_pool's indices

  bool operator==(const Pool&) const = default;
  void fields(auto& f) {
    f("auto_pad", auto_pad, kAutoPadNames), f("ceil_mode", ceil_mode), f("count_include_pad", count_include_pad), f("dilations", dilations),
        f("kernel_shape", kernel_shape), f("pads", pads), f("storage_order", column_major), f("strides", strides);
  }
};

// lp_pool: the p-th root of the sum of |src|^p over each window; padding counts as zeros.
struct LpPool : Pool {
  int64_t p = 2;

  bool operator==(const LpPool&) const = default;
  void fields(auto& f) { Pool::fields(f), f("p", p); }
};

}  // namespace tenon
