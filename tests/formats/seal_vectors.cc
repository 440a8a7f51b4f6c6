// Published answers: FLOE, Wycheproof, CCTV. docs/sealed_format.md, section 14, says where they
// lie.
#include <openssl/evp.h>

#include <algorithm>
#include <random>

#include "formats/seal/floe.h"
#include "formats/seal_common.h"

namespace tenon::seal {
namespace {

// Opens a whole FLOE stream whose last segment is what is left.
Bytes open_stream(FloeParameters parameters, View stream) {
  const Block<32> key{};
  if (stream.size() < Floe::kHeader) throw Error(Code::seal_auth, "too short");
  const Floe floe(parameters, key, ascii("This is AAD"), stream.first(Floe::kHeader));
  FloeCipher cipher(floe);
  Bytes out;
  View rest = stream.subspan(Floe::kHeader);
  for (uint64_t i = 0;; ++i) {
    const bool last = rest.size() <= parameters.segment && !(rest.size() == parameters.segment && load32(rest.data()) == 0xFFFFFFFF);
    const View segment = rest.first(std::min<size_t>(rest.size(), parameters.segment));
    if (segment.size() < Floe::kOverhead) throw Error(Code::seal_auth, "too short");
    const size_t start = out.size();
    out.resize(start + segment.size() - Floe::kOverhead);
    cipher.open(i, last, segment, out.data() + start);
    rest = rest.subspan(segment.size());
    if (last) return out;
  }
}

FloeParameters parameters_of(const std::string& name) {
  if (name.find("rotation") != std::string::npos) return {.segment = 40, .cleared_bits = 2};
  if (name.find("lastSeg") != std::string::npos) return {.segment = 40};
  return {.segment = name.find("4K") != std::string::npos ? 4096u : 64u};
}

TEST(SealFloe, opens_the_published_streams_and_no_flipped_bit_of_them) {
  const fs::path folder = shared() / "vectors/floe";
  NEED_SHARED(folder);
  int pairs = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with("_ct.txt")) continue;
    const auto content = [](const fs::path& path) {
      const Bytes raw = slurp(path);
      std::string digits(text(raw));
      std::erase_if(digits, [](char c) { return std::isspace(static_cast<unsigned char>(c)); });
      return unhex(digits);
    };
    const Bytes plain = content(folder / (name.substr(0, name.size() - 6) + "pt.txt"));
    Bytes cipher = content(entry.path());
    const FloeParameters parameters = parameters_of(name);
    EXPECT_EQ(open_stream(parameters, cipher), plain) << name;
    // Every bit: those of the header when the stream is opened, those of a segment when it is.
    const Block<32> key{};
    const Floe floe(parameters, key, ascii("This is AAD"), View(cipher).first(Floe::kHeader));
    FloeCipher opener(floe);
    Bytes out(parameters.segment);
    for (size_t i = 0; i < cipher.size() * 8; ++i) {
      cipher[i / 8] ^= static_cast<uint8_t>(1 << i % 8);
      const std::string found = outcome([&] {
        if (i / 8 < Floe::kHeader) {
          Floe(parameters, key, ascii("This is AAD"), View(cipher).first(Floe::kHeader));
        } else {
          const size_t segment = (i / 8 - Floe::kHeader) / parameters.segment, start = Floe::kHeader + segment * parameters.segment;
          const size_t n = std::min<size_t>(parameters.segment, cipher.size() - start);
          opener.open(segment, start + n == cipher.size(), View(cipher).subspan(start, n), out.data());
        }
      });
      EXPECT_EQ(found, "kSealAuth") << name << " bit " << i;
      cipher[i / 8] ^= static_cast<uint8_t>(1 << i % 8);
    }
    ++pairs;
  }
  EXPECT_EQ(pairs, 17);
}

