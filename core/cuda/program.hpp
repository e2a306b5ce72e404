// Programs of the CUDA executor: one compiled graph, its arena, and the recording of its commands.
#pragma once

#include <memory>

#include "core/cuda/compiled_graph.hpp"
#include "core/graph/executor.hpp"

namespace caddie::cuda {

class CudaBuffer final : public graph::Buffer {
 public:
  explicit CudaBuffer(DeviceMemoryPtr memory, std::size_t bytes) : memory_(std::move(memory)), bytes_(bytes) {}
  [[nodiscard]] std::size_t size_bytes() const override { return bytes_; }
  [[nodiscard]] void* host_data() override { return nullptr; }
  [[nodiscard]] void* device_data() override { return memory_->data(); }

 private:
  DeviceMemoryPtr memory_;
  std::size_t bytes_;
};

// The device address of a view, or why `bytes` from its offset on cannot be used; `where` names what it is for.
Result<std::byte*> bytes_of_view(const graph::BufferView& view, std::size_t bytes, std::size_t alignment,
                                 std::string_view where);

Result<std::unique_ptr<graph::Program>> make_program(const graph::Graph& graph, std::shared_ptr<Device> device,
                                                     const graph::ExecutorOptions& options);

}  // namespace caddie::cuda
