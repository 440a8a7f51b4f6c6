// Ops on strings, and the lookup of values by keys.
#include "ops/strings.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>

#include "ops/op.h"

namespace tenon {
namespace {

// Two strings, one behind the other, with broadcasting.
void infer_concat(Inference& n) {
  n.expect_inputs(2, 2);
  for (int i : {0, 1}) n.expect(n.dtype(i) == DType::string, "string_concat is of strings");
  n.result(DType::string, n.broadcast(n.shape(0), n.shape(1)));
}

void reference_concat(Reference& n) {
  Array& dst = n.out[0];
  const std::vector<int64_t> a = broadcast_strides(n.in[0]->shape, dst.shape), b = broadcast_strides(n.in[1]->shape, dst.shape);
  for (Walk at(dst.shape); at.more(); at.next()) dst.strings[at.flat()] = n.in[0]->strings[at.offset(a)] + n.in[1]->strings[at.offset(b)];
}

void infer_split(Inference& n) {
  n.expect_inputs(1, 1);
  n.expect(n.dtype(0) == DType::string, "string_split is of strings");
  Shape shape = n.shape(0);
  shape.push(n.data());
  n.result(DType::string, shape);
  n.result(DType::s64, n.shape(0));
}

std::vector<std::string> parts(const std::string& s, const StringSplit& a) {
  constexpr const char* kBlanks = " \t\n\r\f\v";
  std::vector<std::string> out;
  const bool blanks = a.delimiter.empty();
  size_t at = blanks ? s.find_first_not_of(kBlanks) : 0;
  if (at == s.npos || (blanks && s.empty())) return out;
  while (at != s.npos) {
    const bool last = a.maxsplit >= 0 && static_cast<int64_t>(out.size()) == a.maxsplit;
    const size_t end = last ? s.npos : blanks ? s.find_first_of(kBlanks, at) : s.find(a.delimiter, at);
    out.push_back(s.substr(at, end == s.npos ? end : end - at));
    if (end == s.npos) break;
    at = blanks ? s.find_first_not_of(kBlanks, end) : end + a.delimiter.size();
  }
  return out;
}

void reference_split(Reference& n) {
  const auto& a = n.attributes<StringSplit>();
  std::vector<std::vector<std::string>> all;
  size_t most = 0;
  for (const std::string& s : n.in[0]->strings) all.push_back(parts(s, a)), most = std::max(most, all.back().size());
  std::vector<int64_t> shape = n.in[0]->shape;
  shape.push_back(static_cast<int64_t>(most));
  n.out[0].resize(shape);
  for (size_t i = 0; i < all.size(); ++i) {
    std::copy(all[i].begin(), all[i].end(), n.out[0].strings.begin() + static_cast<int64_t>(i * most));
    if (n.out.size() > 1) n.out[1].integer(static_cast<int64_t>(i)) = static_cast<int64_t>(all[i].size());
  }
}

// Small and capital letters that lie at a fixed distance, by their two UTF-8 bytes.
uint32_t changed(uint32_t c, bool up) {
  struct Letters {
    uint32_t small, capital, count;
  };
  constexpr Letters kLetters[] = {{'a', 'A', 26},    {0xe0, 0xc0, 23},   {0xf8, 0xd8, 7},   {0x3b1, 0x391, 17},
                                  {0x3c3, 0x3a3, 7}, {0x430, 0x410, 32}, {0x450, 0x400, 16}};
  for (const Letters& l : kLetters) {
    const uint32_t from = up ? l.small : l.capital, to = up ? l.capital : l.small;
    if (c >= from && c < from + l.count) return c - from + to;
  }
  return c;
}

std::string changed(const std::string& s, CaseChange change) {
  if (change == CaseChange::none) return s;
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    const auto byte = static_cast<uint8_t>(s[i]);
    if (byte < 0x80) {
      out += static_cast<char>(changed(byte, change == CaseChange::upper));
    } else if (byte >= 0xc2 && byte < 0xe0 && i + 1 < s.size()) {
      const uint32_t c = changed((byte & 0x1fu) << 6 | (static_cast<uint8_t>(s[++i]) & 0x3fu), change == CaseChange::upper);
      out += static_cast<char>(0xc0 | c >> 6);
      out += static_cast<char>(0x80 | (c & 0x3f));
    } else {
      out += s[i];
    }
  }
  return out;
}

void infer_normalize(Inference& n) {
  n.expect_inputs(1, 1);
  n.expect(n.dtype(0) == DType::string, "string_normalize is of strings");
  n.expect(n.rank(0) == 1 || n.rank(0) == 2, "string_normalize is of a list or a matrix of one row");
  if (n.rank(0) == 2) n.equal(n.size(0, 0), 1, "rows of the matrix of string_normalize");
  Shape shape = n.shape(0);
  shape[n.rank(0) - 1] = n.data(max(n.size(0, -1), 1));
  n.result(DType::string, shape);
}

void reference_normalize(Reference& n) {
  const auto& a = n.attributes<StringNormalize>();
  const auto compared = [&](const std::string& s) { return a.is_case_sensitive ? s : changed(s, CaseChange::lower); };
  std::set<std::string> stop;
  for (const std::string& s : a.stopwords) stop.insert(compared(s));
  std::vector<std::string> kept;
  for (const std::string& s : n.in[0]->strings)
    if (!stop.count(compared(s))) kept.push_back(changed(s, a.case_change_action));
  if (kept.empty()) kept.emplace_back();
  std::vector<int64_t> shape = n.in[0]->shape;
  shape.back() = static_cast<int64_t>(kept.size());
  n.out[0].resize(shape);
  n.out[0].strings = std::move(kept);
}

int64_t columns(const Ngrams& a) { return a.ngram_indexes.empty() ? 0 : *std::max_element(a.ngram_indexes.begin(), a.ngram_indexes.end()) + 1; }

void infer_ngrams(Inference& n) {
  const auto& a = n.attributes<Ngrams>();
  n.expect_inputs(1, 1);
  n.expect(n.rank(0) == 1 || n.rank(0) == 2, "ngrams are of a list or of rows");
  const bool strings = n.dtype(0) == DType::string;
  n.expect(strings || is_integer(n.dtype(0)), "the items of n-grams are strings or integers");
  const auto pool = static_cast<int64_t>(strings ? a.pool_strings.size() : a.pool_int64s.size());
  n.expect(a.min_gram_length >= 1 && a.max_gram_length >= a.min_gram_length && a.max_skip_count >= 0, "the lengths of n-grams go from 1 upwards");
  n.expect(static_cast<int64_t>(a.ngram_counts.size()) >= a.max_gram_length, "ngram_counts has a place for each length");
  int64_t grams = 0;
  for (size_t i = 0; i < a.ngram_counts.size(); ++i) {
    const int64_t end = i + 1 < a.ngram_counts.size() ? a.ngram_counts[i + 1] : pool, length = static_cast<int64_t>(i) + 1;
    n.expect(a.ngram_counts[i] >= 0 && a.ngram_counts[i] <= end && end <= pool && (end - a.ngram_counts[i]) % length == 0,
             "the n-grams of one length follow one another in the pool");
    grams += (end - a.ngram_counts[i]) / length;
  }
  n.expect(static_cast<int64_t>(a.ngram_indexes.size()) == grams, "ngram_indexes has a column for each n-gram");
  n.expect(std::all_of(a.ngram_indexes.begin(), a.ngram_indexes.end(), [](int64_t i) { return i >= 0 && i < (int64_t{1} << 28); }),
           "columns of n-grams are not negative");
  n.expect(a.weights.empty() || static_cast<int64_t>(a.weights.size()) == grams, "there is a weight for each n-gram");
  Shape shape = n.shape(0);
  shape[n.rank(0) - 1] = columns(a);
  n.result(DType::f32, shape);
}

// The items as numbers: strings of the pool by the place where they stand in it first.
void reference_ngrams(Reference& n) {
  const auto& a = n.attributes<Ngrams>();
  const Array& src = *n.in[0];
  Array& dst = n.out[0];
  const bool strings = src.dtype == DType::string;
  std::map<std::string, int64_t> words;
  std::vector<int64_t> pool = a.pool_int64s, items;
  if (strings) pool.clear();
  for (size_t i = 0; strings && i < a.pool_strings.size(); ++i)
    pool.push_back(words.emplace(a.pool_strings[i], static_cast<int64_t>(i)).first->second);
  for (int64_t i = 0; i < src.count(); ++i) {
    const auto found = strings ? words.find(src.strings[static_cast<size_t>(i)]) : words.end();
    items.push_back(!strings ? src.integer(i) : found == words.end() ? -1 : found->second);
  }
  std::map<std::vector<int64_t>, size_t> grams;
  size_t next = 0;
  for (size_t i = 0; i < a.ngram_counts.size(); ++i) {
    const auto length = static_cast<int64_t>(i) + 1;
    const int64_t end = i + 1 < a.ngram_counts.size() ? a.ngram_counts[i + 1] : static_cast<int64_t>(pool.size());
    for (int64_t at = a.ngram_counts[i]; at < end; at += length)
      grams.emplace(std::vector<int64_t>(pool.begin() + at, pool.begin() + at + length), next++);
  }
  const int64_t width = src.shape.back(), rows = width ? src.count() / width : 0, out = columns(a);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t length = a.min_gram_length; length <= a.max_gram_length; ++length)
      for (int64_t step = 1; step <= (length == 1 ? 1 : std::min(a.max_skip_count + 1, width)); ++step)
        for (int64_t first = 0; first + (length - 1) * step < width; ++first) {
          std::vector<int64_t> gram;
          for (int64_t k = 0; k < length; ++k) gram.push_back(items[static_cast<size_t>(row * width + first + k * step)]);
          const auto found = grams.find(gram);
          if (found == grams.end()) continue;
          double& cell = dst.real(row * out + a.ngram_indexes[found->second]);
          const double weight = a.weights.empty() || a.mode == NgramMode::tf ? 1 : static_cast<double>(a.weights[found->second]);
          cell = a.mode == NgramMode::idf ? weight : cell + weight;
        }
}

