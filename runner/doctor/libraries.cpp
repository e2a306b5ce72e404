#include "runner/doctor/libraries.hpp"

#include <dlfcn.h>

#include <cstdlib>

namespace caddie::doctor {
namespace {

class Installed final : public Libraries {
 public:
  explicit Installed(std::vector<std::filesystem::path> folders) : folders_(std::move(folders)) {}

  void* open(const std::string& name, std::string* why) override {
    if (void* library = ::dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL)) return library;
    if (const char* text = ::dlerror(); text != nullptr) *why = text;
    for (const std::filesystem::path& folder : folders_) {
      std::error_code code;
      if (!std::filesystem::exists(folder / name, code)) continue;
      if (void* library = ::dlopen((folder / name).c_str(), RTLD_LAZY | RTLD_LOCAL)) return library;
      if (const char* text = ::dlerror(); text != nullptr) *why = text;
    }
    return nullptr;
  }

  void* symbol(void* library, const char* name) override { return ::dlsym(library, name); }

 private:
  std::vector<std::filesystem::path> folders_;
};

}  // namespace

std::unique_ptr<Libraries> installed_libraries(std::vector<std::filesystem::path> folders) {
  return std::make_unique<Installed>(std::move(folders));
}

std::vector<std::filesystem::path> toolkit_folders() {
  std::vector<std::filesystem::path> folders;
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const char* root = std::getenv(variable); root != nullptr && *root != '\0')
      folders.push_back(std::filesystem::path(root) / "lib64");
  }
  folders.emplace_back("/usr/local/cuda/lib64");
  return folders;
}

}  // namespace caddie::doctor
