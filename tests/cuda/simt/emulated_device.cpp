#include "tests/cuda/simt/emulated_device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <numbers>
#include <string_view>

#include "test_paths.hpp"
#include "tests/cuda/simt/emulated_kernels.hpp"

namespace caddie::simt {
namespace {

constexpr std::size_t kGuard = 256;
constexpr int kGuardByte = 0xA5;

class GuardedMemory final : public cuda::DeviceMemory {
 public:
  GuardedMemory(std::byte* all, std::size_t bytes) : DeviceMemory(all + kGuard, bytes), all_(all) {}
  ~GuardedMemory() override {
    if (!intact()) {
      std::fputs("a kernel wrote outside of its memory\n", stderr);
      std::abort();
    }
    std::free(all_);
  }
  [[nodiscard]] bool intact() const {
    for (std::size_t i = 0; i < kGuard; ++i) {
      if (all_[i] != std::byte{kGuardByte} || data_[size_ + i] != std::byte{kGuardByte}) return false;
    }
    return true;
  }

 private:
  std::byte* all_;
};

class Calls final : public cuda::Recording {
 public:
  std::vector<std::function<Result<void>()>> calls;
};

float read(const std::byte* at, std::int64_t element, bool narrow) {
  if (narrow) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, at + element * 2, 2);
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  float x = 0;
  std::memcpy(&x, at + element * 4, 4);
  return x;
}

void write(std::byte* at, std::int64_t element, bool narrow, float x) {
  if (!narrow) {
    std::memcpy(at + element * 4, &x, 4);
    return;
  }
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto half = static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
  std::memcpy(at + element * 2, &half, 2);
}

class Emulator final : public EmulatedDevice {
 public:
  Emulator() : kernels_(CADDIE_CXX_COMPILER, std::filesystem::path(CADDIE_BUILD_DIR) / "tests/cuda/simt-kernels") {}

  void reverse_order(bool reversed) override { reversed_ = reversed; }
  void fuse_epilogues(bool fuses) override { fuses_ = fuses; }
  [[nodiscard]] std::size_t kernels() const override { return kernels_.size(); }

  Result<cuda::DeviceMemoryPtr> allocate(std::size_t bytes, const char* what) override {
    const std::size_t all = (bytes + 2 * kGuard + 255) / 256 * 256;
    auto* memory = static_cast<std::byte*>(std::aligned_alloc(256, all));
    std::memset(memory, kGuardByte, all);
    const bool arena = std::string_view(what) == "intermediate values";
    std::memset(memory + kGuard, arena ? 0xFF : 0, bytes);
    return cuda::DeviceMemoryPtr(std::make_shared<GuardedMemory>(memory, bytes));
  }
  Result<void> upload(std::byte* to, std::span<const std::byte> from) override {
    std::memcpy(to, from.data(), from.size());
    return {};
  }
  Result<void> download(std::span<std::byte> to, const std::byte* from) override {
    std::memcpy(to.data(), from, to.size());
    return {};
  }
  Result<void> synchronize() override { return {}; }

  Result<std::vector<cuda::KernelId>> load(std::span<const cuda::KernelSource> sources) override {
    std::vector<cuda::KernelId> ids;
    for (const cuda::KernelSource& source : sources) ids.push_back(kernels_.add(source));
    return ids;
  }
  Result<cuda::ProductPlan> plan(const cuda::Product& product) override {
    if (product.a.alignment < 16 || product.b.alignment < 16) {
      return Error{Code::internal, "", "an operand of a product stands at an odd address"};
    }
    products_.push_back(product);
    return cuda::ProductPlan{static_cast<std::uint32_t>(products_.size() - 1), 64};
  }

  Result<void> launch(cuda::KernelId kernel, std::uint32_t blocks, std::span<std::byte* const> pointers) override {
    std::vector<std::byte*> at(pointers.begin(), pointers.end());
    return issue([this, kernel, blocks, at = std::move(at)]() -> Result<void> {
      auto function = kernels_.function(kernel, hooks_);
      if (!function) return function.error();
      const cuda::KernelSource& source = kernels_.source(kernel);
      if (at.size() > source.pointers || blocks == 0) return Error{Code::internal, source.name, "a wrong launch"};
      const std::string wrong =
          run_grid(*function, at.data(), {blocks, source.block, source.cooperates, reversed_}, hooks_);
      if (!wrong.empty()) return Error{Code::internal, source.name, wrong};
      return {};
    });
  }
  bool fuses(const cuda::Product&) override { return fuses_; }
  [[nodiscard]] bool fuses_activations() const override { return true; }
  Result<void> multiply(std::uint32_t plan, const cuda::ProductMemory& memory) override {
    return issue([this, plan, memory]() -> Result<void> {
      std::memset(memory.workspace, 0xFF, 64);
      multiply(products_[plan], memory);
      return {};
    });
  }
  Result<void> copy(std::byte* to, const std::byte* from, std::size_t bytes) override {
    return issue([=]() -> Result<void> {
      std::memmove(to, from, bytes);
      return {};
    });
  }

