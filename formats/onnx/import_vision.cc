// Sampling, boxes, blocks.
#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "ops/boxes.h"
#include "ops/max_roi_pool.h"
#include "ops/sample.h"

namespace tenon::onnx {
namespace {

// Until opset 20 the modes had the names of two axes.
Values grid_sample(const Import& n) {
  if (n.opset >= 20) return n.emit("grid_sample", n.attributes<GridSample>(), n.in);
  const std::string mode = n.text("mode", "bilinear"), padding = n.text("padding_mode", "zeros");
  GridSample a{.align_corners = n.integer("align_corners", 0) != 0};
  expect(mode == "bilinear" || mode == "nearest" || mode == "bicubic", "the mode of GridSample is bilinear, nearest or bicubic");
  expect(padding == "zeros" || padding == "border" || padding == "reflection", "the padding_mode of GridSample is zeros, border or reflection");
  a.mode = mode == "bilinear" ? SampleMode::linear : mode == "nearest" ? SampleMode::nearest : SampleMode::cubic;
  a.padding_mode = padding == "zeros" ? SamplePadding::zeros : padding == "border" ? SamplePadding::border : SamplePadding::reflection;
  return n.emit("grid_sample", a, n.in);
}

// Until opset 16 pixels were not moved by half.
Values roi_align(const Import& n) {
  RoiAlign a = n.attributes<RoiAlign>();
  if (n.opset < 16) a.coordinate_transformation_mode = RoiPixels::output_half_pixel;
  return n.emit("roi_align", a, n.in);
}

Values deform_conv(const Import& n) {
  n.ignore("kernel_shape");  // what the weight says
  return n.emit("deform_conv", n.attributes<DeformConv>(), n.in);
}

constexpr ImportRow kRows[] = {
    {"GridSample", grid_sample, 16},
    TENON_AS("AffineGrid", "affine_grid", AffineGrid),
    {"RoiAlign", roi_align, 10},
    {"DeformConv", deform_conv, 19},
    TENON_AS("NonMaxSuppression", "non_max_suppression", NonMaxSuppression),
    TENON_AS("CenterCropPad", "center_crop_pad", CenterCropPad),
    TENON_AS("Col2Im", "columns_to_image", ColumnsToImage),
    TENON_AS("MaxUnpool", "max_unpool", MaxUnpool),
    TENON_AS("MaxRoiPool", "max_roi_pool", MaxRoiPool),
    TENON_AS("Det", "det", None),
};

}  // namespace
const ImportTable kVisionRows = kRows;
}  // namespace tenon::onnx
