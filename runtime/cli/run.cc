// tenon run: one run, its outputs shown, saved, ranked, or compared with a stored case.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/cases.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/reference_share.h"
#include "cli/table.h"
#include "cli/usage.h"
#include "formats/numpy/npz.h"

namespace tenon::cli {
namespace {

struct Run {
  ModelOptions model;
  InputOptions inputs;
  std::string outputs, labels, cases;
  Bounds bounds;
  int top = 0;
  bool json = false;
};

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw Error(Code::io, "cannot open " + printable(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

double element(const Tensor& t, int64_t i) {
  const Cell c = load_cell(t.dtype, t.data, i);
  return is_real(t.dtype) || is_complex(t.dtype) ? c.real : static_cast<double>(c.integer);
}

std::string element_text(const Tensor& t, int64_t i) {
  if (t.dtype == DType::string) return "\"" + printable(t.as<std::string>()[i]) + "\"";
  return number_text("%.6g", element(t, i));
}

void show_map(const Tensor& keys, const Tensor& values) {
  std::printf("  {");
  for (int64_t i = 0; i < keys.count(); ++i)
    std::printf("%s%s: %s", i ? ", " : "", element_text(keys, i).c_str(), element_text(values, i).c_str());
  std::printf("}\n");
}

void show(const Tensor& t) {
  if (t.container == Container::map) return show_map(t.as<Tensor>()[0], t.as<Tensor>()[1]);
  if (t.container != Container::tensor) {
    for (int64_t i = 0; i < t.count(); ++i) show(t.as<Tensor>()[i]);
    return;
  }
  constexpr int64_t kMost = 16;
  const int64_t n = t.count();
  std::printf("  ");
  for (int64_t i = 0; i < std::min(n, kMost); ++i) std::printf("%s ", element_text(t, i).c_str());
  std::printf(n > kMost ? "... (%lld elements)\n" : "\n", static_cast<long long>(n));
}

void show_top(const Tensor& t, int top, const std::vector<std::string>& labels) {
  const int64_t classes = t.shape.empty() ? 1 : t.shape.back(), rows = classes ? t.count() / classes : 0;
  if (!labels.empty() && static_cast<int64_t>(labels.size()) != classes)
    std::fprintf(stderr, "--labels has %zu names, this output has %lld classes\n", labels.size(), static_cast<long long>(classes));
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<int64_t> order(static_cast<size_t>(classes));
    std::iota(order.begin(), order.end(), 0);
    const int64_t shown = std::min<int64_t>(top, classes);
    std::partial_sort(order.begin(), order.begin() + shown, order.end(),
                      [&](int64_t a, int64_t b) { return element(t, r * classes + a) > element(t, r * classes + b); });
    for (int64_t i = 0; i < shown; ++i) {
      const auto label = static_cast<size_t>(order[static_cast<size_t>(i)]);
      std::printf("  %12.6f  %zu%s%s\n", element(t, r * classes + order[static_cast<size_t>(i)]), label, label < labels.size() ? "  " : "",
                  label < labels.size() ? labels[label].c_str() : "");
    }
  }
}

nlohmann::json json_of(const Port& port, const Tensor& t) {
  if (t.container == Container::map)
    return {{"name", port.name}, {"keys", json_of({}, t.as<Tensor>()[0])["values"]}, {"values", json_of({}, t.as<Tensor>()[1])["values"]}};
  nlohmann::json values = nlohmann::json::array();
  if (t.container != Container::tensor) {
    for (int64_t i = 0; i < t.count(); ++i) values.push_back(json_of({}, t.as<Tensor>()[i]));
    return {{"name", port.name}, {"items", values}};
  }
  for (int64_t i = 0; i < t.count(); ++i) {
    if (t.dtype == DType::string) values.push_back(t.as<std::string>()[i]);
    else if (is_signed(t.dtype)) values.push_back(load_cell(t.dtype, t.data, i).integer);
    else values.push_back(element(t, i));
  }
  return {{"name", port.name}, {"dtype", std::string(name(t.dtype))}, {"shape", t.shape}, {"values", values}};
}

// The tensors that an archive holds of a value: of a sequence or an optional "NAME/0", "NAME/1" .., of a map "NAME/keys" and
// "NAME/values".
void add_members(const std::string& name, const Tensor& t, std::vector<std::pair<std::string, Tensor>>& out) {
  if (t.container == Container::tensor) return void(out.emplace_back(name, t));
  const bool map = t.container == Container::map;
  for (int64_t i = 0; i < t.count(); ++i)
    add_members(name + (!map ? "/" + std::to_string(i) : i ? "/values" : "/keys"), t.as<Tensor>()[i], out);
}

int run_cases(const Run& r) {
  namespace fs = std::filesystem;
  ModelOptions model = r.model;
  // The folder of a case may hold its model.
  if (model.path.empty()) model.path = r.cases;
  if (fs::is_directory(model.path)) model.path = (fs::path(model.path) / "model.onnx").string();
  const Model loaded = model.load();
  const std::vector<CaseOutput> outputs = run_case(loaded, r.cases, r.bounds);
  const bool good = std::all_of(outputs.begin(), outputs.end(), [](const CaseOutput& o) { return o.difference.same; });
  if (r.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const auto& [set, output, d] : outputs)
      list.push_back(
          {{"set", set}, {"output", output}, {"same", d.same}, {"reason", d.reason}, {"largest_error", d.largest}, {"of_range", d.of_range}});
    std::printf("%s\n", nlohmann::json{{"same", good}, {"outputs", list}}.dump().c_str());
    return good ? kGood : kDiffers;
  }
  Table table({"<set", "<output", "largest error", "of range", "<"});
  for (const CaseOutput& o : outputs) {
    const Difference& d = o.difference;
    table.add({o.set, o.output, number_text("%.3g", d.largest), number_text("%.3g", d.of_range), d.same ? "ok" : "DIFFERS: " + d.reason});
  }
  table.print();
  return good ? kGood : kDiffers;
}

int run(const Run& r) {
  if (!r.cases.empty()) return run_cases(r);
  if (r.model.path.empty()) throw Error(Code::bad_usage, "run takes a model file, or --case with a folder that holds model.onnx");
  const Model model = r.model.load();
  const auto inputs = r.inputs.tensors(model, r.model.options().dims);
  Session session(model);
  const std::vector<Tensor> out = session.run(views(inputs));
  if (!r.outputs.empty()) {
    std::vector<std::pair<std::string, Tensor>> named;
    for (size_t i = 0; i < out.size(); ++i) add_members(model.outputs()[i].name, out[i], named);
    numpy::save_npz(r.outputs, named);
  }
  if (r.json) {
    nlohmann::json list = nlohmann::json::array();
    for (size_t i = 0; i < out.size(); ++i) list.push_back(json_of(model.outputs()[i], out[i]));
    std::printf("%s\n", nlohmann::json{{"outputs", list}}.dump().c_str());
    return kGood;
  }
  const std::vector<std::string> labels = r.labels.empty() ? std::vector<std::string>{} : read_lines(r.labels);
  for (size_t i = 0; i < out.size(); ++i) {
    std::printf("%s: %s\n", printable(model.outputs()[i].name).c_str(), text(out[i]).c_str());
    if (r.top > 0 && out[i].container == Container::tensor && out[i].dtype != DType::string) show_top(out[i], r.top, labels);
    else show(out[i]);
  }
  if (const auto share = reference_share(model, session); share && share->by_reference)
    std::printf("note: %s\n", text(*share).c_str());
  return kGood;
}

}  // namespace

std::function<int()> add_run(CLI::App& app) {
  auto r = std::make_shared<Run>();
  CLI::App* sub = app.add_subcommand("run", "Runs a model once and shows what it answers.");
  r->model.add(*sub);
  sub->get_option("model")->required(false)->description("the model file; with --case DIR its model.onnx where none is given");
  r->inputs.add(*sub);
  sub->add_option("--outputs", r->outputs, "save the outputs to this .npz archive; items of sequences as NAME/0 .., maps as NAME/keys and NAME/values");
  sub->add_option("--top", r->top, "show the K largest elements of each row");
  sub->add_option("--labels", r->labels, "a file with one class name a line, for --top");
  CLI::Option* cases = sub->add_option("--case", r->cases, "compare with a folder of test_data_set_*/input_*.pb and output_*.pb");
  sub->add_option("--rtol", r->bounds.relative, "for --case: the error allowed, relative to the element expected (1e-3; bf16: 0.016)")
      ->check(range(0.0, 1e300, "a number of 0 or more"))
      ->needs(cases);
  sub->add_option("--atol", r->bounds.absolute, "for --case: the error allowed beside that (1e-7)")
      ->check(range(0.0, 1e300, "a number of 0 or more"))
      ->needs(cases);
  sub->add_flag("--json", r->json, "print the outputs, or the comparison, as JSON");
  return [r] { return run(*r); };
}

}  // namespace tenon::cli
