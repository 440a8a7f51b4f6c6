#include "cli/interruption.h"

#include <csignal>

namespace tenon::cli {
namespace {

volatile std::sig_atomic_t g_noted = 0;

void note(int) { g_noted = 1; }

}  // namespace

Interruption::Interruption() {
  g_noted = 0;
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
}

Interruption::~Interruption() { std::signal(SIGINT, SIG_DFL); }

bool Interruption::noted() { return g_noted; }

}  // namespace tenon::cli