TEST(SealFloe, seals_what_it_opens_at_every_length) {
  const Secret key = secret(7);
  for (const int bits : {0, 1, 20}) {
    const FloeParameters parameters{.segment = 40, .cleared_bits = bits};
    for (size_t n = 0; n < 50; ++n) {
      const Floe sealing(parameters, key, ascii("This is AAD"), block<32>(secret(50)));
      const Floe opening(parameters, key, ascii("This is AAD"), View(sealing.header()));
      FloeCipher sealer(sealing), opener(opening);
      const uint64_t count = n ? (n + 7) / 8 : 1;
      for (uint64_t i = 0; i < count; ++i) {
        const bool last = i + 1 == count;
        Bytes plain(last ? n - i * 8 : 8), segment(plain.size() + 32), back(plain.size());
        for (uint8_t& b : plain) b = static_cast<uint8_t>(i * 8 + n);
        sealer.seal(i, last, block<12>(View(secret(static_cast<uint8_t>(i))).first(12)), plain, segment.data());
        opener.open(i, last, segment, back.data());
        EXPECT_EQ(back, plain);
        EXPECT_EQ(outcome([&] { opener.open(i, !last, segment, back.data()); }), "kSealAuth");
        EXPECT_EQ(outcome([&] { opener.open(i + 1, last, segment, back.data()); }), "kSealAuth");
      }
    }
  }
}

// Walks the tests of a Wycheproof file; returns how many there were.
template <class Check>
int wycheproof(const char* file, Check&& check) {
  const nlohmann::json content = parse_file(shared() / "vectors/wycheproof" / file);
  int count = 0;
  for (const auto& group : content.at("testGroups")) {
    for (const auto& test : group.at("tests")) check(group, test), ++count;
  }
  return count;
}

Bytes bytes_of(const nlohmann::json& test, const char* field) { return unhex(test.at(field).get<std::string>()); }
bool is_valid(const nlohmann::json& test) { return test.at("result") == "valid"; }

// AES-GCM with other sizes than the format's: OpenSSL, called directly.
bool openssl_gcm_opens(const Bytes& key, const Bytes& nonce, const Bytes& aad, const Bytes& cipher, const Bytes& tag, Bytes& plain) {
  const EVP_CIPHER* method = key.size() == 16 ? EVP_aes_128_gcm() : key.size() == 24 ? EVP_aes_192_gcm() : EVP_aes_256_gcm();
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  int n = 0;
  plain.resize(cipher.size() + 16);
  bool good = !nonce.empty() && EVP_DecryptInit_ex(context, method, nullptr, nullptr, nullptr) == 1 &&
              EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(nonce.size()), nullptr) == 1 &&
              EVP_DecryptInit_ex(context, nullptr, nullptr, key.data(), nonce.data()) == 1 &&
              (aad.empty() || EVP_DecryptUpdate(context, nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1) &&
              (cipher.empty() || EVP_DecryptUpdate(context, plain.data(), &n, cipher.data(), static_cast<int>(cipher.size())) == 1) &&
              EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()), const_cast<uint8_t*>(tag.data())) == 1 &&
              EVP_DecryptFinal_ex(context, plain.data() + cipher.size(), &n) == 1;
  EVP_CIPHER_CTX_free(context);
  plain.resize(cipher.size());
  return good;
}

// Each library that this machine can use.
std::vector<std::unique_ptr<Gcm>> gcms() {
  std::vector<std::unique_ptr<Gcm>> out;
  out.push_back(make_openssl_gcm());
  if (auto gcm = make_ipsec_mb_gcm()) out.push_back(std::move(gcm));
  return out;
}

