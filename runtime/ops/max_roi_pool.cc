#include "ops/max_roi_pool.h"

#include <algorithm>
#include <cmath>

#include "ops/op.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  const auto& a = n.attributes<MaxRoiPool>();
  n.expect_inputs(2, 2);
  n.expect_rank(0, 4);
  n.expect_rank(1, 2);
  n.expect(is_real(n.dtype(0)) && is_real(n.dtype(1)), "images and regions are floating point");
  n.equal(n.size(1, 1), 5, "numbers of a region of max_roi_pool");
  constexpr int64_t kMost = 1 << 16;
  n.expect(a.pooled_shape.size() == 2, "pooled_shape of max_roi_pool has 2 numbers");
  for (int64_t size : a.pooled_shape)
    n.expect(size >= 1 && size <= kMost, "pooled_shape of max_roi_pool is 1 to 65536 on each axis");
  n.result(n.dtype(0), {n.size(1, 0), n.size(0, 1), a.pooled_shape[0], a.pooled_shape[1]});
}

// The pixels that one axis of a region covers, and those of each of its cells within the image.
struct Span {
  Span(double first, double last, double scale, int64_t cells, int64_t size)
      : begin_(pixel(first * scale)), cells_(cells), size_(size) {
    length_ = std::max(pixel(last * scale) - begin_ + 1, 1.0);
  }
  int64_t begin(int64_t cell) const { return within(std::floor(edge(cell)) + begin_); }
  int64_t end(int64_t cell) const { return within(std::ceil(edge(cell + 1)) + begin_); }

 private:
  static double pixel(double v) { return std::isfinite(v) ? std::round(v) : 0; }
  double edge(int64_t cell) const {
    return static_cast<double>(cell) * length_ / static_cast<double>(cells_);
  }
  int64_t within(double v) const {
    return static_cast<int64_t>(std::clamp(v, 0.0, static_cast<double>(size_)));
  }

  double begin_, length_;
  int64_t cells_, size_;
};

void reference(Reference& n) {
  const auto& a = n.attributes<MaxRoiPool>();
  const Array &src = *n.in[0], &regions = *n.in[1];
  const int64_t rows = a.pooled_shape[0], columns = a.pooled_shape[1];
  const int64_t channels = src.size(1), height = src.size(2), width = src.size(3);
  const auto scale = static_cast<double>(a.spatial_scale);
  int64_t at = 0;
  for (int64_t r = 0; r < regions.size(0); ++r) {
    const double image = regions.real(5 * r);
    if (!(image >= 0 && image < static_cast<double>(src.size(0))))
      throw Error(Code::bad_input, "region " + std::to_string(r) + " is of image " +
                                       std::to_string(image) + ", there are " +
                                       std::to_string(src.size(0)));
    const auto number = [&](int64_t i) { return regions.real(5 * r + i); };
    const Span x(number(1), number(3), scale, columns, width);
    const Span y(number(2), number(4), scale, rows, height);
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t plane = (static_cast<int64_t>(image) * channels + c) * height * width;
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) {
          double most = -INFINITY;
          for (int64_t h = y.begin(i); h < y.end(i); ++h)
            for (int64_t w = x.begin(j); w < x.end(j); ++w)
              most = std::max(most, src.real(plane + h * width + w));
          const bool empty = y.begin(i) >= y.end(i) || x.begin(j) >= x.end(j);
          n.out[0].real(at++) = empty ? 0 : most;
        }
    }
  }
}

}  // namespace
const Op ops::max_roi_pool{.name = "max_roi_pool",
                           .attributes = Attributes::make<MaxRoiPool>,
                           .infer = infer,
                           .reference = reference};
}  // namespace tenon
