#include <fmt/format.h>

#include "core/cuda/device.hpp"
#include "core/cuda/kernels/kernel_texts.hpp"

namespace caddie::cuda {

std::string complete_source(const KernelSource& source) {
  return fmt::format("#define KERNEL {}\n#define BLOCK {}\n#define POINTERS {}\n{}{}", source.name, source.block,
                     source.pointers, kernel_text("prelude"), source.text);
}

}  // namespace caddie::cuda