TEST(SealWycheproof, aes_gcm) {
  NEED_SHARED(shared() / "vectors/wycheproof");
  const auto libraries = gcms();
  int ours = 0, too_long = 0;
  const int count = wycheproof("aes_gcm_test.json", [&](const auto&, const auto& test) {
    const Bytes key = bytes_of(test, "key"), nonce = bytes_of(test, "iv"), aad = bytes_of(test, "aad"), message = bytes_of(test, "msg"),
                cipher = bytes_of(test, "ct"), tag = bytes_of(test, "tag");
    Bytes plain;
    bool opened;
    if (nonce.size() > 128) {  // more than OpenSSL 3.0 takes; the format's nonces have 12 bytes
      ++too_long;
      return;
    }
    if (key.size() == 32 && nonce.size() == 12 && tag.size() == 16) {
      ++ours;
      plain.resize(cipher.size());
      for (const auto& gcm : libraries) {
        gcm->set_key(key);
        opened = gcm->open(nonce, aad, cipher, tag, plain.data());
        EXPECT_EQ(opened, is_valid(test)) << test.at("tcId");
        if (!is_valid(test)) continue;
        Bytes sealed(message.size()), made(16);
        gcm->seal(nonce, aad, message, sealed.data(), made.data());
        EXPECT_EQ(sealed, cipher) << test.at("tcId");
        EXPECT_EQ(made, tag) << test.at("tcId");
      }
    } else {
      opened = openssl_gcm_opens(key, nonce, aad, cipher, tag, plain);
    }
    EXPECT_EQ(opened, is_valid(test)) << test.at("tcId");
    EXPECT_TRUE(!opened || plain == message) << test.at("tcId");
  });
  EXPECT_EQ(count, 316);
  EXPECT_EQ(ours, 66);
  EXPECT_EQ(too_long, 3);
}

// Every length around the blocks that the libraries work in, and where the counter of a block carries into its second and third byte.
TEST(SealGcm, the_libraries_agree) {
  const auto libraries = gcms();
  if (libraries.size() < 2) GTEST_SKIP() << "this build or processor has OpenSSL alone";
  const auto [openssl, other] = std::pair(libraries[0].get(), libraries[1].get());
  std::mt19937_64 random(7);
  Bytes plain(size_t{1} << 21), aad(300), nonce(12), key(32);
  const auto fill = [&](Bytes& bytes) { std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<uint8_t>(random()); }); };
  fill(plain), fill(aad);
  Bytes sealed(plain.size()), opened(plain.size()), tag(16), other_tag(16);
  const auto check = [&](size_t n, size_t with) {
    fill(key), fill(nonce);
    openssl->set_key(key), other->set_key(key);
    const View message = View(plain).first(n), also = View(aad).first(with);
    openssl->seal(nonce, also, message, sealed.data(), tag.data());
    other->seal(nonce, also, message, opened.data(), other_tag.data());
    ASSERT_TRUE(equal(View(sealed).first(n), View(opened).first(n)) && tag == other_tag) << n << " bytes with " << with;
    ASSERT_TRUE(other->open(nonce, also, View(sealed).first(n), tag, opened.data()) && equal(message, View(opened).first(n))) << n;
    std::copy_n(sealed.begin(), n, opened.begin());
    ASSERT_TRUE(other->open(nonce, also, View(opened).first(n), tag, opened.data()) && equal(message, View(opened).first(n))) << n << " in place";
    tag[n % 16] ^= static_cast<uint8_t>(1 << n % 8);
    ASSERT_FALSE(other->open(nonce, also, View(sealed).first(n), tag, opened.data())) << n;
  };
  for (size_t n = 0; n <= 1100; ++n) check(n, n % 7);
  for (const size_t n : {4095, 4096, 4097, 65535, 65536, 262144, 1048575, 1048576, 2097152}) check(n, 9);
  for (size_t with = 0; with <= aad.size(); ++with) check(33, with);
}

void check_hkdf(const char* file, Hash hash, int expected) {
  const int count = wycheproof(file, [&](const auto&, const auto& test) {
    const Bytes ikm = bytes_of(test, "ikm"), salt = bytes_of(test, "salt"), info = bytes_of(test, "info"), okm = bytes_of(test, "okm");
    Bytes prk(hash_size(hash)), out(test.at("size").template get<size_t>());
    hkdf_extract(hash, salt, ikm, prk);
    const std::string result = outcome([&] { hkdf_expand(hash, prk, {info}, out); });
    EXPECT_EQ(result == "ok", is_valid(test)) << test.at("tcId");
    EXPECT_TRUE(!is_valid(test) || out == okm) << test.at("tcId");
  });
  EXPECT_EQ(count, expected);
}

