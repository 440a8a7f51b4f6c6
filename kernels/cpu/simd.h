// The words that kernels are written in: vectors of the level's width over xsimd (8.1 and newer). The only file with raw intrinsics.
//
//   V, I        kLanes floats, kLanes int32; arithmetic by operators, bare numbers through V(x)
//   Mask        what comparisons of V give; where(mask, a, b)
//   load, store whole or the first `lanes` elements; memory beyond them is not touched, lanes beyond them are `fill`
//   vectors     walks n elements in whole vectors and a tail
//   unroll      repeats a body with a constant index, so that arrays of V stay in registers
//   dot         the int8 dot product, exact on every level: see `Dot` below
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // of GCC 12's own headers
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
#include <xsimd/xsimd.hpp>
#pragma GCC diagnostic pop

#if defined(__AVX512BW__)
#define TENON_ARCH xsimd::avx512bw
#elif defined(__AVX2__)
#if XSIMD_VERSION_MAJOR == 8 && XSIMD_VERSION_MINOR == 0
#error "xsimd 8.1 or newer is needed"
#endif
#define TENON_ARCH xsimd::fma3<xsimd::avx2>
#elif defined(__SSE2__)
#define TENON_ARCH xsimd::sse2
#elif defined(__aarch64__)
#define TENON_ARCH xsimd::neon64
#else
#error "no vector level for this machine"
#endif

#define TENON_INLINE __attribute__((always_inline))

namespace tenon::cpu::TENON_ISA {
namespace {

using V = xsimd::batch<float, TENON_ARCH>;
using I = xsimd::batch<int32_t, TENON_ARCH>;
using Mask = V::batch_bool_type;
inline constexpr int64_t kLanes = static_cast<int64_t>(V::size);
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int kRegisters = 32;
#else
inline constexpr int kRegisters = 16;
#endif

// body(std::integral_constant<int, 0>), body(... 1) ...
template <int N, class Body>
TENON_INLINE inline void unroll(Body&& body) {
  [&]<int... i>(std::integer_sequence<int, i...>) TENON_INLINE { (body(std::integral_constant<int, i>{}), ...); }
  (std::make_integer_sequence<int, N>{});
}

// body(i, lanes) for i = 0, kLanes, 2 kLanes ... ; lanes is kLanes but for the last. Give long bodies TENON_INLINE.
template <class Body>
TENON_INLINE inline void vectors(int64_t n, Body&& body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, kLanes);
  if (i < n) body(i, n - i);
}

// ------------------------------------------------------------------------------------------------ memory

TENON_INLINE inline V load(const float* p) { return V::load_unaligned(p); }
TENON_INLINE inline void store(float* p, V v) { v.store_unaligned(p); }
TENON_INLINE inline I load(const int32_t* p) { return I::load_unaligned(p); }
TENON_INLINE inline void store(int32_t* p, I v) { v.store_unaligned(p); }

#if defined(__AVX512BW__)

TENON_INLINE inline __mmask16 first_lanes(int64_t lanes) { return static_cast<__mmask16>((1u << lanes) - 1); }
TENON_INLINE inline V load(const float* p, int64_t lanes, float fill = 0) {
  return lanes == kLanes ? load(p) : V(_mm512_mask_loadu_ps(_mm512_set1_ps(fill), first_lanes(lanes), p));
}
TENON_INLINE inline void store(float* p, V v, int64_t lanes) {
  if (lanes == kLanes) store(p, v);
  else _mm512_mask_storeu_ps(p, first_lanes(lanes), v);
}
TENON_INLINE inline I load(const int32_t* p, int64_t lanes, int32_t fill = 0) {
  return lanes == kLanes ? load(p) : I(_mm512_mask_loadu_epi32(_mm512_set1_epi32(fill), first_lanes(lanes), p));
}
TENON_INLINE inline void store(int32_t* p, I v, int64_t lanes) {
  if (lanes == kLanes) store(p, v);
  else _mm512_mask_storeu_epi32(p, first_lanes(lanes), v);
}
// Whole vectors without masks: masked narrow stores are slow on some processors.
TENON_INLINE inline __m128i load_bytes(const void* p, int64_t lanes) {
  return lanes == kLanes ? _mm_loadu_si128(static_cast<const __m128i*>(p)) : _mm_maskz_loadu_epi8(first_lanes(lanes), p);
}
TENON_INLINE inline void store_bytes(void* p, __m128i bytes, int64_t lanes) {
  if (lanes == kLanes) _mm_storeu_si128(static_cast<__m128i*>(p), bytes);
  else _mm_mask_storeu_epi8(p, first_lanes(lanes), bytes);
}
TENON_INLINE inline __m256i load_words(const void* p, int64_t lanes) {
  return lanes == kLanes ? _mm256_loadu_si256(static_cast<const __m256i*>(p)) : _mm256_maskz_loadu_epi16(first_lanes(lanes), p);
}
TENON_INLINE inline void store_words(void* p, __m256i words, int64_t lanes) {
  if (lanes == kLanes) _mm256_storeu_si256(static_cast<__m256i*>(p), words);
  else _mm256_mask_storeu_epi16(p, first_lanes(lanes), words);
}
TENON_INLINE inline I load(const uint8_t* p, int64_t lanes = kLanes) { return _mm512_cvtepu8_epi32(load_bytes(p, lanes)); }
TENON_INLINE inline I load(const int8_t* p, int64_t lanes = kLanes) { return _mm512_cvtepi8_epi32(load_bytes(p, lanes)); }
// Values beyond the range of the type wrap.
TENON_INLINE inline void store(uint8_t* p, I v, int64_t lanes = kLanes) { store_bytes(p, _mm512_cvtepi32_epi8(v), lanes); }
TENON_INLINE inline void store(int8_t* p, I v, int64_t lanes = kLanes) { store_bytes(p, _mm512_cvtepi32_epi8(v), lanes); }
TENON_INLINE inline V load_f16(const uint16_t* p, int64_t lanes = kLanes) { return V(_mm512_cvtph_ps(load_words(p, lanes))); }
TENON_INLINE inline void store_f16(uint16_t* p, V v, int64_t lanes = kLanes) {
  store_words(p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), lanes);
}
TENON_INLINE inline I load_u16(const uint16_t* p, int64_t lanes = kLanes) { return _mm512_cvtepu16_epi32(load_words(p, lanes)); }
TENON_INLINE inline void store_u16(uint16_t* p, I v, int64_t lanes = kLanes) { store_words(p, _mm512_cvtepi32_epi16(v), lanes); }
TENON_INLINE inline V gather(const float* p, I index) { return V(_mm512_i32gather_ps(index, p, 4)); }

