// docs/sealed_format.md, case E13: a wrapped file key that AES-GCM takes under two keys. GCM does
// not commit to its key, the check of the slot does.
#include "formats/seal/slots.h"
#include "formats/seal_common.h"

namespace tenon::seal {
namespace {

// An element of GHASH's field: bit 0, the coefficient of x^0, is the highest of the first byte.
struct Element {
  uint64_t high = 0, low = 0;
  static Element of(View bytes) {
    Element e;
    for (size_t i = 0; i < 8; ++i) e.high = e.high << 8 | bytes[i], e.low = e.low << 8 | bytes[8 + i];
    return e;
  }
  Block<16> bytes() const {
    Block<16> out;
    store_big(out.data(), high), store_big(out.data() + 8, low);
    return out;
  }
  friend Element operator+(Element a, Element b) { return {a.high ^ b.high, a.low ^ b.low}; }
  friend Element operator*(Element a, Element b) {
    Element product;
    for (int i = 0; i < 128; ++i) {
      if ((i < 64 ? a.high >> (63 - i) : a.low >> (127 - i)) & 1) product = product + b;
      const bool carry = b.low & 1;
      b = {b.high >> 1 ^ (carry ? uint64_t{0xe1} << 56 : 0), b.low >> 1 | b.high << 63};
    }
    return product;
  }
};

Element inverse(Element a) {  // a^(2^128 - 2)
  Element out{uint64_t{1} << 63, 0}, square = a;
  for (int i = 1; i < 128; ++i) {
    square = square * square;
    out = out * square;
  }
  return out;
}

// What a key makes of a message of two blocks with the nonce of a slot: its key stream, and the tag as a function of the ciphertext,
// c1 h^3 + c2 h^2 + length h + start.
struct Stream {
  Block<32> bytes;
  Element h, start;

  explicit Stream(View key) {
    gcm_->set_key(key);
    Block<32> zeros{}, one{}, ignored;
    one[0] = 0x80;  // x^0
    start = sealed({}, ignored);
    // The difference of two tags tells the power of h that belongs to the first block.
    const Element square = sealed(View(zeros).first(16), ignored) + sealed(View(one).first(16), ignored);
    const Element cube = sealed(zeros, bytes) + sealed(one, ignored);
    h = cube * inverse(square);
  }
  Element tag(Element c1, Element c2) const {
    Block<16> length{};
    length[14] = 1;  // 256 bits
    return (c1 * h * h * h) + (c2 * h * h) + (Element::of(length) * h) + start;
  }

 private:
  Element sealed(View plain, Block<32>& cipher) {
    Block<16> tag;
    gcm_->seal(Block<12>{}, {}, plain, cipher.data(), tag.data());
    return Element::of(tag);
  }

  std::unique_ptr<Gcm> gcm_ = make_gcm();
};

// Draws the same bytes in every seal, and the file key that it is given.
class Repeating : public System {
 public:
  Block<32> file_key{};
  uint8_t drawn = 0;

  bool random(uint8_t* dst, size_t n) override {
    for (size_t i = 0; i < n; ++i) dst[i] = static_cast<uint8_t>(i + 16 * drawn);
    ++drawn;
    return true;
  }
  bool random_private(uint8_t* dst, size_t n) override {
    EXPECT_EQ(n, file_key.size());
    std::memcpy(dst, file_key.data(), n);
    return true;
  }
};

TEST(SealAttack, E13_a_file_key_wrapped_under_two_keys_opens_with_one) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  Made made;
  const auto seal_with = [&](const Block<32>& file_key) {
    Repeating system;
    system.file_key = file_key;
    made.system = &system;
    made.seal(path);
    return read_header(path, {});
  };
  const Header before = seal_with({});
  const auto wrap = [&](uint8_t key) { return derive_slot(before.identity.file_id(), secret(key), before.slots[0].salted()); };
  const Secret wrap_a = wrap(0), wrap_b = wrap(9);
  const Stream a(View(wrap_a).first(32)), b(View(wrap_b).first(32));
  // Any second block; the first one makes both tags equal.
  const Element c2 = Element::of(ascii("any second block")), none{};
  const Element apart = a.tag(none, c2) + b.tag(none, c2), cubes = (a.h * a.h * a.h) + (b.h * b.h * b.h);
  const Element c1 = apart * inverse(cubes);
  ASSERT_EQ(a.tag(c1, c2).bytes(), b.tag(c1, c2).bytes());
  Block<32> file_key;
  const Block<16> first = c1.bytes(), second = c2.bytes();
  for (size_t i = 0; i < 32; ++i) file_key[i] = static_cast<uint8_t>((i < 16 ? first[i] : second[i - 16]) ^ a.bytes[i]);

  const Header header = seal_with(file_key);
  const View wrapped = header.slots[0].wrapped();
  ASSERT_TRUE(equal(header.slots[0].salted(), before.slots[0].salted()));
  const Block<12> nonce{};
  for (const Secret* key : {&wrap_a, &wrap_b}) {
    const std::unique_ptr<Gcm> gcm = make_gcm();
    gcm->set_key(View(*key).first(32));
    Block<32> unwrapped;
    EXPECT_TRUE(gcm->open(nonce, {}, wrapped.first(32), wrapped.last(16), unwrapped.data())) << "AES-GCM takes it";
  }
  const KeyRing fits = raw_ring(0), other = raw_ring(9);
  EXPECT_EQ(open_and_read(path, {.keys = &fits}), "ok");
  EXPECT_EQ(open_and_read(path, {.keys = &other}), "kSealNoKey");
}

}  // namespace
}  // namespace tenon::seal
