// Runs a function in a child process with a time-out, so that whatever a plugin does there harms nobody, and says how
// it ended. The calling process must have one thread.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace caddie::check {

// What the child has besides its own memory.
struct Workspace {
  char* current_call = nullptr;  // a text the parent reads when the child has died
  std::size_t size = 0;
};

struct Ended {
  bool answered = false;
  std::string answer;  // of the body, when it came to its end
  std::string death;   // else: "crashes: signal 11 (Segmentation fault) in create(): ..."
};

// Standard output and error of the child are files of their own, its input is empty. The child ends without running
// destructors of the plugin.
Ended run_isolated(const std::function<std::string(const Workspace&)>& body, double timeout_seconds);

}  // namespace caddie::check