#else

// A copy of the first lanes of an array through a buffer, for levels without masks.
template <class T>
TENON_INLINE inline void copy_lanes(T* dst, const T* src, int64_t lanes) {
  for (int64_t i = 0; i < lanes; ++i) dst[i] = src[i];
}

#if defined(__AVX2__)
alignas(64) inline constexpr int32_t kLaneMasks[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
TENON_INLINE inline __m256i first_lanes(int64_t lanes) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kLaneMasks + 8 - lanes)); }
TENON_INLINE inline V load(const float* p, int64_t lanes, float fill = 0) {
  if (lanes == kLanes) return load(p);
  const __m256i mask = first_lanes(lanes);
  return V(_mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask)));
}
TENON_INLINE inline void store(float* p, V v, int64_t lanes) {
  if (lanes == kLanes) store(p, v);
  else _mm256_maskstore_ps(p, first_lanes(lanes), v);
}
TENON_INLINE inline I load(const int32_t* p, int64_t lanes, int32_t fill = 0) {
  if (lanes == kLanes) return load(p);
  const __m256i mask = first_lanes(lanes);
  return _mm256_blendv_epi8(_mm256_set1_epi32(fill), _mm256_maskload_epi32(p, mask), mask);
}
TENON_INLINE inline void store(int32_t* p, I v, int64_t lanes) {
  if (lanes == kLanes) store(p, v);
  else _mm256_maskstore_epi32(p, first_lanes(lanes), v);
}
TENON_INLINE inline __m128i low_bytes(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
TENON_INLINE inline I widened(const uint8_t* p) { return _mm256_cvtepu8_epi32(low_bytes(p)); }
TENON_INLINE inline I widened(const int8_t* p) { return _mm256_cvtepi8_epi32(low_bytes(p)); }
TENON_INLINE inline I widened(const uint16_t* p) { return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
TENON_INLINE inline V gather(const float* p, I index) { return V(_mm256_i32gather_ps(p, index, 4)); }
#else
TENON_INLINE inline V load(const float* p, int64_t lanes, float fill = 0) {
  if (lanes == kLanes) return load(p);
  alignas(16) float buffer[4] = {fill, fill, fill, fill};
  copy_lanes(buffer, p, lanes);
  return load(buffer);
}
TENON_INLINE inline void store(float* p, V v, int64_t lanes) {
  if (lanes == kLanes) return store(p, v);
  alignas(16) float buffer[4];
  store(buffer, v);
  copy_lanes(p, buffer, lanes);
}
TENON_INLINE inline I load(const int32_t* p, int64_t lanes, int32_t fill = 0) {
  if (lanes == kLanes) return load(p);
  alignas(16) int32_t buffer[4] = {fill, fill, fill, fill};
  copy_lanes(buffer, p, lanes);
  return load(buffer);
}
TENON_INLINE inline void store(int32_t* p, I v, int64_t lanes) {
  if (lanes == kLanes) return store(p, v);
  alignas(16) int32_t buffer[4];
  store(buffer, v);
  copy_lanes(p, buffer, lanes);
}
#if defined(__SSE2__)
TENON_INLINE inline __m128i four_bytes(const void* p) {
  int32_t bytes;
  std::memcpy(&bytes, p, 4);
  return _mm_cvtsi32_si128(bytes);
}
TENON_INLINE inline I widened(const uint8_t* p) {
  const __m128i zero = _mm_setzero_si128();
  return _mm_unpacklo_epi16(_mm_unpacklo_epi8(four_bytes(p), zero), zero);
}
TENON_INLINE inline I widened(const int8_t* p) {
  const __m128i twice = _mm_unpacklo_epi8(four_bytes(p), four_bytes(p));
  return _mm_srai_epi32(_mm_unpacklo_epi16(twice, twice), 24);
}
TENON_INLINE inline I widened(const uint16_t* p) {
  return _mm_unpacklo_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)), _mm_setzero_si128());
}
#else
TENON_INLINE inline uint32_t four_bytes(const void* p) {
  uint32_t bytes;
  std::memcpy(&bytes, p, 4);
  return bytes;
}
TENON_INLINE inline I widened(const uint8_t* p) { return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four_bytes(p)))))); }
TENON_INLINE inline I widened(const int8_t* p) { return vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(four_bytes(p))))); }
TENON_INLINE inline I widened(const uint16_t* p) { return vreinterpretq_s32_u32(vmovl_u16(vld1_u16(p))); }
#endif
TENON_INLINE inline V gather(const float* p, I index) {
  alignas(16) int32_t at[4];
  store(at, index);
  const float values[4] = {p[at[0]], p[at[1]], p[at[2]], p[at[3]]};
  return load(values);
}
#endif

