// tenon inspect, dump, explain, check: looking at a model without, or beside, running it.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/interruption.h"
#include "cli/model_options.h"
#include "cli/table.h"
#include "exec/compare.h"

namespace tenon::cli {
namespace {

using nlohmann::json;

json json_of(const std::vector<Port>& ports) {
  json list = json::array();
  for (const Port& p : ports) {
    json shape = json::array();
    for (const Axis& a : p.shape) a.size >= 0 ? shape.push_back(a.size) : shape.push_back(a.symbol);
    list.push_back({{"name", p.name},
                    {"type", text(p)},
                    {"dtype", std::string(name(p.dtype))},
                    {"shape", p.any_rank ? json() : shape}});
  }
  return list;
}

void print_ports(const char* kind, const std::vector<Port>& ports) {
  size_t width = 0;
  for (const Port& p : ports) width = std::max(width, printable(p.name).size());
  for (const Port& p : ports) std::printf("  %-4s  %-*s  %s\n", kind, static_cast<int>(width), printable(p.name).c_str(), text(p).c_str());
}

json json_of(const Origin& origin, const SealedNotes& notes) {
  json metadata = json::object();
  for (const auto& [key, value] : notes.metadata) metadata[key] = value;
  return {{"file_id", origin.file_id},
          {"opened_by", origin.opened_by},
          {"signed_by", origin.signed_by},
          {"claimed_by", origin.claimed_by},
          {"model", notes.model},
          {"release", notes.release},
          {"policy", notes.policy.empty() ? json() : json::parse(notes.policy)},
          {"metadata", metadata},
          {"segments", notes.segments},
          {"segments_opened", notes.segments_opened}};
}

void print_sealed(const Origin& origin, const SealedNotes& notes) {
  std::printf("  sealed, file id %s, opened by %s\n", origin.file_id.c_str(), printable(origin.opened_by).c_str());
  for (const std::string& signer : origin.signed_by) std::printf("  signed by %s\n", signer.c_str());
  if (origin.signed_by.empty()) std::printf("  counts as unsigned: %s\n", why_unsigned(origin.claimed_by.size()).c_str());
  if (!notes.model.empty()) std::printf("  model %s, release %llu\n", printable(notes.model).c_str(), static_cast<unsigned long long>(notes.release));
  if (!notes.policy.empty()) std::printf("  policy %s\n", json::parse(notes.policy).dump().c_str());
  std::printf("  %llu segments of weights, %llu decrypted to show this\n", static_cast<unsigned long long>(notes.segments),
              static_cast<unsigned long long>(notes.segments_opened));
  for (const auto& [key, value] : notes.metadata) std::printf("  %s: %s\n", printable(key).c_str(), printable(value).c_str());
}

int inspect(const ModelOptions& options, bool as_json) {
  ModelOptions o = options;
  const Model model = o.load(Right::inspect);
  const Inspection i = model.inspect();
  if (as_json) {
    json out = {{"file", o.path},
                {"format", i.format},
                {"notes", i.notes},
                {"inputs", json_of(model.inputs())},
                {"outputs", json_of(model.outputs())},
                {"open", i.open},
                {"nodes", i.nodes},
                {"ops", i.ops},
                {"parameters", i.parameters},
                {"parameter_bytes", i.parameter_bytes},
                {"multiply_adds", i.multiply_adds},
                {"weight_bytes", i.weight_bytes},
                {"rounded_weights", i.rounded_weights},
                {"rounding_error", i.rounding_error},
                {"working_bytes", i.working_bytes}};
    if (model.origin().sealed) out["sealed"] = json_of(model.origin(), i.sealed);
    std::printf("%s\n", out.dump().c_str());
    return kGood;
  }
  std::printf("%s  %s\n", printable(o.path).c_str(), i.format.c_str());
  if (model.origin().sealed) print_sealed(model.origin(), i.sealed);
  print_ports("in", model.inputs());
  print_ports("out", model.outputs());
  for (const std::string& note : i.notes) std::printf("  note: %s\n", note.c_str());
  if (i.open) {
    std::printf("  operators depend on what the inputs are: the model is built when they are known, for each size and switch once\n");
    return kGood;
  }
  std::vector<std::pair<int, std::string>> ops;
  for (const auto& [op, count] : i.ops) ops.emplace_back(-count, op);
  std::sort(ops.begin(), ops.end());
  std::string list;
  for (const auto& [count, op] : ops) list += (list.empty() ? "" : ", ") + std::to_string(-count) + " " + op;
  std::printf("  %d nodes (%s), %s parameters (%s)", i.nodes, list.c_str(), count_text(static_cast<double>(i.parameters)).c_str(),
              bytes_text(static_cast<double>(i.parameter_bytes)).c_str());
  if (i.multiply_adds >= 0) std::printf(", %s multiply-adds a run", count_text(static_cast<double>(i.multiply_adds)).c_str());
  std::printf("\n");
  if (i.weight_bytes >= 0) {
    std::printf("  memory: %s of weights", bytes_text(static_cast<double>(i.weight_bytes)).c_str());
    if (i.working_bytes >= 0) std::printf(", %s for a session", bytes_text(static_cast<double>(i.working_bytes)).c_str());
    std::printf("\n");
    if (i.rounded_weights) std::printf("  precision: %d weights in sixteen bits, rounding error at most %.1e\n", i.rounded_weights, i.rounding_error);
  }
  return kGood;
}

// What is printed into a file of a disk is exported.
Model load_for_text(const ModelOptions& options) {
  Model model = options.load(Right::inspect);
  struct stat out;
  if (fstat(STDOUT_FILENO, &out) == 0 && S_ISREG(out.st_mode)) model.require(Right::export_);
  return model;
}

int explain(const ModelOptions& options, const std::string& node, bool as_json) {
  const Model model = load_for_text(options);
  const PlanReport report = model.explain();
  if (as_json) {
    json steps = json::array();
    for (const StepReport& s : report.steps) {
      json others = json::array();
      for (const auto& other : s.others) others.push_back({{"kernel", other.kernel}, {"reason", other.reason}, {"expected_ns", other.expected_ns}});
      steps.push_back({{"node", s.node},
                       {"op", s.op},
                       {"output", s.output},
                       {"kernel", s.kernel},
                       {"text", s.text},
                       {"expected_ns", s.expected_ns},
                       {"bytes_read", s.bytes_read},
                       {"bytes_written", s.bytes_written},
                       {"packed_bytes", s.packed_bytes},
                       {"rounding_error", s.rounding_error < 0 ? json() : json(s.rounding_error)},
                       {"others", others}});
    }
    std::printf("%s\n", json{{"steps", steps},
                             {"by_reference", report.by_reference},
                             {"reorders", report.reorders},
                             {"packed_bytes", report.packed_bytes},
                             {"constant_bytes", report.constant_bytes},
                             {"rounded_weights", report.rounded_weights},
                             {"rounding_error", report.rounding_error}}
                            .dump()
                            .c_str());
    return kGood;
  }
  bool found = node.empty();
  for (const StepReport& s : report.steps) {
    if (!node.empty() && s.node.find(node) == std::string::npos && s.output != node) continue;
    found = true;
    std::printf("%s\n", s.text.c_str());
    std::printf("  = %-40s %10s expected, reads %s, writes %s%s%s\n", s.kernel.c_str(), time_text(s.expected_ns).c_str(),
                bytes_text(static_cast<double>(s.bytes_read)).c_str(), bytes_text(static_cast<double>(s.bytes_written)).c_str(),
                s.packed_bytes ? (", weights packed (" + bytes_text(static_cast<double>(s.packed_bytes)) + ")").c_str() : "",
                s.rounding_error >= 0 ? (", rounded with error " + number_text("%.1e", s.rounding_error)).c_str() : "");
    for (const auto& other : s.others) {
      if (other.reason.empty()) std::printf("  + %-40s %10s expected\n", other.kernel.c_str(), time_text(other.expected_ns).c_str());
      else std::printf("  - %-40s %s\n", other.kernel.c_str(), other.reason.c_str());
    }
  }
  if (!found) throw Error(Code::bad_usage, "no step comes from a node called \"" + printable(node) + "\"");
  std::printf("%zu steps, %d by the reference, %d reorders, packed %s\n", report.steps.size(), report.by_reference, report.reorders,
              bytes_text(static_cast<double>(report.packed_bytes)).c_str());
  if (report.rounded_weights)
    std::printf("%d weights are read in sixteen bits, with a rounding error of at most %.1e\n", report.rounded_weights, report.rounding_error);
  else if (options.precision == "bf16" || options.precision == "fp16") std::printf("no weights are read in sixteen bits: that would save no time\n");
  return kGood;
}

struct Check {
  ModelOptions model;
  InputOptions inputs;
  bool json = false, all = false;
};

// How far the outputs are from those of the same model in its own precision, as part of their range; no value where that is asked for.
std::optional<double> error_of_precision(const Check& c, Session& session, const std::map<std::string, OwnedTensor>& inputs) {
  if (c.model.precision == "model") return std::nullopt;
  ModelOptions own = c.model;
  own.precision = "model";
  Session expected(own.load());
  const std::vector<Tensor> got = session.run(views(inputs)), should = expected.run(views(inputs));
  double out = 0;
  for (size_t i = 0; i < got.size(); ++i) out = std::max(out, compare(got[i], should[i], {}).of_range);
  return out;
}

int check(const Check& c) {
  const Model model = c.model.load();
  const auto inputs = c.inputs.tensors(model, c.model.options().dims);
  Session session(model);
  for (const auto& [name, tensor] : inputs) session.bind_input(name, tensor);
  const Interruption interruption;
  const CheckReport report = session.check([] { return !Interruption::noted(); });
  std::optional<double> rounded;
  if (report.complete) rounded = error_of_precision(c, session, inputs);
  const int status = !report.ok ? kDiffers : report.complete ? kGood : kInterrupted;
  int agree = 0;
  for (const auto& row : report.rows) agree += row.ok;
  if (c.json) {
    json rows = json::array();
    for (const auto& r : report.rows)
      rows.push_back({{"op", r.op},
                      {"output", r.output},
                      {"kernel", r.kernel},
                      {"largest_error", r.largest_error},
                      {"of_range", r.of_range},
                      {"allowed", r.allowed},
                      {"ok", r.ok}});
    json outputs = json::array();
    for (const auto& o : report.outputs)
      outputs.push_back({{"name", o.name},
                         {"reason", o.reason},
                         {"largest_error", o.largest_error},
                         {"of_range", o.of_range},
                         {"allowed", o.allowed},
                         {"ok", o.ok}});
    std::printf("%s\n", json{{"steps", rows},
                             {"outputs", outputs},
                             {"outputs_of_range", report.outputs_of_range},
                             {"of_model_precision", rounded ? json(*rounded) : json()},
                             {"complete", report.complete},
                             {"ok", report.ok}}
                            .dump()
                            .c_str());
    return status;
  }
  Table table({"<step", "<", "<kernel", "largest error", "of range", "allowed", "<"});
  for (const auto& r : report.rows)
    table.add({r.op, printable(r.output), r.kernel, number_text("%.1e", r.largest_error), number_text("%.1e", r.of_range),
               number_text("%.1e", r.allowed), r.ok ? "ok" : "DIFFERS"});
  table.print();
  std::printf("%d of %zu steps agree with the reference\n", agree, report.rows.size());
  for (const auto& o : report.outputs)
    if (!o.ok) std::printf("output %s DIFFERS from the reference of the whole model: %s\n", printable(o.name).c_str(), o.reason.c_str());
  if (!report.complete) std::printf("interrupted: what follows, and the outputs, were not compared\n");
  else if (report.outputs.empty()) std::printf("outputs are not compared: the model draws random numbers\n");
  else
    std::printf("outputs agree with the reference of the whole model to %.1e of their range, %.0e allowed\n", report.outputs_of_range,
                report.outputs[0].allowed);
  if (rounded)
    std::printf("outputs in %s agree with those in the model's own precision to %.1e of their range\n", c.model.precision.c_str(), *rounded);
  return status;
}

}  // namespace

std::function<int()> add_inspect(CLI::App& app) {
  auto options = std::make_shared<ModelOptions>();
  auto as_json = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("inspect", "Shows inputs, outputs, operators, parameters and multiply-adds of a model.");
  options->add(*sub);
  sub->add_flag("--json", *as_json, "print one JSON object");
  return [=] { return inspect(*options, *as_json); };
}

std::function<int()> add_dump(CLI::App& app) {
  auto options = std::make_shared<ModelOptions>();
  auto after = std::make_shared<std::string>("passes");
  auto bare = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("dump", "Prints the graph of a model as text.");
  options->add(*sub);
  std::string names = "read";
  for (const std::string& n : Model::pass_names()) names += ", " + n;
  sub->add_option("--after", *after, "the pass after which: " + names + ", passes (all)")->capture_default_str();
  sub->add_flag("--bare", *bare, "without the types of results");
  return [=] {
    std::printf("%s", load_for_text(*options).dump(*after, !*bare).c_str());
    return int{kGood};
  };
}

std::function<int()> add_explain(CLI::App& app) {
  auto options = std::make_shared<ModelOptions>();
  auto node = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  CLI::App* sub =
      app.add_subcommand("explain", "Shows the kernel chosen for every step, what it is expected to take, and why others were not chosen.");
  options->add(*sub);
  sub->add_option("--node", *node, "only steps of the node with this name");
  sub->add_flag("--json", *as_json, "print one JSON object");
  return [=] { return explain(*options, *node, *as_json); };
}

std::function<int()> add_check(CLI::App& app) {
  auto c = std::make_shared<Check>();
  CLI::App* sub = app.add_subcommand("check", "Compares every step of the plan with the reference, without changing the plan.");
  c->model.add(*sub);
  c->inputs.add(*sub);
  sub->add_flag("--json", c->json, "print one JSON object");
  return [c] { return check(*c); };
}

}  // namespace tenon::cli
