#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "cli/command.h"
#include "cli/usage.h"
#include "tenon.h"

namespace {

constexpr const char* kStatuses =
    "exit status: 0 good, 1 answers differ or a check failed, 2 bad usage, 3 bad input or model, 4 not supported, 5 resource or system,\n"
    "130 interrupted";

struct Example {
  std::string_view command, line;
};

constexpr Example kExamples[] = {
    {"run", "model.onnx --image input=cat.jpg --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --top 5 --labels names.txt"},
    {"run", "model.onnx --random 7 --set-dim batch=4 --outputs out.npz"},
    {"run", "--case test_add/ test_add/model.onnx"},
    {"evaluate", "digits.onnx digits_test.npz --batch 8"},
    {"bench", "model.onnx --threads 2 --layers"},
    {"bench", "model.onnx --inputs in.npz --iterations 1000 --json"},
    {"inspect", "model.onnx"},
    {"dump", "model.onnx --after fold"},
    {"explain", "model.onnx --node conv_3"},
    {"check", "model.onnx --random 7"},
    {"convert", "model.onnx -o smaller.onnx"},
    {"keygen", "--identity -o customer.key"},
    {"keygen", "--signer -o release.pem"},
    {"keygen", "--show release.pem"},
    {"seal", "model.onnx -o model.tenon --recipient age1... --sign release.pem --policy policy.json"},
    {"unseal", "model.tenon -o model.onnx --identity customer.key --signer public.pem"},
    {"slots", "add model.tenon --identity customer.key --recipient age1..."},
    {"sign", "model.tenon --sign release.pem --identity customer.key"},
    {"verify", "model.tenon --signer public.pem"},
    {"policy", "check policy.json --op run --now 1764000000 --who key:0123"},
    {"audit", "verify audit.log --pub 64-HEX-DIGITS --witness witness.log"},
};

// The examples of a command; empty: one of each.
std::string footer(std::string_view command) {
  std::string out = "examples:\n";
  std::string_view last;
  for (const Example& e : kExamples) {
    if (command.empty() ? e.command == last : e.command != command) continue;
    out += "  tenon " + std::string(e.command) + " " + std::string(e.line) + "\n";
    last = e.command;
  }
  return out + "\n" + kStatuses;
}

// The status, unless what was printed could not be written.
int written(int status) {
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return status;
  std::fprintf(stderr, "cannot write to standard output: %s\n", std::strerror(errno));
  return tenon::cli::kResource;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace tenon;
  CLI::App app("Tenon runs trained networks: ONNX models, on every processor it knows.");
  app.set_version_flag("--version", version());
  app.require_subcommand(1);
  app.footer(footer({}));
  constexpr cli::Command kCommands[] = {cli::add_run,     cli::add_evaluate, cli::add_bench,  cli::add_inspect, cli::add_dump,
                                        cli::add_explain, cli::add_check, cli::add_convert,    cli::add_seal,   cli::add_unseal,  cli::add_slots_command,
                                        cli::add_sign,    cli::add_verify,   cli::add_keygen, cli::add_policy,  cli::add_audit};
  std::vector<std::pair<CLI::App*, std::function<int()>>> commands;
  for (cli::Command add : kCommands) {
    std::function<int()> run = add(app);
    CLI::App* sub = app.get_subcommands({}).back();
    sub->footer(footer(sub->get_name()));
    commands.emplace_back(sub, std::move(run));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) { return cli::refuse(app, e); }
  try {
    for (const auto& [sub, run] : commands)
      if (sub->parsed()) return written(run());
  } catch (const Error& e) {
    // The codes of docs/sealed_format.md, section 12, begin with k and are printed.
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
