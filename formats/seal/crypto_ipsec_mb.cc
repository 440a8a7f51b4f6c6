#include "formats/seal/crypto.h"

#ifdef TENON_IPSEC_MB

#include <intel-ipsec-mb.h>

#include <new>

namespace tenon::seal {
namespace {

constexpr uint64_t kVectorAes = IMB_FEATURE_AVX512_SKX | IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ;
#ifdef IMB_FEATURE_SELF_TEST
constexpr uint64_t kNeeded = kVectorAes | IMB_FEATURE_SELF_TEST_PASS;
#else
constexpr uint64_t kNeeded = kVectorAes;
#endif

// The table of the library's functions for this processor; null where another library is as fast.
class Manager {
 public:
  Manager() : manager_(alloc_mb_mgr(0)) {
    if (!manager_ || (manager_->features & kVectorAes) != kVectorAes) return;
    init_mb_mgr_avx512(manager_);
    usable_ = (manager_->features & kNeeded) == kNeeded;
  }
  ~Manager() {
    if (manager_) free_mb_mgr(manager_);
  }
  const IMB_MGR* usable() const { return usable_ ? manager_ : nullptr; }

 private:
  IMB_MGR* manager_;
  bool usable_ = false;
};

class IpsecMbGcm : public Gcm {
 public:
  explicit IpsecMbGcm(const IMB_MGR* manager) : manager_(manager) {
    void* at = memory_.data();
    size_t room = memory_.size();
    key_ = new (std::align(alignof(gcm_key_data), sizeof(gcm_key_data), at, room)) gcm_key_data;
  }

  void set_key(View key) override {
    TENON_ASSERT(key.size() == 32);
    IMB_AES256_GCM_PRE(manager_, key.data(), key_);
    wipe_registers();
  }

  void seal(View nonce, View aad, View plain, uint8_t* cipher, uint8_t* tag) override { run(manager_->gcm256_enc, nonce, aad, plain, cipher, tag); }

  bool open(View nonce, View aad, View cipher, View tag, uint8_t* plain) override {
    if (tag.size() != 16) return false;
    Block<16> made;
    run(manager_->gcm256_dec, nonce, aad, cipher, plain, made.data());
    return equal_constant_time(made, tag);
  }

 private:
  // The library refuses null pointers, also to nothing.
  void run(aes_gcm_enc_dec_t function, View nonce, View aad, View src, uint8_t* dst, uint8_t* tag) {
    TENON_ASSERT(nonce.size() == 12);
    uint8_t nothing[1] = {};
    gcm_context_data context;
    function(key_, &context, dst ? dst : nothing, src.empty() ? nothing : src.data(), src.size(), nonce.data(), aad.empty() ? nothing : aad.data(),
             aad.size(), tag, 16);
    wipe(&context, sizeof context);
    wipe_registers();
  }

  const IMB_MGR* manager_;
  Secret memory_{sizeof(gcm_key_data) + alignof(gcm_key_data)};
  gcm_key_data* key_;  // the round keys, in memory_
};

}  // namespace

std::unique_ptr<Gcm> make_ipsec_mb_gcm() {
  static const Manager manager;
  return manager.usable() ? std::make_unique<IpsecMbGcm>(manager.usable()) : nullptr;
}

}  // namespace tenon::seal

#else

namespace tenon::seal {

std::unique_ptr<Gcm> make_ipsec_mb_gcm() { return nullptr; }

}  // namespace tenon::seal

#endif
