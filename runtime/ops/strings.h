#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tenon {

// string_split: the parts of each string between delimiters (empty: runs of blanks), at most `maxsplit` cuts (negative: no end).
// Destinations: the parts along a new last axis, as many as the string with most has, the others filled up with ""; and how many each
// string has (s64).
struct StringSplit {
  std::string delimiter;
  int64_t maxsplit = -1;

  bool operator==(const StringSplit&) const = default;
  void fields(auto& f) { f("delimiter", delimiter), f("maxsplit", maxsplit); }
};

enum class CaseChange { none, lower, upper };
inline constexpr const char* kCaseChangeNames[] = {"NONE", "LOWER", "UPPER"};

// string_normalize: the strings of a list, or of a matrix of one row, without stop words, and in one case. Letters of Latin-1, Greek and
// Cyrillic change. Where nothing is left the result is one empty string.
struct StringNormalize {
  CaseChange case_change_action = CaseChange::none;
  bool is_case_sensitive = false;
  std::vector<std::string> stopwords;

  bool operator==(const StringNormalize&) const = default;
  void fields(auto& f) {
    f("case_change_action", case_change_action, kCaseChangeNames), f("is_case_sensitive", is_case_sensitive), f("stopwords", stopwords);
  }
};

// regex_match: whether the whole of each string matches a pattern in the syntax of RE2: literals, ., classes in brackets, \d \s \w \b and
// their opposites, ^ $ \A \z, groups, alternatives, * + ? {n,m}. Strings are UTF-8; the time grows with the length of the string.
struct RegexMatch {
  std::string pattern;

  bool operator==(const RegexMatch&) const = default;
  void fields(auto& f) { f("pattern", pattern); }
};

enum class NgramMode { tf, idf, tfidf };
inline constexpr const char* kNgramModeNames[] = {"TF", "IDF", "TFIDF"};

// ngrams: how often each n-gram of a pool occurs in each row (tf), whether it does (idf) or tf times its weight (tfidf); idf counts a
// weight where there are weights. The items of an n-gram stand 1 to max_skip_count + 1 places apart, all the same. The pool holds the
// n-grams of one item, then those of two, and so on; ngram_counts says where each length begins, ngram_indexes the column of each n-gram.
struct Ngrams {
  NgramMode mode = NgramMode::tf;
  int64_t min_gram_length = 1, max_gram_length = 1, max_skip_count = 0;
  std::vector<int64_t> ngram_counts, ngram_indexes, pool_int64s;
  std::vector<std::string> pool_strings;
  std::vector<float> weights;

  bool operator==(const Ngrams&) const = default;
  void fields(auto& f) {
    f("mode", mode, kNgramModeNames), f("min_gram_length", min_gram_length), f("max_gram_length", max_gram_length),
        f("max_skip_count", max_skip_count), f("ngram_counts", ngram_counts), f("ngram_indexes", ngram_indexes), f("pool_int64s", pool_int64s),
        f("pool_strings", pool_strings), f("weights", weights);
  }
};

}  // namespace tenon
