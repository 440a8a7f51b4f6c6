#include <algorithm>

#include "harness/problem.h"
#include "ops/boxes.h"
#include "ops/concat.h"
#include "ops/depth_to_space.h"
#include "ops/flatten.h"
#include "ops/gather.h"
#include "ops/pad.h"
#include "ops/reshape.h"
#include "ops/split.h"
#include "ops/squeeze.h"
#include "ops/transpose.h"

namespace tenon {
namespace {

using Shape64 = std::vector<int64_t>;

// Elements of any width, or quantised ones.
Source any(Random& r, const Shape64& shape) {
  const DType type = r.pick({DType::f32, DType::u8, DType::s64, DType::f16, DType::boolean, DType::s32});
  if (type == DType::u8 && r.chance(0.5)) return u8(shape, 0.5f, 3);
  return is_real(type) ? of(type, shape, -2, 2) : of(type, shape, 0, type == DType::boolean ? 1 : 99);
}

Shape64 shape_with(Random& r, int64_t rank, int64_t n) {
  Shape64 shape;
  for (int64_t i = 0; i < rank; ++i) shape.push_back(r.in(1, rank > 3 ? 3 : 6));
  shape[static_cast<size_t>(r.in(0, rank - 1))] = n;
  return shape;
}

// The result is stored as the source is.
void check_move(std::string_view op, Attributes a, std::vector<Source> sources, int outputs = 1) {
  Problem p{op, std::move(a), sources};
  if (sources[0].type.quantisation) p.stored = sources[0].type;
  p.outputs = outputs;
  check(p);
}

void check_parts(int64_t n, Random& r) {
  const int64_t rank = r.in(1, 4), axis = r.in(0, rank - 1);
  std::vector<Source> parts{any(r, shape_with(r, rank, n))};
  for (int64_t i = r.in(0, 3); i > 0; --i) {
    parts.push_back(parts[0]);
    parts.back().type.shape[static_cast<int>(axis)] = r.in(0, 9);
  }
  check_move("concat", Concat{r.chance(0.5) ? axis : axis - rank}, parts);
  check_move("append", Concat{axis}, parts);
  std::vector<Source> filled{any(r, {2, 16 * r.in(1, 2), r.in(1, 4), r.in(1, 4)})};
  filled.push_back(filled[0]);
  filled.back().type.shape[1] = 16 * r.in(1, 3);
  check_move("concat", Concat{1}, filled);
  Source whole = any(r, shape_with(r, rank, n));
  if (whole.type.quantisation) return;  // the other parts would have to be stored alike
  const int64_t first = r.in(0, whole.type.shape[static_cast<int>(axis)].number());
  check_move("split", Split{.axis = axis}, {whole, integers({first, whole.type.shape[static_cast<int>(axis)].number() - first})}, 2);
}

void check_box(int64_t n, Random& r) {
  const int64_t rank = r.in(1, 5);
  const Source src = any(r, shape_with(r, rank, n));
  Transpose t;
  for (int64_t i = 0; i < rank; ++i) t.perm.insert(t.perm.begin() + r.in(0, i), i);
  check_move("transpose", t, {src});
  check_move("transpose", Transpose{{1, 0}}, {any(r, {n, r.in(1, 40)})});
  check_move("transpose", Transpose{{0, 2, 1}}, {f32({r.in(1, 3), r.in(1, 40), n})});

  std::vector<int64_t> starts, ends, axes, steps;
  for (int64_t i = 0; i < rank; ++i) {
    if (r.chance(0.4)) continue;
    axes.push_back(i), starts.push_back(r.in(-9, 9)), ends.push_back(r.in(-9, 9)), steps.push_back(r.pick<int64_t>({1, 1, 2, -1, -3}));
  }
  check_move("slice", None{}, {src, integers(starts), integers(ends), integers(axes), integers(steps)});

  std::vector<int64_t> pads;
  for (int64_t i = 0; i < 2 * rank; ++i) pads.push_back(r.in(0, 3));
  if (!src.type.quantisation) check_move("pad", Pad{}, {src, integers(pads)});
  const bool empty = std::any_of(src.type.shape.begin(), src.type.shape.end(), [](Dim d) { return d == Dim(0); });
  if (!empty) check_move("pad", Pad{.mode = r.pick({PadMode::reflect, PadMode::edge, PadMode::wrap})}, {src, integers(pads)});
  std::vector<int64_t> repeats;
  for (int64_t i = 0; i < rank; ++i) repeats.push_back(r.in(rank > 3 ? 1 : 0, 3));
  check_move("tile", None{}, {src, integers(repeats)});

  Shape64 from(static_cast<size_t>(rank)), to;
  for (int i = 0; i < rank; ++i) {
    to.push_back(src.type.shape[i].number());
    from[static_cast<size_t>(i)] = r.chance(0.5) ? 1 : to.back();
  }
  const int64_t left_out = r.in(0, rank);
  check_move("expand", None{}, {any(r, {from.begin() + left_out, from.end()}), integers(to)});
}

void check_rest(int64_t n, Random& r) {
  const int64_t rank = r.in(1, 4), axis = r.in(0, rank - 1);
  const Shape64 shape = shape_with(r, rank, n);
  const Source src = any(r, shape);
  if (shape[static_cast<size_t>(axis)] > 0) {
    const double size = static_cast<double>(shape[static_cast<size_t>(axis)]);
    Source indices = of(r.pick({DType::s64, DType::s32}), r.chance(0.3) ? Shape64{} : Shape64{r.in(0, 7)}, -size, size - 1);
    indices.constant = r.chance(0.3);
    check_move("gather", Gather{axis}, {src, indices});
  }
  check_move("reshape", Reshape{}, {src, integers({-1, 1})});
  check_move("flatten", Flatten{axis}, {src});
  check_move("identity", None{}, {src});
  check_move("unsqueeze", Unsqueeze{{axis}}, {src});
  Shape64 with_one = shape;
  with_one[static_cast<size_t>(axis)] = 1;
  check_move("squeeze", Squeeze{{axis}}, {any(r, with_one)});
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < rank; ++i) sizes.push_back(r.in(0, 9));
  check_move("center_crop_pad", CenterCropPad{}, {src, integers(sizes)});
  check_move("center_crop_pad", CenterCropPad{{axis - rank}}, {src, integers({r.in(0, 9)})});
  const int64_t block = r.in(1, 3);
  check_move("space_to_depth", DepthToSpace{block},
             {any(r, {r.in(1, 2), r.in(1, 4), block * r.in(1, 3), block * n})});
  check_move("depth_to_space", DepthToSpace{block, r.pick({BlockOrder::dcr, BlockOrder::crd})},
             {any(r, {r.in(1, 2), block * block * r.in(1, 4), r.in(1, 4), n})});
}

TEST(MovementKernels, agree) {
  sweep([](int64_t n, Random& r) {
    check_parts(n, r);
    check_box(n, r);
    check_rest(n, r);
  });
  expect_every_kernel("movement");
}

}  // namespace
}  // namespace tenon