template <class T>
TENON_INLINE inline I widened(const T* p, int64_t lanes) {
  if (lanes == kLanes) return widened(p);
  T buffer[kLanes] = {};
  copy_lanes(buffer, p, lanes);
  return widened(buffer);
}
template <class T>
TENON_INLINE inline void narrowed(T* p, I v, int64_t lanes) {
  alignas(32) int32_t buffer[kLanes];
  store(buffer, v);
  for (int64_t i = 0; i < lanes; ++i) p[i] = static_cast<T>(buffer[i]);
}
TENON_INLINE inline I load(const uint8_t* p, int64_t lanes = kLanes) { return widened(p, lanes); }
TENON_INLINE inline I load(const int8_t* p, int64_t lanes = kLanes) { return widened(p, lanes); }
TENON_INLINE inline I load_u16(const uint16_t* p, int64_t lanes = kLanes) { return widened(p, lanes); }
// Values beyond the range of the type wrap.
TENON_INLINE inline void narrow_bytes(void* p, I v) {
#if defined(__AVX2__)
  const __m256i order = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  const __m256i bytes = _mm256_shuffle_epi8(v, order);
  _mm_storel_epi64(static_cast<__m128i*>(p), _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)));
#elif defined(__SSE2__)
  const __m128i low = _mm_and_si128(v, _mm_set1_epi32(0xff)), words = _mm_packs_epi32(low, low);
  const int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
  std::memcpy(p, &bytes, 4);
#else
  const uint16x4_t words = vmovn_u32(vreinterpretq_u32_s32(v));
  const uint32_t bytes = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
  std::memcpy(p, &bytes, 4);
#endif
}
TENON_INLINE inline void store(uint8_t* p, I v, int64_t lanes = kLanes) {
  if (lanes == kLanes) narrow_bytes(p, v);
  else narrowed(p, v, lanes);
}
TENON_INLINE inline void store(int8_t* p, I v, int64_t lanes = kLanes) {
  if (lanes == kLanes) narrow_bytes(p, v);
  else narrowed(p, v, lanes);
}
TENON_INLINE inline void store_u16(uint16_t* p, I v, int64_t lanes = kLanes) {
  if (lanes != kLanes) return narrowed(p, v, lanes);
#if defined(__AVX2__)
  const __m256i low = _mm256_and_si256(v, _mm256_set1_epi32(0xffff));
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(words));
#elif defined(__SSE2__)
  const __m128i extended = _mm_srai_epi32(_mm_slli_epi32(v, 16), 16);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi32(extended, extended));
#else
  vst1_u16(p, vmovn_u32(vreinterpretq_u32_s32(v)));
#endif
}

#endif

// ------------------------------------------------------------------------------------------------ conversions

#if defined(__AVX512BW__)
TENON_INLINE inline V real(I v) { return V(_mm512_cvtepi32_ps(v)); }
TENON_INLINE inline I rounded(V v) { return I(_mm512_cvtps_epi32(v)); }  // to nearest even
TENON_INLINE inline I truncated(V v) { return I(_mm512_cvttps_epi32(v)); }
TENON_INLINE inline I bits(V v) { return I(_mm512_castps_si512(v)); }
TENON_INLINE inline V from_bits(I v) { return V(_mm512_castsi512_ps(v)); }
#elif defined(__AVX2__)
TENON_INLINE inline V real(I v) { return V(_mm256_cvtepi32_ps(v)); }
TENON_INLINE inline I rounded(V v) { return I(_mm256_cvtps_epi32(v)); }
TENON_INLINE inline I truncated(V v) { return I(_mm256_cvttps_epi32(v)); }
TENON_INLINE inline I bits(V v) { return I(_mm256_castps_si256(v)); }
TENON_INLINE inline V from_bits(I v) { return V(_mm256_castsi256_ps(v)); }
#elif defined(__SSE2__)
TENON_INLINE inline V real(I v) { return V(_mm_cvtepi32_ps(v)); }
TENON_INLINE inline I rounded(V v) { return I(_mm_cvtps_epi32(v)); }
TENON_INLINE inline I truncated(V v) { return I(_mm_cvttps_epi32(v)); }
TENON_INLINE inline I bits(V v) { return I(_mm_castps_si128(v)); }
TENON_INLINE inline V from_bits(I v) { return V(_mm_castsi128_ps(v)); }
#else
TENON_INLINE inline V real(I v) { return V(vcvtq_f32_s32(v)); }
TENON_INLINE inline I rounded(V v) { return I(vcvtnq_s32_f32(v)); }
TENON_INLINE inline I truncated(V v) { return I(vcvtq_s32_f32(v)); }
TENON_INLINE inline I bits(V v) { return I(vreinterpretq_s32_f32(v)); }
TENON_INLINE inline V from_bits(I v) { return V(vreinterpretq_f32_s32(v)); }
#endif

