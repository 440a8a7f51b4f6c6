// The key strings of age: Bech32 (BIP 173) without a length limit over 32 bytes, "age1..." public and "AGE-SECRET-KEY-1..."
// secret. One letter case throughout, zero pad bits. Other kinds of age keys are refused by name.
#pragma once

#include "formats/seal/secret.h"

namespace tenon::seal {

struct Identity {  // an X25519 secret and its recipient
  Secret secret;
  Block<32> recipient;
};

// These throw Error(seal_key_source). No secret is in the text of an error.
Block<32> parse_recipient(std::string_view text);
Identity parse_identity(std::string_view text);
// One secret per line; blank lines and lines that start with '#' are comments; lines end in LF or CRLF, nothing else is trimmed.
// At most 64 KiB and 64 identities, else Error(seal_limit).
std::vector<Identity> parse_identity_file(std::string_view text);

std::string recipient_string(View public_key);  // lower case
Secret identity_string(View secret);            // upper case

// True if `text` is the lower-case string of a public key: the form of a principal.
bool is_recipient_string(std::string_view text);

// Throws Error(seal_key_source) for a recipient to whom nothing may be sealed: of low order, >= p, or with the top bit set.
void check_recipient(View public_key);

}  // namespace tenon::seal
