#pragma once

#include <cstdint>
#include <vector>

namespace tenon {

enum class Reduction { sum, mean, max, min, prod, l1, l2, sum_square, log_sum, log_sum_exp };
inline constexpr const char* kReductionNames[] = {"sum", "mean", "max", "min", "prod", "l1", "l2", "sum_square", "log_sum", "log_sum_exp"};

// dst = kind over the elements of `axes`, which stay with size 1 or fall away. No axes: all of them, or with noop_with_empty_axes none,
// so that each element is reduced by itself. Sources: src, axes (s64, optional; instead of the attribute, where they are not known
// before the model runs). Nothing to reduce gives the neutral element: 0, 1, the lowest or the highest; the mean of nothing is NaN.
struct Reduce {
  Reduction kind = Reduction::sum;
  std::vector<int64_t> axes;
  bool keepdims = true, noop_with_empty_axes = false;

  bool operator==(const Reduce&) const = default;
  void fields(auto& f) {
    f("kind", kind, kReductionNames), f("axes", axes), f("keepdims", keepdims), f("noop_with_empty_axes", noop_with_empty_axes);
  }
};

// arg_max, arg_min: the s64 index along `axis` of the first (or last) greatest or smallest element.
struct Arg {
  int64_t axis = 0;
  bool keepdims = true, select_last_index = false;

  bool operator==(const Arg&) const = default;
  void fields(auto& f) { f("axis", axis), f("keepdims", keepdims), f("select_last_index", select_last_index); }
};

// cum_sum, cum_prod: dst[i] = the sum (product) of src[0 .. i] along an axis; without src[i] itself when exclusive; from the end when
// reverse. Sources: src, axis (one integer, optional; instead of the attribute, where it is not known before the model runs).
struct Cumulate {
  int64_t axis = 0;
  bool exclusive = false, reverse = false;

  bool operator==(const Cumulate&) const = default;
  void fields(auto& f) { f("axis", axis), f("exclusive", exclusive), f("reverse", reverse); }
};

}  // namespace tenon
