// string_concat, string_split, string_normalize, regex_match, ngrams, lookup.
#include "ops/strings.h"

#include "ops/arrays.h"

namespace tenon {
namespace {

std::vector<std::string> texts(const Op& op, Attributes a, const Array& src) { return run(op, std::move(a), {src})[0].strings; }

TEST(StringConcat, broadcasts) {
  EXPECT_EQ(run(ops::string_concat, None{}, {strings({2, 1}, {"a", "b"}), strings({2}, {"x", ""})})[0].strings,
            (std::vector<std::string>{"ax", "a", "bx", "b"}));
}

TEST(StringSplit, by_blanks_and_by_a_delimiter) {
  const std::vector<Array> words = run(ops::string_split, StringSplit{}, {strings({2}, {"  one  two ", ""})}, 2);
  EXPECT_EQ(words[0].strings, (std::vector<std::string>{"one", "two", "", ""}));
  expect_integers(words[1], {2}, {2, 0});
  EXPECT_EQ(texts(ops::string_split, StringSplit{"--"}, strings({1}, {"a----b"})), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(texts(ops::string_split, StringSplit{"", 1}, strings({1}, {"a b c "})), (std::vector<std::string>{"a", "b c "}));
  EXPECT_EQ(texts(ops::string_split, StringSplit{",", 0}, strings({1}, {"a,b"})), (std::vector<std::string>{"a,b"}));
}

TEST(StringNormalize, drops_stop_words_and_changes_case) {
  const Array days = strings({3}, {"Monday", "tuesday", "\xc3\xa9t\xc3\xa9 \xd0\xb4\xd1\x8f"});
  EXPECT_EQ(texts(ops::string_normalize, StringNormalize{CaseChange::upper, false, {"MONDAY"}}, days),
            (std::vector<std::string>{"TUESDAY", "\xc3\x89T\xc3\x89 \xd0\x94\xd0\xaf"}));
  EXPECT_EQ(texts(ops::string_normalize, StringNormalize{CaseChange::none, true, {"monday"}}, days).size(), 3u);
  EXPECT_EQ(texts(ops::string_normalize, StringNormalize{CaseChange::lower, false, {"a"}}, strings({1, 2}, {"A", "a"})),
            (std::vector<std::string>{""}));
}

bool matches(const std::string& pattern, const std::string& s) {
  return run(ops::regex_match, RegexMatch{pattern}, {strings({1}, {s})})[0].integer(0) != 0;
}

TEST(RegexMatch, the_whole_string) {
  EXPECT_TRUE(matches("a|bc*", "bccc"));
  EXPECT_FALSE(matches("a|bc*", "ab"));
  EXPECT_TRUE(matches("(ab){2,3}", "ababab"));
  EXPECT_FALSE(matches("(ab){2,3}", "abababab"));
  EXPECT_FALSE(matches("(ab){2,}", "ab"));
  EXPECT_TRUE(matches("x{0}y?", ""));
  EXPECT_TRUE(matches("[^a-c\\d]+", "xyz"));
  EXPECT_FALSE(matches("[^a-c\\d]+", "x1"));
  EXPECT_TRUE(matches("[\\W_]-[]a]", "!-]"));
  EXPECT_TRUE(matches("^\\bone\\b \\Btwo$", "one two") == false);
  EXPECT_TRUE(matches("\\bone\\b.\\w+\\z", "one two"));
  EXPECT_TRUE(matches(".", "\xc3\xa9"));
  EXPECT_FALSE(matches(".", "\n"));
  EXPECT_TRUE(matches("(?:a*)*b", "aab"));
  EXPECT_TRUE(matches("(?P<n>a)+?\\.", "aa."));
  EXPECT_FALSE(matches("(a*)*b", std::string(2000, 'a')));
  for (const char* bad : {"(", ")", "[a", "*a", "a{2,1}", "\\q", "a\\", "[b-a]", "(?i)a"})
    expect_error(Code::bad_model, "the pattern of regex_match", [&] { matches(bad, ""); });
  expect_error(Code::not_supported, "steps", [] { matches("((a{900}){900}){900}", ""); });
}

TEST(Ngrams, counted_with_skips_and_weighed) {
  Ngrams a;
  a.min_gram_length = 1, a.max_gram_length = 2, a.max_skip_count = 1;
  a.ngram_counts = {0, 2}, a.ngram_indexes = {1, 0, 2}, a.pool_int64s = {5, 6, 5, 6};
  const Array src = integers({2, 3}, {5, 6, 6, 7, 5, 8});
  expect_reals(run(ops::ngrams, a, {src})[0], {2, 3}, {2, 1, 2, 0, 1, 0});
  a.weights = {2, 3, 4}, a.mode = NgramMode::tfidf;
  expect_reals(run(ops::ngrams, a, {src})[0], {2, 3}, {6, 2, 8, 0, 2, 0});
  a.mode = NgramMode::idf;
  expect_reals(run(ops::ngrams, a, {src})[0], {2, 3}, {3, 2, 4, 0, 2, 0});
  Ngrams words;
  words.ngram_counts = {0}, words.ngram_indexes = {0, 1}, words.pool_strings = {"b", "a"};
  expect_reals(run(ops::ngrams, words, {strings({3}, {"a", "c", "a"})})[0], {2}, {0, 2});
  a.ngram_indexes = {0};
  expect_error(Code::bad_model, "a column for each n-gram", [&] { run(ops::ngrams, a, {src}); });
}

TEST(Lookup, by_equal_keys) {
  expect_integers(run(ops::lookup, None{}, {reals({3}, {1.5, NAN, -0.0}), reals({3}, {0, 1.5, NAN}), list({7, 8, 9}), list({-1})})[0], {3},
                  {8, 9, 7});
  expect_reals(run(ops::lookup, None{}, {strings({2}, {"b", "z"}), strings({2}, {"a", "b"}), reals({2}, {1, 2}), reals({1}, {9})})[0], {2}, {2, 9});
}

}  // namespace
}  // namespace tenon
