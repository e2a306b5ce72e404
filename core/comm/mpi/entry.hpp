// How the program finds the MPI group, which lives in a library of its own so that nothing else needs MPI.
#pragma once

#include <memory>

#include "core/base/result.hpp"
#include "core/comm/process_group.hpp"

namespace caddie::comm {

inline constexpr const char* kMpiLibrary = "libcaddie_mpi.so";
inline constexpr const char* kOpenMpiGroup = "caddie_open_mpi_group";

// Initialises MPI; the group finalises it. The answer stands in `made`.
using OpenMpiGroup = void(Result<std::unique_ptr<ProcessGroup>>& made);

}  // namespace caddie::comm
