#include "formats/seal/slots.h"

#include <algorithm>

#include "formats/seal/crypto.h"

namespace tenon::seal {
namespace {

constexpr size_t kFileKey = 32;
constexpr std::string_view kScryptLabel = "TENON1 scrypt";
constexpr Block<12> kZeroNonce{};

Secret scrypt_secret(View passphrase, View params) {
  Bytes salt(ascii(kScryptLabel).begin(), ascii(kScryptLabel).end());
  salt.insert(salt.end(), params.begin() + 8, params.end());
  return scrypt(passphrase, salt, params[0]);
}

// Empty if the shared secret is all zero.
Secret recipient_secret(View secret, View ephemeral_or_recipient, View recipient) {
  const Secret shared = x25519(secret, ephemeral_or_recipient);
  if (shared.empty()) return Secret();
  Secret out(64);
  std::memcpy(out.data(), shared.data(), 32);
  std::memcpy(out.data() + 32, recipient.data(), 32);
  return out;
}

}  // namespace

FileKeys derive_keys(View file_id, View file_key) {
  Secret prk(32);
  hkdf_extract(Hash::sha256, file_id, file_key, prk.span());
  const auto expand = [&](std::string_view label) {
    Secret out(32);
    hkdf_expand(Hash::sha256, prk, {ascii(label)}, out.span());
    return out;
  };
  return {expand("TENON1 header"), expand("TENON1 manifest"), expand("TENON1 data")};
}

Secret derive_slot(View file_id, View s, View salted) {
  Secret prk(32), out(64);
  hkdf_extract(Hash::sha256, file_id, s, prk.span());
  hkdf_expand(Hash::sha256, prk, {ascii("TENON1 slot"), salted}, out.span());
  return out;
}

namespace {

class Opener {
 public:
  Opener(const Header& header, const KeyRing& keys, std::chrono::milliseconds command_timeout)
      : header_(header), keys_(keys), command_timeout_(command_timeout) {}

  Unlocked run() {
    const bool opened = each(SlotKind::raw, !keys_.raw().empty(), &Opener::raw) ||
                        each(SlotKind::recipient, !keys_.identities().empty(), &Opener::recipient) ||
                        each(SlotKind::external, !keys_.commands().empty(), &Opener::external) ||
                        each(SlotKind::passphrase, !keys_.passphrases().empty(), &Opener::passphrase);
    if (!opened) throw Error(Code::seal_no_key, "no slot opens with the keys given" + (tried_.empty() ? ": none was given" : ", tried: " + tried_));
    out_.keys = derive_keys(header_.identity.file_id(), out_.file_key);
    if (!mac_fits(header_, out_.keys.header)) throw Error(Code::seal_auth, "header: the MAC does not fit");
    return std::move(out_);
  }

 private:
  bool each(SlotKind kind, bool given, bool (Opener::*attempt)(const Slot&)) {
    if (!given) return false;
    tried_ += (tried_.empty() ? "" : ", ") + std::string(name(kind));
    for (size_t i = 0; i < header_.slots.size(); ++i) {
      out_.slot = i;
      if (header_.slots[i].kind == kind && (this->*attempt)(header_.slots[i])) return true;
    }
    return false;
  }

  // The check is compared before anything is decrypted: no slot opens under two keys.
  bool opens(const Slot& slot, View s) {
    const Secret derived = derive_slot(header_.identity.file_id(), s, slot.salted());
    if (!equal_constant_time(View(derived).subspan(32), slot.check())) return false;
    out_.file_key = Secret(kFileKey);
    const std::unique_ptr<Gcm> gcm = make_gcm();
    gcm->set_key(View(derived).first(32));
    if (!gcm->open(kZeroNonce, {}, slot.wrapped().first(kFileKey), slot.wrapped().subspan(kFileKey), out_.file_key.data())) {
      throw Error(Code::seal_auth, "slot " + std::to_string(out_.slot) + ": the tag of the wrapped key does not fit");
    }
    return true;
  }

  bool raw(const Slot& slot) {
    return std::any_of(keys_.raw().begin(), keys_.raw().end(), [&](const Secret& key) {
      if (!opens(slot, key)) return false;
      out_.principal = raw_key_principal(key);
      return true;
    });
  }

  bool recipient(const Slot& slot) {
    return std::any_of(keys_.identities().begin(), keys_.identities().end(), [&](const Identity& identity) {
      const Secret s = recipient_secret(identity.secret, slot.params(), identity.recipient);
      if (s.empty() || !opens(slot, s)) return false;
      out_.principal = "key:" + recipient_string(identity.recipient);
      return true;
    });
  }

  bool external(const Slot& slot) {
    const auto command =
        std::find_if(keys_.commands().begin(), keys_.commands().end(), [&](const KeyCommand& c) { return c.provider == slot.provider; });
    if (command == keys_.commands().end()) return false;
    if (commands_run_++ == kMostCommands) throw Error(Code::seal_limit, "more than 8 key commands to run");
    const CommandResult result = run_command(*command, {"unwrap", slot.key_id, header_.identity.file_id(), slot.blob(), kFileKey, command_timeout_});
    if (result.status == 10) return false;
    if (result.output.size() != kFileKey) {
      throw Error(Code::seal_key_source,
                  "key command of provider " + slot.provider + ": wrote " + std::to_string(result.output.size()) + " bytes, not 32");
    }
    if (!opens(slot, result.output)) return false;
    out_.principal = "cmd:" + slot.provider + "/" + slot.key_id;
    return true;
  }

