// Sound from RIFF WAVE files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/limits.h"

namespace tenon::media {

struct Sound {
  int64_t rate = 0, channels = 0;
  std::vector<float> samples;  // -1..1, [time, channels]; integers divided by 2^(bits - 1)

  int64_t length() const { return channels ? static_cast<int64_t>(samples.size()) / channels : 0; }
};

// Reads PCM of 8, 16, 24 and 32 bits and float of 32 and 64 bits, plain or "extensible". Throws Error(bad_input) for bytes that are no
// WAVE, Error(not_supported) for compressed sound, Error(limit) beyond `limits.elements` samples. A chunk that ends early gives what
// is there.
Sound load_wav(const std::string& path, const LoadLimits& limits = {});
Sound decode_wav(const void* bytes, int64_t count, const LoadLimits& limits = {});

// The mean of the channels.
std::vector<float> mono(const Sound& sound);

}  // namespace tenon::media
