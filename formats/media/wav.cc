#include "formats/media/wav.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "formats/weights.h"

namespace tenon::media {
namespace {

constexpr uint64_t kPcm = 1, kFloat = 3, kExtensible = 0xfffe;

uint64_t little(const uint8_t* p, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= uint64_t{p[i]} << (8 * i);
  return value;
}

struct Format {
  uint64_t kind = 0;
  int64_t channels = 0, rate = 0;
  int bits = 0;
};

Format read_format(const uint8_t* p, int64_t bytes) {
  if (bytes < 16) throw Error(Code::bad_input, "the fmt chunk has " + std::to_string(bytes) + " bytes, at least 16 are needed");
  Format f{little(p, 2), static_cast<int64_t>(little(p + 2, 2)), static_cast<int64_t>(little(p + 4, 4)), static_cast<int>(little(p + 14, 2))};
  if (f.kind == kExtensible && bytes >= 26) f.kind = little(p + 24, 2);
  const bool known =
      (f.kind == kPcm && (f.bits == 8 || f.bits == 16 || f.bits == 24 || f.bits == 32)) || (f.kind == kFloat && (f.bits == 32 || f.bits == 64));
  if (!known) {
    throw Error(Code::not_supported, "sound of kind " + std::to_string(f.kind) + " with " + std::to_string(f.bits) +
                                         " bits; PCM of 8, 16, 24, 32 bits and float of 32, 64 bits are read");
  }
  if (f.channels == 0 || f.rate == 0) throw Error(Code::bad_input, "no channels, or a rate of 0");
  return f;
}

float sample(const uint8_t* p, const Format& f) {
  if (f.kind == kFloat) {
    const float value =
        f.bits == 32 ? std::bit_cast<float>(static_cast<uint32_t>(little(p, 4))) : static_cast<float>(std::bit_cast<double>(little(p, 8)));
    return std::isfinite(value) ? value : 0.0f;
  }
  if (f.bits == 8) return static_cast<float>(*p - 128) / 128;  // the one size without a sign
  const int shift = 64 - f.bits;
  const int64_t value = static_cast<int64_t>(little(p, f.bits / 8) << shift) >> shift;
  return static_cast<float>(std::ldexp(static_cast<double>(value), 1 - f.bits));
}

Sound read_samples(const uint8_t* p, int64_t bytes, const Format& f, const LoadLimits& limits) {
  const int64_t size = f.bits / 8, frames = bytes / (size * f.channels);
  if (frames * f.channels > limits.elements) throw Error(Code::limit, std::to_string(frames * f.channels) + " samples of sound");
  Sound sound{f.rate, f.channels, std::vector<float>(static_cast<size_t>(frames * f.channels))};
  for (size_t i = 0; i < sound.samples.size(); ++i) sound.samples[i] = sample(p + static_cast<int64_t>(i) * size, f);
  return sound;
}

}  // namespace

Sound decode_wav(const void* bytes, int64_t count, const LoadLimits& limits) {
  const auto* data = static_cast<const uint8_t*>(bytes);
  const auto is = [&](int64_t at, std::string_view word) { return std::equal(word.begin(), word.end(), data + at); };
  if (count < 12 || !is(0, "RIFF") || !is(8, "WAVE")) throw Error(Code::bad_input, "no RIFF WAVE file");
  Format format;
  for (int64_t at = 12; count - at >= 8;) {
    const int64_t stated = static_cast<int64_t>(little(data + at + 4, 4)), begin = at + 8, there = std::min(stated, count - begin);
    if (is(at, "fmt ")) format = read_format(data + begin, there);
    if (is(at, "data")) {
      if (format.channels == 0) throw Error(Code::bad_input, "the data chunk comes before the fmt chunk");
      return read_samples(data + begin, there, format, limits);
    }
    at = begin + there + (there & 1);
  }
  throw Error(Code::bad_input, "a WAVE file without a data chunk");
}

Sound load_wav(const std::string& path, const LoadLimits& limits) {
  return within([&] { return "cannot read " + printable(path); },
                [&] {
                  const std::shared_ptr<const WeightSource> file = map_file(path);
                  return decode_wav(file->view(0, file->bytes()), file->bytes(), limits);
                });
}

std::vector<float> mono(const Sound& sound) {
  std::vector<float> out(static_cast<size_t>(sound.length()));
  for (size_t t = 0; t < out.size(); ++t) {
    float sum = 0;
    for (int64_t c = 0; c < sound.channels; ++c) sum += sound.samples[t * static_cast<size_t>(sound.channels) + static_cast<size_t>(c)];
    out[t] = sum / static_cast<float>(sound.channels);
  }
  return out;
}

}  // namespace tenon::media
