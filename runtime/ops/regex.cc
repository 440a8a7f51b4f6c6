// regex_match: a pattern becomes a program, whose threads all move through the string together, so that no string takes long.
#include <algorithm>

#include "ops/op.h"
#include "ops/strings.h"

namespace tenon {
namespace {

// Code points of UTF-8; a byte that begins none stands for itself.
std::vector<uint32_t> code_points(const std::string& s) {
  std::vector<uint32_t> out;
  for (size_t i = 0; i < s.size();) {
    const auto byte = [&](size_t k) { return k < s.size() ? static_cast<uint8_t>(s[k]) : uint8_t{0}; };
    const uint8_t first = byte(i);
    const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
    uint32_t c = length == 1 ? first : first & (0x7fu >> length);
    bool whole = true;
    for (size_t k = 1; k < length; ++k) whole &= (byte(i + k) & 0xc0) == 0x80, c = c << 6 | (byte(i + k) & 0x3fu);
    out.push_back(whole ? c : first);
    i += whole ? length : 1;
  }
  return out;
}

struct Range {
  uint32_t low, high;
};

struct Set {
  std::vector<Range> ranges;
  bool inverted = false;
  bool has(uint32_t c) const {
    return std::any_of(ranges.begin(), ranges.end(), [&](const Range& r) { return c >= r.low && c <= r.high; }) != inverted;
  }
  void add(const Set& other) {
    if (!other.inverted) {
      ranges.insert(ranges.end(), other.ranges.begin(), other.ranges.end());
      return;
    }
    // Everything between the ranges.
    std::vector<Range> sorted = other.ranges;
    std::sort(sorted.begin(), sorted.end(), [](const Range& a, const Range& b) { return a.low < b.low; });
    uint32_t next = 0;
    for (const Range& r : sorted) {
      if (r.low > next) ranges.push_back({next, r.low - 1});
      next = std::max(next, r.high + 1);
    }
    ranges.push_back({next, 0x10ffff});
  }
};

const Set kDigits{{{'0', '9'}}}, kBlanks{{{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}}, kWord{{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
    kAny{{{'\n', '\n'}}, true};

struct Instruction {
  enum Kind : uint8_t { set, split, begin, end, boundary, inside, match } kind = match;
  int32_t next = 0, other = 0;  // of a split: two ways on
  int32_t index = 0;            // of a set
};

class Pattern {
 public:
  explicit Pattern(const std::string& text) : text_(code_points(text)) {
    const Piece whole = alternatives(0);
    if (at_ != text_.size()) fail("an unopened )");
    set(whole, push({Instruction::match}));
    start_ = whole.first;
  }

  bool matches(const std::string& string) const {
    const std::vector<uint32_t> s = code_points(string);
    std::vector<bool> now(program_.size()), then;
    spread(now, start_, s, 0);
    for (size_t i = 0; i < s.size(); ++i) {
      then.assign(program_.size(), false);
      for (size_t p = 0; p < program_.size(); ++p)
        if (now[p] && program_[p].kind == Instruction::set && sets_[static_cast<size_t>(program_[p].index)].has(s[i]))
          spread(then, program_[p].next, s, i + 1);
      now.swap(then);
    }
    for (size_t p = 0; p < program_.size(); ++p)
      if (now[p] && program_[p].kind == Instruction::match) return true;
    return false;
  }

 private:
  static constexpr size_t kMostInstructions = 20000;
  static constexpr int kMostDepth = 100;

  // A part of the program: where it begins, and the ends that are still open: an instruction, and whether it is its second way.
  struct Piece {
    int32_t first = 0;
    std::vector<std::pair<int32_t, bool>> ends;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Code::bad_model, "the pattern of regex_match has " + what + " at character " + std::to_string(at_));
  }

  int32_t push(Instruction i) {
    if (program_.size() == kMostInstructions)
      throw Error(Code::not_supported, "a pattern of more than " + std::to_string(kMostInstructions) + " steps");
    program_.push_back(i);
    return static_cast<int32_t>(program_.size() - 1);
  }
  void set(const Piece& piece, int32_t to) {
    for (const auto& [at, second] : piece.ends) (second ? program_[static_cast<size_t>(at)].other : program_[static_cast<size_t>(at)].next) = to;
  }
  Piece single(Instruction i) {
    const int32_t at = push(i);
    return {at, {{at, false}}};
  }
  Piece single(Set s) {
    sets_.push_back(std::move(s));
    Instruction i{Instruction::set};
    i.index = static_cast<int32_t>(sets_.size() - 1);
    return single(i);
  }
  // Matches nothing, and goes on.
  Piece empty() {
    const int32_t at = push({Instruction::split});
    return {at, {{at, false}, {at, true}}};
  }
  Piece joined(Piece a, Piece b) {
    set(a, b.first);
    return {a.first, std::move(b.ends)};
  }

  bool more() const { return at_ < text_.size(); }
  bool accept(uint32_t c) { return more() && text_[at_] == c ? ++at_, true : false; }

  Piece alternatives(int depth) {
    if (depth > kMostDepth) fail("groups nested too deep");
    Piece out = sequence(depth);
    while (accept('|')) {
      Piece next = sequence(depth);
      Instruction i{Instruction::split};
      i.next = out.first, i.other = next.first;
      out.first = push(i);
      out.ends.insert(out.ends.end(), next.ends.begin(), next.ends.end());
    }
    return out;
  }

  Piece sequence(int depth) {
    Piece out = empty();
    while (more() && text_[at_] != '|' && text_[at_] != ')') out = joined(std::move(out), repeated(depth));
    return out;
  }

  Piece repeated(int depth) {
    const size_t from = at_;
    Piece piece = atom(depth);
    int64_t least = 1, most = 1;
    if (!quantifier(least, most)) return piece;
    const size_t behind = at_;
    // The atom is read again for every copy.
    const auto copy = [&] {
      at_ = from;
      Piece p = atom(depth);
      at_ = behind;
      return p;
    };
    Piece out = empty();
    for (int64_t i = 0; i < least; ++i) out = joined(std::move(out), i ? copy() : piece);
    if (most < 0) {
      const Piece again = least ? copy() : piece;
      Instruction i{Instruction::split};
      i.next = again.first;
      const int32_t loop = push(i);
      set(again, loop);
      out = joined(std::move(out), {loop, {{loop, true}}});
    }
    for (int64_t i = least; i < most; ++i) {
      Piece next = i ? copy() : piece;
      Instruction split{Instruction::split};
      split.next = next.first;
      const int32_t at = push(split);
      next.first = at;
      next.ends.emplace_back(at, true);
      out = joined(std::move(out), std::move(next));
    }
    return out;
  }

  bool quantifier(int64_t& least, int64_t& most) {
    const size_t from = at_;
    if (accept('*')) least = 0, most = -1;
    else if (accept('+')) least = 1, most = -1;
    else if (accept('?')) least = 0, most = 1;
    else if (!accept('{') || !counts(least, most)) return at_ = from, false;
    accept('?');  // lazy or not, the whole string matches or does not
    return true;
  }
  bool counts(int64_t& least, int64_t& most) {
    if (!number(least)) return false;
    most = least;
    if (accept(',') && !number(most)) most = -1;
    if (!accept('}')) return false;
    if (most >= 0 && most < least) fail("a repetition whose most is below its least");
    return true;
  }
  bool number(int64_t& value) {
    const size_t from = at_;
    for (value = 0; more() && kDigits.has(text_[at_]); ++at_)
      if ((value = value * 10 + (text_[at_] - '0')) > 1000) fail("a repetition of more than 1000");
    return at_ != from;
  }

  Piece atom(int depth) {
    if (accept('(')) {
      if (accept('?')) {
        if (accept('P') && !accept('<')) fail("an unknown group");
        else if (text_[at_ - 1] == '<')
          while (more() && text_[at_++] != '>') continue;
        else if (!accept(':')) fail("flags, which are not supported,");
      }
      Piece inner = alternatives(depth + 1);
      if (!accept(')')) fail("an unclosed group");
      return inner;
    }
    if (accept('[')) return single(brackets());
    if (accept('.')) return single(kAny);
    if (accept('^')) return single(Instruction{Instruction::begin});
    if (accept('$')) return single(Instruction{Instruction::end});
    if (accept('\\')) return escaped();
    const uint32_t c = text_[at_];
    if (c == '*' || c == '+' || c == '?') fail("nothing to repeat");
    ++at_;
    return single(Set{{{c, c}}});
  }

  Piece escaped() {
    if (accept('b')) return single(Instruction{Instruction::boundary});
    if (accept('B')) return single(Instruction{Instruction::inside});
    if (accept('A')) return single(Instruction{Instruction::begin});
    if (accept('z')) return single(Instruction{Instruction::end});
    return single(escape());
  }

  Set escape() {
    if (!more()) fail("a \\ before nothing");
    const uint32_t c = text_[at_++];
    const auto opposite = [](Set s) { return s.inverted = true, s; };
    switch (c) {
      case 'd': return kDigits;
      case 'D': return opposite(kDigits);
      case 's': return kBlanks;
      case 'S': return opposite(kBlanks);
      case 'w': return kWord;
      case 'W': return opposite(kWord);
      case 't': return {{{'\t', '\t'}}};
      case 'n': return {{{'\n', '\n'}}};
      case 'r': return {{{'\r', '\r'}}};
      case 'f': return {{{'\f', '\f'}}};
      case 'v': return {{{'\v', '\v'}}};
      default:
        if (kWord.has(c)) fail("an escape that is not supported");
        return {{{c, c}}};
    }
  }

  Set brackets() {
    Set out;
    const bool inverted = accept('^');
    for (bool first = true; first || !accept(']'); first = false) {
      if (!more()) fail("an unclosed [");
      if (text_[at_] == '[' && at_ + 1 < text_.size() && text_[at_ + 1] == ':') fail("a class by name, which is not supported,");
      Set low = one();
      const bool range = at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']';
      if (range) {
        ++at_;
        const Set high = one();
        if (low.ranges.size() != 1 || high.ranges.size() != 1 || low.inverted || high.inverted || low.ranges[0].low > high.ranges[0].high)
          fail("a range from higher to lower");
        low.ranges[0].high = high.ranges[0].high;
      }
      out.add(low);
    }
    out.inverted = inverted;
    return out;
  }
  Set one() {
    if (accept('\\')) return escape();
    const uint32_t c = text_[at_++];
    return {{{c, c}}};
  }

  // Marks what can be reached from instruction p without reading.
  void spread(std::vector<bool>& on, int32_t p, const std::vector<uint32_t>& s, size_t i) const {
    std::vector<int32_t> open{p};
    const auto word = [&](size_t k) { return k < s.size() && kWord.has(s[k]); };
    while (!open.empty()) {
      const auto at = static_cast<size_t>(open.back());
      open.pop_back();
      if (on[at]) continue;
      on[at] = true;
      const Instruction& in = program_[at];
      const bool edge = (i > 0 && word(i - 1)) != word(i);
      if (in.kind == Instruction::split) open.push_back(in.next), open.push_back(in.other);
      if ((in.kind == Instruction::begin && i == 0) || (in.kind == Instruction::end && i == s.size()) || (in.kind == Instruction::boundary && edge) ||
          (in.kind == Instruction::inside && !edge))
        open.push_back(in.next);
    }
  }

  std::vector<uint32_t> text_;
  size_t at_ = 0;
  std::vector<Instruction> program_;
  std::vector<Set> sets_;
  int32_t start_ = 0;
};

void infer(Inference& n) {
  n.expect_inputs(1, 1);
  n.expect(n.dtype(0) == DType::string, "regex_match is of strings");
  Pattern check(n.attributes<RegexMatch>().pattern);
  n.result(DType::boolean, n.shape(0));
}

void reference(Reference& n) {
  const Pattern pattern(n.attributes<RegexMatch>().pattern);
  for (int64_t i = 0; i < n.in[0]->count(); ++i) n.out[0].integer(i) = pattern.matches(n.in[0]->strings[static_cast<size_t>(i)]);
}

}  // namespace
const Op ops::regex_match{
    .name = "regex_match", .attributes = Attributes::make<RegexMatch>, .infer = infer, .reference = reference, .takes = kStrings};
}  // namespace tenon
