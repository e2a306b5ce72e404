// Processor, memory, corpus, launchers, plugins: what runs need that is no graphics card.
#pragma once

#include <filesystem>
#include <vector>

#include "runner/doctor/finding.hpp"
#include "runner/doctor/libraries.hpp"

namespace caddie::doctor {

Finding find_processor();
Finding find_memory();
// Plugins of the installation and of CADDIE_PLUGIN_PATH, and files there that are not used.
std::vector<Finding> find_plugins(const std::filesystem::path& program);
Finding find_corpus();
// Caddie's own MPI library and mpirun.
Finding find_mpi(const std::filesystem::path& program);
// Caddie's own library for the cuda backend, and whether what it needs is there.
Finding find_cuda_backend(const std::filesystem::path& program, Libraries& libraries);

}  // namespace caddie::doctor
