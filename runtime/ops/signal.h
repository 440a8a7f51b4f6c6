#pragma once

#include <cstdint>

namespace tenon {

// dft: the discrete Fourier transform along an axis. Sources: src, whose last axis has real parts, or real and imaginary ones, and the
// length of the signal (one integer, optional), to which it is cut or extended by zeros. dst[k] = sum over t of src[t] exp(-2 pi i k t /
// length); the inverse has exp(+ ...) / length. One-sided: dst has the bins 0 to length / 2 alone; the inverse reads such bins and gives
// real parts, 2 (bins - 1) where no length is given.
struct Dft {
  int64_t axis = -2;
  bool inverse = false, onesided = false;

  bool operator==(const Dft&) const = default;
  void fields(auto& f) { f("axis", axis), f("inverse", inverse), f("onesided", onesided); }
};

// mel_weights: [bins of a one-sided spectrum, bands] of triangles on the mel scale, mel(f) = 2595 log10(1 + f / 700), each with a peak
// of 1. Sources, one element each: bands, length of the transform, sample rate, lowest and highest frequency. dst is f32.

}  // namespace tenon