// Rounded once. (Those of xsimd 8.1 estimate on NEON.)
#if defined(__aarch64__)
TENON_INLINE inline V quotient(V a, V b) { return V(vdivq_f32(a, b)); }
TENON_INLINE inline V sqrt(V a) { return V(vsqrtq_f32(a)); }
#else
TENON_INLINE inline V quotient(V a, V b) { return a / b; }
TENON_INLINE inline V sqrt(V a) { return xsimd::sqrt(a); }
#endif

// Shifts of each lane; to the right with the sign. (The operators of xsimd 8.1 refuse most counts on NEON.)
#if defined(__AVX512BW__)
template <int n>
TENON_INLINE inline I left(I v) {
  return I(_mm512_slli_epi32(v, n));
}
template <int n>
TENON_INLINE inline I right(I v) {
  return I(_mm512_srai_epi32(v, n));
}
#elif defined(__AVX2__)
template <int n>
TENON_INLINE inline I left(I v) {
  return I(_mm256_slli_epi32(v, n));
}
template <int n>
TENON_INLINE inline I right(I v) {
  return I(_mm256_srai_epi32(v, n));
}
#elif defined(__SSE2__)
template <int n>
TENON_INLINE inline I left(I v) {
  return I(_mm_slli_epi32(v, n));
}
template <int n>
TENON_INLINE inline I right(I v) {
  return I(_mm_srai_epi32(v, n));
}
#else
template <int n>
TENON_INLINE inline I left(I v) {
  return I(vshlq_n_s32(v, n));
}
template <int n>
TENON_INLINE inline I right(I v) {
  return I(vshrq_n_s32(v, n));
}
#endif

TENON_INLINE inline V where(Mask m, V a, V b) { return xsimd::select(m, a, b); }

// The lesser and the greater; the first operand where either is NaN.
#if defined(__AVX512BW__)
TENON_INLINE inline V least(V a, V b) { return V(_mm512_min_ps(b, a)); }
TENON_INLINE inline V most(V a, V b) { return V(_mm512_max_ps(b, a)); }
TENON_INLINE inline I least(I a, I b) { return I(_mm512_min_epi32(a, b)); }
TENON_INLINE inline I most(I a, I b) { return I(_mm512_max_epi32(a, b)); }
#elif defined(__AVX2__)
TENON_INLINE inline V least(V a, V b) { return V(_mm256_min_ps(b, a)); }
TENON_INLINE inline V most(V a, V b) { return V(_mm256_max_ps(b, a)); }
TENON_INLINE inline I least(I a, I b) { return I(_mm256_min_epi32(a, b)); }
TENON_INLINE inline I most(I a, I b) { return I(_mm256_max_epi32(a, b)); }
#elif defined(__SSE2__)
TENON_INLINE inline V least(V a, V b) { return V(_mm_min_ps(b, a)); }
TENON_INLINE inline V most(V a, V b) { return V(_mm_max_ps(b, a)); }
TENON_INLINE inline __m128i chosen(__m128i mask, __m128i a, __m128i b) { return _mm_or_si128(_mm_and_si128(mask, a), _mm_andnot_si128(mask, b)); }
TENON_INLINE inline I least(I a, I b) { return I(chosen(_mm_cmplt_epi32(a, b), a, b)); }
TENON_INLINE inline I most(I a, I b) { return I(chosen(_mm_cmpgt_epi32(a, b), a, b)); }
#else
TENON_INLINE inline V least(V a, V b) { return V(vbslq_f32(vcltq_f32(b, a), b, a)); }
TENON_INLINE inline V most(V a, V b) { return V(vbslq_f32(vcgtq_f32(b, a), b, a)); }
TENON_INLINE inline I least(I a, I b) { return I(vminq_s32(a, b)); }
TENON_INLINE inline I most(I a, I b) { return I(vmaxq_s32(a, b)); }
#endif
TENON_INLINE inline V min(V a, V b) { return least(a, b); }
TENON_INLINE inline V max(V a, V b) { return most(a, b); }

// a * b + c, rounded once where the level can.
TENON_INLINE inline V fma(V a, V b, V c) {
#if defined(__AVX512BW__)
  return V(_mm512_fmadd_ps(a, b, c));
#elif defined(__AVX2__)
  return V(_mm256_fmadd_ps(a, b, c));
#elif defined(__SSE2__)
  return a * b + c;
#else
  return V(vfmaq_f32(c, a, b));
#endif
}

