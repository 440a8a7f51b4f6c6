// tenon keygen, policy check, audit verify: keys and what is decided and recorded with them.
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/seal_options.h"

namespace tenon::cli {
namespace {

using namespace seal;

// ---- keygen ----

void write_secret(const std::string& path, View bytes) {
  const File file(real_system(), ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) fail_io("creating " + printable(path));
  write_all(file, bytes, 0, "key file");
  if (::fsync(file.fd()) != 0) fail_io("syncing the key file");
}

void write_pem(const std::string& path, View seed) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()),
                                                                EVP_PKEY_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_secmem()), BIO_free);
  char* text = nullptr;
  if (!key || !bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    throw Error(Code::resource, "OpenSSL failed: writing a key");
  const long n = BIO_get_mem_data(bio.get(), &text);
  write_secret(path, {reinterpret_cast<const uint8_t*>(text), static_cast<size_t>(n)});
}

int make_key(const std::string& kind, const std::string& output) {
  protect_process();
  Secret key(32);
  random_private_bytes(real_system(), key.span());
  if (kind == "raw") {
    Secret line(65);
    for (size_t i = 0; i < 32; ++i) {
      constexpr char kDigits[] = "0123456789abcdef";
      line.data()[2 * i] = static_cast<uint8_t>(kDigits[key.data()[i] >> 4]);
      line.data()[2 * i + 1] = static_cast<uint8_t>(kDigits[key.data()[i] & 15]);
    }
    line.data()[64] = '\n';
    write_secret(output, line);
    std::printf("%s\n", raw_key_principal(key).c_str());
  } else if (kind == "identity") {
    const Secret string = identity_string(key);
    Secret line(string.size() + 1);
    std::copy_n(string.data(), string.size(), line.data());
    line.data()[string.size()] = '\n';
    write_secret(output, line);
    std::printf("%s\n", recipient_string(x25519_public(key)).c_str());
  } else {
    write_pem(output, key);
    std::printf("%s\n", hex(ed25519_public(key)).c_str());
  }
  return kGood;
}

void print_secret(const char* kind, View secret, int asked) {
  if (asked >= 2) std::printf("secret:%s\n", hex(secret).c_str());
  else std::printf("%s\n", kind);
}

// A public key as public:HEX, of a secret one its kind and the public half.
int show_key(const std::string& path, int asked) {
  protect_process();
  constexpr size_t kMost = size_t{64} << 10;
  const Secret bytes =
      within([&] { return "key file " + printable(path); }, [&] { return read_key_file(path, kMost, Code::seal_limit, {.shared_file = true}); });
  std::string_view content = text(bytes);
  if (content.ends_with('\n')) content.remove_suffix(1);
  if (content.starts_with("age1") || content.starts_with("AGE1")) {
    std::printf("public:%s\n", hex(parse_recipient(content)).c_str());
    return kGood;
  }
  if (content.find("-----BEGIN PUBLIC KEY-----") != std::string_view::npos) {
    std::printf("public:%s\n", hex(signer_from_text(text(bytes))).c_str());
    return kGood;
  }
  if (content.find("-----BEGIN ") != std::string_view::npos) {
    const Secret seed = signing_key_from_file(path, {.shared_file = true});
    print_secret("signing key, Ed25519", seed, asked);
    std::printf("public:%s\n", hex(ed25519_public(seed)).c_str());
    return kGood;
  }
  Block<32> ignored;
  if (bytes.size() == 32 || from_hex(content, ignored, true)) {
    wipe(ignored.data(), ignored.size());
    const Secret key = raw_key_from_bytes(bytes);
    print_secret("raw key, or the seed of a signing key", key, asked);
    std::printf("%s\n", raw_key_principal(key).c_str());
    return kGood;
  }
  for (const Identity& identity : parse_identity_file(text(bytes))) {
    print_secret("age identity, X25519", identity.secret, asked);
    std::printf("public:%s\n%s\n", hex(identity.recipient).c_str(), recipient_string(identity.recipient).c_str());
  }
  return kGood;
}

// ---- policy check ----

struct PolicyCheck {
  std::string file, operation;
  uint64_t now = 0;
  std::vector<std::string> who;
  bool host = false;
  SealOptions options;
};

