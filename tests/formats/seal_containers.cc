// The containers, decisions and key strings that an independent implementation of
// docs/sealed_format.md wrote; its section 14 says where they lie.
#include "formats/seal_common.h"

namespace tenon::seal {
namespace {

using nlohmann::json;

const fs::path& folder() {
  static const fs::path path = shared() / "vectors/tenon";
  return path;
}

// A command that unwraps and wraps by XOR with a hex value, as the test keys say.
KeyCommand xor_command(const json& key) {
  const std::string script = "import sys; b = sys.stdin.buffer.read(); v = bytes.fromhex('" + key.at("value").get<std::string>() +
                             "'); "
                             "sys.stdout.buffer.write(bytes(x ^ y for x, y in zip(b, v)))";
  return {key.at("provider"), {"/usr/bin/python3", "-c", script}};
}

KeyRing ring(const json& keys, const std::string& name) {
  KeyRing out;
  if (name == "raw" || name == "raw2") out.add_raw(Secret(View(unhex(keys.at(name).get<std::string>()))));
  else if (name == "identity" || name == "identity2") out.add_identity(parse_identity(keys.at(name).get<std::string>()));
  else if (name == "passphrase") out.add_passphrase(passphrase_from_bytes(ascii(keys.at(name).get<std::string>())));
  else if (name == "wrong passphrase") out.add_passphrase(passphrase_from_bytes(ascii("wrong")));
  else if (name == "command") out.add_command(xor_command(keys.at(name)));
  else ADD_FAILURE() << "unknown key " << name;
  return out;
}

std::vector<Block<32>> signers(const json& keys, const std::string& name) {
  std::vector<Block<32>> out;
  if (name == "signer" || name == "both") out.push_back(signer_from_text(keys.at("signer").get<std::string>()));
  if (name == "signer2" || name == "both") out.push_back(signer_from_text(keys.at("signer2").get<std::string>()));
  return out;
}

void check_content(const SealedFile& file, const json& expected) {
  EXPECT_EQ(file.data_size(), expected.at("data_plain").get<uint64_t>());
  ASSERT_EQ(file.blobs().size(), expected.at("blobs").size());
  for (size_t i = 0; i < file.blobs().size(); ++i) {
    EXPECT_EQ(file.blobs()[i].offset, expected.at("blobs")[i][0].get<uint64_t>());
    EXPECT_EQ(file.blobs()[i].length, expected.at("blobs")[i][1].get<uint64_t>());
    EXPECT_EQ(hex(sha256({read_blob(file, i)})), expected.at("blobs_sha256")[i].get<std::string>());
  }
  EXPECT_EQ(text(file.model()), expected.at("model").get<std::string>());
  const auto text_of = [](const json& value) { return value.is_null() ? std::optional<std::string>() : value.get<std::string>(); };
  EXPECT_EQ(file.policy_text(), text_of(expected.at("policy")));
  EXPECT_EQ(file.metadata_text(), text_of(expected.at("metadata")));
}

void check_open(const std::string& path, const json& keys, const json& entry, const json& open) {
  SCOPED_TRACE(entry.at("file").get<std::string>() + ", key " + open.at("key").get<std::string>() + ", signers " +
               open.at("signers").get<std::string>());
  const KeyRing given = ring(keys, open.at("key"));
  const OpenOptions options{.keys = &given, .signers = signers(keys, open.at("signers"))};
  std::unique_ptr<SealedFile> file;
  const std::string found = outcome([&] {
    file = SealedFile::open(path, options);
    Bytes all(file->data_size());
    file->read(0, all);
  });
  EXPECT_EQ(found, open.at("expect").get<std::string>());
  if (found != "ok" || open.at("expect") != "ok") return;
  EXPECT_EQ(file->principal(), open.at("principal").get<std::string>());
  EXPECT_EQ(outcome([&] { verify(path, options); }), open.at("verify").get<std::string>());
  check_content(*file, entry);
}

TEST(SealContainers, open_as_the_independent_implementation_says) {
  NEED_SHARED(folder());
  const json cases = parse_file(folder() / "cases.json");
  int files = 0, opens = 0;
  for (const json& entry : cases.at("files")) {
    const std::string path = folder() / entry.at("file").get<std::string>();
    EXPECT_EQ(hex(sha256({slurp(path)})), entry.at("sha256").get<std::string>()) << path;
    for (const json& open : entry.at("opens")) check_open(path, cases.at("keys"), entry, open), ++opens;
    ++files;
  }
  EXPECT_EQ(files, 132);
  EXPECT_EQ(opens, 206);
}

TEST(SealContainers, intermediate_keys) {
  NEED_SHARED(folder());
  const json cases = parse_file(folder() / "cases.json");
  int checked = 0;
  for (const json& entry : cases.at("files")) {
    if (!entry.contains("debug")) continue;
    const json& debug = entry.at("debug");
    const Header header = read_header(folder() / entry.at("file").get<std::string>(), {});
    const Bytes file_key = unhex(debug.at("FK").get<std::string>());
    Block<32> prk;
    hkdf_extract(Hash::sha256, header.identity.file_id(), file_key, prk);
    EXPECT_EQ(hex(prk), debug.at("PRK").get<std::string>());
    const FileKeys keys = derive_keys(header.identity.file_id(), file_key);
    EXPECT_EQ(hex(keys.header), debug.at("K_header").get<std::string>());
    EXPECT_EQ(hex(keys.manifest), debug.at("K_manifest").get<std::string>());
    EXPECT_EQ(hex(keys.data), debug.at("K_data").get<std::string>());
    EXPECT_TRUE(mac_fits(header, keys.header));
    ++checked;
  }
  EXPECT_GT(checked, 5);
}

TEST(SealContainers, verify_without_a_key_finds_damage_and_reports_signers) {
  NEED_SHARED(folder());
  const json cases = parse_file(folder() / "cases.json");
  const auto result = [&](const char* file, const char* who) {
    return outcome([&] { verify(folder() / file, {.signers = signers(cases.at("keys"), who)}); });
  };
  EXPECT_EQ(result("small_signed.tenon", "none"), "ok");
  EXPECT_EQ(result("small_signed.tenon", "signer"), "ok");
  EXPECT_EQ(result("unsigned.tenon", "signer"), "kSealUnsigned");
  EXPECT_EQ(result("holder_rewrites_all.tenon", "signer"), "kSealBadSignature");
  EXPECT_EQ(result("holder_rewrites_all.tenon", "none"), "ok");
  EXPECT_EQ(result("holder_reencrypts_segment.tenon", "none"), "kSealDamaged");
  EXPECT_EQ(result("segments_swapped.tenon", "none"), "kSealDamaged");
  EXPECT_EQ(result("digest_damaged.tenon", "none"), "kSealDamaged");
  EXPECT_EQ(result("mac_wrong.tenon", "none"), "ok") << "the MAC needs the key";
}

TEST(SealContainers, decisions) {
  NEED_SHARED(folder());
  const json cases = parse_file(folder() / "cases.json");
  EXPECT_EQ(cases.at("decisions").size(), 47u);
  for (const json& d : cases.at("decisions")) {
    std::optional<Policy> policy;
    if (!d.at("policy").is_null()) policy = parse_policy(d.at("policy").dump(), PolicyPlace::file);
    const auto principals = d.at("principals").get<std::vector<std::string>>();
    const Operation operation = operation_of(d.at("op").get<std::string>()).value();
    const Decision found = decide(policy ? &*policy : nullptr, principals, operation, d.at("now").get<uint64_t>());
    EXPECT_EQ(found.allow, d.at("allow").get<bool>()) << d;
    EXPECT_EQ(found.reason.empty(), found.allow) << d;
  }
}

TEST(SealContainers, key_strings) {
  NEED_SHARED(folder());
  const json cases = parse_file(folder() / "cases.json");
  EXPECT_EQ(cases.at("key_strings").size(), 16u);
  for (const json& k : cases.at("key_strings")) {
    const std::string string = k.at("string");
    std::string found = "refused";
    try {
      found = "public:" + hex(parse_recipient(string));
    } catch (const Error&) {}
    try {
      found = "secret:" + hex(parse_identity(string).secret);
    } catch (const Error&) {}
    EXPECT_EQ(found, k.at("expect").get<std::string>()) << k.at("name");
  }
}

TEST(SealContainers, key_strings_are_written_as_they_are_read) {
  NEED_SHARED(folder());
  const json cases = parse_file(folder() / "cases.json");
  const json& keys = cases.at("keys");
  for (const char* which : {"", "2"}) {
    const std::string secret_string = keys.at(std::string("identity") + which), public_string = keys.at(std::string("recipient") + which);
    const Identity identity = parse_identity(secret_string);
    EXPECT_EQ(recipient_string(identity.recipient), public_string);
    EXPECT_EQ(text(identity_string(identity.secret)), secret_string);
  }
}

}  // namespace
}  // namespace tenon::seal
