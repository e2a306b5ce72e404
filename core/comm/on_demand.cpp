#include "core/comm/on_demand.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include "core/base/installation.hpp"

namespace caddie::comm {
namespace {

namespace fs = std::filesystem;

// Empty where this build has none.
fs::path path_of(const fs::path& program, const char* library) {
  std::error_code code;
  for (const fs::path& folder : library_folders(program))
    if (fs::exists(folder / library, code)) return folder / library;
  return {};
}

Error unsupported(std::string text) { return {Code::unsupported, "", std::move(text)}; }

}  // namespace

Result<void*> function_of(const fs::path& program, const char* library, const char* symbol) {
  const fs::path path = path_of(program, library);
  if (path.empty()) return unsupported(fmt::format("this build has no {}", library));
  // Open MPI's own components look for its symbols among the global ones.
  void* loaded = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (loaded == nullptr) return unsupported(fmt::format("{} cannot be loaded: {}", library, ::dlerror()));
  void* function = ::dlsym(loaded, symbol);
  if (function == nullptr) return unsupported(path.string() + " is of another Caddie");
  return function;
}

}  // namespace caddie::comm