int check_policy(const PolicyCheck& o) {
  const auto operation = operation_of(o.operation);
  if (!operation) throw Error(Code::bad_usage, "--op is run, serve, inspect, share or export, not \"" + printable(o.operation) + "\"");
  for (const std::string& principal : o.who) {
    if (!is_principal(principal)) throw Error(Code::bad_usage, "--who: \"" + printable(principal) + "\" has not the form of a principal");
  }
  std::optional<Policy> policy, host;
  if (is_sealed(o.file)) {
    const trust::Opening given = o.options.given();
    policy = SealedFile::open(o.file, given.open())->policy();
    host = given.host.policy;
  } else {
    policy = within([&] { return "policy " + printable(o.file); },
                    [&] { return parse_policy(read_text(o.file, kMostPolicy), o.host ? PolicyPlace::host : PolicyPlace::file); });
    if (!o.options.host_policy.empty()) host = o.options.given().host.policy;
  }
  Decision decision = decide(policy ? &*policy : nullptr, o.who, *operation, o.now);
  if (decision.allow && host) decision = decide(&*host, o.who, *operation, o.now);
  std::printf("%s%s\n", decision.allow ? "allow" : "deny: ", decision.reason.c_str());
  return decision.allow ? kGood : kDiffers;
}

// ---- audit verify ----

int verify_log(const std::vector<std::string>& files, const std::string& key, const std::string& witness) {
  Block<32> public_key;
  if (!from_hex(key, public_key, true)) throw Error(Code::bad_usage, "--pub is the 64 hex digits of the log's Ed25519 key");
  if (ed25519_low_order(public_key)) throw Error(Code::bad_usage, "--pub is a point of low order: anybody can sign for it");
  const trust::AuditVerdict verdict = trust::verify_audit(files, public_key, witness.empty() ? std::nullopt : std::optional(witness));
  std::printf("%s\n", verdict.text.c_str());
  return verdict.exit;
}

}  // namespace

std::function<int()> add_keygen(CLI::App& app) {
  struct State {
    bool raw = false, identity = false, signer = false;
    std::string output, show;
    int secret = 0;
  };
  auto o = std::make_shared<State>();
  CLI::App* sub = app.add_subcommand("keygen", "Makes a key, or shows what is public of one.");
  CLI::Option* raw = sub->add_flag("--raw", o->raw, "a raw key");
  CLI::Option* identity = sub->add_flag("--identity", o->identity, "an age identity; its recipient string is printed");
  CLI::Option* signer = sub->add_flag("--signer", o->signer, "an Ed25519 signing key (PEM); its public key is printed");
  sub->add_option("-o,--output", o->output, "the new key file, readable by its owner alone");
  sub->add_option("--show", o->show, "show the public half, or the kind, of this key file")->excludes(raw)->excludes(identity)->excludes(signer);
  sub->add_flag("--secret", o->secret, "with --show: print the secret; must be given twice");
  return [o] {
    if (!o->show.empty()) return show_key(o->show, o->secret);
    if (o->raw + o->identity + o->signer != 1) throw Error(Code::bad_usage, "keygen takes one of --raw, --identity, --signer, or --show FILE");
    if (o->output.empty()) throw Error(Code::bad_usage, "keygen needs -o FILE");
    return make_key(o->raw ? "raw" : o->identity ? "identity" : "signer", o->output);
  };
}

std::function<int()> add_policy(CLI::App& app) {
  auto o = std::make_shared<PolicyCheck>();
  CLI::App* sub = app.add_subcommand("policy", "Decisions of a policy.");
  sub->require_subcommand(1);
  CLI::App* check = sub->add_subcommand("check", "Says whether an operation is allowed: exit status 0, or denied: 1.");
  check->add_option("file", o->file, "a policy (JSON) or a sealed file")->required();
  check->add_option("--op", o->operation, "run, serve, inspect, share or export")->required();
  check->add_option("--now", o->now, "seconds since 1970")->required();
  check->add_option("--who", o->who, "principals (may repeat)");
  check->add_flag("--host", o->host, "the file is a host policy, without model and release");
  o->options.add(*check);
  return [o] { return check_policy(*o); };
}

std::function<int()> add_audit(CLI::App& app) {
  struct State {
    std::vector<std::string> files;
    std::string key, witness;
  };
  auto o = std::make_shared<State>();
  CLI::App* sub = app.add_subcommand("audit", "Audit logs.");
  sub->require_subcommand(1);
  CLI::App* verify = sub->add_subcommand("verify", "Checks a log: exit status 0 intact, 1 altered, 2 cut short, 3 not readable.");
  verify->add_option("files", o->files, "the files of the log, in order")->required();
  verify->add_option("--pub", o->key, "the log's public key, 64 hex digits")->required();
  verify->add_option("--witness", o->witness, "checkpoint lines that stand elsewhere");
  return [o] { return verify_log(o->files, o->key, o->witness); };
}

}  // namespace tenon::cli
