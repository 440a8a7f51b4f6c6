// Every case written as ONNX again, as it was read, simplified or after all passes in turn: what was written gives the answers of
// the case.
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "cli/cases.h"
#include "conformance/archive.h"
#include "models/shared.h"

namespace tenon::conformance {
namespace {

namespace fs = std::filesystem;

// What ONNX of the opset that is written has no operator for, by our ops, and in how many cases.
using Refusals = std::map<std::string, int>;

std::string failure(const std::string& folder, const std::string& after, const std::string& written, Refusals& refused) {
  Options options;
  options.threads = 1;
  options.pin_threads = false;
  options.reference = true;
  std::optional<Model> model;
  try {
    options.reference = after != "passes";
    model = Model::load(folder + "/model.onnx", options);
    if (cli::run_case(*model, folder).empty()) return "";
  } catch (const Error&) {  // that a case does not run is another test's
    return "";
  }
  OnnxOptions how;
  how.after = after;
  how.opset = 28;
  try {
    model->write_onnx(written, how);
  } catch (const Error& e) {
    const std::string said = e.chain().back();
    const size_t at = said.find("what "), end = said.find(" does", at == std::string::npos ? 0 : at + 10);
    if (e.code() != Code::not_supported) return said;
    ++refused[at == std::string::npos ? "what sizes of a run decide" : said.substr(at + 5, end - at - 5)];
    return "";
  }
  try {
    const Model again = Model::load(written, options);
    const std::vector<cli::CaseOutput> before = cli::run_case(*model, folder), now = cli::run_case(again, folder);
    for (size_t i = 0; i < now.size(); ++i)
      if (before[i].difference.same && !now[i].difference.same) return now[i].output + ": " + now[i].difference.reason;
  } catch (const Error& e) { return e.what(); }
  return "";
}

TEST(WrittenCases, give_the_same_answers) {
  NEEDS_CASES();
  const std::string written = testing::TempDir() + "tenon_written_" + std::to_string(getpid()) + ".onnx";
  Refusals refused;
  int cases = 0;
  for (const auto& kind : fs::directory_iterator(unpacked()))
    for (const auto& entry : fs::directory_iterator(kind)) {
      const fs::path model = entry.path() / "model.onnx";
      if (!fs::exists(model) || fs::file_size(model) > 1 << 20) continue;
      const char* after[] = {"read", "simplified", "passes"};
      const size_t turn = std::hash<std::string>()(entry.path().filename().string()) % 3;
      const std::string wrong = failure(entry.path().string(), after[turn], written, refused);
      if (!wrong.empty()) ADD_FAILURE() << entry.path().filename().string() << " after " << after[turn] << ": " << wrong;
      ++cases;
    }
  std::remove(written.c_str());
  EXPECT_GT(cases, 1800);
  const Refusals expected{{"linear_attention", 14}, {"lookup", 1}, {"random", 8}, {"tree_ensemble", 1}, {"what sizes of a run decide", 8}};
  EXPECT_EQ(refused, expected);
}

}  // namespace
}  // namespace tenon::conformance
