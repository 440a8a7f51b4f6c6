// Strict JSON: UTF-8 without mark, no duplicate keys (compared after unescaping), integers
// 0..2^53-1 without sign, fraction, exponent or leading zeros, no unpaired surrogate escapes,
// nothing after the value. Implements the rules of docs/sealed_format.md, section 5.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace tenon::seal {

struct Json {
  struct Field;
  enum Kind { null, boolean, integer, string, array, object };

  Kind kind = null;
  bool truth = false;
  uint64_t number = 0;
  std::string text;           // UTF-8; may hold NUL
  std::vector<Json> items;    // array
  std::vector<Field> fields;  // object, in the order of the text

  Json();
  Json(Json&&) noexcept;
  Json& operator=(Json&&) noexcept;
  ~Json();
  const Json* find(std::string_view key) const;
};

struct Json::Field {
  std::string key;
  Json value;
};

// Throws Error(code) that says what is wrong and at which byte. The outermost value has depth 1.
Json parse_json(std::string_view text, Code code, std::string_view place, int most_depth = 8);

}  // namespace tenon::seal