// The value that stands at the place of the key equal to each element, or the default; without a default an element that is no key is
// an error. Sources: src, keys (a list), values (a list as long), default (one element, optional). A NaN equals another.
void infer_lookup(Inference& n) {
  n.expect_inputs(3, 4);
  n.expect_same_dtype(0, 1);
  if (n.has(3)) n.expect_same_dtype(2, 3);
  n.expect_rank(1, 1);
  n.expect_rank(2, 1);
  n.equal(n.size(1, 0), n.size(2, 0), "keys and values of lookup");
  if (n.has(3)) n.equal(n.count(n.shape(3)), 1, "elements of the default of lookup");
  n.result(n.dtype(2), n.shape(0));
}

std::string shown(const Array& a, int64_t i) {
  if (a.dtype == DType::string) return "\"" + printable(a.strings[static_cast<size_t>(i)]) + "\"";
  return a.is_real() ? std::to_string(a.real(i)) : std::to_string(a.integer(i));
}

void reference_lookup(Reference& n) {
  const Array &src = *n.in[0], &keys = *n.in[1];
  const auto key = [](const Array& a, int64_t i) -> std::string {
    if (a.dtype == DType::string) return a.strings[static_cast<size_t>(i)];
    if (a.is_real()) return std::isnan(a.real(i)) ? "nan" : a.real(i) == 0 ? "0" : std::to_string(std::bit_cast<int64_t>(a.real(i)));
    return std::to_string(a.integer(i));
  };
  std::map<std::string, int64_t> places;
  for (int64_t i = 0; i < keys.count(); ++i) places.emplace(key(keys, i), i);
  for (int64_t i = 0; i < src.count(); ++i) {
    const auto found = places.find(key(src, i));
    if (found != places.end()) n.out[0].move(i, *n.in[2], found->second);
    else if (n.has(3)) n.out[0].move(i, *n.in[3], 0);
    else throw Error(Code::bad_input, "element " + std::to_string(i) + ", " + shown(src, i) + ", is none of the " +
                                          std::to_string(keys.count()) + " keys");
  }
}

}  // namespace
const Op ops::string_concat{.name = "string_concat", .infer = infer_concat, .reference = reference_concat, .takes = kStrings};
const Op ops::string_split{
    .name = "string_split", .attributes = Attributes::make<StringSplit>, .infer = infer_split, .reference = reference_split, .takes = kStrings};
const Op ops::string_normalize{.name = "string_normalize",
                               .attributes = Attributes::make<StringNormalize>,
                               .infer = infer_normalize,
                               .reference = reference_normalize,
                               .takes = kStrings};
const Op ops::ngrams{
    .name = "ngrams", .attributes = Attributes::make<Ngrams>, .infer = infer_ngrams, .reference = reference_ngrams, .takes = kStrings};
const Op ops::lookup{.name = "lookup", .infer = infer_lookup, .reference = reference_lookup, .takes = kStrings};
}  // namespace tenon
