// What the CUDA executor asks of a device: memory, kernels from source text, matrix products, recording.
//
// Two implementations: the CUDA runtime (cuda_device.hpp), and the emulator of tests/cuda/simt, which runs the same
// kernels on the processor. Calls that work on device memory are in order and may return before they are done;
// download() and synchronize() wait. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/epilogue.hpp"

namespace caddie::cuda {

// A translation unit with one kernel: extern "C" __global__ void KERNEL(const Pointers at).
struct KernelSource {
  std::string name;              // what KERNEL stands for
  std::string text;              // without what complete_source() puts before it
  std::uint32_t pointers = 1;
  std::uint32_t block = 256;     // threads of a block
  std::uint32_t shared_bytes = 0;  // dynamic shared memory
  bool cooperates = false;       // threads of a block wait for each other
  friend bool operator==(const KernelSource&, const KernelSource&) = default;
};

// With the definitions of BLOCK, POINTERS and KERNEL and the prelude (kernels/prelude.cuh).
std::string complete_source(const KernelSource& source);

using KernelId = std::uint32_t;

inline constexpr std::size_t kMostPointers = 256;  // of a launch

// One operand of a product: element (row, column) of batch b is at b * batch_stride + row * row_stride + column *
// column_stride; one of the strides of rows and columns is 1.
struct MatrixOperand {
  std::int64_t row_stride = 1;
  std::int64_t column_stride = 1;
  std::int64_t batch_stride = 0;
  bool narrow = false;  // bf16, else f32
  std::uint32_t alignment = 4;  // of the first element, in bytes
  friend bool operator==(const MatrixOperand&, const MatrixOperand&) = default;
};

// c [batch, m, n] = activation(alpha a [batch, m, k] b [batch, k, n] + beta addend + bias). Sums in f32, in one order
// for one shape. a and b are of one type; addend and bias [n] have c's, and the addend stands as c does.
struct Product {
  std::int64_t batch = 1, m = 1, n = 1, k = 1;
  MatrixOperand a, b, c;
  float alpha = 1;
  float beta = 0;         // 0: no addend
  bool scaled = false;    // alpha is an f32 in device memory; beta is then 0 or 1
  bool has_bias = false;
  graph::Activation activation = graph::Activation::none;
  bool keeps = false;     // what the activation is taken of is stored too, as c stands
  friend bool operator==(const Product&, const Product&) = default;
};

// Where a product's operands stand; null for what it does not have. The addend may be c itself.
struct ProductMemory {
  const std::byte* a = nullptr;
  const std::byte* b = nullptr;
  std::byte* c = nullptr;
  const std::byte* scale = nullptr;
  const std::byte* addend = nullptr;
  const std::byte* bias = nullptr;
  std::byte* before = nullptr;
  std::byte* workspace = nullptr;
};

struct ProductPlan {
  std::uint32_t id = 0;
  std::size_t workspace_bytes = 0;
};

// Device memory, zeroed when made.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;
  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 protected:
  DeviceMemory(std::byte* data, std::size_t size) : data_(data), size_(size) {}
  std::byte* data_;
  std::size_t size_;
};

using DeviceMemoryPtr = std::shared_ptr<DeviceMemory>;

// Calls recorded once, to be issued again as a whole.
class Recording {
 public:
  virtual ~Recording() = default;
};

class Device {
 public:
  virtual ~Device() = default;

  virtual Result<DeviceMemoryPtr> allocate(std::size_t bytes, const char* what) = 0;
  virtual Result<void> upload(std::byte* to, std::span<const std::byte> from) = 0;
  virtual Result<void> download(std::span<std::byte> to, const std::byte* from) = 0;
  virtual Result<void> synchronize() = 0;

  // Compiles what is not known yet; equal sources have equal ids.
  virtual Result<std::vector<KernelId>> load(std::span<const KernelSource> sources) = 0;
  virtual Result<ProductPlan> plan(const Product& product) = 0;
  // Whether plan() has an algorithm for a product with bias and activation.
  virtual bool fuses(const Product& product) = 0;
  // Whether an activation in a product is faster than behind it.
  [[nodiscard]] virtual bool fuses_activations() const = 0;

  virtual Result<void> launch(KernelId kernel, std::uint32_t blocks, std::span<std::byte* const> pointers) = 0;
  virtual Result<void> multiply(std::uint32_t plan, const ProductMemory& memory) = 0;
  virtual Result<void> copy(std::byte* to, const std::byte* from, std::size_t bytes) = 0;

  // Records what `calls` issues instead of running it.
  virtual Result<std::unique_ptr<Recording>> record(const std::function<Result<void>()>& calls) = 0;
  virtual Result<void> replay(const Recording& recording) = 0;

  // A point in time between two calls; points are numbered from 0 again after times(), which waits for all of them
  // and gives their seconds after the first.
  virtual Result<void> mark() = 0;
  virtual Result<std::vector<double>> times() = 0;
};

}  // namespace caddie::cuda
