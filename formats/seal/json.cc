#include "formats/seal/json.h"

#include <algorithm>
#include <cstdint>

namespace tenon::seal {

// Here, where Field is complete.
Json::Json() = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

const Json* Json::find(std::string_view key) const {
  for (const Field& field : fields) {
    if (field.key == key) return &field.value;
  }
  return nullptr;
}

namespace {

constexpr uint64_t kMostInteger = (uint64_t{1} << 53) - 1;

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 63));
    out += static_cast<char>(0x80 | (c & 63));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 63));
    out += static_cast<char>(0x80 | (c >> 6 & 63));
    out += static_cast<char>(0x80 | (c & 63));
  }
}

// Recursion is bounded by most_depth.
class Parser {
 public:
  Parser(std::string_view text, Code code, std::string_view place, int most_depth)
      : text_(text), code_(code), place_(place), most_depth_(most_depth) {}

  Json document() {
    Json out = value(1);
    space();
    if (at_ != text_.size()) fail("something follows the value");
    return out;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw Error(code_, std::string(place_) + ": not strict JSON: " + std::string(what) + " at byte " + std::to_string(at_));
  }

  int peek() const { return at_ < text_.size() ? static_cast<unsigned char>(text_[at_]) : -1; }

  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }

  bool skip(char c) {
    space();
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  void expect(char c, std::string_view what) {
    if (!skip(c)) fail(what);
  }

  Json value(int depth) {
    space();
    Json out;
    switch (peek()) {
      case '{': object(out, depth); break;
      case '[': array(out, depth); break;
      case '"': out.kind = Json::string, out.text = string(); break;
      case 't': word("true"), out.kind = Json::boolean, out.truth = true; break;
      case 'f': word("false"), out.kind = Json::boolean; break;
      case 'n': word("null"); break;
      default: out.kind = Json::integer, out.number = integer();
    }
    return out;
  }

  void word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) fail("an unknown word");
    at_ += expected.size();
  }

  uint64_t integer() {
    if (peek() < '0' || peek() > '9') fail("no value");
    const bool zero = peek() == '0';
    uint64_t out = 0;
    size_t digits = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_, ++digits) {
      if (zero && digits) fail("an integer with leading zeros");
      out = out * 10 + static_cast<uint64_t>(peek() - '0');
      if (out > kMostInteger) fail("an integer above 2^53-1");
    }
    if (peek() == '.' || peek() == 'e' || peek() == 'E') fail("a number that is not an integer");
    return out;
  }

  void enter(int depth) {
    if (depth > most_depth_) fail("nested too deeply");
    ++at_;
  }

  void array(Json& out, int depth) {
    enter(depth);
    out.kind = Json::array;
    if (skip(']')) return;
    do out.items.push_back(value(depth + 1));
    while (skip(','));
    expect(']', "an array without end");
  }

  void object(Json& out, int depth) {
    enter(depth);
    out.kind = Json::object;
    if (skip('}')) return;
    do {
      space();
      if (peek() != '"') fail("a key that is not a string");
      std::string key = string();
      expect(':', "a key without a value");
      out.fields.push_back({std::move(key), value(depth + 1)});
    } while (skip(','));
    expect('}', "an object without end");
    refuse_duplicates(out);
  }

  void refuse_duplicates(const Json& object) const {
    std::vector<std::string_view> keys;
    keys.reserve(object.fields.size());
    for (const Json::Field& field : object.fields) keys.push_back(field.key);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end()) fail("the key \"" + printable(*twice) + "\" stands twice in the object that ends");
  }

  std::string string() {
    ++at_;
    std::string out;
    for (;;) {
      const int c = peek();
      if (c < 0) fail("a string without end");
      if (c < 0x20) fail("a control character in a string");
      if (c == '"') return ++at_, out;
      if (c == '\\') escape(out);
      else if (c < 0x80) out += static_cast<char>(c), ++at_;
      else multibyte(out);
    }
  }

  uint32_t four_digits() {
    uint32_t out = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const int c = peek();
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) fail("a \\u escape without four hex digits");
      out = out << 4 | static_cast<uint32_t>(digit);
    }
    return out;
  }

  void escape(std::string& out) {
    ++at_;
    constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    const int c = peek();
    if (c == 'u') {
      ++at_;
      uint32_t code = four_digits();
      if (code >= 0xDC00 && code < 0xE000) fail("an unpaired surrogate");
      if (code >= 0xD800 && code < 0xDC00) {
        if (text_.substr(at_, 2) != "\\u") fail("an unpaired surrogate");
        at_ += 2;
        const uint32_t low = four_digits();
        if (low < 0xDC00 || low >= 0xE000) fail("an unpaired surrogate");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      }
      return append_utf8(out, code);
    }
    const size_t which = c < 0 ? std::string_view::npos : kLetters.find(static_cast<char>(c));
    if (which == std::string_view::npos) fail("an unknown escape");
    out += kMeanings[which];
    ++at_;
  }

  // One UTF-8 sequence of two to four bytes: shortest form, no surrogates, at most U+10FFFF.
  void multibyte(std::string& out) {
    const int first = peek();
    const int more = first >= 0xC2 && first <= 0xDF ? 1 : first >= 0xE0 && first <= 0xEF ? 2 : first >= 0xF0 && first <= 0xF4 ? 3 : 0;
    if (!more) fail("bytes that are not UTF-8");
    for (int i = 1; i <= more; ++i) {
      const int c = at_ + static_cast<size_t>(i) < text_.size() ? static_cast<unsigned char>(text_[at_ + static_cast<size_t>(i)]) : -1;
      int low = 0x80, high = 0xBF;
      if (i == 1) {
        if (first == 0xE0) low = 0xA0;
        if (first == 0xED) high = 0x9F;
        if (first == 0xF0) low = 0x90;
        if (first == 0xF4) high = 0x8F;
      }
      if (c < low || c > high) fail("bytes that are not UTF-8");
    }
    out.append(text_.substr(at_, static_cast<size_t>(more) + 1));
    at_ += static_cast<size_t>(more) + 1;
  }

  std::string_view text_;
  Code code_;
  std::string_view place_;
  int most_depth_;
  size_t at_ = 0;
};

}  // namespace

Json parse_json(std::string_view text, Code code, std::string_view place, int most_depth) { return Parser(text, code, place, most_depth).document(); }

}  // namespace tenon::seal
