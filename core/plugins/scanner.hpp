// Runs the scanner child and reads its answers: one line of JSON for each file, in order.
#pragma once

#include <string>
#include <vector>

namespace caddie::plugins {

struct ScannerAnswer {
  std::vector<std::string> lines;  // complete answers, at most one for each file
  std::string failure;             // why there are fewer lines than files; empty when there are not
  bool started = true;             // false: the program itself could not be run
};

// Starts `command` with `files` appended, and gives each answer `timeout_seconds` and 1 MiB. Whatever happens, the
// child and what it started are gone afterwards.
ScannerAnswer run_scanner(const std::vector<std::string>& command, const std::vector<std::string>& files,
                          double timeout_seconds);

}  // namespace caddie::plugins
