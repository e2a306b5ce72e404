// What the program finds in libcaddie_cuda.so. Both are of one build: they share C++ types.
#pragma once

#include <filesystem>
#include <memory>

#include "core/base/result.hpp"
#include "core/graph/executor.hpp"

namespace caddie::cuda {

struct LibraryRequest {
  graph::ExecutorOptions options;
  std::filesystem::path cache_folder;
  Result<std::unique_ptr<graph::Executor>> made = Error{};  // the answer
};

inline constexpr const char* kLibraryEntry = "caddie_cuda_make_executor";
inline constexpr const char* kLibraryBuild = "caddie_cuda_build";  // const char*: has to be the program's
using LibraryEntry = void(LibraryRequest&);

}  // namespace caddie::cuda