TENON_INLINE inline V abs(V a) { return from_bits(bits(a) & I(0x7fffffff)); }
// The magnitude of a with the sign of b.
TENON_INLINE inline V with_sign(V a, V b) { return from_bits((bits(a) & I(0x7fffffff)) | (bits(b) & I(INT32_MIN))); }
TENON_INLINE inline V infinity(V) { return V(INFINITY); }
TENON_INLINE inline bool any(Mask m) { return xsimd::any(m); }
TENON_INLINE inline bool all(Mask m) { return xsimd::all(m); }

#if defined(__AVX512BW__)
TENON_INLINE inline V round_even(V a) { return V(_mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }
TENON_INLINE inline V floor(V a) { return V(_mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)); }
TENON_INLINE inline V ceil(V a) { return V(_mm512_roundscale_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)); }
TENON_INLINE inline V trunc(V a) { return V(_mm512_roundscale_ps(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)); }
#elif defined(__AVX2__)
TENON_INLINE inline V round_even(V a) { return V(_mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }
TENON_INLINE inline V floor(V a) { return V(_mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)); }
TENON_INLINE inline V ceil(V a) { return V(_mm256_round_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)); }
TENON_INLINE inline V trunc(V a) { return V(_mm256_round_ps(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)); }
#elif defined(__SSE2__)
// Numbers of 2^23 and more, infinities and NaN have no fraction.
TENON_INLINE inline V whole_or(V a, V whole) { return where(abs(a) < V(8388608.f), with_sign(whole, a), a); }
TENON_INLINE inline V round_even(V a) { return whole_or(a, real(rounded(a))); }
TENON_INLINE inline V trunc(V a) { return whole_or(a, real(truncated(a))); }
TENON_INLINE inline V floor(V a) {
  const V t = trunc(a);
  return where(t > a, t - V(1.f), t);
}
TENON_INLINE inline V ceil(V a) {
  const V t = trunc(a);
  return where(t < a, with_sign(t + V(1.f), a), t);
}
#else
TENON_INLINE inline V round_even(V a) { return V(vrndnq_f32(a)); }
TENON_INLINE inline V floor(V a) { return V(vrndmq_f32(a)); }
TENON_INLINE inline V ceil(V a) { return V(vrndpq_f32(a)); }
TENON_INLINE inline V trunc(V a) { return V(vrndq_f32(a)); }
#endif

// ------------------------------------------------------------------------------------------------ across lanes

