#include "core/cpu/cpu_executor.hpp"

#include <cstring>

#include "core/cpu/host_memory.hpp"
#include "core/cpu/program.hpp"
#include "core/cpu/split_program.hpp"

namespace caddie::cpu {
namespace {

class CpuExecutor final : public graph::Executor {
 public:
  explicit CpuExecutor(const graph::ExecutorOptions& options)
      : options_(options),
        shared_{std::make_shared<ThreadPool>(options.threads >= 1 ? options.threads : ThreadPool::available_threads()),
                std::make_shared<Arenas>()} {}

  [[nodiscard]] std::string name() const override { return "cpu"; }
  [[nodiscard]] std::size_t element_bytes(graph::DType) const override { return sizeof(float); }

  Result<graph::BufferPtr> allocate(std::size_t bytes) override {
    auto memory = HostMemory::allocate(bytes, "a buffer");
    if (!memory) return memory.error();
    return graph::BufferPtr(std::make_shared<HostBuffer>(std::move(*memory)));
  }

  Result<void> upload(const graph::BufferView& to, std::span<const std::byte> from) override {
    const auto target = bytes_of_view(to, from.size(), 1, "upload");
    if (!target) return target.error();
    if (!from.empty()) std::memcpy(*target, from.data(), from.size());
    return {};
  }

  Result<void> download(std::span<std::byte> to, const graph::BufferView& from) override {
    const auto source = bytes_of_view(from, to.size(), 1, "download");
    if (!source) return source.error();
    if (!to.empty()) std::memcpy(to.data(), *source, to.size());
    return {};
  }

  Result<void> synchronize() override { return {}; }

  Result<std::unique_ptr<graph::Program>> compile(const graph::Graph& graph) override {
    if (auto good = check_precision(); !good) return good.error();
    return make_program(graph, shared_, options_);
  }
  Result<std::unique_ptr<graph::Program>> compile_members(const graph::Graph& graph,
                                                          const graph::Members& members) override {
    if (auto good = check_precision(); !good) return good.error();
    return make_member_program(graph, members, shared_, options_);
  }

 private:
  [[nodiscard]] Result<void> check_precision() const {
    if (options_.precision != graph::Precision::f64) return {};
    return Error{
        Code::unsupported, "",
        "the processor's executor computes in f32 or bf16; ask for one of these, or for the reference executor"};
  }

  graph::ExecutorOptions options_;
  Shared shared_;
};

}  // namespace

std::unique_ptr<graph::Executor> make_cpu_executor(const graph::ExecutorOptions& options) {
  return std::make_unique<CpuExecutor>(options);
}

}  // namespace caddie::cpu
