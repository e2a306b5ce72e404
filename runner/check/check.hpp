// The conformance checks of a plugin file: what an author runs before anybody else runs the plugin.
//
// Every check runs in a child process with a time-out; a plugin that crashes, hangs, leaks or prints there fails the
// check, which names the call. The calling process must have one thread.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "runner/check/report.hpp"
#include "runner/check/subject.hpp"

namespace caddie::check {

struct CheckOptions {
  Effort effort;
  std::vector<std::filesystem::path> golden;  // files of numbers the plugin must give (golden.hpp)
  std::vector<std::string> only;              // globs over names of checks; empty: all
};

// Calls `done` after each check, in order. A file that does not exist is a failed check too.
FileReport check_file(const std::filesystem::path& file, const CheckOptions& options,
                      const std::function<void(const PluginReport&, const CheckResult&)>& done = {});

}  // namespace caddie::check
