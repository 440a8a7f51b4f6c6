// Runs the command of a key service. The host's configuration names it; a file never does.
#pragma once

#include <chrono>

#include "formats/seal/secret.h"

namespace tenon::seal {

// The commands of one provider: `arguments` gets one more, "wrap" or "unwrap". Without a shell; a first argument without a slash
// is looked for in /usr/bin and /bin.
struct KeyCommand {
  std::string provider;
  std::vector<std::string> arguments;
};

struct CommandRequest {
  std::string_view verb, key_id;
  View file_id, input;  // input goes to stdin: at most 8,192 bytes
  size_t most_output;   // one byte more is an error
  std::chrono::milliseconds timeout{10'000};
};

struct CommandResult {
  int status;  // 0 or, from unwrap, 10: "not my key"
  Secret output;
};

// The environment is PATH, TENON_KEY_ID and TENON_FILE_ID; stderr goes nowhere. When this returns or throws, the command's process
// group is gone. Throws Error(seal_key_source): it could not be started, ended with another status or by a signal, wrote too much,
// or took too long.
CommandResult run_command(const KeyCommand& command, const CommandRequest& request);

}  // namespace tenon::seal
