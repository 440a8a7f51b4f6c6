// What people read when a command line is wrong.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace tenon::cli {

// Prints what is wrong, the command or option that was probably meant, and where help is. Returns the exit status; 0 after
// --help and --version.
int refuse(const CLI::App& app, const CLI::ParseError& error);

// The candidate that `word` is a misspelling of; empty where none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

// Takes numbers from `low` to `high`, and says so in words where an argument is none of them.
template <class T>
CLI::Validator range(T low, T high, std::string words) {
  return CLI::Validator(
      [=](std::string& text) {
        T value{};
        const bool is_number = CLI::detail::lexical_cast(text, value);
        return is_number && value >= low && value <= high ? std::string() : "expected " + words + ", not " + text;
      },
      "", "range");
}
inline CLI::Validator whole(int64_t low, int64_t high) {
  return range(low, high, "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
}
inline CLI::Validator at_least(int64_t low) { return range(low, INT64_MAX, "a whole number of " + std::to_string(low) + " or more"); }

}  // namespace tenon::cli
