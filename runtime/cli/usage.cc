#include "cli/usage.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "base/error.h"
#include "cli/command.h"

namespace tenon::cli {
namespace {

// How many letters to insert, take away, change or swap with the next to get from a to b.
size_t edits(const std::string& a, const std::string& b) {
  std::vector<size_t> before, last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t k = 1; k <= b.size(); ++k) {
      row[k] = std::min({row[k - 1] + 1, last[k] + 1, last[k - 1] + (a[i - 1] != b[k - 1])});
      if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1]) row[k] = std::min(row[k], before[k - 2] + 1);
    }
    before = std::exchange(last, row);
  }
  return last[b.size()];
}

std::string path_of(const CLI::App& app) { return app.get_parent() ? path_of(*app.get_parent()) + " " + app.get_name() : "tenon"; }

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* o : app.get_options())
    for (const std::string& name : o->get_lnames()) out.push_back("--" + name);
  return out;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) out.push_back(sub->get_name());
  return out;
}

// What is wrong with an argument that nothing takes.
std::string stray(const CLI::App& at, const std::string& argument) {
  const std::string word = argument.substr(0, argument.find('='));
  const bool is_option = word.size() > 1 && word[0] == '-';
  const bool is_command = !is_option && at.get_require_subcommand_min() > 0;
  if (!is_option && !is_command) return path_of(at) + " does not expect \"" + printable(argument) + "\"";
  const std::string meant = nearest(word, is_option ? option_names(at) : command_names(at));
  return path_of(at) + " has no " + (is_option ? "option " : "command ") + "\"" + printable(word) + "\"" +
         (meant.empty() ? "" : "; did you mean " + meant + "?");
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t least = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& c : candidates)
    if (const size_t n = edits(word, c); n < least) least = n, best = c;
  return best;
}

int refuse(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  const std::vector<std::string> strays = app.remaining(true);
  if (strays.empty()) std::fprintf(stderr, "%s: %s\n", path_of(*at).c_str(), error.what());
  else std::fprintf(stderr, "%s\n", stray(*at, strays.front()).c_str());
  std::fprintf(stderr, "%s --help shows what there is\n", path_of(*at).c_str());
  return kBadUsage;
}

}  // namespace tenon::cli
