#include "runner/doctor/machine.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>

#include "core/base/installation.hpp"
#include "core/comm/mpi/entry.hpp"
#include "core/cpu/kernels/gemm.hpp"
#include "core/cpu/kernels/isa.hpp"
#include "runner/pipeline/workbench.hpp"

namespace caddie::doctor {
namespace {

namespace fs = std::filesystem;

// The text after "key :" in a file of /proc, or empty.
std::string proc_value(const char* file, const std::string& key) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || !line.starts_with(key)) continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? std::string() : line.substr(begin);
  }
  return {};
}

double gibibytes(const std::string& kilobytes) { return std::strtod(kilobytes.c_str(), nullptr) / (1 << 20); }

int usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

// A program in PATH, or empty.
fs::path in_path(const std::string& name) {
  const char* variable = std::getenv("PATH");
  std::istringstream path(variable == nullptr ? "" : variable);
  std::error_code code;
  for (std::string folder; std::getline(path, folder, ':');)
    if (!folder.empty() && fs::exists(fs::path(folder) / name, code)) return fs::path(folder) / name;
  return {};
}

std::optional<fs::path> own_library(const fs::path& program, const char* name) {
  std::error_code code;
  for (const fs::path& folder : library_folders(program))
    if (fs::exists(folder / name, code)) return folder / name;
  return std::nullopt;
}

}  // namespace

Finding find_processor() {
  std::string model = proc_value("/proc/cpuinfo", "model name");
  if (model.empty()) model = "a processor that does not say its name";
  const int count = usable_processors();
  return {"processor", State::found,
          fmt::format("{}, {} thread{} for this process, kernels for {}; compute.precision bf16 {}", model, count,
                      count == 1 ? "" : "s", cpu::name(cpu::active_isa()),
                      cpu::takes_narrow(cpu::Factors::bf16) ? "is faster" : "computes in fp32"),
          cpu::active_isa() == cpu::Isa::portable ? "without AVX2 everything works, slowly" : ""};
}

Finding find_memory() {
  const double all = gibibytes(proc_value("/proc/meminfo", "MemTotal"));
  const double free = gibibytes(proc_value("/proc/meminfo", "MemAvailable"));
  return {"memory", State::found, fmt::format("{:.1f} GiB, {:.1f} GiB of it free", all, free), ""};
}

std::vector<Finding> find_plugins(const fs::path& program) {
  const plugins::Registry registry = pipeline::scan_plugins({}, program);
  std::vector<Finding> findings;
  for (const fs::path& folder : plugins::plugin_folders({}, program)) {
    std::size_t count = 0;
    for (const plugins::Description* plugin : registry.all()) count += plugin->path.parent_path() == folder ? 1 : 0;
    findings.push_back({"plugins", State::found, fmt::format("{} in {}", count, folder.string()), ""});
  }
  if (registry.all().empty()) {
    findings.push_back({"plugins", State::broken, "none is installed", "install Caddie as a whole, or set CADDIE_PLUGIN_PATH"});
  }
  for (const plugins::Skipped& file : registry.skipped()) {
    findings.push_back({"plugins", State::broken, fmt::format("{} is not used: {}", file.path.string(), file.reason),
                        fmt::format("caddie plugins why {}", file.path.string())});
  }
  return findings;
}

Finding find_corpus() {
  constexpr const char* kCorpus = "/usr/share/dictd/gcide.dict.dz";
  std::error_code code;
  if (fs::exists(kCorpus, code)) return {"corpus", State::found, kCorpus, ""};
  return {"corpus", State::missing, fmt::format("no {}, the text of the quickstart", kCorpus),
          "apt-get install dict-gcide, or give your own text: --set data.text=..."};
}

Finding find_mpi(const fs::path& program) {
  const auto library = own_library(program, comm::kMpiLibrary);
  const fs::path launcher = in_path("mpirun");
  if (!library) {
    return {"mpi", State::missing, "this build has none: a run is one process",
            "build Caddie where CMake finds MPI (Debian: libopenmpi-dev)"};
  }
  if (launcher.empty()) {
    return {"mpi", State::missing, library->string() + ", but no mpirun in PATH", "Debian: openmpi-bin"};
  }
  return {"mpi", State::found, fmt::format("{}, {}", library->filename().string(), launcher.string()), ""};
}

Finding find_cuda_backend(const fs::path& program, Libraries& libraries) {
  const auto library = own_library(program, "libcaddie_cuda.so");
  if (!library)
    return {"cuda backend", State::missing, "this build has none", "build Caddie where CMake finds a CUDA Toolkit"};
  std::string why;
  if (libraries.open(library->string(), &why) != nullptr) return {"cuda backend", State::found, library->string(), ""};
  return {"cuda backend", State::missing, fmt::format("{} cannot be loaded: {}", library->string(), why),
          "install cuBLASLt and NVRTC of this version; LD_LIBRARY_PATH may name where they are"};
}

}  // namespace caddie::doctor
