#include "cli/cases.h"

#include <algorithm>
#include <filesystem>

#include "formats/onnx/data.h"

namespace tenon::cli {
namespace {

namespace fs = std::filesystem;

OwnedTensor load(const fs::path& file, const Port& port) {
  return onnx::owned(onnx::load_value(file.string(), port.container), port.dtype);
}

}  // namespace

Difference compare_within(const Tensor& got, const Tensor& expected, const Bounds& bounds) {
  // Two units in the last place of bf16.
  return compare(got, expected, {bounds.relative.value_or(expected.dtype == DType::bf16 ? 0x1p-6 : 1e-3), bounds.absolute.value_or(1e-7)});
}

std::vector<CaseOutput> run_case(const Model& model, const std::string& folder, const Bounds& bounds) {
  std::vector<fs::path> sets;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory() && entry.path().filename().string().rfind("test_data_set_", 0) == 0) sets.push_back(entry.path());
  std::sort(sets.begin(), sets.end());
  if (sets.empty()) throw Error(Code::bad_usage, printable(folder) + " holds no folder test_data_set_0");
  Session session(model);
  std::vector<CaseOutput> results;
  for (const fs::path& set : sets) {
    std::map<std::string, OwnedTensor> inputs;
    std::map<std::string, Tensor> views;
    for (size_t i = 0; i < model.inputs().size(); ++i) {
      const Port& port = model.inputs()[i];
      views[port.name] = inputs.emplace(port.name, load(set / ("input_" + std::to_string(i) + ".pb"), port)).first->second.view();
    }
    const std::vector<Tensor> out = session.run(views);
    for (size_t i = 0; i < out.size(); ++i) {
      const fs::path file = set / ("output_" + std::to_string(i) + ".pb");
      if (!fs::exists(file)) continue;
      results.push_back({set.filename().string(), model.outputs()[i].name, compare_within(out[i], load(file, model.outputs()[i]), bounds)});
    }
  }
  return results;
}

}  // namespace tenon::cli
