// Was this process started with others, by mpirun or srun, and the group they make.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "core/base/result.hpp"
#include "core/comm/process_group.hpp"

namespace caddie::comm {

struct Launch {
  int rank = 0;
  int size = 1;
};

// What the launcher left in the environment; nothing when this process was started alone. Initialises nothing.
std::optional<Launch> find_launch();

// The group of all processes of the launch; a single process without one. MPI is loaded here and only here, from
// libcaddie_mpi.so among the program's libraries.
Result<std::unique_ptr<ProcessGroup>> open_process_group(const std::filesystem::path& program);

}  // namespace caddie::comm
