#include <algorithm>

#include "harness/problem.h"
#include "ops/gather.h"
#include "ops/one_hot.h"
#include "ops/reverse_sequence.h"
#include "ops/scatter.h"

namespace tenon {
namespace {

using Shape64 = std::vector<int64_t>;

Source any(Random& r, const Shape64& shape) {
  const DType type = r.pick(
      {DType::f32, DType::u8, DType::s64, DType::f16, DType::boolean, DType::s32, DType::f64});
  if (type == DType::u8 && r.chance(0.5)) return u8(shape, 0.5f, 3);
  return is_real(type) ? of(type, shape, -2, 2)
                       : of(type, shape, 0, type == DType::boolean ? 1 : 99);
}

void check_move(std::string_view op, Attributes a, std::vector<Source> sources) {
  Problem p{op, std::move(a), sources};
  if (const Type& t = sources[0].type; t.quantisation && op != "one_hot") p.stored = t;
  check(p);
}

Shape64 shape_with(Random& r, int64_t rank, int64_t n) {
  Shape64 shape;
  for (int64_t i = 0; i < rank; ++i) shape.push_back(r.in(1, rank > 3 ? 3 : 6));
  shape[static_cast<size_t>(r.in(0, rank - 1))] = n;
  return shape;
}

Source indices(Random& r, const Shape64& shape, int64_t size) {
  return of(r.pick({DType::s64, DType::s32}), shape, static_cast<double>(-size),
            static_cast<double>(size - 1));
}

void check_elements(int64_t n, Random& r) {
  const int64_t rank = r.in(1, 4), axis = r.in(0, rank - 1);
  const Shape64 shape = shape_with(r, rank, n);
  const int64_t size = shape[static_cast<size_t>(axis)];
  if (!size) return;
  Shape64 picked = shape;
  for (int64_t& d : picked) d = r.in(0, d);
  picked[static_cast<size_t>(axis)] = r.in(0, 2 * size);
  const Source src = any(r, shape);
  check_move("gather_elements", Gather{r.chance(0.5) ? axis : axis - rank},
             {src, indices(r, picked, size)});
  Source updates = src;
  updates.type.shape = indices(r, picked, size).type.shape;
  check_move("scatter_elements", ScatterElements{.axis = axis},
             {src, indices(r, picked, size), updates});
  const DType type =
      r.pick({DType::f32, DType::f16, DType::bf16, DType::s64, DType::u8, DType::s32, DType::f64});
  const double low = is_unsigned(type) ? 0 : -3;
  ScatterElements a{.axis = axis,
                    .reduction = r.pick({ScatterReduction::add, ScatterReduction::mul,
                                         ScatterReduction::min, ScatterReduction::max})};
  if (a.reduction == ScatterReduction::mul && is_real(type)) a.reduction = ScatterReduction::add;
  check("scatter_elements", a,
        {of(type, shape, low, 3), indices(r, picked, size), of(type, picked, low, 3)});
}

void check_places(int64_t n, Random& r) {
  const int64_t rank = r.in(1, 4), depth = r.in(1, rank);
  Shape64 shape = shape_with(r, rank, std::max<int64_t>(n, 1)), places{r.in(0, 9), depth},
          updates{places[0]};
  if (r.chance(0.4))
    places.insert(places.begin(), r.in(1, 3)), updates.insert(updates.begin(), places[0]);
  const int64_t least = *std::min_element(shape.begin(), shape.begin() + depth);
  updates.insert(updates.end(), shape.begin() + depth, shape.end());
  const Source src = any(r, shape);
  check_move("gather_nd", GatherNd{}, {src, indices(r, places, least)});
  Source update = src;
  update.type.shape = f32(updates).type.shape;
  check_move("scatter_nd", ScatterNd{}, {src, indices(r, places, least), update});
  const DType type = r.pick({DType::f32, DType::s64, DType::u8, DType::f16});
  check("scatter_nd",
        ScatterNd{r.pick({ScatterReduction::add, ScatterReduction::min, ScatterReduction::max})},
        {of(type, shape, 0, 3), indices(r, places, least), of(type, updates, 0, 3)});
  const int64_t batch = r.in(1, 3);
  Shape64 batched = shape;
  batched.insert(batched.begin(), batch);
  check_move("gather_nd", GatherNd{1},
             {any(r, batched), indices(r, {batch, r.in(0, 5), depth}, least)});
}

TEST(IndexKernels, agree) {
  sweep([](int64_t n, Random& r) {
    check_elements(n, r);
    check_places(n, r);
    // Long blocks are shared by workers.
    if (r.chance(0.1))
      check("scatter_nd", ScatterNd{},
            {f32({5, 9000 + n}), indices(r, {7, 1}, 5), f32({7, 9000 + n})});

    const int64_t batch = r.in(1, 3), size = std::max<int64_t>(n, 1), rows = r.in(0, size),
                  heads = r.in(1, 3);
    const bool circular = r.chance(0.5);
    std::vector<Source> cache{f32({batch, heads, size, 5}), f32({batch, heads, rows, 5})};
    if (r.chance(0.8))
      cache.push_back(
          of(DType::s64, {batch}, 0, static_cast<double>(circular ? 2 * size : size - rows)));
    check("tensor_scatter",
          TensorScatter{.axis = -2, .mode = circular ? WriteMode::circular : WriteMode::linear},
          cache);

    const bool time_first = r.chance(0.5);
    const Shape64 sequence{time_first ? n : batch, time_first ? batch : n, r.in(1, 3)};
    check_move("reverse_sequence", ReverseSequence{time_first ? 1 : 0, time_first ? 0 : 1},
               {any(r, sequence), of(DType::s64, {batch}, 0, static_cast<double>(n))});

    const int64_t depth = r.in(1, 9);
    Source values = any(r, {2});
    Problem hot{"one_hot",
                OneHot{r.in(-2, 1)},
                {of(r.pick({DType::s64, DType::s32, DType::f32, DType::u8}), {n}, 0, 12),
                 integers({depth}), values}};
    if (!is_unsigned(hot.sources[0].type.dtype)) hot.sources[0].low = -12;
    if (values.type.quantisation) hot.stored = values.type;
    check(hot);
  });
  expect_every_kernel("index");
}

}  // namespace
}  // namespace tenon
