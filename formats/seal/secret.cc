#include "formats/seal/secret.h"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <bitset>
#include <cstdio>
#include <mutex>

namespace tenon::seal {

void wipe(void* p, size_t n) {
  if (n) OPENSSL_cleanse(p, n);
}

void wipe_registers() {
#if defined(__x86_64__)
  static const bool avx = __builtin_cpu_supports("avx"), avx512 = __builtin_cpu_supports("avx512f");
  if (avx512) {
    asm volatile(
        "vpxord %zmm16, %zmm16, %zmm16\n vmovdqa32 %zmm16, %zmm17\n vmovdqa32 %zmm16, %zmm18\n vmovdqa32 %zmm16, %zmm19\n"
        "vmovdqa32 %zmm16, %zmm20\n vmovdqa32 %zmm16, %zmm21\n vmovdqa32 %zmm16, %zmm22\n vmovdqa32 %zmm16, %zmm23\n"
        "vmovdqa32 %zmm16, %zmm24\n vmovdqa32 %zmm16, %zmm25\n vmovdqa32 %zmm16, %zmm26\n vmovdqa32 %zmm16, %zmm27\n"
        "vmovdqa32 %zmm16, %zmm28\n vmovdqa32 %zmm16, %zmm29\n vmovdqa32 %zmm16, %zmm30\n vmovdqa32 %zmm16, %zmm31");
  }
  if (avx) {
    asm volatile("vzeroall" ::
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15");
  }
#elif defined(__aarch64__)
  asm volatile(
      "movi v0.2d, #0\n movi v1.2d, #0\n movi v2.2d, #0\n movi v3.2d, #0\n movi v4.2d, #0\n movi v5.2d, #0\n movi v6.2d, #0\n"
      "movi v7.2d, #0\n movi v16.2d, #0\n movi v17.2d, #0\n movi v18.2d, #0\n movi v19.2d, #0\n movi v20.2d, #0\n movi v21.2d, #0\n"
      "movi v22.2d, #0\n movi v23.2d, #0\n movi v24.2d, #0\n movi v25.2d, #0\n movi v26.2d, #0\n movi v27.2d, #0\n movi v28.2d, #0\n"
      "movi v29.2d, #0\n movi v30.2d, #0\n movi v31.2d, #0" ::
          : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",
            "v29", "v30", "v31");
#endif
}

namespace {

constexpr size_t kArea = size_t{1} << 20, kUnit = 64, kUnits = kArea / kUnit;
constexpr size_t kLockStep = size_t{16} << 10;  // locked as it is used, since RLIMIT_MEMLOCK may be small

// Which units are taken is kept outside the area, which is empty in a forked child.
class Area {
 public:
  Area() {
    void* p = mmap(nullptr, kArea, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw Error(Code::resource, "no memory for keys");
    base_ = static_cast<uint8_t*>(p);
    madvise(base_, kArea, MADV_DONTDUMP);
    madvise(base_, kArea, MADV_WIPEONFORK);
    CRYPTO_secure_malloc_init(size_t{32} << 10, 32);  // private keys inside OpenSSL
  }

  uint8_t* take(size_t n) {
    const size_t units = (n + kUnit - 1) / kUnit;
    const std::lock_guard lock(mutex_);
    size_t run = 0;
    for (size_t u = 0; u < kUnits; ++u) {
      run = taken_[u] ? 0 : run + 1;
      if (run < units) continue;
      const size_t first = u + 1 - units;
      for (size_t i = first; i <= u; ++i) taken_[i] = true;
      lock_up_to((u + 1) * kUnit);
      return base_ + first * kUnit;
    }
    throw Error(Code::resource, "the locked memory for keys is full");
  }

  void give_back(uint8_t* p, size_t n) noexcept {
    wipe(p, n);
    const size_t first = static_cast<size_t>(p - base_) / kUnit, units = (n + kUnit - 1) / kUnit;
    const std::lock_guard lock(mutex_);
    for (size_t i = first; i < first + units; ++i) taken_[i] = false;
  }

  bool locked() {
    const std::lock_guard lock(mutex_);
    return locked_;
  }

 private:
  void lock_up_to(size_t end) {
    while (locked_ && locked_end_ < end) {
      locked_ = mlock(base_ + locked_end_, kLockStep) == 0;
      if (locked_) locked_end_ += kLockStep;
      else std::fputs("tenon: keys cannot be locked in memory (RLIMIT_MEMLOCK) and may reach swap\n", stderr);
    }
  }

  std::mutex mutex_;
  std::bitset<kUnits> taken_;
  uint8_t* base_;
  size_t locked_end_ = 0;
  bool locked_ = true;
};

// Never destroyed: secrets of static duration may outlive any order of destruction.
Area& area() {
  static Area* const instance = new Area;
  return *instance;
}

}  // namespace

Secret::Secret(size_t n) : size_(n), room_(n) {
  if (n > kArea) throw Error(Code::resource, "a secret does not fit into the locked memory for keys");
  if (n) data_ = area().take(n);
}

Secret::Secret(View bytes) : Secret(bytes.size()) {
  if (size_) std::memcpy(data_, bytes.data(), size_);
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    release();
    data_ = other.data_, size_ = other.size_, room_ = other.room_;
    other.data_ = nullptr, other.size_ = other.room_ = 0;
  }
  return *this;
}

void Secret::shrink(size_t n) {
  TENON_ASSERT(n <= size_);
  wipe(data_ + n, size_ - n);
  size_ = n;
}

void Secret::release() noexcept {
  if (data_) area().give_back(data_, room_);
  data_ = nullptr;
  size_ = room_ = 0;
}

bool secrets_are_locked() { return area().locked(); }

}  // namespace tenon::seal
