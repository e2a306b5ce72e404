#include "core/cuda/runtime/cuda_device.hpp"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/cuda/runtime/kernel_compiler.hpp"
#include "core/cuda/runtime/products.hpp"
#include "core/cuda/runtime/uploads.hpp"

namespace caddie::cuda {
namespace {

constexpr std::size_t kSmallUpload = 64 * 1024;  // copied by the driver before the call returns
constexpr std::size_t kFreeShared = 48 * 1024;   // dynamic shared memory that needs no asking

Result<void> checked(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return {};
  const Code code = status == cudaErrorMemoryAllocation ? Code::memory : Code::device;
  return Error{code, "", fmt::format("{} failed: {}", what, cudaGetErrorString(status))};
}

class CudaMemory final : public DeviceMemory {
 public:
  CudaMemory(void* data, std::size_t bytes) : DeviceMemory(static_cast<std::byte*>(data), bytes) {}
  ~CudaMemory() override { cudaFree(data_); }
};

class CudaRecording final : public Recording {
 public:
  explicit CudaRecording(cudaGraphExec_t graph) : graph_(graph) {}
  ~CudaRecording() override { cudaGraphExecDestroy(graph_); }
  [[nodiscard]] cudaGraphExec_t graph() const { return graph_; }

 private:
  cudaGraphExec_t graph_;
};

struct LoadedKernel {
  KernelSource source;
  cudaLibrary_t library = nullptr;
  cudaKernel_t kernel = nullptr;
};

class CudaDevice final : public Device {
 public:
  CudaDevice(int architecture, const CudaDeviceOptions& options)
      : compiler_(architecture, options.cache_folder), major_(architecture / 10), threads_(options.threads) {}

