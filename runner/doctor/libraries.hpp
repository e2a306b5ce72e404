// Shared libraries that may be there or not, looked at without linking them. One thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace caddie::doctor {

class Libraries {
 public:
  virtual ~Libraries() = default;
  // A handle, or nullptr and the loader's words in `why`. Libraries stay loaded.
  virtual void* open(const std::string& name, std::string* why) = 0;
  virtual void* symbol(void* library, const char* name) = 0;
};

// Those of this machine: by soname, then in `folders`.
std::unique_ptr<Libraries> installed_libraries(std::vector<std::filesystem::path> folders);

// The folders of a CUDA Toolkit that CUDA_HOME and CUDA_PATH name, and /usr/local/cuda.
std::vector<std::filesystem::path> toolkit_folders();

}  // namespace caddie::doctor
