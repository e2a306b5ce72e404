#include "core/cuda/cuda_executor.hpp"

#include "core/cuda/program.hpp"

namespace caddie::cuda {
namespace {

class CudaExecutor final : public graph::Executor {
 public:

  CudaExecutor(std::shared_ptr<Device> device, const graph::ExecutorOptions& options)
      : device_(std::move(device)), options_(options) {}

  [[nodiscard]] std::string name() const override { return "cuda"; }
  [[nodiscard]] std::size_t element_bytes(graph::DType) const override { return sizeof(float); }

  Result<graph::BufferPtr> allocate(std::size_t bytes) override {
    auto memory = device_->allocate(std::max<std::size_t>(bytes, 1), "a buffer");
    if (!memory) return memory.error();
    return graph::BufferPtr(std::make_shared<CudaBuffer>(std::move(*memory), bytes));
  }

  Result<void> upload(const graph::BufferView& to, std::span<const std::byte> from) override {
    const auto target = bytes_of_view(to, from.size(), 1, "upload");
    if (!target) return target.error();
    return from.empty() ? Result<void>() : device_->upload(*target, from);
  }

  Result<void> download(std::span<std::byte> to, const graph::BufferView& from) override {
    const auto source = bytes_of_view(from, to.size(), 1, "download");
    if (!source) return source.error();
    return to.empty() ? Result<void>() : device_->download(to, *source);
  }

  Result<void> synchronize() override { return device_->synchronize(); }

  Result<std::unique_ptr<graph::Program>> compile(const graph::Graph& graph) override {
    if (options_.precision == graph::Precision::f64) {
      return Error{Code::unsupported, "",
                   "the CUDA executor computes in f32 or bf16; ask for one of them, or for the reference executor"};
    }
    return make_program(graph, device_, options_);
  }

 private:
  std::shared_ptr<Device> device_;
  graph::ExecutorOptions options_;
};

}  // namespace

std::unique_ptr<graph::Executor> make_cuda_executor(std::shared_ptr<Device> device,
                                                    const graph::ExecutorOptions& options) {
  return std::make_unique<CudaExecutor>(std::move(device), options);
}

}  // namespace caddie::cuda
