// Where an installed program, or one in a build tree, has its own libraries. Any thread.
#pragma once

#include <filesystem>
#include <vector>

namespace caddie {

// The folders <prefix>/<lib>/caddie that are there, for a program at <prefix>/bin/.
std::vector<std::filesystem::path> library_folders(const std::filesystem::path& program);

// This process's own file.
std::filesystem::path program_path();

}  // namespace caddie
