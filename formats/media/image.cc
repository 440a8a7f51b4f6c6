#include "formats/media/image.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "formats/weights.h"

// Decoders of the formats that people take pictures in; the rarer ones of the library are left out, for they read files of strangers.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_ONLY_PNM
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 65536
#define STBI_ASSERT(condition) ((void)0)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace tenon::media {
namespace {

// Weights of the inputs begin, begin + 1, ... of one output.
struct Reach {
  int64_t begin;
  std::vector<float> weights;
};

std::vector<Reach> triangle(int64_t n_in, int64_t n_out) {
  const double step = static_cast<double>(n_in) / static_cast<double>(n_out), reach = std::max(step, 1.0);
  std::vector<Reach> out(n_out);
  for (int64_t o = 0; o < n_out; ++o) {
    const double centre = (static_cast<double>(o) + 0.5) * step;
    out[o].begin = std::max<int64_t>(0, static_cast<int64_t>(std::floor(centre - reach)));
    const int64_t end = std::min(n_in, static_cast<int64_t>(std::ceil(centre + reach)));
    std::vector<double> weights;
    double sum = 0;
    for (int64_t i = out[o].begin; i < end; ++i) {
      weights.push_back(std::max(0.0, 1 - std::abs((static_cast<double>(i) + 0.5 - centre) / reach)));
      sum += weights.back();
    }
    for (double w : weights) out[o].weights.push_back(static_cast<float>(w / sum));
  }
  return out;
}

uint8_t level(float value) { return static_cast<uint8_t>(std::clamp(std::floor(value + 0.5f), 0.0f, 255.0f)); }

Image shaped(int64_t height, int64_t width, int64_t channels) {
  return {height, width, channels, std::vector<uint8_t>(static_cast<size_t>(height * width * channels))};
}

Image resize_columns(const Image& image, int64_t width) {
  Image out = shaped(image.height, width, image.channels);
  const std::vector<Reach> reaches = triangle(image.width, width);
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < image.channels; ++c) {
        const uint8_t* src = image.at(y, reaches[x].begin) + c;
        float sum = 0;
        for (float w : reaches[x].weights) {
          sum += w * *src;
          src += image.channels;
        }
        out.at(y, x)[c] = level(sum);
      }
    }
  }
  return out;
}

Image resize_rows(const Image& image, int64_t height) {
  Image out = shaped(height, image.width, image.channels);
  const std::vector<Reach> reaches = triangle(image.height, height);
  const int64_t row = image.width * image.channels;
  std::vector<float> sums(static_cast<size_t>(row));
  for (int64_t y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    const uint8_t* src = image.at(reaches[y].begin, 0);
    for (float w : reaches[y].weights) {
      for (int64_t i = 0; i < row; ++i) sums[i] += w * src[i];
      src += row;
    }
    std::transform(sums.begin(), sums.end(), out.at(y, 0), level);
  }
  return out;
}

float of_channel(const std::vector<float>& values, int64_t channel, float otherwise) {
  return values.empty() ? otherwise : values[values.size() == 1 ? 0 : static_cast<size_t>(channel)];
}

void must_fit(const std::vector<float>& values, const Image& image, const char* what) {
  if (values.size() > 1 && static_cast<int64_t>(values.size()) != image.channels) {
    throw Error(Code::bad_usage, std::string(what) + " has " + std::to_string(values.size()) + " values, the picture has " +
                                     std::to_string(image.channels) + " channels; give one value, or one a channel");
  }
}

}  // namespace

Image decode_image(const void* bytes, int64_t count, int channels, const LoadLimits& limits) {
  if (count > INT32_MAX) throw Error(Code::limit, "a picture of more than 2 GiB");
  const auto* data = static_cast<const stbi_uc*>(bytes);
  int width = 0, height = 0, stored = 0;
  if (count >= 12 && std::memcmp(data, "RIFF", 4) == 0 && std::memcmp(data + 8, "WEBP", 4) == 0) {
    throw Error(Code::not_supported, "a WebP picture, whatever its name says; JPEG, PNG, BMP and PNM are read");
  }
  if (!stbi_info_from_memory(data, static_cast<int>(count), &width, &height, &stored)) {
    throw Error(Code::bad_input, std::string("no JPEG, PNG, BMP or PNM picture: ") + stbi_failure_reason());
  }
  if (width > STBI_MAX_DIMENSIONS || height > STBI_MAX_DIMENSIONS || int64_t{width} * height * std::max(stored, channels) > limits.elements) {
    throw Error(Code::limit, "a picture of " + std::to_string(height) + " x " + std::to_string(width) + " pixels");
  }
  std::unique_ptr<stbi_uc, void (*)(void*)> levels(stbi_load_from_memory(data, static_cast<int>(count), &width, &height, &stored, channels),
                                                   stbi_image_free);
  if (!levels) throw Error(Code::bad_input, std::string("a damaged picture: ") + stbi_failure_reason());
  Image image = shaped(height, width, channels);
  std::memcpy(image.levels.data(), levels.get(), image.levels.size());
  return image;
}

