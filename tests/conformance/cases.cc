// ONNX's own backend cases, through the reference executor and through plans of every ISA level that this machine has. nodes.txt says
// what each case gives; see its head.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "cli/cases.h"
#include "conformance/archive.h"
#include "device/cpu.h"
#include "formats/onnx/data.h"
#include "models/shared.h"

namespace tenon::conformance {
namespace {

namespace fs = std::filesystem;

enum class Expected { pass, random, fails };

struct Case {
  std::string name;  // "node/test_abs"; of light models "light/light_vgg19"
  Expected expected;
  bool is_light() const { return name.rfind("light/", 0) == 0; }
};

// Cases by the first word of their name, which mostly is an operator.
std::string group_of(const std::string& name) {
  const size_t slash = name.find('/');
  std::string group = name.substr(0, slash);
  if (group == "node") {
    group = name.substr(slash + 6);
    group = group.substr(0, group.find('_'));
  }
  for (char& c : group)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return group;
}

std::map<std::string, std::vector<Case>> read_list() {
  std::map<std::string, std::vector<Case>> groups;
  for (const std::string& line : models::load_lines(models::source("tests/conformance/nodes.txt"))) {
    if (line.empty() || line[0] == '#') continue;
    const std::vector<std::string> words = models::split(line, ' ');
    if (words.size() < 2 || (words[1] != "pass" && words[1] != "random" && words[1] != "fails")) throw std::runtime_error("nodes.txt: " + line);
    groups[group_of(words[0])].push_back({words[0], words[1] == "pass" ? Expected::pass : words[1] == "random" ? Expected::random : Expected::fails});
  }
  return groups;
}

const std::map<std::string, std::vector<Case>>& list() {
  static const auto groups = read_list();
  return groups;
}

// The ways to run a case: "reference", then the levels.
std::vector<std::string> ways() {
  std::vector<std::string> out{"reference"};
  for (Isa level : isa_levels())
    if (level <= best_isa()) out.emplace_back(name(level));
  return out;
}

// Light models have weights of one value and an input that rises evenly to 1. The reference would take minutes for them.
std::vector<cli::CaseOutput> run_light(const Model& model, const std::string& path) {
  const Port& port = model.inputs().at(0);
  std::vector<int64_t> shape;
  for (const Axis& a : port.shape) shape.push_back(a.size < 0 ? 1 : a.size);
  OwnedTensor ramp(DType::f32, shape);
  for (int64_t i = 0; i < ramp.count(); ++i) ramp.as<float>()[i] = static_cast<float>(static_cast<double>(i) / static_cast<double>(ramp.count()));
  const onnx::DataValue expected = onnx::load_value(path + "_output_0.pb");
  Session session(model);
  return {{"", model.outputs()[0].name, cli::compare_within(session.run({{port.name, ramp.view()}})[0], expected.tensors.at(0))}};
}

// What goes wrong, in one line; empty where nothing does.
std::string run(const Case& c, const std::string& way) {
  const std::string path = unpacked() + "/" + c.name;
  Options options;
  options.threads = 1;
  options.pin_threads = false;
  options.reference = way == "reference";
  if (!options.reference) options.isa = way;
  std::string wrong;
  try {
    const Model model = Model::load(c.is_light() ? path + ".onnx" : path + "/model.onnx", options);
    const std::vector<cli::CaseOutput> outputs = c.is_light() ? run_light(model, path) : cli::run_case(model, path);
    if (outputs.empty()) wrong = "no output is stored";
    for (const cli::CaseOutput& o : outputs) {
      // Of random numbers nothing but their type is the same.
      const bool typed = c.expected == Expected::random && o.difference.reason.rfind("element ", 0) == 0;
      if (!o.difference.same && !typed && wrong.empty()) wrong = "output \"" + o.output + "\": " + o.difference.reason;
    }
  } catch (const Error& e) {
    for (const std::string& place : e.chain())
      if (place.rfind("cannot ", 0) != 0) wrong += (wrong.empty() ? "" : ": ") + place;
  }
  return wrong;
}

class Conformance : public testing::TestWithParam<std::string> {};

TEST_P(Conformance, agrees) {
  NEEDS_CASES();
  const char* report = std::getenv("TENON_CONFORMANCE_REPORT");
  for (const Case& c : list().at(GetParam())) {
    if (!fs::exists(unpacked() + "/" + c.name + (c.is_light() ? ".onnx" : "/model.onnx"))) {
      ADD_FAILURE() << c.name << " of nodes.txt is no case of the archive";
      continue;
    }
    std::string wrong;
    for (const std::string& way : c.is_light() ? std::vector<std::string>{ways().back()} : ways()) {
      const std::string here = run(c, way);
      if (here.empty()) continue;
      wrong += (wrong.empty() ? "" : "\n  ") + way + ": " + here;
      if (c.expected != Expected::fails) ADD_FAILURE() << c.name << " by " << way << ": " << here;
    }
    if (c.expected == Expected::fails && wrong.empty()) ADD_FAILURE() << c.name << " passes, but nodes.txt says that it fails";
    if (report) std::ofstream(report, std::ios::app) << c.name << (wrong.empty() ? " pass" : " fails " + wrong) << "\n";
  }
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const auto& [name, cases] : list()) out.push_back(name);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Onnx, Conformance, testing::ValuesIn(names()), [](const auto& group) { return group.param; });

TEST(ConformanceList, names_every_case) {
  NEEDS_CASES();
  std::map<std::string, int> listed;
  for (const auto& [group, cases] : list())
    for (const Case& c : cases) EXPECT_EQ(++listed[c.name], 1) << c.name << " stands twice in nodes.txt";
  for (const auto& kind : fs::directory_iterator(unpacked()))
    for (const auto& entry : fs::directory_iterator(kind)) {
      const bool light = entry.path().extension() == ".onnx";
      if (!light && !fs::exists(entry.path() / "model.onnx")) continue;
      const std::string name = kind.path().filename().string() + "/" + entry.path().stem().string();
      EXPECT_TRUE(listed.count(name)) << name << " is missing in nodes.txt";
    }
}

}  // namespace
}  // namespace tenon::conformance
