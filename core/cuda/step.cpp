#include "core/cuda/step.hpp"

#include <algorithm>

namespace caddie::cuda {

void CudaStep::launch(KernelSource kernel, std::int64_t blocks, std::vector<Place> places) {
  const auto known = std::ranges::find(kernels, kernel);
  const auto at = static_cast<std::uint32_t>(known - kernels.begin());
  if (known == kernels.end()) kernels.push_back(std::move(kernel));
  commands.push_back(LaunchCommand{at, static_cast<std::uint32_t>(blocks), std::move(places)});
}

Place CudaStep::take_scratch(std::size_t bytes) {
  const auto at = static_cast<std::int64_t>(scratch_bytes);
  scratch_bytes += round_up(bytes);
  return {Space::scratch, 0, at};
}

const char* CompileInput::type(graph::Value value) const {
  if (graph.dtype(value) == graph::DType::i32) return "int";
  return narrow[value] ? "bf16" : "float";
}

Place CompileInput::place(const graph::View& view) const {
  return {Space::value, view.base, view.offset * width(view.base)};
}

}  // namespace caddie::cuda