  ~CudaDevice() override {
    cudaStreamSynchronize(stream_);
    for (const cudaEvent_t event : marks_) cudaEventDestroy(event);
    for (const LoadedKernel& kernel : kernels_) cudaLibraryUnload(kernel.library);
    uploads_ = nullptr;
    products_ = nullptr;
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  Result<void> start() {
    if (auto good = checked(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream"); !good)
      return good;
    auto products = Products::make();
    if (!products) return products.error();
    products_ = std::move(*products);
    auto uploads = Uploads::make(stream_);
    if (!uploads) return uploads.error();
    uploads_ = std::move(*uploads);
    return {};
  }

  Result<DeviceMemoryPtr> allocate(std::size_t bytes, const char* what) override {
    void* data = nullptr;
    if (cudaMalloc(&data, bytes) != cudaSuccess) {
      cudaGetLastError();
      std::size_t free = 0;
      std::size_t all = 0;
      cudaMemGetInfo(&free, &all);
      return Error{Code::memory, "",
                   fmt::format("the GPU has no {} bytes for {}: {} of {} are free; make batch or context smaller",
                               bytes, what, free, all)};
    }
    auto memory = std::make_shared<CudaMemory>(data, bytes);
    if (auto good = checked(cudaMemsetAsync(data, 0, bytes, stream_), "clearing memory"); !good) return good.error();
    return DeviceMemoryPtr(std::move(memory));
  }

  Result<void> upload(std::byte* to, std::span<const std::byte> from) override {
    if (from.size() > kSmallUpload) return uploads_->upload(to, from);
    return checked(cudaMemcpyAsync(to, from.data(), from.size(), cudaMemcpyHostToDevice, stream_), "an upload");
  }
  Result<void> download(std::span<std::byte> to, const std::byte* from) override {
    auto good = checked(cudaMemcpyAsync(to.data(), from, to.size(), cudaMemcpyDeviceToHost, stream_), "a download");
    return good ? synchronize() : good;
  }
  Result<void> synchronize() override { return checked(cudaStreamSynchronize(stream_), "the work before this point"); }

  Result<std::vector<KernelId>> load(std::span<const KernelSource> sources) override {
    std::vector<KernelId> ids;
    std::vector<KernelSource> fresh;
    for (const KernelSource& source : sources) {
      const std::string text = complete_source(source);
      auto [found, added] = known_.try_emplace(text, static_cast<KernelId>(kernels_.size() + fresh.size()));
      if (added) fresh.push_back(source);
      ids.push_back(found->second);
    }
    auto images = compiler_.compile_all(fresh, threads_);
    if (!images) {
      for (const KernelSource& source : fresh) known_.erase(complete_source(source));
      return images.error();
    }
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      if (auto good = load(fresh[i], (*images)[i]); !good) return good.error();
    }
    return ids;
  }

  Result<ProductPlan> plan(const Product& product) override { return products_->plan(product); }

  Result<void> launch(KernelId number, std::uint32_t blocks, std::span<std::byte* const> pointers) override {
    const LoadedKernel& kernel = kernels_[number];
    std::byte* at[kMostPointers] = {};  // passed by value, as many as the kernel declares
    std::ranges::copy(pointers, at);
    void* arguments[] = {at};
    return checked(cudaLaunchKernel(reinterpret_cast<const void*>(kernel.kernel), dim3(blocks),
                                    dim3(kernel.source.block), arguments, kernel.source.shared_bytes, stream_),
                   kernel.source.name.c_str());
  }
  bool fuses(const Product& product) override { return products_->plan(product).ok(); }
  // cuBLASLt is slow at them before Hopper (karpathy/llm.c, PRs 338 and 653) and again at compute capability 12
  // (sgl-project/sglang, PR 34350).
  [[nodiscard]] bool fuses_activations() const override { return major_ >= 9 && major_ < 12; }
  Result<void> multiply(std::uint32_t plan, const ProductMemory& memory) override {
    return products_->multiply(plan, memory, stream_);
  }
  Result<void> copy(std::byte* to, const std::byte* from, std::size_t bytes) override {
    return checked(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "a copy");
  }

  Result<std::unique_ptr<Recording>> record(const std::function<Result<void>()>& calls) override {
    auto good = checked(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "recording a program");
    if (!good) return good.error();
    const Result<void> issued = calls();
    cudaGraph_t graph = nullptr;
    good = checked(cudaStreamEndCapture(stream_, &graph), "recording a program");
    if (!issued) return issued.error();
    if (!good) return good.error();
    cudaGraphExec_t made = nullptr;
    good = checked(cudaGraphInstantiate(&made, graph, 0), "making a CUDA graph of a program");
    cudaGraphDestroy(graph);
    if (!good) return good.error();
    return std::unique_ptr<Recording>(std::make_unique<CudaRecording>(made));
  }
  Result<void> replay(const Recording& recording) override {
    return checked(cudaGraphLaunch(static_cast<const CudaRecording&>(recording).graph(), stream_), "a program");
  }

  Result<void> mark() override {
    if (marked_ == marks_.size()) {
      cudaEvent_t event = nullptr;
      if (auto good = checked(cudaEventCreate(&event), "making an event"); !good) return good;
      marks_.push_back(event);
    }
    return checked(cudaEventRecord(marks_[marked_++], stream_), "marking a point in time");
  }
  Result<std::vector<double>> times() override {
    if (auto good = synchronize(); !good) return good.error();
    std::vector<double> seconds(marked_, 0);
    for (std::size_t i = 1; i < marked_; ++i) {
      float milliseconds = 0;
      if (auto good = checked(cudaEventElapsedTime(&milliseconds, marks_[0], marks_[i]), "reading a time"); !good)
        return good.error();
      seconds[i] = static_cast<double>(milliseconds) * 1e-3;
    }
    marked_ = 0;
    return seconds;
  }

 private:
  Result<void> load(const KernelSource& source, const KernelImage& image) {
    LoadedKernel made{source, nullptr, nullptr};
    auto good = checked(
        cudaLibraryLoadData(&made.library, image.bytes.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
        "loading a kernel");
    if (good) good = checked(cudaLibraryGetKernel(&made.kernel, made.library, source.name.c_str()), "finding a kernel");
    if (good && source.shared_bytes > kFreeShared) {
      good = checked(cudaFuncSetAttribute(reinterpret_cast<const void*>(made.kernel),
                                          cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          static_cast<int>(source.shared_bytes)),
                     "asking for shared memory");
    }
    if (!good) return Error{good.error().code, source.name, good.error().text};
    kernels_.push_back(std::move(made));
    return {};
  }

  KernelCompiler compiler_;
  int major_;  // compute capability
  int threads_;
  cudaStream_t stream_ = nullptr;
  std::unique_ptr<Products> products_;
  std::unique_ptr<Uploads> uploads_;
  std::vector<LoadedKernel> kernels_;
  std::map<std::string, KernelId> known_;  // by complete source
  std::vector<cudaEvent_t> marks_;
  std::size_t marked_ = 0;
};

}  // namespace

Result<std::shared_ptr<Device>> make_cuda_device(const CudaDeviceOptions& options) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver) {
    return Error{Code::unsupported, "",
                 "the cuda backend needs an NVIDIA driver, and this machine has none or one too old for the CUDA "
                 "library; use the backend \"cpu\""};
  }
  if (status != cudaSuccess || count == 0) {
    return Error{Code::unsupported, "",
                 fmt::format("the cuda backend needs a GPU, and this machine offers none ({}); use the backend \"cpu\"",
                             status == cudaSuccess ? "no device" : cudaGetErrorString(status))};
  }
  const int current = options.device % count;
  cudaDeviceProp properties{};
  if (auto good = checked(cudaSetDevice(current), "choosing a GPU"); !good) return good.error();
  if (auto good = checked(cudaGetDeviceProperties(&properties, current), "asking a GPU for its kind"); !good)
    return good.error();
  if (properties.major < 8) {
    return Error{Code::unsupported, "",
                 fmt::format("the cuda backend needs compute capability 8.0 or more, and {} has {}.{}; use the backend "
                             "\"cpu\"",
                             properties.name, properties.major, properties.minor)};
  }
  auto device = std::make_shared<CudaDevice>(properties.major * 10 + properties.minor, options);
  if (auto good = device->start(); !good) return good.error();
  return std::shared_ptr<Device>(std::move(device));
}

}  // namespace caddie::cuda
