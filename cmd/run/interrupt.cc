#include "cmd/run/interrupt.h"

#include <signal.h>
#include <unistd.h>

namespace bantam {
namespace {

volatile sig_atomic_t g_signal = 0;

extern "C" void on_signal(int signal) {
  if (signal == SIGINT && g_signal == SIGINT) _exit(130);
  g_signal = signal;
}

}  // namespace

void catch_interrupts() {
  g_signal = 0;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int interrupt_signal() { return int(g_signal); }

}  // namespace bantam
