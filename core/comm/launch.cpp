#include "core/comm/launch.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/comm/mpi/entry.hpp"
#include "core/comm/on_demand.hpp"

namespace caddie::comm {
namespace {

// The variables by which Open MPI, PMI (MPICH, Slurm) and PMIx launchers tell a process its rank and their number.
struct Variables {
  const char* rank;
  const char* size;
  const char* local_rank;  // nullptr: not told
};
constexpr Variables kVariables[] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
                                    {"PMI_RANK", "PMI_SIZE", nullptr},
                                    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"}};

std::optional<int> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  int number = 0;
  const char* end = text + std::strlen(text);
  const auto read = std::from_chars(text, end, number);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

Error cannot_load(const std::string& what) {
  return {Code::unsupported, "mpirun",
          fmt::format("started {} processes, but {}; build Caddie where CMake finds MPI (Debian: libopenmpi-dev), or "
                      "start one process",
                      find_launch()->size, what)};
}

// A launcher of another MPI starts processes that do not find each other: each would be a group by itself, and all would
// write the same folder.
Result<std::unique_ptr<ProcessGroup>> complete(Result<std::unique_ptr<ProcessGroup>> group) {
  const int launched = find_launch()->size;
  if (!group || (*group)->size() == launched) return group;
  return Error{Code::unsupported, "mpirun",
               fmt::format("started {} processes, but MPI finds {}: the launcher belongs to another MPI than the one "
                           "Caddie was built with; use the mpirun of that one",
                           launched, (*group)->size())};
}

}  // namespace

std::optional<Launch> find_launch() {
  for (const Variables& variables : kVariables) {
    const auto rank = number_in(variables.rank);
    const auto size = number_in(variables.size);
    if (!rank || !size || *size < 2 || *rank < 0 || *rank >= *size) continue;
    const auto local = variables.local_rank == nullptr ? std::nullopt : number_in(variables.local_rank);
    return Launch{*rank, *size, local.value_or(*rank)};
  }
  return std::nullopt;
}

Result<std::unique_ptr<ProcessGroup>> open_process_group(const std::filesystem::path& program) {
  if (!find_launch()) return single_process();
  const auto open = function_of(program, kMpiLibrary, kOpenMpiGroup);
  if (!open) return cannot_load(open.error().text);
  Result<std::unique_ptr<ProcessGroup>> made = Error{};
  reinterpret_cast<OpenMpiGroup*>(*open)(made);
  return complete(std::move(made));
}

}  // namespace caddie::comm
