// Everything that `caddie doctor` looks at. One thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runner/doctor/finding.hpp"
#include "runner/doctor/libraries.hpp"

namespace caddie::doctor {

struct Chapter {
  std::string title;
  std::vector<Finding> findings;
};

std::vector<Chapter> examine(const std::filesystem::path& program, Libraries& libraries);

// Nothing that the cpu backend needs is broken.
bool can_run(const std::vector<Chapter>& chapters);

}  // namespace caddie::doctor
