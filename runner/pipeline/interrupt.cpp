#include "runner/pipeline/interrupt.hpp"

#include <csignal>
#include <unistd.h>

namespace caddie::pipeline {
namespace {

volatile std::sig_atomic_t asked = 0;

void on_signal(int signal) {
  if (asked != 0 && signal == SIGINT) ::_exit(128 + SIGINT);
  asked = signal;
}

}  // namespace

void install_interrupt_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

int interrupt_signal() { return asked; }
void set_interrupt_signal(int signal) { asked = signal; }

}  // namespace caddie::pipeline