#if defined(__SSE2__)
template <class Combine>
TENON_INLINE inline float across(__m128 v, Combine combine) {
  v = combine(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(combine(v, _mm_shuffle_ps(v, v, 1)));
}
template <class Combine>
TENON_INLINE inline float across(V v, Combine combine) {
#if defined(__AVX512BW__)
  const __m512 halves = _mm512_shuffle_f32x4(v, v, 0xee);
  const __m256 eight_low = _mm512_castps512_ps256(v), eight_high = _mm512_castps512_ps256(halves);
  return across(combine(combine(_mm256_castps256_ps128(eight_low), _mm256_castps256_ps128(eight_high)),
                        combine(_mm256_extractf128_ps(eight_low, 1), _mm256_extractf128_ps(eight_high, 1))),
                combine);
#elif defined(__AVX2__)
  return across(combine(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)), combine);
#else
  return across(static_cast<__m128>(v), combine);
#endif
}
TENON_INLINE inline float total(V v) {
  return across(v, [](__m128 a, __m128 b) TENON_INLINE { return _mm_add_ps(a, b); });
}
TENON_INLINE inline float largest(V v) {
  return across(v, [](__m128 a, __m128 b) TENON_INLINE { return _mm_max_ps(a, b); });
}
TENON_INLINE inline float smallest(V v) {
  return across(v, [](__m128 a, __m128 b) TENON_INLINE { return _mm_min_ps(a, b); });
}
#else
TENON_INLINE inline float total(V v) { return vaddvq_f32(v); }
TENON_INLINE inline float largest(V v) { return vmaxvq_f32(v); }
TENON_INLINE inline float smallest(V v) { return vminvq_f32(v); }
#endif
TENON_INLINE inline int32_t total(I v) {
  alignas(64) int32_t lane[kLanes];
  store(lane, v);
  for (int64_t half = kLanes / 2; half; half /= 2)
    for (int64_t i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

// Rows become columns: log2(kLanes) rounds that swap the off-diagonal halves of ever larger squares.
template <int Size, int... lane>
TENON_INLINE inline void swap_halves(V& a, V& b, std::integer_sequence<int, lane...>) {
  using R = V::register_type;
  const R x = a, y = b;
  constexpr int n = static_cast<int>(kLanes);
  a = V(R(__builtin_shufflevector(x, y, (lane & Size ? n + lane - Size : lane)...)));
  b = V(R(__builtin_shufflevector(x, y, (lane & Size ? n + lane : lane + Size)...)));
}
template <int Size = static_cast<int>(kLanes) / 2>
TENON_INLINE inline void transpose(V (&row)[kLanes]) {
  unroll<static_cast<int>(kLanes)>([&](auto i) TENON_INLINE {
    if constexpr (!(i & Size)) swap_halves<Size>(row[i], row[i + Size], std::make_integer_sequence<int, static_cast<int>(kLanes)>{});
  });
  if constexpr (Size > 1) transpose<Size / 2>(row);
}

// ------------------------------------------------------------------------------------------------ half floats

TENON_INLINE inline V load_bf16(const uint16_t* p, int64_t lanes = kLanes) { return from_bits(left<16>(load_u16(p, lanes))); }
// Rounds to nearest even; NaN stays NaN.
TENON_INLINE inline void store_bf16(uint16_t* p, V v, int64_t lanes = kLanes) {
  const V sound = from_bits(bits(v) & I(static_cast<int32_t>(0xffff0000)));
  const I b = bits(where(v == v, v, from_bits(bits(sound) | I(0x400000))));
  const I carry = (right<16>(b) & I(1)) + I(0x7fff);
  store_u16(p, right<16>(bits(where(v == v, from_bits(b + carry), from_bits(b)))) & I(0xffff), lanes);
}

#if !defined(__AVX512BW__)
#if defined(__F16C__)
TENON_INLINE inline V load_f16(const uint16_t* p, int64_t lanes = kLanes) {
  uint16_t buffer[kLanes] = {};
  if (lanes != kLanes) copy_lanes(buffer, p, lanes), p = buffer;
  return V(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
TENON_INLINE inline void store_f16(uint16_t* p, V v, int64_t lanes = kLanes) {
  uint16_t buffer[kLanes];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(buffer), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  copy_lanes(p, buffer, lanes);
}
#elif defined(__aarch64__)
TENON_INLINE inline V load_f16(const uint16_t* p, int64_t lanes = kLanes) {
  uint16_t buffer[kLanes] = {};
  copy_lanes(buffer, p, lanes);
  return V(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(buffer))));
}
TENON_INLINE inline void store_f16(uint16_t* p, V v, int64_t lanes = kLanes) {
  uint16_t buffer[kLanes];
  vst1_u16(buffer, vreinterpret_u16_f16(vcvt_f16_f32(v)));
  copy_lanes(p, buffer, lanes);
}
#else
// The exponent is moved by a multiplication, which also normalises subnormals.
TENON_INLINE inline V load_f16(const uint16_t* p, int64_t lanes = kLanes) {
  const I h = load_u16(p, lanes);
  const V magnitude = from_bits(left<13>(h & I(0x7fff)));
  const V scaled = where(magnitude < from_bits(I(0x0f800000)), magnitude * V(5.192296858534828e33f), from_bits(bits(magnitude) | I(0x7f800000)));
  return from_bits(bits(scaled) | left<16>(h & I(0x8000)));
}
// Adding 2^(exponent + 13) lets the float adder round the bits that f16 does not have.
TENON_INLINE inline void store_f16(uint16_t* p, V v, int64_t lanes = kLanes) {
  const V a = abs(v);
  const V kept = least(a, V(65536.f));
  const V step = most(from_bits((bits(kept) & I(0x7f800000)) + I(13 << 23)), V(0.5f));
  const I small = bits(kept + V(0.5f)) - bits(V(0.5f));
  const V whole = (kept + step) - step;
  const I normal = right<13>(bits(whole) - I(112 << 23));
  const V finite = where(a < V(6.103515625e-5f), from_bits(small), where(whole < V(65536.f), from_bits(normal), from_bits(I(0x7c00))));
  const I result = bits(where(v == v, finite, from_bits(I(0x7e00))));
  store_u16(p, result | (right<16>(bits(v)) & I(0x8000)), lanes);
}
#endif
#endif

// ------------------------------------------------------------------------------------------------ functions

// x * 2^n for n in [-252, 254], in two steps so that the result may be subnormal or overflow.
TENON_INLINE inline V scaled(V x, I n) {
#if defined(__AVX512BW__)
  return V(_mm512_scalef_ps(x, _mm512_cvtepi32_ps(n)));
#else
  const I half = right<1>(n);
  return x * from_bits(left<23>(half + I(127))) * from_bits(left<23>(n - half + I(127)));
#endif
}

// x = n ln 2 + r; returns e^r - 1 by a polynomial fitted on |r| <= ln 2 / 2.
TENON_INLINE inline V exp_reduced(V x, V& n) {
  n = round_even(x * V(1.44269504f));
  const V r = fma(n, V(-1.42860677e-6f), fma(n, V(-0.693145752f), x));
  V p = fma(V(1.991836034e-4f), r, V(1.394607476e-3f));
  p = fma(p, r, V(8.333264850e-3f));
  p = fma(p, r, V(4.166626930e-2f));
  p = fma(p, r, V(1.666666716e-1f));
  p = fma(p, r, V(0.5f));
  return fma(p, r * r, r);
}

TENON_INLINE inline V exp(V x) {
  V n;
  const V e = exp_reduced(most(least(x, V(89.f)), V(-105.f)), n);
  return scaled(e + V(1.f), truncated(n));
}

TENON_INLINE inline V expm1(V x) {
  V n;
  const V e = exp_reduced(most(least(x, V(89.f)), V(-30.f)), n);
  const V half = from_bits(left<23>(truncated(n) + I(126)));
  const V h = fma(half, e, half - V(0.5f));
  return where(x == V(0.f), x, h + h);
}

// x = m 2^n with m in [sqrt 1/2, sqrt 2); returns f = m - 1 and n. x must be positive and normal.
TENON_INLINE inline V log_reduced(V x, V& n) {
  const I shifted = bits(x) - I(0x3f3504f3);
  n = real(right<23>(shifted));
  return from_bits((shifted & I(0x7fffff)) + I(0x3f3504f3)) - V(1.f);
}

// log(1 + f) + n ln 2, where `low` is what f was rounded by.
TENON_INLINE inline V log_joined(V f, V n, V low) {
  V p = fma(V(6.746591628e-2f), f, V(-1.167563871e-1f));
  p = fma(p, f, V(1.188817769e-1f));
  p = fma(p, f, V(-1.240559220e-1f));
  p = fma(p, f, V(1.421955079e-1f));
  p = fma(p, f, V(-1.666799635e-1f));
  p = fma(p, f, V(2.000211924e-1f));
  p = fma(p, f, V(-2.500000894e-1f));
  p = fma(p, f, V(3.333331347e-1f));
  const V square = f * f;
  const V tail = fma(p * f, square, fma(n, V(1.42860677e-6f), low));
  return fma(n, V(0.693145752f), f + fma(V(-0.5f), square, tail));
}

TENON_INLINE inline V log_edges(V x, V result) {
  result = where(x > V(0.f), result, where(x == V(0.f), V(-INFINITY), V(NAN)));
  return where(x < V(INFINITY), result, where(x == x, V(INFINITY), x));
}

TENON_INLINE inline V log(V x) {
  const Mask tiny = x < V(1.17549435e-38f);
  V n;
  const V f = log_reduced(where(tiny, x * V(8388608.f), x), n);
  return log_edges(x, log_joined(f, where(tiny, n - V(23.f), n), V(0.f)));
}

TENON_INLINE inline V log1p(V x) {
  const V u = x + V(1.f);
  V n;
  const V f = log_reduced(u, n);
  const V lost = where(x > V(1.f), V(1.f) - (u - x), x - (u - V(1.f)));  // 1 + x - u
  const V exact = where(n == V(0.f), x, f);
  const V joined = log_joined(exact, n, where(n == V(0.f), V(0.f), quotient(lost, u)));
  return where(x == V(0.f), x, log_edges(u, joined));
}

TENON_INLINE inline V sigmoid(V x) { return quotient(V(1.f), V(1.f) + exp(-x)); }

TENON_INLINE inline V tanh(V x) {
  const V e = expm1(least(abs(x), V(10.f)) * V(2.f));
  return with_sign(quotient(e, e + V(2.f)), x);
}

// Below 0.93 an odd polynomial, above it 1 - exp(-polynomial); both fitted for equal relative and absolute error.
TENON_INLINE inline V erf(V x) {
  const V t = abs(x), s = x * x;
  V p = fma(V(8.345225797e-5f), s, V(-8.137437981e-4f));
  p = fma(p, s, V(5.200634245e-3f));
  p = fma(p, s, V(-2.685927041e-2f));
  p = fma(p, s, V(1.128369421e-1f));
  p = fma(p, s, V(-3.761263490e-1f));
  p = fma(p, s, V(1.283791661e-1f));
  const V u = least(t, V(4.f));
  V q = fma(V(1.152227833e-5f), u, V(-3.256525961e-4f));
  q = fma(q, u, V(3.653763561e-3f));
  q = fma(q, u, V(-2.378534526e-2f));
  q = fma(q, u, V(1.062631458e-1f));
  q = fma(q, u, V(6.351358891e-1f));
  q = fma(q, u, V(1.128652215e+0f));
  V n;
  const V e = exp_reduced(q * -u, n);
  const V far = V(1.f) - scaled(e + V(1.f), truncated(n));
  return where(t < V(0.93f), fma(p, x, x), where(t == t, with_sign(far, x), x));
}

// a - b * trunc(a / b), exact as C's fmod while the quotient is below 2^24; larger ones lose low bits of a.
TENON_INLINE inline V remainder_of(V a, V b) {
  const V d = abs(b);
  V r = abs(a);
#if defined(__SSE2__) && !defined(__AVX2__)
  alignas(16) float p[4], q[4];
  store(p, r), store(q, d);
  for (int i = 0; i < 4; ++i) p[i] = std::fmod(p[i], q[i]);
  r = load(p);
#else
  r = fma(trunc(quotient(r, d)), -d, r);
  r = where(r < V(0.f), r + d, where(r >= d, r - d, r));
#endif
  return where(d == V(INFINITY), where(abs(a) < V(INFINITY), a, V(NAN)), with_sign(r, a));
}

// As remainder_of, with the sign of b.
TENON_INLINE inline V modulo(V a, V b) {
  const V r = remainder_of(a, b);
  return where(r != V(0.f), where((r < V(0.f)) == (b < V(0.f)), r, r + b), r);
}

#define TENON_LANEWISE(name, function)                                \
  inline V name(V a) {                                                \
    alignas(64) float lane[kLanes];                                   \
    store(lane, a);                                                   \
    for (int64_t i = 0; i < kLanes; ++i) lane[i] = function(lane[i]); \
    return load(lane);                                                \
  }
TENON_LANEWISE(tan, std::tan)
TENON_LANEWISE(sinh, std::sinh)
TENON_LANEWISE(cosh, std::cosh)
TENON_LANEWISE(asinh, std::asinh)
TENON_LANEWISE(acosh, std::acosh)
TENON_LANEWISE(atanh, std::atanh)
TENON_LANEWISE(asin, std::asin)
TENON_LANEWISE(acos, std::acos)
TENON_LANEWISE(atan, std::atan)
TENON_LANEWISE(sin, std::sin)
TENON_LANEWISE(cos, std::cos)
#undef TENON_LANEWISE

inline V power(V a, V b) {
  alignas(64) float x[kLanes], y[kLanes];
  store(x, a), store(y, b);
  for (int64_t i = 0; i < kLanes; ++i) x[i] = std::pow(x[i], y[i]);
  return load(x);
}

// Stores four vectors behind one another as bytes, each lane plus `zero`, clamped to [low, high], which are bounds of u8 where low >= 0, of
// s8 where not. Lanes below the int16 count as the least of them; none is above.
TENON_INLINE inline void store_four(uint8_t* p, I a, I b, I c, I d, int32_t zero, int32_t low, int32_t high) {
#if defined(__AVX512BW__)
  const __m512i add = _mm512_set1_epi16(static_cast<int16_t>(zero));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);  // packs go by 128 bits
  const __m512i from = _mm512_set1_epi8(static_cast<char>(low)), to = _mm512_set1_epi8(static_cast<char>(high));
  const __m512i ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), add), cd = _mm512_adds_epi16(_mm512_packs_epi32(c, d), add);
  const __m512i bytes = low >= 0 ? _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(ab, cd), from), to)
                                 : _mm512_min_epi8(_mm512_max_epi8(_mm512_packs_epi16(ab, cd), from), to);
  _mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, bytes));
