// SIGINT and SIGTERM ask a run to finish its step, write a checkpoint and leave; a second SIGINT ends it at once.
#pragma once

namespace caddie::pipeline {

// Installs the handlers; once, on the main thread.
void install_interrupt_handlers();
// The signal that asked, or 0. Any thread.
int interrupt_signal();
// For tests.
void set_interrupt_signal(int signal);

}  // namespace caddie::pipeline
