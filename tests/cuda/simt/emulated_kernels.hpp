// Kernels compiled as C++ into shared objects. Kernels are gathered until one of them is needed; then all that are
// waiting are compiled, many in a translation unit. Objects are kept by content. One thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/cuda/device.hpp"
#include "tests/cuda/simt/scheduler.hpp"

namespace caddie::simt {

class EmulatedKernels {
 public:
  EmulatedKernels(std::string compiler, std::filesystem::path folder);

  cuda::KernelId add(const cuda::KernelSource& source);
  [[nodiscard]] const cuda::KernelSource& source(cuda::KernelId id) const { return kernels_[id].source; }
  // Compiles what is waiting. An error names the compiler's complaint.
  Result<KernelFunction> function(cuda::KernelId id, SimtHooks& hooks);
  [[nodiscard]] std::size_t size() const { return kernels_.size(); }

 private:
  struct Kernel {
    cuda::KernelSource source;
    KernelFunction function = nullptr;
  };
  Result<void> compile_waiting(SimtHooks& hooks);
  [[nodiscard]] std::string unit(std::size_t first, std::size_t last) const;

  std::string compiler_;
  std::filesystem::path folder_;
  std::vector<Kernel> kernels_;
  std::size_t compiled_ = 0;
};

}  // namespace caddie::simt
