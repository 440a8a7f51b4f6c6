#include <cstdio>

#include "cli/command.h"
#include "tenon.h"

namespace {

constexpr const char* kFooter = R"(examples:
  tenon inspect model.onnx
  tenon run model.onnx --image input=cat.jpg --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --top 5 --labels names.txt
  tenon run model.onnx --random 7 --set-dim batch=4
  tenon bench model.onnx --threads 2
  tenon explain model.onnx
  tenon check model.onnx --random 7

exit status: 0 good, 1 answers differ or a check failed, 2 bad usage, 3 bad input or model, 4 not supported, 5 resource or system)";

}  // namespace

int main(int argc, char** argv) {
  using namespace tenon;
  CLI::App app("Tenon runs trained networks: ONNX models, on every processor it knows.");
  app.set_version_flag("--version", version());
  app.require_subcommand(1);
  app.footer(kFooter);
  constexpr cli::Command kCommands[] = {cli::add_run, cli::add_evaluate, cli::add_bench, cli::add_inspect, cli::add_dump, cli::add_explain, cli::add_check,
                                        cli::add_seal, cli::add_unseal, cli::add_slots_command, cli::add_sign, cli::add_verify, cli::add_keygen, cli::add_policy, cli::add_audit};
  std::vector<std::pair<CLI::App*, std::function<int()>>> commands;
  for (cli::Command add : kCommands) {
    std::function<int()> run = add(app);
    commands.emplace_back(app.get_subcommands({}).back(), std::move(run));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? cli::kGood : cli::kBadUsage;
  }
  try {
    for (const auto& [sub, run] : commands)
      if (sub->parsed()) return run();
  } catch (const Error& e) {
    // Codes of the sealed format are part of its page.
    const std::string code(name(e.code()));
    std::fprintf(stderr, "%s%s\n", e.what(), code.front() == 'k' ? (" (" + code + ")").c_str() : "");
    return exit_status(e.code());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "no memory left\n");
    return cli::kResource;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return cli::kResource;
  }
  return cli::kBadUsage;
}
