// Operators that move elements: views, parts, joins, look-ups, resampling.
#include <algorithm>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "formats/onnx/model.h"
#include "ops/compress.h"
#include "ops/concat.h"
#include "ops/depth_to_space.h"
#include "ops/flatten.h"
#include "ops/gather.h"
#include "ops/one_hot.h"
#include "ops/pad.h"
#include "ops/reshape.h"
#include "ops/resize.h"
#include "ops/reverse_sequence.h"
#include "ops/scatter.h"
#include "ops/shape.h"
#include "ops/slice.h"
#include "ops/split.h"
#include "ops/squeeze.h"
#include "ops/top_k.h"
#include "ops/transpose.h"
#include "ops/trilu.h"
#include "ops/unique.h"

namespace tenon::onnx {
namespace {

// The integers of an input that decides ranks and axes.
std::vector<int64_t> decided(const Import& n, int i, const char* what) {
  if (const auto list = n.numbers(i)) return *list;
  n.refuse(std::string(what) + " that are decided while the model runs; Tenon needs them when it is loaded");
}

// A list that is an attribute before opset `since` and from then on input i. Where the input is not known, it stays an input.
struct Axes {
  bool given = false;
  std::vector<int64_t> list;
  ValueId input = kNone;
};

Axes axes_of(const Import& n, int i, int since) {
  if (n.opset < since) return {n.find("axes"), n.integers("axes"), kNone};
  if (!n.has(i)) return {};
  if (const auto list = n.numbers(i)) return {true, *list, kNone};
  return {true, {}, n.in[static_cast<size_t>(i)]};
}

std::vector<ValueId> with(ValueId src, ValueId axes) { return axes == kNone ? std::vector<ValueId>{src} : std::vector<ValueId>{src, axes}; }

bool empty(const Import& n, int i) { return !n.has(i) || (n.rank(i) == 1 && n.type(i).shape[0] == Dim(0)); }

Values identity(const Import& n) { return n.emit("identity", None{}, n.in); }

Values squeeze(const Import& n) {
  Axes axes = axes_of(n, 1, 13);
  Extents& extents = *n.graph().extents;
  for (int i = 0; !axes.given && i < n.rank(0); ++i) {
    const Dim size = n.type(0).shape[i];
    if (size == Dim(1)) axes.list.push_back(i);
    else if (!extents.differ(size, 1))
      throw NeedsSizes(Code::not_supported, "Squeeze without axes, where axis " + std::to_string(i) + " has " + extents.text(size) +
                                                " elements, which may be one; name the axes");
  }
  return n.emit("squeeze", Squeeze{axes.list}, with(input(n, 0), axes.input));
}

Values unsqueeze(const Import& n) {
  const Axes axes = axes_of(n, 1, 13);
  expect(axes.given, "Unsqueeze names axes");
  return n.emit("unsqueeze", Unsqueeze{axes.list}, with(input(n, 0), axes.input));
}

Values concat(const Import& n) {
  Concat a = n.attributes<Concat>();
  if (!n.find("axis")) {
    expect(n.opset < 4, "Concat names an axis");
    a.axis = 1;
  }
  return n.emit("concat", a, n.in);
}

Values split(const Import& n) {
  Split a{.axis = n.integer("axis", 0), .num_outputs = n.integer("num_outputs", static_cast<int64_t>(n.node.outputs.size()))};
  std::vector<ValueId> in = n.in;
  if (n.opset < 13 && n.find("split")) in = {input(n, 0), n.constant(n.integers("split"))};
  if (in.size() > 1 && in[1] != kNone) a.num_outputs = 0;
  return n.emit("split", a, in, n.outputs());
}

// A bound of a slice. Numbers that stand for "before the first" may be lower than any that Tenon counts with.
ValueId bound(const Import& n, int i) {
  const auto values = constant_input(n, i);
  if (!values || n.element(i) != DType::s64) return input(n, i);
  Array cut = *values;
  bool low = false;
  for (Cell& c : cut.cells) {
    low |= c.integer < Dim::kLeastNumber;
    c.integer = std::max(c.integer, Dim::kLeastNumber);
  }
  return low ? add_constant(n, cut, DType::s64) : input(n, i);
}

Values slice(const Import& n) {
  if (n.opset < 10) {
    const auto cut = [](std::vector<int64_t> v) {
      for (int64_t& i : v) i = std::max(i, Dim::kLeastNumber);
      return v;
    };
    std::vector<ValueId> in{input(n, 0), n.constant(cut(n.integers("starts"))), n.constant(cut(n.integers("ends")))};
    if (n.find("axes")) in.push_back(n.constant(n.integers("axes")));
    return n.emit("slice", None{}, in);
  }
  std::vector<ValueId> in = n.in;
  for (int i : {1, 2}) in[static_cast<size_t>(i)] = bound(n, i);
  return n.emit("slice", None{}, in);
}

Values tile(const Import& n) {
  if (n.opset >= 6) return n.emit("tile", None{}, n.in);
  std::vector<int64_t> repeats(static_cast<size_t>(n.rank(0)), 1);
  const std::vector<int64_t> tiles = decided(n, 1, "tiles"), axis = decided(n, 2, "axis");
  expect(tiles.size() == 1 && axis.size() == 1 && axis[0] >= 0 && axis[0] < n.rank(0),
         "Tile of opset 1 has one number of tiles and one axis of the input");
  repeats[static_cast<size_t>(axis[0])] = tiles[0];
  return n.emit("tile", None{}, {input(n, 0), n.constant(repeats)});
}

Values pad(const Import& n) {
  Pad a;
  if (n.opset < 11) {
    const float value = n.real("value", 0);
    const std::vector<int64_t> pads = n.integers(n.opset < 2 ? "paddings" : "pads");
    const ValueId src = input(n, 0);
    a = n.attributes<Pad>();
    return n.emit("pad", a, {src, n.constant(pads), value == 0 ? kNone : n.scalar(value, n.element(0))});
  }
  a = n.attributes<Pad>();
  const auto axes = n.numbers(3);
  std::vector<ValueId> in = n.in;
  // An empty list stays an input: as an attribute it would mean all axes.
  if (axes && !axes->empty()) {
    a.axes = *axes;
    in.resize(3);
  }
  return n.emit("pad", a, in);
}

Values reshape(const Import& n) {
  if (n.opset >= 5) return n.emit("reshape", n.attributes<Reshape>(), n.in);
  n.ignore("consumed_inputs");
  return n.emit("reshape", Reshape{}, {input(n, 0), n.constant(n.integers("shape"))});
}

// Factors that are known become attributes, by which the planner sees them.
void take_scales(const Import& n, int i, Resize& a, std::vector<ValueId>& in) {
  const auto scales = constant_input(n, i);
  if (!scales) {
    in = {in[0], in.size() > 1 ? in[1] : kNone, input(n, i)};
    return;
  }
  for (int64_t k = 0; k < scales->count(); ++k) a.scales.push_back(static_cast<float>(scales->number(k)));
}

Values upsample(const Import& n) {
  Resize a;
  a.coordinate_transformation_mode = ResizeCoordinates::asymmetric, a.nearest_mode = NearestMode::floor;
  const std::string mode = n.text("mode", "nearest");
  expect(mode == "nearest" || mode == "linear" || mode == "bilinear", "the mode of Upsample is nearest or linear");
  if (mode != "nearest") a.mode = ResizeMode::linear;
  std::vector<ValueId> in{input(n, 0)};
  if (n.opset < 7) {
    expect(n.rank(0) == 4, "Upsample of opset 1 has an input of four axes");
    a.scales = {1, 1, n.real("height_scale", 0), n.real("width_scale", 0)};
  } else if (n.opset < 9) {
    a.scales = n.reals("scales");
  } else {
    take_scales(n, 1, a, in);
  }
  return n.emit("resize", a, in);
}

Values resize(const Import& n) {
  Resize a = n.attributes<Resize>();
  std::vector<ValueId> in{input(n, 0)};
  if (n.opset < 11) {
    a.coordinate_transformation_mode = ResizeCoordinates::asymmetric, a.nearest_mode = NearestMode::floor;
    take_scales(n, 1, a, in);
    return n.emit("resize", a, in);
  }
  if (a.coordinate_transformation_mode == ResizeCoordinates::tf_crop_and_resize) in.push_back(input(n, 1));
  // Older opsets say "not this one" by an empty tensor.
  const bool by_sizes = !empty(n, 3);
  expect(by_sizes == empty(n, 2), "Resize has either scales or sizes");
  if (!by_sizes) take_scales(n, 2, a, in);
  else in = {in[0], in.size() > 1 ? in[1] : kNone, kNone, input(n, 3)};
  return n.emit("resize", a, in);
}

Values compress(const Import& n) { return n.emit("compress", Compress{.flat = !n.find("axis"), .axis = n.integer("axis", 0)}, n.in); }

Values unique(const Import& n) {
  const Unique a{.flat = !n.find("axis"), .sorted = n.integer("sorted", 1) != 0, .axis = n.integer("axis", 0)};
  return n.emit("unique", a, n.in, n.outputs());
}

Values top_k(const Import& n) {
  std::vector<ValueId> in = n.in;
  if (n.opset < 10) in = {input(n, 0), n.constant({n.integer("k", -1)})};
  TopK a{.axis = n.integer("axis", -1), .largest = n.integer("largest", 1) != 0, .sorted = n.integer("sorted", 1) != 0};
  return n.emit("top_k", a, in, n.outputs());
}

constexpr ImportRow kRows[] = {
    {"Identity", identity},
    {"Squeeze", squeeze},
    {"Unsqueeze", unsqueeze},
    TENON_AS("Flatten", "flatten", Flatten),
    {"Concat", concat},
    {"Split", split},
    {"Slice", slice},
    TENON_AS("Gather", "gather", Gather),
    TENON_AS("GatherElements", "gather_elements", Gather),
    TENON_AS("GatherND", "gather_nd", GatherNd),
    TENON_AS("Scatter", "scatter_elements", ScatterElements),
    TENON_AS("ScatterElements", "scatter_elements", ScatterElements),
    TENON_AS("ScatterND", "scatter_nd", ScatterNd),
    TENON_AS("TensorScatter", "tensor_scatter", TensorScatter),
    TENON_AS("Expand", "expand", None),
    {"Tile", tile},
    {"Pad", pad},
    TENON_AS("Trilu", "trilu", Trilu),
    TENON_AS("DepthToSpace", "depth_to_space", DepthToSpace),
    TENON_AS("SpaceToDepth", "space_to_depth", DepthToSpace),
    TENON_AS("Transpose", "transpose", Transpose),
    {"Reshape", reshape},
    {"Resize", resize},
    {"Upsample", upsample},
    TENON_AS("ReverseSequence", "reverse_sequence", ReverseSequence),
    TENON_AS("OneHot", "one_hot", OneHot),
    TENON_AS("NonZero", "nonzero", None),
    {"Compress", compress},
    {"Unique", unique},
    {"TopK", top_k},
};

}  // namespace
const ImportTable kMovementRows = kRows;
}  // namespace tenon::onnx