Image load_image(const std::string& path, int channels, const LoadLimits& limits) {
  return within([&] { return "cannot read " + printable(path); },
                [&] {
                  const std::shared_ptr<const WeightSource> file = map_file(path);
                  return decode_image(file->view(0, file->bytes()), file->bytes(), channels, limits);
                });
}

Image resize(const Image& image, int64_t height, int64_t width) {
  if (height < 1 || width < 1 || height > STBI_MAX_DIMENSIONS || width > STBI_MAX_DIMENSIONS) {
    throw Error(Code::bad_usage, "a picture cannot be resized to " + std::to_string(height) + " x " + std::to_string(width) + "; sides are 1 to " +
                                     std::to_string(STBI_MAX_DIMENSIONS));
  }
  return resize_rows(resize_columns(image, width), height);
}

Image crop(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width) {
  if (top < 0 || left < 0 || height < 1 || width < 1 || top > image.height - height || left > image.width - width) {
    throw Error(Code::bad_usage, std::to_string(height) + " x " + std::to_string(width) + " pixels from (" + std::to_string(top) + ", " +
                                     std::to_string(left) + ") on do not lie in a picture of " + std::to_string(image.height) + " x " +
                                     std::to_string(image.width));
  }
  Image out = shaped(height, width, image.channels);
  for (int64_t y = 0; y < height; ++y) std::memcpy(out.at(y, 0), image.at(top + y, left), static_cast<size_t>(width * image.channels));
  return out;
}

Image resize_short_side(const Image& image, int64_t size) {
  if (image.height <= image.width) return resize(image, size, size * image.width / image.height);
  return resize(image, size * image.height / image.width, size);
}

Image centre_crop(const Image& image, int64_t height, int64_t width) {
  return crop(image, (image.height - height) / 2, (image.width - width) / 2, height, width);
}

Image rotate_left(const Image& image) {
  Image out = shaped(image.width, image.height, image.channels);
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x) std::copy_n(image.at(x, image.width - 1 - y), image.channels, out.at(y, x));
  }
  return out;
}

Image rotate_half(const Image& image) {
  Image out = shaped(image.height, image.width, image.channels);
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x) std::copy_n(image.at(image.height - 1 - y, image.width - 1 - x), image.channels, out.at(y, x));
  }
  return out;
}

Image luma(const Image& image) {
  if (image.channels != 3) throw Error(Code::bad_usage, "luma of a picture without red, green and blue");
  Image out = shaped(image.height, image.width, 1);
  const uint8_t* src = image.levels.data();
  for (uint8_t& dst : out.levels) {
    dst = static_cast<uint8_t>(std::floor(0.299f * src[0] + 0.587f * src[1] + 0.114f * src[2] + 0.5f));
    src += 3;
  }
  return out;
}

OwnedTensor pixels(const Image& image, const Normalisation& how) {
  must_fit(how.mean, image, "mean");
  must_fit(how.std, image, "std");
  const int64_t area = image.height * image.width, channels = image.channels;
  const bool planes = how.order == Order::nchw;
  OwnedTensor out(DType::f32, planes ? std::vector<int64_t>{1, channels, image.height, image.width}
                                     : std::vector<int64_t>{1, image.height, image.width, channels});
  for (int64_t c = 0; c < channels; ++c) {
    const float mean = of_channel(how.mean, c, 0), std = of_channel(how.std, c, 1);
    const uint8_t* src = image.levels.data() + c;
    float* dst = out.as<float>() + (planes ? c * area : c);
    for (int64_t i = 0; i < area; ++i) dst[planes ? i : i * channels] = (static_cast<float>(src[i * channels]) / how.unit - mean) / std;
  }
  return out;
}

}  // namespace tenon::media
