// Wrapping and unwrapping the file key, and the keys derived from it. Implements
// docs/sealed_format.md, sections 3 and 6.
#pragma once

#include "formats/seal/header.h"
#include "formats/seal/keys.h"
#include "formats/seal/system.h"

namespace tenon::seal {

// Everything derived from the file key. Each key has one use.
struct FileKeys {
  Secret header, manifest, data;  // 32 bytes each
};
FileKeys derive_keys(View file_id, View file_key);

// wrap and check, 64 bytes, from S and the bytes of a slot before its check.
Secret derive_slot(View file_id, View s, View salted);

struct Unlocked {
  Secret file_key;
  FileKeys keys;
  size_t slot;            // index in the header
  std::string principal;  // "key:...", "pass" or "cmd:..."
};

// docs/sealed_format.md, section 8.1, step 5: tries kinds in the order 1, 3, 4, 2, then file order,
// each with every key given for that kind. Compares the MAC. Throws Error(seal_no_key),
// Error(seal_auth), Error(seal_key_source), Error(seal_limit).
Unlocked unlock(const Header& header, const KeyRing& keys, std::chrono::milliseconds command_timeout);

// A slot to be made: what S is made of.
struct NewSlot {
  SlotKind kind;
  std::string label;
  Secret key;  // raw key or passphrase
  int log_n = kDefaultLogN;
  Block<32> recipient{};
  KeyCommand command{};
  std::string key_id{};
  std::chrono::milliseconds command_timeout{10'000};

  static NewSlot raw(Secret key, std::string label = "");
  static NewSlot passphrase(Secret passphrase, std::string label = "", int log_n = kDefaultLogN);
  static NewSlot to(const Block<32>& recipient, std::string label = "");
  static NewSlot external(KeyCommand command, std::string key_id, std::string label = "");
};

Slot make_slot(System& system, View file_id, View file_key, const NewSlot& spec);

}  // namespace tenon::seal
