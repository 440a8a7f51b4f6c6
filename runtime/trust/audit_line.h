// The form of one line of an audit log: docs/sealed_format.md, section 10.
#pragma once

#include "formats/seal/bytes.h"

namespace tenon::trust {

inline constexpr size_t kMostLine = 4096;              // with the LF
inline constexpr size_t kSignatureTail = 8 + 128 + 2;  // ,"sig":"<128 hex>"}
inline constexpr std::string_view kCheckpointLabel = "TENON1 checkpoint";

// {"n":N,"prev":"64 hex","t":MS,"ev":"EVENT"
struct LineFront {
  uint64_t n;
  seal::Block<32> previous;
  std::string event;
};
// Nothing if `line` (without LF) is not a line of a log: the front byte for byte, one of the events, strict JSON in ASCII, at most 4,096
// bytes, a checkpoint to its end.
bool parse_line(std::string_view line, LineFront& out);

seal::Block<32> line_hash(std::string_view line);

// A JSON string in ASCII; cut at `most` characters before escaping. Bytes that are not UTF-8 become U+FFFD.
void append_json(std::string& out, std::string_view text, size_t most = 256);

}  // namespace tenon::trust