  bool passphrase(const Slot& slot) {
    return std::any_of(keys_.passphrases().begin(), keys_.passphrases().end(), [&](const Secret& phrase) {
      if (scrypt_runs_++ == kMostScryptRuns) throw Error(Code::seal_limit, "more than 4 scrypt runs for one open");
      if (!opens(slot, scrypt_secret(phrase, slot.params()))) return false;
      out_.principal = "pass";
      return true;
    });
  }

  const Header& header_;
  const KeyRing& keys_;
  std::chrono::milliseconds command_timeout_;
  size_t commands_run_ = 0, scrypt_runs_ = 0;
  std::string tried_;
  Unlocked out_{};
};

}  // namespace

Unlocked unlock(const Header& header, const KeyRing& keys, std::chrono::milliseconds command_timeout) {
  return Opener(header, keys, command_timeout).run();
}

NewSlot NewSlot::raw(Secret key, std::string label) { return {.kind = SlotKind::raw, .label = std::move(label), .key = std::move(key)}; }

NewSlot NewSlot::passphrase(Secret passphrase, std::string label, int log_n) {
  return {.kind = SlotKind::passphrase, .label = std::move(label), .key = std::move(passphrase), .log_n = log_n};
}

NewSlot NewSlot::to(const Block<32>& recipient, std::string label) {
  return {.kind = SlotKind::recipient, .label = std::move(label), .key = Secret(), .recipient = recipient};
}

NewSlot NewSlot::external(KeyCommand command, std::string key_id, std::string label) {
  return {.kind = SlotKind::external, .label = std::move(label), .key = Secret(), .command = std::move(command), .key_id = std::move(key_id)};
}

namespace {

struct Material {
  Bytes params;
  Secret s;
};

Material external_material(System& system, View file_id, const NewSlot& spec) {
  check_provider(spec.command.provider);
  const bool good = !spec.key_id.empty() && spec.key_id.size() <= kMostKeyId &&
                    std::all_of(spec.key_id.begin(), spec.key_id.end(), [](char c) { return c >= 0x21 && c <= 0x7E; });
  if (!good) throw Error(Code::bad_usage, "a key id is 1 to 256 bytes of 21 to 7E");
  Material out{{}, Secret(32)};
  random_private_bytes(system, out.s.span());
  const CommandResult blob = run_command(spec.command, {"wrap", spec.key_id, file_id, out.s, kMostWrapped, spec.command_timeout});
  if (blob.output.empty()) throw Error(Code::seal_key_source, "key command of provider " + spec.command.provider + ": wrap wrote nothing");
  const auto put16 = [&](size_t n) { out.params.insert(out.params.end(), {static_cast<uint8_t>(n), static_cast<uint8_t>(n >> 8)}); };
  const auto put = [&](View bytes) { out.params.insert(out.params.end(), bytes.begin(), bytes.end()); };
  out.params.push_back(static_cast<uint8_t>(spec.command.provider.size()));
  put(ascii(spec.command.provider));
  put16(spec.key_id.size());
  put(ascii(spec.key_id));
  put16(blob.output.size());
  put(blob.output);
  return out;
}

Material make_material(System& system, View file_id, const NewSlot& spec) {
  switch (spec.kind) {
    case SlotKind::raw:
      if (spec.key.size() != 32) throw Error(Code::seal_key_source, "a raw key is 32 bytes");
      return {{}, spec.key.copy()};
    case SlotKind::passphrase: {
      check_passphrase(spec.key);
      if (spec.log_n < kLeastLogN || spec.log_n > kMostLogNByOption) throw Error(Code::seal_limit, "logN is not 14 to 22");
      Material out{Bytes(24), {}};
      out.params[0] = static_cast<uint8_t>(spec.log_n);
      random_bytes(system, std::span(out.params).subspan(8));
      out.s = scrypt_secret(spec.key, out.params);
      return out;
    }
    case SlotKind::recipient: {
      check_recipient(spec.recipient);
      Secret ephemeral(32);
      random_private_bytes(system, ephemeral.span());
      const Block<32> public_key = x25519_public(ephemeral);
      return {Bytes(public_key.begin(), public_key.end()), recipient_secret(ephemeral, spec.recipient, spec.recipient)};
    }
    case SlotKind::external: return external_material(system, file_id, spec);
  }
  throw Error(Code::bad_usage, "unknown kind of slot");
}

}  // namespace

Slot make_slot(System& system, View file_id, View file_key, const NewSlot& spec) {
  check_label(spec.label);
  const Material material = make_material(system, file_id, spec);
  Bytes bytes(kSlotFront + material.params.size() + kSlotBack);
  store<uint16_t>(bytes.data(), static_cast<uint16_t>(spec.kind));
  store<uint16_t>(bytes.data() + 2, static_cast<uint16_t>(material.params.size()));
  random_bytes(system, std::span(bytes).subspan(8, 16));
  std::copy(spec.label.begin(), spec.label.end(), bytes.begin() + 24);
  std::copy(material.params.begin(), material.params.end(), bytes.begin() + kSlotFront);
  const size_t salted = bytes.size() - kSlotBack;
  const Secret derived = derive_slot(file_id, material.s, View(bytes).first(salted));
  std::memcpy(bytes.data() + salted, derived.data() + 32, 32);
  const std::unique_ptr<Gcm> gcm = make_gcm();
  gcm->set_key(View(derived).first(32));
  gcm->seal(kZeroNonce, {}, file_key, bytes.data() + salted + 32, bytes.data() + salted + 64);
  const auto owned = std::make_shared<const Bytes>(std::move(bytes));
  Cursor cursor(*owned, Code::seal_format, "new slot");
  Slot out = parse_slot(cursor, kMostLogNByOption, {});
  out.owned = owned;
  return out;
}

}  // namespace tenon::seal
