// Pictures: JPEG, PNG, BMP and PNM to levels, and from levels to the tensors that models take.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/tensor.h"

namespace tenon::media {

// Levels 0..255, [height, width, channels]; three channels are red, green, blue, one is grey.
struct Image {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> levels;

  uint8_t* at(int64_t y, int64_t x) { return levels.data() + (y * width + x) * channels; }
  const uint8_t* at(int64_t y, int64_t x) const { return levels.data() + (y * width + x) * channels; }
};

// `channels` is 1 or 3; what the file has is converted, transparency is dropped. Throws Error(bad_input) for bytes that are no picture,
// Error(not_supported) for WebP, Error(limit) beyond 65536 pixels a side or `limits.elements` levels.
Image load_image(const std::string& path, int channels = 3, const LoadLimits& limits = {});
Image decode_image(const void* bytes, int64_t count, int channels = 3, const LoadLimits& limits = {});

// The triangle filter, as wide as the step between outputs when shrinking and as the step between inputs when enlarging: first
// columns, then rows, each rounded to whole levels. Up to rounding what Pillow calls BILINEAR. Throws Error(bad_usage) unless both
// sizes are 1 to 65536.
Image resize(const Image& image, int64_t height, int64_t width);
// The part from (top, left) on. Throws Error(bad_usage) where it does not lie in the picture.
Image crop(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width);
// The shorter side becomes `size`, the other keeps the proportion (floor).
Image resize_short_side(const Image& image, int64_t size);
Image centre_crop(const Image& image, int64_t height, int64_t width);
Image rotate_left(const Image& image);  // by 90 degrees
Image rotate_half(const Image& image);  // by 180 degrees
// 0.299 red + 0.587 green + 0.114 blue, rounded; one channel.
Image luma(const Image& image);

enum class Order { nchw, nhwc };

// element = (level / unit - mean) / std, in f32. `mean` and `std` have one value, or one a channel; empty: 0 and 1.
struct Normalisation {
  float unit = 255;
  std::vector<float> mean, std;
  Order order = Order::nchw;
};

// f32 [1, channels, height, width] or [1, height, width, channels]. Throws Error(bad_usage) where mean or std fit no channel count.
OwnedTensor pixels(const Image& image, const Normalisation& how = {});

}  // namespace tenon::media