  Result<std::unique_ptr<cuda::Recording>> record(const std::function<Result<void>()>& calls) override {
    auto made = std::make_unique<Calls>();
    recording_ = made.get();
    const Result<void> done = calls();
    recording_ = nullptr;
    if (!done) return done.error();
    return std::unique_ptr<cuda::Recording>(std::move(made));
  }
  Result<void> replay(const cuda::Recording& recording) override {
    for (const auto& call : static_cast<const Calls&>(recording).calls) {
      if (auto done = call(); !done) return done;
    }
    return {};
  }

  Result<void> mark() override {
    marks_.push_back(std::chrono::steady_clock::now());
    return {};
  }
  Result<std::vector<double>> times() override {
    std::vector<double> out;
    for (const auto& mark : marks_) out.push_back(std::chrono::duration<double>(mark - marks_.front()).count());
    marks_.clear();
    return out;
  }

 private:
  Result<void> issue(std::function<Result<void>()> call) {
    if (recording_ == nullptr) return call();
    recording_->calls.push_back(std::move(call));
    return {};
  }

  static float with_epilogue(const cuda::Product& p, const cuda::ProductMemory& at, double x, std::int64_t element,
                             std::int64_t column) {
    x *= static_cast<double>(p.scaled ? read(at.scale, 0, false) : p.alpha);
    if (p.beta != 0) x += static_cast<double>(p.beta) * static_cast<double>(read(at.addend, element, p.c.narrow));
    if (p.has_bias) x += static_cast<double>(read(at.bias, column, p.c.narrow));
    if (p.keeps) write(at.before, element, p.c.narrow, static_cast<float>(x));
    if (p.activation == graph::Activation::relu) x = std::max(x, 0.0);
    if (p.activation == graph::Activation::gelu)
      x *= 0.5 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    return static_cast<float>(x);
  }

  static void multiply(const cuda::Product& p, const cuda::ProductMemory& at) {
    for (std::int64_t n = 0; n < p.batch; ++n) {
      for (std::int64_t row = 0; row < p.m; ++row) {
        for (std::int64_t column = 0; column < p.n; ++column) {
          double sum = 0;
          for (std::int64_t k = 0; k < p.k; ++k) {
            sum += static_cast<double>(read(at.a, n * p.a.batch_stride + row * p.a.row_stride + k * p.a.column_stride,
                                            p.a.narrow)) *
                   static_cast<double>(read(at.b, n * p.b.batch_stride + k * p.b.row_stride + column * p.b.column_stride,
                                            p.b.narrow));
          }
          const std::int64_t e = n * p.c.batch_stride + row * p.c.row_stride + column * p.c.column_stride;
          write(at.c, e, p.c.narrow, with_epilogue(p, at, sum, e, column));
        }
      }
    }
  }

  EmulatedKernels kernels_;
  SimtHooks hooks_{};
  std::vector<cuda::Product> products_;
  std::vector<std::chrono::steady_clock::time_point> marks_;
  Calls* recording_ = nullptr;
  bool reversed_ = false;
  bool fuses_ = true;
};

}  // namespace

std::string no_emulator() {
#if defined(__has_feature)
#define CADDIE_HAS_FEATURE(name) __has_feature(name)
#else
#define CADDIE_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || CADDIE_HAS_FEATURE(address_sanitizer) || \
    CADDIE_HAS_FEATURE(thread_sanitizer)
  return "the emulator of GPU threads switches stacks, which sanitizers do not follow";
#else
  const std::string probe = std::string(CADDIE_CXX_COMPILER) + " --version > /dev/null 2>&1";
  if (std::system(probe.c_str()) == 0) return "";
  return "no C++ compiler at " CADDIE_CXX_COMPILER " to compile kernels for the emulator";
#endif
}

std::shared_ptr<EmulatedDevice> emulated_device() {
  static const std::shared_ptr<EmulatedDevice> device = std::make_shared<Emulator>();
  return device;
}

}  // namespace caddie::simt
