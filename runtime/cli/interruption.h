// Ctrl-C as a question.
#pragma once

namespace tenon::cli {

// While one lives, the first SIGINT is noted, so that a command can show what it has; the next ends the program.
class Interruption {
 public:
  Interruption();
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  static bool noted();
};

}  // namespace tenon::cli
