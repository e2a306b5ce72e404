#include "core/base/installation.hpp"

#include <algorithm>

namespace caddie {

namespace fs = std::filesystem;

std::vector<fs::path> library_folders(const fs::path& program) {
  std::error_code code;
  const fs::path real = fs::canonical(program, code);
  if (code) return {};
  const fs::path prefix = real.parent_path().parent_path();
  std::vector<fs::path> folders;
  for (const char* library : {CADDIE_LIBDIR, "lib", "lib64"}) {
    const fs::path folder = prefix / library / "caddie";
    if (fs::is_directory(folder, code) && std::ranges::find(folders, folder) == folders.end())
      folders.push_back(folder);
  }
  return folders;
}

fs::path program_path() {
  std::error_code code;
  return fs::read_symlink("/proc/self/exe", code);
}

}  // namespace caddie
