// Kernels compiled by NVRTC for one architecture; images are kept in a folder by the hash of everything they depend
// on. Needs no GPU. Any number of threads may compile at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/cuda/device.hpp"

namespace caddie::cuda {

struct KernelImage {
  std::vector<std::uint8_t> bytes;  // cubin, or PTX where the architecture is newer than NVRTC
  std::string log;                  // of ptxas, where asked for
  double seconds = 0;               // 0 where it came from the folder
};

class KernelCompiler {
 public:
  // `architecture` is 10 * major + minor of the compute capability. An empty folder keeps nothing.
  KernelCompiler(int architecture, std::filesystem::path folder, bool verbose = false);

  Result<KernelImage> compile(const KernelSource& source) const;
  // All of them, by so many threads.
  Result<std::vector<KernelImage>> compile_all(std::span<const KernelSource> sources, int threads) const;

  // "13.0".
  [[nodiscard]] const std::string& version() const { return version_; }
  // "sm_90", or "compute_120" for PTX.
  [[nodiscard]] const std::string& target() const { return target_; }

 private:
  Result<KernelImage> compile_text(const KernelSource& source, const std::string& text) const;

  std::string target_, version_;
  std::filesystem::path folder_;
  bool verbose_;
};

}  // namespace caddie::cuda
