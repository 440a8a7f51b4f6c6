// A subcommand: one file each, listed in main.cc.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace tenon::cli {

// Exit statuses of every command.
enum Status { kGood = 0, kDiffers = 1, kBadUsage = 2, kBadInput = 3, kNotSupported = 4, kResource = 5, kInterrupted = 130 };

// Adds the subcommand to `app`; the function returned runs it and gives the exit status.
using Command = std::function<int()> (*)(CLI::App& app);

std::function<int()> add_run(CLI::App& app);
std::function<int()> add_bench(CLI::App& app);
std::function<int()> add_evaluate(CLI::App& app);
std::function<int()> add_inspect(CLI::App& app);
std::function<int()> add_dump(CLI::App& app);
std::function<int()> add_explain(CLI::App& app);
std::function<int()> add_check(CLI::App& app);
std::function<int()> add_convert(CLI::App& app);
// Sealed models: seal.cc and keys.cc.
std::function<int()> add_seal(CLI::App& app);
std::function<int()> add_unseal(CLI::App& app);
std::function<int()> add_slots_command(CLI::App& app);
std::function<int()> add_sign(CLI::App& app);
std::function<int()> add_verify(CLI::App& app);
std::function<int()> add_keygen(CLI::App& app);
std::function<int()> add_policy(CLI::App& app);
std::function<int()> add_audit(CLI::App& app);

}  // namespace tenon::cli
