#include "core/comm/launch.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/base/installation.hpp"
#include "core/comm/mpi/entry.hpp"

namespace caddie::comm {
namespace {

// The variables by which Open MPI, PMI (MPICH, Slurm) and PMIx launchers tell a process its rank and their number.
constexpr std::pair<const char*, const char*> kVariables[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, {"PMI_RANK", "PMI_SIZE"}, {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}};

std::optional<int> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  int number = 0;
  const char* end = text + std::strlen(text);
  const auto read = std::from_chars(text, end, number);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

// Empty where this build has none.
std::filesystem::path library_path(const std::filesystem::path& program) {
  std::error_code code;
  for (const std::filesystem::path& folder : library_folders(program))
    if (std::filesystem::exists(folder / kMpiLibrary, code)) return folder / kMpiLibrary;
  return {};
}

Error cannot_load(const std::string& what) {
  return {Code::unsupported, "mpirun",
          fmt::format("started {} processes, but {}; build Caddie where CMake finds MPI (Debian: libopenmpi-dev), or "
                      "start one process",
                      find_launch()->size, what)};
}

}  // namespace

std::optional<Launch> find_launch() {
  for (const auto& [rank_name, size_name] : kVariables) {
    const auto rank = number_in(rank_name);
    const auto size = number_in(size_name);
    if (rank && size && *size > 1 && *rank >= 0 && *rank < *size) return Launch{*rank, *size};
  }
  return std::nullopt;
}

Result<std::unique_ptr<ProcessGroup>> open_process_group(const std::filesystem::path& program) {
  if (!find_launch()) return single_process();
  const std::filesystem::path path = library_path(program);
  if (path.empty()) return cannot_load("this build has no MPI");
  // Open MPI's own components look for its symbols among the global ones.
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) return cannot_load(fmt::format("MPI cannot be loaded: {}", ::dlerror()));
  const auto open = reinterpret_cast<OpenMpiGroup*>(::dlsym(library, kOpenMpiGroup));
  if (open == nullptr) return cannot_load(path.string() + " is of another Caddie");
  return open();
}

}  // namespace caddie::comm