#elif defined(__AVX2__)
  const __m256i add = _mm256_set1_epi16(static_cast<int16_t>(zero)), order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i from = _mm256_set1_epi8(static_cast<char>(low)), to = _mm256_set1_epi8(static_cast<char>(high));
  const __m256i ab = _mm256_adds_epi16(_mm256_packs_epi32(a, b), add), cd = _mm256_adds_epi16(_mm256_packs_epi32(c, d), add);
  const __m256i bytes = low >= 0 ? _mm256_min_epu8(_mm256_max_epu8(_mm256_packus_epi16(ab, cd), from), to)
                                 : _mm256_min_epi8(_mm256_max_epi8(_mm256_packs_epi16(ab, cd), from), to);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permutevar8x32_epi32(bytes, order));
#else
  const I from(low - zero), to(high - zero), add(zero);
  store(p, xsimd::min(xsimd::max(a, from), to) + add);
  store(p + kLanes, xsimd::min(xsimd::max(b, from), to) + add);
  store(p + 2 * kLanes, xsimd::min(xsimd::max(c, from), to) + add);
  store(p + 3 * kLanes, xsimd::min(xsimd::max(d, from), to) + add);
#endif
}

// ------------------------------------------------------------------------------------------------ int8

// One 32-bit lane of a product holds kDot neighbours along k: four bytes (left unsigned, right signed) with VNNI, else two int16,
// which hold either kind of byte less its zero point. dot(sum, left, right) adds the products of each lane; it never saturates.
#if defined(__AVX512VNNI__)
inline constexpr int kDot = 4;
using Left = uint8_t;
using Right = int8_t;
TENON_INLINE inline I dot(I sum, I left, I right) { return I(_mm512_dpbusd_epi32(sum, left, right)); }
#else
inline constexpr int kDot = 2;
using Left = int16_t;
using Right = int16_t;
TENON_INLINE inline I dot(I sum, I left, I right) {
#if defined(__AVX512BW__)
  return I(_mm512_add_epi32(sum, _mm512_madd_epi16(left, right)));
#elif defined(__AVX2__)
  return I(_mm256_add_epi32(sum, _mm256_madd_epi16(left, right)));
#elif defined(__SSE2__)
  return I(_mm_add_epi32(sum, _mm_madd_epi16(left, right)));
#else
  const int16x8_t a = vreinterpretq_s16_s32(left), b = vreinterpretq_s16_s32(right);
  return I(vaddq_s32(sum, vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b))));
#endif
}
#endif
// The kDot neighbours at p in every lane.
TENON_INLINE inline I repeated(const void* p) {
  int32_t lane;
  std::memcpy(&lane, p, 4);
  return I(lane);
}

}  // namespace
}  // namespace tenon::cpu::TENON_ISA
