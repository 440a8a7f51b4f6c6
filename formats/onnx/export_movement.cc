// What moves elements, makes shapes or looks elements up.
#include "formats/onnx/export.h"
#include "ops/boxes.h"
#include "ops/cast.h"
#include "ops/compress.h"
#include "ops/concat.h"
#include "ops/depth_to_space.h"
#include "ops/eye_like.h"
#include "ops/pad.h"
#include "ops/resize.h"
#include "ops/scatter.h"
#include "ops/signal.h"
#include "ops/split.h"
#include "ops/squeeze.h"
#include "ops/unique.h"

namespace tenon::onnx {
namespace {

constexpr std::string_view kAxis[] = {"axis"}, kTo[] = {"to"}, kBlocksize[] = {"blocksize"};

// The same operator under another name, with attributes of the same names.
#define SAME(op_, onnx)                                                    \
  {                                                                        \
    &ops::op_, [](const Export& n) { n.result(onnx, n.in(), n.fields()); } \
  }

// Also where quantised values begin and end.
void identity(const Export& n) {
  const bool from = n.type(0).quantisation != nullptr, to = n.result_type().quantisation != nullptr;
  if (!from || to) return n.result("Identity", n.in());
  std::vector<AttributeView> attributes;
  if (n.type(0).quantisation->axis >= 0) attributes.push_back(attribute("axis", int64_t{n.type(0).quantisation->axis}));
  n.result("DequantizeLinear", {n.stored(0), n.scale(0), n.zero(0)}, std::move(attributes));
}

// Axes that are attributes here and an input there.
void with_axes(const Export& n, const char* op, const std::vector<int64_t>& axes) {
  Names in = n.in();
  if (!axes.empty() || !n.has(1)) {
    in.resize(1);
    if (!axes.empty()) in.push_back(n.constant(axes));
  }
  n.result(op, in);
}

void split(const Export& n) {
  const auto& a = n.attributes<Split>();
  std::vector<AttributeView> attributes{attribute("axis", a.axis)};
  if (!n.has(1)) attributes.push_back(attribute("num_outputs", a.num_outputs));
  n.result("Split", n.in(), std::move(attributes), {}, n.node().outputs.size());
}

void pad(const Export& n) {
  const auto& a = n.attributes<Pad>();
  if (a.mode == PadMode::wrap && n.opset() < 19) n.refuse("wrapping came with opset 19");
  Names in{n.in(0), n.in(1), n.in(2), n.has(3) ? n.in(3) : a.axes.empty() ? std::string_view() : n.constant(a.axes)};
  n.result("Pad", in, {attribute("mode", std::string_view(kPadModeNames[static_cast<int>(a.mode)]))});
}

void resize(const Export& n) {
  const auto& a = n.attributes<Resize>();
  if (a.coordinate_transformation_mode == ResizeCoordinates::half_pixel_symmetric && n.opset() < 19)
    n.refuse("half_pixel_symmetric came with opset 19");
  if (a.coordinate_transformation_mode == ResizeCoordinates::tf_half_pixel_for_nn) n.refuse("tf_half_pixel_for_nn is of opset 11 alone");
  Names in{n.in(0), n.in(1), n.in(2), n.in(3)};
  if (!a.scales.empty()) in[2] = n.constant(a.scales);
  std::vector<AttributeView> attributes;
  for (AttributeView& each : n.fields())
    if (each.name != "scales") attributes.push_back(std::move(each));
  n.result("Resize", in, std::move(attributes));
}

void cast(const Export& n) {
  std::vector<AttributeView> attributes;
  for (AttributeView& each : n.fields(kTo)) {
    if (each.name == "error" || (each.name == "round_mode" && n.opset() < 24)) continue;
    attributes.push_back(std::move(each));
  }
  n.result("Cast", n.in(), std::move(attributes));
}

void space_to_depth(const Export& n) {
  const auto& a = n.attributes<DepthToSpace>();
  if (a.mode != BlockOrder::dcr) n.refuse("the order CRD");
  n.result("SpaceToDepth", n.in(), {attribute("blocksize", a.blocksize)});
}

void compress(const Export& n) {
  const auto& a = n.attributes<Compress>();
  n.result("Compress", n.in(), a.flat ? std::vector<AttributeView>{} : std::vector{attribute("axis", a.axis)});
}

void unique(const Export& n) {
  const auto& a = n.attributes<Unique>();
  std::vector<AttributeView> attributes{attribute("sorted", int64_t{a.sorted})};
  if (!a.flat) attributes.push_back(attribute("axis", a.axis));
  n.result("Unique", n.in(), std::move(attributes));
}

void dft(const Export& n) {
  const auto& a = n.attributes<Dft>();
  const std::vector<AttributeView> flags{attribute("inverse", int64_t{a.inverse}), attribute("onesided", int64_t{a.onesided})};
  if (n.opset() >= 20) return n.result("DFT", {n.in(0), n.in(1), n.constant(static_cast<double>(a.axis), DType::s64)}, flags);
  std::vector<AttributeView> attributes = flags;
  attributes.push_back(attribute("axis", a.axis < 0 ? a.axis + n.type(0).shape.rank() : a.axis));
  n.result("DFT", {n.in(0), n.in(1)}, std::move(attributes));
}

const ExportRow kRows[] = {
    {&ops::identity, identity},
    {&ops::reorder, identity},
    SAME(reshape, "Reshape"),
    SAME(flatten, "Flatten"),
    {&ops::squeeze, [](const Export& n) { with_axes(n, "Squeeze", n.attributes<Squeeze>().axes); }},
    {&ops::unsqueeze,
     [](const Export& n) {
       const auto& axes = n.attributes<Unsqueeze>().axes;
       n.result("Unsqueeze", {n.in(0), n.has(1) ? n.in(1) : n.constant(axes)});
     }},
    SAME(transpose, "Transpose"),
    {&ops::concat, [](const Export& n) { n.result("Concat", n.in(), n.fields(kAxis)); }},
    {&ops::append, [](const Export& n) { n.result("Concat", n.in(), n.fields(kAxis)); }},
    {&ops::split, split},
    SAME(slice, "Slice"),
    SAME(gather, "Gather"),
    SAME(gather_elements, "GatherElements"),
    SAME(gather_nd, "GatherND"),
    SAME(expand, "Expand"),
    SAME(tile, "Tile"),
    {&ops::pad, pad},
    SAME(shape, "Shape"),
    SAME(size, "Size"),
    {&ops::cast, cast},
    {&ops::bit_cast,
     [](const Export& n) {
       if (n.opset() < 26) n.refuse("BitCast came with opset 26");
       n.result("BitCast", n.in(), n.fields(kTo));
     }},
    SAME(range, "Range"),
    SAME(trilu, "Trilu"),
    {&ops::depth_to_space, [](const Export& n) { n.result("DepthToSpace", n.in(), n.fields(kBlocksize)); }},
    {&ops::space_to_depth, space_to_depth},
    {&ops::resize, resize},
    SAME(scatter_elements, "ScatterElements"),
    SAME(scatter_nd, "ScatterND"),
    {&ops::tensor_scatter,
     [](const Export& n) {
       if (n.opset() < 24) n.refuse("TensorScatter came with opset 24");
       n.result("TensorScatter", n.in(), n.fields());
     }},
    SAME(reverse_sequence, "ReverseSequence"),
    SAME(one_hot, "OneHot"),
    SAME(nonzero, "NonZero"),
    {&ops::compress, compress},
    {&ops::unique, unique},
    {&ops::top_k, [](const Export& n) { n.result("TopK", n.in(), n.fields(), {}, 2); }},
    SAME(eye_like, "EyeLike"),
    SAME(center_crop_pad, "CenterCropPad"),
    {&ops::dft, dft},
    SAME(mel_weights, "MelWeightMatrix"),
};

}  // namespace

const ExportTable kMovementExports{kRows};

}  // namespace tenon::onnx
