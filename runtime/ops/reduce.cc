#include "ops/reduce.h"

#include <cmath>
#include <numeric>

#include "ops/op.h"

namespace tenon {
namespace {

// The axes to reduce, from the input where there is one; false where they are not known yet.
bool known_axes(Inference& n, std::vector<int>& axes) {
  const auto& a = n.attributes<Reduce>();
  std::vector<int64_t> list = a.axes;
  if (n.has(1)) {
    n.expect(n.dtype(1) == DType::s64, "the axes of reduce are s64");
    n.expect_rank(1, 1);
    n.expect(a.axes.empty(), "the axes of reduce are given once");
    if (!n.known(1)) return false;
    for (Dim d : n.content(1)) {
      if (!d.known()) throw Error(Code::not_supported, "the axes of reduce depend on sizes");
      list.push_back(d.number());
    }
  }
  axes = n.axes(list, n.rank(0));
  if (axes.empty() && !a.noop_with_empty_axes) {
    axes.resize(static_cast<size_t>(n.rank(0)));
    std::iota(axes.begin(), axes.end(), 0);
  }
  return true;
}

void infer_reduce(Inference& n) {
  const auto& a = n.attributes<Reduce>();
  n.expect_inputs(1, 2);
  const DType dtype = n.dtype(0);
  const bool ordered = a.kind == Reduction::max || a.kind == Reduction::min;
  const bool logarithm = a.kind == Reduction::log_sum || a.kind == Reduction::log_sum_exp;
  n.expect(is_real(dtype) || (is_integer(dtype) && !logarithm) || (dtype == DType::boolean && ordered), "reduce has a meaning for the element type");
  std::vector<int> axes;
  const int rank = n.rank(0);
  Shape shape;
  if (known_axes(n, axes)) {
    std::vector<bool> gone(static_cast<size_t>(rank));
    for (int axis : axes) gone[static_cast<size_t>(axis)] = true;
    for (int i = 0; i < rank; ++i)
      if (!gone[static_cast<size_t>(i)]) shape.push(n.size(0, i));
      else if (a.keepdims) shape.push(1);
  } else if (a.keepdims) {
    for (int i = 0; i < rank; ++i) shape.push(n.data(max(n.size(0, i), 1)));
  } else {
    const Extent count = n.size(1, 0);
    if (!count.known()) throw Error(Code::not_supported, "the rank of the result is not known before the model runs");
    n.expect(count.dim().number() <= rank, "axes names no more axes than src has");
    const int64_t kept = count.dim() == Dim(0) && !a.noop_with_empty_axes ? 0 : rank - count.dim().number();
    for (int64_t i = 0; i < kept; ++i) shape.push(n.data());
  }
  n.result(dtype, shape);
}

// One element of the result while it grows, in floating point.
struct Sum {
  double value, top = -INFINITY;
  int64_t count = 0;
};

double neutral(Reduction kind) {
  if (kind == Reduction::prod) return 1;
  if (kind == Reduction::max) return -INFINITY;
  return kind == Reduction::min ? INFINITY : 0;
}

void add(Sum& s, Reduction kind, double x) {
  ++s.count;
  switch (kind) {
    case Reduction::prod: s.value *= x; break;
    case Reduction::max: s.value = std::isnan(s.value) || s.value > x ? s.value : x; break;
    case Reduction::min: s.value = std::isnan(s.value) || s.value < x ? s.value : x; break;
    case Reduction::l1: s.value += std::abs(x); break;
    case Reduction::l2:
    case Reduction::sum_square: s.value += x * x; break;
    case Reduction::log_sum_exp: {
      // Relative to the largest element so far, which keeps the exponentials in range.
      if (x == -INFINITY) break;
      if (x > s.top) s.value = s.value * std::exp(s.top - x), s.top = x;
      s.value += s.top == INFINITY ? 1 : std::exp(x - s.top);
      break;
    }
    default: s.value += x;
  }
}

double finish(const Sum& s, Reduction kind) {
  switch (kind) {
    case Reduction::mean: return s.value / static_cast<double>(s.count);
    case Reduction::l2: return std::sqrt(s.value);
    case Reduction::log_sum: return std::log(s.value);
    case Reduction::log_sum_exp: return s.value == 0 ? -INFINITY : s.top + std::log(s.value);
    default: return s.value;
  }
}

// The same for integers; sums wrap.
struct Whole {
  int64_t value, count = 0;
};

int64_t neutral(Reduction kind, DType dtype) {
  if (kind == Reduction::prod) return 1;
  if (kind == Reduction::max) return dtype == DType::boolean || is_unsigned(dtype) ? 0 : lowest(dtype);
  if (kind == Reduction::min) return dtype == DType::boolean ? 1 : dtype == DType::u64 ? -1 : highest(dtype);
  return 0;
}

int64_t wrapped(uint64_t v) { return static_cast<int64_t>(v); }
bool below(int64_t a, int64_t b, DType dtype) { return dtype == DType::u64 ? static_cast<uint64_t>(a) < static_cast<uint64_t>(b) : a < b; }

void add(Whole& s, Reduction kind, DType dtype, int64_t x) {
  ++s.count;
  const uint64_t value = static_cast<uint64_t>(s.value), u = static_cast<uint64_t>(x);
  switch (kind) {
    case Reduction::prod: s.value = wrapped(value * u); break;
    case Reduction::max: s.value = below(s.value, x, dtype) ? x : s.value; break;
    case Reduction::min: s.value = below(x, s.value, dtype) ? x : s.value; break;
    case Reduction::l1: s.value = wrapped(value + (x < 0 && dtype != DType::u64 ? 0 - u : u)); break;
    case Reduction::l2:
    case Reduction::sum_square: s.value = wrapped(value + u * u); break;
    default: s.value = wrapped(value + u);
  }
}

int64_t finish(const Whole& s, Reduction kind) {
  if (kind == Reduction::mean) return s.count ? s.value / s.count : 0;
  return kind == Reduction::l2 ? static_cast<int64_t>(std::sqrt(static_cast<double>(s.value))) : s.value;
}

void reduce_reference(Reference& n) {
  const auto& a = n.attributes<Reduce>();
  const Array& src = *n.in[0];
  Array& dst = n.out[0];
  const std::vector<int64_t> list = n.has(1) ? n.integers(1) : a.axes;
  std::vector<bool> gone(src.shape.size(), list.empty() && !a.noop_with_empty_axes);
  for (int64_t axis : list) gone[static_cast<size_t>(from_front(axis, src.rank()))] = true;
  std::vector<int64_t> strides(src.shape.size());
  int64_t step = 1;
  for (size_t i = src.shape.size(); i-- > 0;)
    if (!gone[i]) strides[i] = step, step *= src.shape[i];
  if (src.is_real()) {
    std::vector<Sum> sums(dst.cells.size(), Sum{neutral(a.kind)});
    for (Walk at(src.shape); at.more(); at.next()) add(sums[static_cast<size_t>(at.offset(strides))], a.kind, src.real(at.flat()));
    for (size_t i = 0; i < sums.size(); ++i) dst.cells[i].real = finish(sums[i], a.kind);
  } else {
    std::vector<Whole> sums(dst.cells.size(), Whole{neutral(a.kind, src.dtype)});
    for (Walk at(src.shape); at.more(); at.next()) add(sums[static_cast<size_t>(at.offset(strides))], a.kind, src.dtype, src.integer(at.flat()));
    for (size_t i = 0; i < sums.size(); ++i) dst.cells[i].integer = finish(sums[i], a.kind);
  }
}

void infer_arg(Inference& n) {
  const auto& a = n.attributes<Arg>();
  n.expect_inputs(1, 1);
  n.expect(is_real(n.dtype(0)) || is_integer(n.dtype(0)), "src of arg_max and arg_min is a number");
  const int axis = n.axis(a.axis, n.rank(0));
  n.expect(n.size(0, axis).dim() != Dim(0), "the axis of arg_max and arg_min has an element");
  Shape shape;
  for (int i = 0; i < n.rank(0); ++i)
    if (i != axis) shape.push(n.size(0, i));
    else if (a.keepdims) shape.push(1);
  n.result(DType::s64, shape);
}

// A NaN is neither greater nor smaller than anything.
template <bool greatest>
void arg_reference(Reference& n) {
  const auto& a = n.attributes<Arg>();
  const Array& src = *n.in[0];
  const auto better = [&](int64_t i, int64_t j) {
    if (src.is_real()) return greatest ? src.real(i) > src.real(j) : src.real(i) < src.real(j);
    return greatest ? below(src.integer(j), src.integer(i), src.dtype) : below(src.integer(i), src.integer(j), src.dtype);
  };
  int64_t to = 0;
  for (const Line& line : lines(src.shape, a.axis)) {
    if (line.count == 0) throw Error(Code::bad_input, "the axis of arg_max and arg_min has no element");
    int64_t best = 0;
    for (int64_t i = 1; i < line.count; ++i)
      if (better(line[i], line[best]) || (a.select_last_index && !better(line[best], line[i]))) best = i;
    n.out[0].integer(to++) = best;
  }
}

void infer_cumulate(Inference& n) {
  n.expect_inputs(1, 2);
  n.expect(is_real(n.dtype(0)) || is_integer(n.dtype(0)), "src of a cumulated sum or product is a number");
  if (!n.has(1)) {
    n.axis(n.attributes<Cumulate>().axis, n.rank(0));
  } else {
    n.expect(n.dtype(1) == DType::s32 || n.dtype(1) == DType::s64, "the axis is s32 or s64");
    n.equal(n.count(n.shape(1)), 1, "elements of the axis");
    if (n.known(1) && n.content(1)[0].known()) n.axis(n.content(1)[0].number(), n.rank(0));
  }
  n.result(n.dtype(0), n.shape(0));
}

template <bool product>
void cumulate_reference(Reference& n) {
  const auto& a = n.attributes<Cumulate>();
  const Array& src = *n.in[0];
  Array& dst = n.out[0];
  const int64_t axis = n.has(1) ? n.in[1]->integer(0) : a.axis, rank = src.rank();
  if (axis < -rank || axis >= rank) throw Error(Code::bad_input, "axis " + std::to_string(axis) + " is outside a rank of " + std::to_string(rank));
  for (const Line& line : lines(src.shape, axis)) {
    double sum = product;
    uint64_t whole = product;
    for (int64_t k = 0; k < line.count; ++k) {
      const int64_t i = line[a.reverse ? line.count - 1 - k : k];
      const auto store = [&] {
        if (src.is_real()) dst.real(i) = sum;
        else dst.integer(i) = wrapped(whole);
      };
      if (a.exclusive) store();
      if (src.is_real()) sum = product ? sum * src.real(i) : sum + src.real(i);
      else whole = product ? whole * static_cast<uint64_t>(src.integer(i)) : whole + static_cast<uint64_t>(src.integer(i));
      if (!a.exclusive) store();
    }
  }
}

}  // namespace
const Op ops::reduce{.name = "reduce",
                     .attributes = Attributes::make<Reduce>,
                     .infer = infer_reduce,
                     .reference = reduce_reference,
                     .exactness = {Exactness::relative, 1e-5}};
const Op ops::arg_max{.name = "arg_max", .attributes = Attributes::make<Arg>, .infer = infer_arg, .reference = arg_reference<true>};
const Op ops::arg_min{.name = "arg_min", .attributes = Attributes::make<Arg>, .infer = infer_arg, .reference = arg_reference<false>};
const Op ops::cum_sum{.name = "cum_sum",
                      .attributes = Attributes::make<Cumulate>,
                      .infer = infer_cumulate,
                      .reference = cumulate_reference<false>,
                      .exactness = {Exactness::relative, 1e-5}};
const Op ops::cum_prod{.name = "cum_prod",
                       .attributes = Attributes::make<Cumulate>,
                       .infer = infer_cumulate,
                       .reference = cumulate_reference<true>,
                       .exactness = {Exactness::relative, 1e-5}};
}  // namespace tenon
