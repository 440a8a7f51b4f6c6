// docs/operators.md is made from the tables that say what is read and run, so that it cannot go stale. TENON_UPDATE_DOCS=1 writes it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "formats/onnx/import_tables.h"
#include "kernels/cpu/tables.h"
#include "models/shared.h"
#include "ops/op.h"

namespace tenon {
namespace {

std::string domain_title(std::string_view domain) { return domain.empty() ? "ai.onnx" : std::string(domain); }

// Domain, operator, the opsets from which its rows hold.
std::map<std::string, std::map<std::string, std::set<int>>> operators() {
  std::map<std::string, std::map<std::string, std::set<int>>> out;
  for (onnx::ImportTable table : onnx::import_tables())
    for (const onnx::ImportRow& row : table) out[domain_title(row.domain)][std::string(row.op)].insert(row.since);
  return out;
}

std::string page() {
  std::ostringstream out;
  out << "# Operators\n\n"
         "Made by `tests/formats/operators_page.cc`; `TENON_UPDATE_DOCS=1 build/release/tests/tenon_tests "
         "--gtest_filter='OperatorsPage.*'`\nwrites it again.\n\n"
         "## What is read\n\n"
         "ONNX opsets 1 to 28. A number behind an operator is an opset from which it is read another way: its meaning, or how its\n"
         "attributes and inputs are spelled, changed there. Operators that a file defines as functions are read too.\n";
  for (const auto& [domain, rows] : operators()) {
    out << "\n**" << domain << "** (" << rows.size() << ")\n\n";
    std::string line;
    for (const auto& [op, since] : rows) {
      std::string word = "`" + op + "`";
      for (int version : since)
        if (version > 1) word += " " + std::to_string(version);
      word += &op == &rows.rbegin()->first ? "" : ", ";
      if (line.size() + word.size() > 100) out << line.substr(0, line.find_last_not_of(' ') + 1) << "\n", line.clear();
      line += word;
    }
    out << line << "\n";
  }
  std::set<std::string> kernels;
  for (const cpu::Family& family : cpu::families())
    for (int32_t k = 0; k < family.table->count; ++k) kernels.insert(family.table->kernels[k].op);
  out << "\n## What runs them\n\n"
         "The operators above become these ops (`runtime/ops`). \"kernels\": compiled for every ISA level, with the slow reference as\n"
         "the measure of all; \"parts\": as other ops; \"reference\": no kernel yet. Scalar functions run in programs.\n\n"
         "| op | runs by |\n|---|---|\n";
  int functions = 0;
  std::map<std::string, std::string> rows;
  for (const Op* op : all_ops()) {
    if (op->function != kNoFunction) {
      ++functions;
      continue;
    }
    const std::string name(op->name);
    rows[name] = kernels.count(name) ? "kernels" : op->view ? "no copy" : op->decompose ? "parts" : "reference";
  }
  out << "| " << functions << " scalar functions | kernels |\n";
  for (const auto& [name, how] : rows) out << "| `" << name << "` | " << how << " |\n";
  return out.str();
}

TEST(OperatorsPage, says_what_is_there) {
  const std::string path = models::source("docs/operators.md"), now = page();
  if (std::getenv("TENON_UPDATE_DOCS")) std::ofstream(path) << now;
  std::ifstream in(path);
  const std::string kept((std::istreambuf_iterator<char>(in)), {});
  EXPECT_EQ(kept, now) << "run the test with TENON_UPDATE_DOCS=1";
}

}  // namespace
}  // namespace tenon
