#include "runner/pipeline/cuda_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstring>
#include <filesystem>

#include "core/base/installation.hpp"
#include "core/cuda/library.hpp"
#include "runner/pipeline/workbench.hpp"

namespace caddie::pipeline {
namespace {

constexpr const char* kFile = "libcaddie_cuda.so";

Error refuse(std::string text) { return {Code::unsupported, "/compute/backend", std::move(text)}; }

// Beside the program as installed or built; empty where there is none.
std::filesystem::path library_file() {
  for (const std::filesystem::path& folder : library_folders(program_path())) {
    std::error_code code;
    if (const auto file = folder / kFile; std::filesystem::exists(file, code)) return file;
  }
  return {};
}

// Never unloaded: executors live on.
void* loaded(const std::filesystem::path& file, std::string& why) {
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) why = ::dlerror();
  return library;
}

// nullptr where the library is of another build.
cuda::LibraryEntry* entry_of(void* library) {
  const auto* build = static_cast<const char* const*>(::dlsym(library, cuda::kLibraryBuild));
  if (build == nullptr || std::strcmp(*build, CADDIE_VERSION) != 0) return nullptr;
  return reinterpret_cast<cuda::LibraryEntry*>(::dlsym(library, cuda::kLibraryEntry));
}

}  // namespace

Result<std::unique_ptr<graph::Executor>> make_cuda_executor(const graph::ExecutorOptions& options) {
  const std::filesystem::path file = library_file();
  if (file.empty()) {
    return refuse(fmt::format("this installation was built without CUDA: there is no {} beside the program; build it "
                              "where the CUDA toolkit is, or use the backend \"cpu\"", kFile));
  }
  std::string why;
  void* library = loaded(file, why);
  if (library == nullptr) {
    return refuse(fmt::format("{} cannot be loaded: {}; install the CUDA toolkit's libraries (cuBLASLt, NVRTC), or use "
                              "the backend \"cpu\"", file.string(), why));
  }
  cuda::LibraryEntry* entry = entry_of(library);
  if (entry == nullptr) {
    return refuse(fmt::format("{} is not of this program's build; install both from one build", file.string()));
  }
  cuda::LibraryRequest request;
  request.options = options;
  if (const auto folder = cache_folder(); !folder.empty()) request.cache_folder = folder / "kernels";
  entry(request);
  if (!request.made && request.made.error().where.empty()) {
    return Error{request.made.error().code, "/compute/backend", request.made.error().text};
  }
  return std::move(request.made);
}

}  // namespace caddie::pipeline
