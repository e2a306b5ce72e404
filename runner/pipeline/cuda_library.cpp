#include "runner/pipeline/cuda_library.hpp"

#include <fmt/format.h>

#include <boost/dll/shared_library.hpp>
#include <cstring>
#include <filesystem>

#include "core/base/installation.hpp"
#include "core/cuda/library.hpp"
#include "core/base/installation.hpp"
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
boost::dll::shared_library* loaded(const std::filesystem::path& file, std::string& why) {
  static boost::dll::shared_library* library = nullptr;
  if (library != nullptr) return library;
  auto made = std::make_unique<boost::dll::shared_library>();
  try {
    made->load(file.string(), boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  } catch (const std::exception& error) {
    why = error.what();
    return nullptr;
  }
  library = made.release();
  return library;
}

}  // namespace

Result<std::unique_ptr<graph::Executor>> make_cuda_executor(const graph::ExecutorOptions& options) {
  const std::filesystem::path file = library_file();
  if (file.empty()) {
    return refuse(fmt::format("this installation was built without CUDA: there is no {} beside the program; build it "
                              "where the CUDA toolkit is, or use the backend \"cpu\"", kFile));
  }
  std::string why;
  boost::dll::shared_library* library = loaded(file, why);
  if (library == nullptr) {
    return refuse(fmt::format("{} cannot be loaded: {}; install the CUDA toolkit's libraries (cuBLASLt, NVRTC), or use "
                              "the backend \"cpu\"", file.string(), why));
  }
  if (!library->has(cuda::kLibraryEntry) || !library->has(cuda::kLibraryBuild) ||
      std::strcmp(library->get<const char* const>(cuda::kLibraryBuild), CADDIE_VERSION) != 0) {
    return refuse(fmt::format("{} is not of this program's build; install both from one build", file.string()));
  }
  cuda::LibraryRequest request;
  request.options = options;
  if (const auto folder = cache_folder(); !folder.empty()) request.cache_folder = folder / "kernels";
  library->get<cuda::LibraryEntry>(cuda::kLibraryEntry)(request);
  if (!request.made && request.made.error().where.empty()) {
    return Error{request.made.error().code, "/compute/backend", request.made.error().text};
  }
  return std::move(request.made);
}

}  // namespace caddie::pipeline
