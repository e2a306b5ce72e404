// Exit codes of the program, documented in docs/cli.md.
#pragma once

#include "core/base/result.hpp"

namespace caddie::cli {

enum ExitCode : int {
  kOk = 0,
  kInternal = 1,          // a defect of Caddie
  kUsage = 2,             // the command line is wrong
  kManifestInvalid = 3,
  kPlugin = 4,            // a plugin is missing, does not fit, or failed
  kRunFailed = 5,         // data, memory, disk, a diverged run
  kOverCap = 6,           // the artifact is too large
  kAuditFailed = 7,       // a check of the run failed
  kOverTime = 8,          // a time budget was exceeded
  kDataInvalid = 9,       // `data check` found something
};

// For an error that ended a command.
int exit_code_of(const Error& error);

}  // namespace caddie::cli
