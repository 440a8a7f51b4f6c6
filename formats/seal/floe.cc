#include "formats/seal/floe.h"

namespace tenon::seal {
namespace {

constexpr size_t kParameters = 10;
constexpr uint32_t kInnerMark = 0xFFFFFFFF;

Block<9> associated(uint64_t i, bool last) {
  Block<9> out;
  store_big<uint64_t>(out.data(), i);
  out[8] = last;
  return out;
}

}  // namespace

Block<Floe::kHeader - 32> Floe::prefix(const Block<32>& iv) const {
  Block<kHeader - 32> out{};
  store_big<uint32_t>(out.data() + 2, parameters_.segment);
  store_big<uint32_t>(out.data() + 6, 32);
  std::memcpy(out.data() + kParameters, iv.data(), iv.size());
  return out;
}

Floe::Floe(FloeParameters parameters, View key, View aad, const Block<32>& iv) : parameters_(parameters), aad_(aad.begin(), aad.end()) {
  TENON_ASSERT(parameters.segment > kOverhead && key.size() == 32);
  const auto start = prefix(iv);
  std::memcpy(header_.data(), start.data(), start.size());
  expand(key, {ascii("HEADER_TAG:")}, std::span(header_).subspan(start.size()));
  message_key_ = Secret(48);
  expand(key, {ascii("MESSAGE_KEY:")}, message_key_.span());
}

Floe::Floe(FloeParameters parameters, View key, View aad, View header) : parameters_(parameters), aad_(aad.begin(), aad.end()) {
  TENON_ASSERT(parameters.segment > kOverhead && key.size() == 32);
  if (header.size() != kHeader) throw Error(Code::seal_auth, "FLOE header: has not 74 bytes");
  std::memcpy(header_.data(), header.data(), kHeader);
  Block<32> iv;
  std::memcpy(iv.data(), header.data() + kParameters, iv.size());
  const auto start = prefix(iv);
  if (!equal(header.first(kParameters), View(start).first(kParameters))) throw Error(Code::seal_auth, "FLOE header: other parameters");
  Block<32> tag;
  expand(key, {ascii("HEADER_TAG:")}, tag);
  if (!equal_constant_time(tag, header.subspan(start.size()))) throw Error(Code::seal_auth, "FLOE header: the tag does not fit");
  message_key_ = Secret(48);
  expand(key, {ascii("MESSAGE_KEY:")}, message_key_.span());
}

void Floe::expand(View key, std::initializer_list<View> purpose, std::span<uint8_t> out) const {
  const View start = View(header_).first(kHeader - 32);  // PARAMS and IV
  const View first = *purpose.begin(), second = purpose.size() > 1 ? purpose.begin()[1] : View();
  hkdf_expand(Hash::sha384, key, {start, first, second, aad_}, out);
}

Secret Floe::segment_key(uint64_t i) const {
  Block<8> position;
  store_big<uint64_t>(position.data(), epoch(i));
  Secret out(32);
  expand(message_key_, {ascii("DEK:"), position}, out.span());
  return out;
}

void FloeCipher::use_key(uint64_t i) {
  if (keyed_ && epoch_ == floe_.epoch(i)) return;
  gcm_->set_key(floe_.segment_key(i));
  epoch_ = floe_.epoch(i);
  keyed_ = true;
}

void FloeCipher::seal(uint64_t i, bool last, const Block<12>& nonce, View plain, uint8_t* dst) {
  TENON_ASSERT(last ? plain.size() <= floe_.plain_size() : plain.size() == floe_.plain_size());
  use_key(i);
  store_big<uint32_t>(dst, last ? static_cast<uint32_t>(plain.size() + Floe::kOverhead) : kInnerMark);
  std::memcpy(dst + 4, nonce.data(), nonce.size());
  gcm_->seal(nonce, associated(i, last), plain, dst + 16, dst + 16 + plain.size());
}

void FloeCipher::open(uint64_t i, bool last, View segment, uint8_t* dst) {
  const auto refuse = [i](const char* what) { throw Error(Code::seal_auth, "segment " + std::to_string(i) + ": " + what); };
  const size_t most = floe_.plain_size() + Floe::kOverhead;
  if (last ? segment.size() < Floe::kOverhead || segment.size() > most : segment.size() != most) refuse("wrong size");
  Block<4> mark;
  store_big<uint32_t>(mark.data(), last ? static_cast<uint32_t>(segment.size()) : kInnerMark);
  if (!equal(segment.first(4), mark)) refuse("the mark does not fit its place");
  use_key(i);
  const size_t n = segment.size() - Floe::kOverhead;
  if (!gcm_->open(segment.subspan(4, 12), associated(i, last), segment.subspan(16, n), segment.last(16), dst)) {
    wipe(dst, n);
    refuse("the tag does not fit");
  }
}

namespace {

Block<32> random_iv(System& system) {
  Block<32> iv;
  random_bytes(system, iv);
  return iv;
}

}  // namespace

FloeSealer::FloeSealer(System& system, FloeParameters parameters, View key, View aad)
    : system_(system), floe_(parameters, key, aad, random_iv(system)), cipher_(floe_) {}

void FloeSealer::add(View plain, bool last, uint8_t* dst) {
  Block<12> nonce;
  random_bytes(system_, nonce);
  cipher_.seal(count_, last, nonce, plain, dst);
  ++count_;
}

}  // namespace tenon::seal