TEST(SealWycheproof, hkdf_sha256) {
  NEED_SHARED(shared() / "vectors/wycheproof");
  check_hkdf("hkdf_sha256_test.json", Hash::sha256, 86);
}

TEST(SealWycheproof, hkdf_sha384) {
  NEED_SHARED(shared() / "vectors/wycheproof");
  check_hkdf("hkdf_sha384_test.json", Hash::sha384, 83);
}

TEST(SealWycheproof, hmac_sha256) {
  NEED_SHARED(shared() / "vectors/wycheproof");
  const int count = wycheproof("hmac_sha256_test.json", [&](const auto& group, const auto& test) {
    Bytes mac(32);
    hmac(Hash::sha256, bytes_of(test, "key"), {bytes_of(test, "msg")}, mac);
    mac.resize(group.at("tagSize").template get<size_t>() / 8);
    EXPECT_EQ(equal_constant_time(mac, bytes_of(test, "tag")), is_valid(test)) << test.at("tcId");
  });
  EXPECT_EQ(count, 174);
}

TEST(SealWycheproof, ed25519) {
  NEED_SHARED(shared() / "vectors/wycheproof");
  const int count = wycheproof("ed25519_test.json", [&](const auto& group, const auto& test) {
    const Bytes key = unhex(group.at("publicKey").at("pk").template get<std::string>());
    EXPECT_EQ(ed25519_verify(key, bytes_of(test, "msg"), bytes_of(test, "sig")), is_valid(test)) << test.at("tcId");
  });
  EXPECT_EQ(count, 151);
}

TEST(SealWycheproof, x25519) {
  NEED_SHARED(shared() / "vectors/wycheproof");
  int zero = 0;
  const int count = wycheproof("x25519_test.json", [&](const auto&, const auto& test) {
    const Bytes expected = bytes_of(test, "shared");
    const Secret found = x25519(bytes_of(test, "private"), bytes_of(test, "public"));
    if (all_zero(expected)) {
      ++zero;
      EXPECT_TRUE(found.empty()) << test.at("tcId");
    } else {
      EXPECT_TRUE(equal(found, expected)) << test.at("tcId");
    }
  });
  EXPECT_EQ(count, 518);
  EXPECT_EQ(zero, 31);
}

TEST(SealCctv, ed25519_edge_points) {
  const fs::path file = shared() / "vectors/cctv/ed25519/ed25519vectors.json";
  NEED_SHARED(file);
  int accepted = 0, refused = 0;
  const nlohmann::json content = parse_file(file);
  for (const auto& test : content) {
    bool expected = true;
    if (test.at("flags").is_array()) {
      for (const auto& flag : test.at("flags")) expected &= flag != "non_canonical_R" && flag != "low_order_residue";
    }
    const std::string message = test.at("msg");
    const bool found = ed25519_verify(bytes_of(test, "key"), ascii(message), bytes_of(test, "sig"));
    EXPECT_EQ(found, expected) << test.at("number");
    ++(found ? accepted : refused);
  }
  EXPECT_EQ(accepted, 208);
  EXPECT_EQ(refused, 706);
}

TEST(SealCctv, age_identities) {
  const fs::path folder = shared() / "vectors/cctv/age";
  NEED_SHARED(folder);
  int parsed = 0, other_kinds = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const Bytes content = slurp(entry.path());
    std::string_view rest = text(content);
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      if (line.empty()) break;  // the age file follows
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      constexpr std::string_view kField = "identity: ";
      if (!line.starts_with(kField)) continue;
      const std::string_view identity = line.substr(kField.size());
      const std::string said = message([&] { parse_identity(identity); });
      if (identity.find("-PQ-") == std::string_view::npos) {
        EXPECT_EQ(said, "") << entry.path();
        ++parsed;
      } else {
        EXPECT_NE(said.find("post-quantum"), std::string::npos) << entry.path() << said;
        ++other_kinds;
      }
    }
  }
  EXPECT_EQ(parsed, 98);
  EXPECT_EQ(other_kinds, 19);
}

}  // namespace
}  // namespace tenon::seal
