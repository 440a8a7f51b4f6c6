// tenon convert: a model as an ONNX file.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/table.h"
#include "cli/usage.h"

namespace tenon::cli {
namespace {

struct Convert {
  ModelOptions model;
  std::string to;
  OnnxOptions how;
  bool json = false;
};

int convert(const Convert& c) {
  const Model model = c.model.load(Right::export_);
  const OnnxSummary wrote = model.write_onnx(c.to, c.how);
  // What was written is read again, so that a file that cannot be read is never called good.
  Options options = c.model.options();
  options.reference = true;
  Model::load(c.to, options);
  if (c.json) {
    const nlohmann::json told{{"written", c.to},      {"opset", c.how.opset}, {"nodes_before", wrote.nodes_before},
                              {"nodes", wrote.nodes}, {"bytes", wrote.bytes}, {"external_bytes", wrote.external_bytes}};
    std::printf("%s\n", told.dump().c_str());
    return kGood;
  }
  std::printf("%s  ONNX, opset %d, %d nodes (%d before), %s\n", printable(c.to).c_str(), c.how.opset, wrote.nodes, wrote.nodes_before,
              bytes_text(static_cast<double>(wrote.bytes + wrote.external_bytes)).c_str());
  return kGood;
}

}  // namespace

std::function<int()> add_convert(CLI::App& app) {
  auto c = std::make_shared<Convert>();
  CLI::App* sub = app.add_subcommand("convert",
                                     "Writes a model as ONNX: simplified (constants folded, dead code removed), as it was read, or after "
                                     "any pass.");
  c->model.add(*sub);
  sub->add_option("-o,--output", c->to, "the file to write")->required();
  sub->add_option("--after", c->how.after, "read, simplified, passes (all), or the name of a pass, which dump --help lists")->capture_default_str();
  sub->add_option("--opset", c->how.opset, "the version of the operators to write")->check(whole(18, 28))->capture_default_str();
  sub->add_option("--inline-bytes", c->how.inline_bytes, "constants beyond so many bytes go to a file beside it, FILE.data")
      ->check(at_least(0))
      ->capture_default_str();
  sub->add_flag("--json", c->json, "print one JSON object");
  return [c] { return convert(*c); };
}

}  // namespace tenon::cli
